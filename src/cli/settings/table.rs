//! The variables of the environment, for people.

/// Every variable with its default and meaning. `tests/it/docs.rs` compares it with the README.
pub const TABLE: &[(&str, &str, &str)] = &[
    ("DATABASE_URL", "", "Postgres; unset: `dev` and `demo` start their own"),
    ("ASPORA_LISTEN", "127.0.0.1:8080", "where the server listens"),
    (
        "ASPORA_METRICS_LISTEN",
        "",
        "where `serve` and `worker` let Prometheus read `/metrics`, such as `127.0.0.1:9100`; unset: nowhere",
    ),
    ("ASPORA_PUBLIC_URL", "http://<listen>", "where people reach the server"),
    (
        "ASPORA_HOSTS",
        "",
        "names of the server besides that of its URL, comma-separated; a request under another name is refused",
    ),
    (
        "ASPORA_OIDC_ISSUER",
        "",
        "the identity provider at which people sign in (OpenID Connect); unset: with keys only",
    ),
    (
        "ASPORA_OIDC_CLIENT_ID",
        "",
        "our id there, with the redirect URI `<ASPORA_PUBLIC_URL>/sign-in/oidc/callback`",
    ),
    ("ASPORA_OIDC_CLIENT_SECRET", "", "our secret there"),
    (
        "ASPORA_OIDC_CLAIM",
        "email",
        "the claim that names a person; `email` counts only if verified there, `sub` never changes",
    ),
    (
        "ASPORA_OIDC_DEFAULT_ROLE",
        "",
        "the role of people there who are linked to no key, `viewer` or `pm`; unset: they are refused",
    ),
    ("ASPORA_DATA", "<data home>/aspora", "where mirrors and the embedded parts live"),
    ("ASPORA_LEASE_MS", "30000", "how long a worker's lease lasts without a renewal"),
    ("ASPORA_POLL_MS", "1000", "how long an idle worker waits before it polls for jobs again"),
    ("ASPORA_LOOK_MS", "15000", "how soon a waiting run polls GitHub in case a webhook was lost"),
    (
        "ASPORA_DRAIN_MS",
        "25000",
        "how long running jobs may continue after SIGTERM before they return to the queue",
    ),
    (
        "ASPORA_OUTAGE_MS",
        "86400000",
        "how long a run waits for GitHub, git or the model to answer again before a person is needed",
    ),
    (
        "GITHUB_APP_ID",
        "",
        "the GitHub App's id or client id; without it and a token, `dev` and `demo` use the GitHub twin",
    ),
    ("GITHUB_APP_PRIVATE_KEY", "", "the App's private key in PEM, with line breaks or with `\\n`"),
    (
        "GITHUB_TOKEN",
        "",
        "a token in place of an App: personal (fine-grained or classic) or of GitHub Actions",
    ),
    ("GITHUB_API_URL", "https://api.github.com", "GitHub's REST API"),
    ("GITHUB_URL", "https://github.com", "GitHub for git and for links"),
    ("GITHUB_WEBHOOK_SECRET", "", "the webhook secret; during a rotation two, separated by a comma"),
    (
        "ASPORA_SENTRY_SECRET",
        "",
        "the client secret of Sentry's integration, whose incidents open harness gaps",
    ),
    (
        "ASPORA_INCIDENT_SENDERS",
        "",
        "a file that describes other senders of incidents, such as `deploy/incidents.toml`",
    ),
    ("OPENAI_API_KEY", "", "the model's API key; unset: `dev` and `demo` use the scripted model"),
    (
        "OPENAI_BASE_URL",
        "https://api.openai.com/v1",
        "any server with an OpenAI-compatible /chat/completions",
    ),
    ("ASPORA_MODEL", "gpt-5", "the model that writes code"),
    ("ASPORA_REVIEW_MODEL", "<ASPORA_MODEL>", "the model that reviews code"),
    (
        "ASPORA_PRICES",
        "",
        "price in micro-dollars per million tokens, `input,output`; a budget in dollars needs it",
    ),
    ("ASPORA_FALLBACK_MODEL", "", "the model that is asked while the other one is down; unset: runs wait"),
    ("ASPORA_FALLBACK_BASE_URL", "<OPENAI_BASE_URL>", "the server of the fallback"),
    (
        "ASPORA_FALLBACK_API_KEY",
        "<OPENAI_API_KEY>",
        "the API key of the fallback; needed if its server is another",
    ),
    (
        "ASPORA_FALLBACK_PRICES",
        "",
        "prices of the fallback, as ASPORA_PRICES; with a budget in dollars and none here, runs wait",
    ),
    (
        "ASPORA_MODEL_OUTPUT_TOKENS",
        "",
        "output limit sent to the model, in tokens; unset: none is sent, and a call reserves 32768 in its budgets",
    ),
    (
        "ASPORA_MODEL_CALLS_WITHOUT_HEAD",
        "12",
        "how many model calls a run may make without pushing a new head before it is paused",
    ),
    (
        "ASPORA_SMTP_URL",
        "",
        "the mail server of workers, such as `smtps://user:password@mail.example:465`; unset: no mail is sent",
    ),
    ("ASPORA_MAIL_FROM", "", "who mail is from, such as `Aspora <aspora@acme.example>`"),
    (
        "ASPORA_NOTIFY_PRIVATE",
        "refuse",
        "`allow`: people may be notified at private addresses too, such as those of this network",
    ),
    (
        "ASPORA_REVIEWER_KEYS",
        "",
        "keys of reviewers that workers ask by HTTP, comma-separated, such as `https://api.greptile.com=KEY`; each is sent to its server only",
    ),
    ("ASPORA_SERVER", "http://127.0.0.1:8080", "the server that client commands talk to"),
    ("ASPORA_API_KEY", "", "the API key of client commands; unset: the one that `dev` left on this machine"),
    ("ASPORA_LOG", "text", "`json`: a log line is a JSON object"),
    ("RUST_LOG", "warn,aspora=info", "log filter"),
];
