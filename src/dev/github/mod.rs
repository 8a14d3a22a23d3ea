//! The GitHub twin: the REST routes of GitHub that the product uses, over real bare git repositories.
//!
//! One server in this process. Everything it knows beside git is saved before each answer, so it may be killed at
//! any time. Tests act as other people, and inject faults, through [`Twin`].
//!
//! Files use those of the lines above them, and of their own line as long as there is no circle
//! (`tests/house/circles.rs`):
//!
//! 1. data: `accounts`, `permissions`, `apps`, `protection`, `merge_state`, `state`, `git`, `adopt`, `incoming`, `patch`,
//!    `refusal`, `event`, `webhooks`, `clock`, `audience`, `delivery_log`
//! 2. domain, which knows neither axum nor the JSON of answers: `host` holds the state and the turn to change it; then
//!    `keys`, `tokens`, `members`, `sessions`, `suites`, `checks`, `statuses`, `actions`, `ci`, `secrets`, `rules`, `push_rules`,
//!    `mergeability`, `stale`, `pulls`, `push`, `commits`, `queue`, `stacks`, `merges`, `async_merges`, `reviews`,
//!    `threads`, `comments`, `issues`, `deployments`, `installations`; and `deliveries`, which sends the webhooks
//! 3. the shapes of GitHub: `render` (JSON), `answers` (HTTP), `receive_pack` (git), `credentials`, and `access`, which
//!    judges a call by them
//! 4. requests: `admission`, `routes`, `graphql`, `control`, `pages`, `logs`, `http_backend`, with what they share in
//!    `shared`
//! 5. the server: `serve`, then `twin`, `people`, `people_ci`, `merge_people`, `people_review`, `maintainers`, `registration`, `local` and
//!    `switches`, which tests and `aspora dev` use

mod access;
mod accounts;
mod actions;
mod admission;
mod adopt;
mod answers;
mod apps;
mod async_merges;
mod audience;
mod checks;
mod ci;
mod clock;
mod comments;
mod commits;
mod contributors;
mod control;
mod credentials;
mod deliveries;
mod delivery_log;
mod deployments;
mod event;
mod faults;
mod git;
mod graphql;
mod host;
mod http_backend;
mod incoming;
mod installations;
mod issues;
mod keys;
mod ledger;
mod lists;
mod local;
mod logs;
mod maintainers;
mod members;
mod merge_people;
mod merge_state;
mod mergeability;
mod merges;
mod observe;
mod pages;
mod patch;
mod people;
mod people_ci;
mod people_review;
mod people_work;
mod permissions;
mod protection;
mod pulls;
mod push;
mod push_rules;
mod queue;
mod quota;
mod receive_pack;
mod refusal;
mod registration;
mod render;
mod reviews;
mod routes;
mod rules;
mod secrets;
mod serve;
mod sessions;
mod shared;
mod stacks;
mod stale;
mod state;
mod statuses;
mod suites;
mod switches;
mod threads;
mod tokens;
mod twin;
mod versions;
mod webhooks;

pub(super) use self::keys::rsa_key;
pub use self::{
    accounts::{APP, BOT, CI_APP},
    faults::{Fault, FaultRule},
    ledger::Entry,
    local::Adopted,
    merge_state::Method,
    observe::{Exchange, Hook, Observer, Phase, RequestSeen},
    people::ReviewEvent,
    people_ci::JobEnd,
    people_review::LineReview,
    permissions::{Level, Permissions},
    protection::{Enforcement, RequiredCheck, Rules, Ruleset},
    registration::{InstallOn, RegisteredApp, TokenKind},
    state::{
        CheckRun, CheckSuite, Comment, Delivery, Deployment, DeploymentStatus, Issue, Merge, Pull, Reaction,
        Review, ReviewComment, Status, WorkflowRun,
    },
    twin::{Twin, TwinConfig},
    versions::VersionState,
    webhooks::{ContentType, Webhook, Webhooks},
};
