//! Aspora, the code factory: a requirement becomes a judged, reviewed and merged pull request.
//!
//! Rooms, lowest first; a room uses the rooms above it in this list and never those below
//! (`tests/house/layers.rs` checks it):
//!
//! ```text
//! core
//! store  github  llm  workspace  notify  metrics  siblings that do not know each other
//! engine  queue  dev
//! activities  api
//! worker  http
//! bench  cli  main
//! ```

/// What a run is, what a policy says, what an edit does: pure, and a crate of its own.
pub use aspora_core as core;

/// GitHub, through octocrab: calls, webhooks, limits.
pub mod github;
/// The model, through async-openai: prompts, answers, usage.
pub mod llm;
/// What a process counts of itself, as Prometheus reads it.
pub mod metrics;
/// Messages to people: webhooks, Slack, mail.
pub mod notify;
/// Postgres: all SQL of production.
pub mod store;
/// A checkout: mirror, worktree, edit, tests in the sandbox, commit, push.
pub mod workspace;

/// The one transaction in which a run moves.
pub mod engine;
/// Our apalis backend over the job table.
pub mod queue;

/// The embedded default: Postgres, the GitHub twin, the scripted model.
pub mod dev;

/// One file an activity: what a step does and what it answers.
pub mod activities;

/// The JSON that REST gives and takes, for the server and its clients.
pub mod api;
/// REST, webhooks and pages: `routes`, `pages`, and the `middleware` that they share.
pub mod http;
/// The apalis worker: executes jobs and records how each attempt ended.
pub mod worker;

/// What all of it does on this machine, in figures.
pub mod bench;
/// The command line: arguments, and what each command does.
pub mod cli;
