//! The Wealth product of the embedded default, and the script of the scripted model for it.
//!
//! Both are files in this folder, compiled in. The product becomes the first commit of `acme/wealth-product`.

use super::evidence::BROWSER_EVIDENCE;

macro_rules! files {
    ($folder:literal: $($path:literal)*) => {
        &[$(($path, include_bytes!(concat!($folder, "/", $path)).as_slice())),*]
    };
}

const WEALTH: &[(&str, &[u8])] = files!("wealth":
    ".aspora/risk-policy.json"
    ".gitignore"
    "README.md"
    "SPEC.md"
    "api/__init__.py"
    "api/v1/__init__.py"
    "api/v1/goals.py"
    "api/v1/portfolio.py"
    "api/v1/trades/__init__.py"
    "api/v1/trades/orders.py"
    "docs/API.md"
    "docs/ARCHITECTURE.md"
    "frontend/goals.html"
    "frontend/goals.js"
    "frontend/portfolio.html"
    "frontend/portfolio.js"
    "frontend/trades.html"
    "frontend/trades.js"
    "frontend/wealth.css"
    "frontend/wealth.js"
    "lib/__init__.py"
    "lib/http.py"
    "lib/money.py"
    "package-lock.json"
    "package.json"
    "playwright.config.ts"
    "service.py"
    "services/__init__.py"
    "services/goal_service.py"
    "services/portfolio_service.py"
    "services/trading_service.py"
    "tests/__init__.py"
    "tests/browser/goal-tracking.spec.ts"
    "tests/browser/portfolio-view.spec.ts"
    "tests/browser/trade-execution.spec.ts"
    "tests/harness/__init__.py"
    "tests/harness/integration_trades.py"
    "tests/harness/test_bad_body.py"
    "tests/harness/test_unknown_customer.py"
    "tests/test_api_portfolio.py"
    "tests/test_pages.py"
    "tests/test_portfolio_service.py");

macro_rules! answers {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("script/", $name)))),*] };
}

const ANSWERS: &[(&str, &str)] = answers!(
    "already_there.txt"
    "goal_progress_generate.txt"
    "holdings_generate.txt"
    "holdings_remediate.txt"
    "order_limit_generate.txt"
    "order_limit_there.txt"
    "review_clean.json"
    "risk_checker_generate.txt"
    "risk_checker_remediate.txt"
    "risk_checker_review.json"
    "risk_limit_ask.txt"
    "risk_limit_unknown.txt"
    "unknown_generate.txt"
    "unknown_remediate.txt");

/// The scripted model's table of answers: TOML, `[[answer]]` with `task`, `when`, `unless` and `file`.
pub const SCRIPT: &str = include_str!("script/script.toml");

/// The files of the product's first commit: path and content.
pub fn wealth() -> Vec<(&'static str, &'static [u8])> {
    WEALTH.iter().chain(BROWSER_EVIDENCE).copied().collect()
}

/// The answer in a `file` that the script names.
pub fn script_file(name: &str) -> Option<&'static str> {
    ANSWERS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
