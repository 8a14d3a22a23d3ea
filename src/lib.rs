//! Aspora, the code factory: a requirement becomes a judged, reviewed and merged pull request.
//!
//! Rooms, lowest first; a room uses the rooms above it in this list and never those below
//! (`tests/layers.rs` checks it):
//!
//! ```text
//! core
//! store  github  llm  workspace        siblings that do not know each other
//! engine  queue
//! activities  api
//! worker  http
//! dev  bench  cli  main
//! ```

/// What a run is, what a policy says, what an edit does: pure, and a crate of its own.
pub use aspora_core as core;

/// GitHub, through octocrab: calls, webhooks, limits.
pub mod github;
/// The model, through async-openai: prompts, answers, usage.
pub mod llm;
/// Postgres: the only room with SQL.
pub mod store;
/// A checkout: mirror, worktree, edit, tests in the sandbox, commit, push.
pub mod workspace;

/// The one transaction in which a run moves.
pub mod engine;
/// Our apalis backend over the job table.
pub mod queue;

/// One file an activity: what a step does and what it answers.
pub mod activities;

/// The JSON that REST gives and takes, for the server and its clients.
pub mod api;
/// REST, webhooks and pages.
pub mod http;
/// The apalis worker: takes a job, calls its activity, hands the answer to the engine.
pub mod worker;

/// What all of it does on this machine, in figures.
pub mod bench;
/// What `aspora …` prints.
pub mod cli;
/// The embedded default: Postgres, the GitHub twin, the scripted model.
pub mod dev;
