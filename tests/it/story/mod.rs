//! Stories: requirements on their way through the whole factory, each a page.
//!
//! Nothing in between is replaced: the real server, worker, database, octocrab, async-openai and git, all in
//! this process. Only the ends are stand-ins, the GitHub twin and a scripted model, which speak HTTP; and every
//! exchange with the twin is held against GitHub's own description.
use crate::support;

mod history;
mod script;
mod world;

mod answers;
mod base;
mod circles;
mod controls;
mod faults;
mod limits;
mod money;
mod people;
mod road;
mod rounds;
mod webhooks;
