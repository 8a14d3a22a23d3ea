//! The GitHub twin: the REST routes of GitHub that the product uses, over real bare git repositories.
//!
//! One server in this process. Everything it knows beside git is saved before each answer, so it may be killed at
//! any time. Tests act as other people, and inject faults, through [`Twin`].
//!
//! Files use those of the lines above them, and of their own line as long as there is no circle
//! (`tests/house/circles.rs`):
//!
//! 1. data: `accounts`, `permissions`, `apps`, `protection`, `state`, `git`, `patch`, `refusal`, `event`, `webhooks`
//! 2. domain, which knows neither axum nor the JSON of answers: `host` holds the state and the turn to change it; then
//!    `keys`, `tokens`, `checks`, `statuses`, `ci`, `rules`, `stale`, `pulls`, `push`, `merges`, `reviews`, `comments`,
//!    `issues`; and `deliveries`, which sends the webhooks
//! 3. the shapes of GitHub: `render` (JSON), `answers` (HTTP), `credentials`, and `access`, which judges a call by them
//! 4. requests: `admission`, `routes`, `pages`, `http_backend`, with what they share in `shared`
//! 5. the server: `serve`, then `twin`, `people`, `maintainers` and `registration`, which tests and `aspora dev` use

mod access;
mod accounts;
mod admission;
mod answers;
mod apps;
mod checks;
mod ci;
mod comments;
mod credentials;
mod deliveries;
mod event;
mod faults;
mod git;
mod host;
mod http_backend;
mod issues;
mod keys;
mod ledger;
mod maintainers;
mod merges;
mod observe;
mod pages;
mod patch;
mod people;
mod permissions;
mod protection;
mod pulls;
mod push;
mod quota;
mod refusal;
mod registration;
mod render;
mod reviews;
mod routes;
mod rules;
mod serve;
mod shared;
mod stale;
mod state;
mod statuses;
mod tokens;
mod twin;
mod webhooks;

pub use self::{
    accounts::{APP, BOT, CI_APP},
    faults::{Fault, FaultRule},
    ledger::Entry,
    observe::{Exchange, Hook, Observer, Phase, RequestSeen},
    people::ReviewEvent,
    permissions::{Level, Permissions},
    protection::{Enforcement, RequiredCheck, Rules, Ruleset},
    registration::{InstallOn, RegisteredApp, TokenKind},
    state::{CheckRun, Comment, Delivery, Issue, Merge, Pull, Review, ReviewComment, Status},
    twin::{Twin, TwinConfig},
    webhooks::{Webhook, Webhooks},
};
