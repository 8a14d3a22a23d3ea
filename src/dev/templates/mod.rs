//! New products: the files of a repository that works on the day it is made, by language.
//!
//! They are files in this folder, compiled in: those of `common`, which every product has, and those of one language.
//! Text has places that are filled in; nothing else is generated.

use std::fmt;

use super::evidence::BROWSER_EVIDENCE;
use crate::core::{policy::POLICY_PATH, requirement::ProductName};

macro_rules! files {
    ($folder:literal: $($path:literal)*) => {
        &[$(($path, include_bytes!(concat!($folder, "/", $path)).as_slice())),*]
    };
}

type Files = &'static [(&'static str, &'static [u8])];

const COMMON: Files = files!("common":
    ".github/workflows/browser-evidence.yml"
    ".github/workflows/ci.yml"
    ".github/workflows/deploy.yml"
    ".github/workflows/harness-gap-tracker.yml"
    ".github/workflows/remediation-agent.yml"
    ".github/workflows/risk-policy-gate.yml"
    ".github/zizmor.yml"
    ".gitignore"
    "README.md"
    "SPEC.md"
    "compose.yml"
    "db/migrations/0001_entries.sql"
    "docs/API.md"
    "frontend/app.js"
    "frontend/index.html"
    "package-lock.json"
    "package.json"
    "playwright.config.ts"
    "scripts/risk-tier"
    "scripts/ui-pre-pr"
    "scripts/verify-evidence.mjs"
    "scripts/with-services"
    "tests/browser/overview.spec.ts");

const FASTAPI: Files = files!("fastapi":
    ".aspora/product.toml"
    ".github/actions/setup/action.yml"
    "Dockerfile"
    "api/__init__.py"
    "api/v1/__init__.py"
    "api/v1/entries.py"
    "api/v1/health.py"
    "docs/ARCHITECTURE.md"
    "lib/__init__.py"
    "lib/cache.py"
    "lib/database.py"
    "lib/settings.py"
    "pyproject.toml"
    "requirements-dev.txt"
    "requirements.txt"
    "scripts/harness"
    "scripts/harness-integration"
    "scripts/lint"
    "scripts/security-scan"
    "scripts/serve"
    "scripts/test"
    "service.py"
    "services/__init__.py"
    "services/entry_service.py"
    "tests/__init__.py"
    "tests/conftest.py"
    "tests/harness/__init__.py"
    "tests/harness/integration_restart.py"
    "tests/harness/test_zero_amount.py"
    "tests/test_entries.py"
    "tests/test_service.py");

const GO: Files = files!("go":
    ".aspora/product.toml"
    ".github/actions/setup/action.yml"
    "Dockerfile"
    "api/api.go"
    "docs/ARCHITECTURE.md"
    "go.mod"
    "go.sum"
    "lib/cache/cache.go"
    "lib/database/database.go"
    "lib/database/database_test.go"
    "main.go"
    "main_test.go"
    "scripts/harness"
    "scripts/harness-integration"
    "scripts/lint"
    "scripts/security-scan"
    "scripts/serve"
    "scripts/test"
    "services/entries.go"
    "tests/harness/integration_restart_test.go"
    "tests/harness/zero_amount_test.go");

const NODE: Files = files!("node":
    ".aspora/product.toml"
    ".c8rc.json"
    ".github/actions/setup/action.yml"
    "Dockerfile"
    "api/v1/entries.js"
    "api/v1/health.js"
    "docs/ARCHITECTURE.md"
    "eslint.config.js"
    "lib/cache.js"
    "lib/database.js"
    "lib/http.js"
    "lib/settings.js"
    "package-lock.json"
    "package.json"
    "scripts/harness"
    "scripts/harness-integration"
    "scripts/lint"
    "scripts/security-scan"
    "scripts/serve"
    "scripts/test"
    "service.js"
    "services/entry_service.js"
    "tests/entries.test.js"
    "tests/harness/integration_restart.js"
    "tests/harness/zero_amount.test.js"
    "tests/running.js"
    "tests/service.test.js");

const POLICY: &str = include_str!("policies/default.json");
/// Policies for products of these names, whose patterns are those of Python files.
const POLICIES: [(&str, &str); 3] = [
    ("wealth", include_str!("policies/wealth.json")),
    ("ecm", include_str!("policies/ecm.json")),
    ("fincrime", include_str!("policies/fincrime.json")),
];

/// What a new product is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// Python, with FastAPI.
    FastApi,
    /// Go, with its standard library.
    Go,
    /// JavaScript, with Node and its standard library.
    Node,
}

impl Template {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::FastApi, Self::Go, Self::Node];

    const fn files(self) -> Files {
        match self {
            Self::FastApi => FASTAPI,
            Self::Go => GO,
            Self::Node => NODE,
        }
    }

    /// What it is, as the first words of the README.
    const fn what(self) -> &'static str {
        match self {
            Self::FastApi => "A FastAPI service",
            Self::Go => "A Go service",
            Self::Node => "A Node service",
        }
    }

    /// The file in which it starts.
    const fn entry(self) -> &'static str {
        match self {
            Self::FastApi => "service.py",
            Self::Go => "main.go",
            Self::Node => "service.js",
        }
    }

    /// What installs the dependencies.
    const fn install(self) -> &'static str {
        match self {
            Self::FastApi => "pip install -r requirements-dev.txt",
            Self::Go => "go mod download",
            Self::Node => "npm ci",
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::FastApi => "fastapi",
            Self::Go => "go",
            Self::Node => "node",
        })
    }
}

/// A file of a new product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Its path in the repository.
    pub path: &'static str,
    /// What it holds.
    pub content: Vec<u8>,
    /// Whether it is a program.
    pub is_program: bool,
}

/// The files of a new product, by path.
#[must_use]
pub fn new_product(name: &ProductName, template: Template) -> Vec<NewFile> {
    let of_name = POLICIES.iter().find(|(known, _)| template == Template::FastApi && *known == name.as_str());
    let policy = of_name.map_or(POLICY, |(_, policy)| policy);
    let own = template.files();
    let replaced = |path: &str| own.iter().any(|(other, _)| *other == path);
    let common = COMMON.iter().chain(BROWSER_EVIDENCE).filter(|(path, _)| !replaced(path));
    let all = common.chain(own).map(|(path, bytes)| (*path, *bytes));
    let mut files: Vec<NewFile> =
        all.chain([(POLICY_PATH, policy.as_bytes())]).map(|file| fill(file, name, template)).collect();
    files.sort_by_key(|file| file.path);
    files
}

fn fill((path, bytes): (&'static str, &[u8]), name: &ProductName, template: Template) -> NewFile {
    let text = String::from_utf8_lossy(bytes);
    let text = text
        .replace("@@product@@", name.as_str())
        .replace("@@what@@", template.what())
        .replace("@@entry@@", template.entry())
        .replace("@@install@@", template.install());
    NewFile { path, is_program: text.starts_with("#!"), content: text.into_bytes() }
}
