//! A product's repository on this machine: a bare mirror, its commits, its tests in the sandbox.
//!
//! Commits are made without a checkout, with a fixed author, committer and date, so that the same intent always
//! gives the same SHA. Nothing that a repository contains is run outside the sandbox.

mod blame;
mod changes;
mod checkout;
mod commit;
mod config;
mod declined;
mod error;
mod git;
mod git_folder;
mod history;
mod landed;
mod link;
mod made;
mod memo;
mod mirror;
mod names;
mod put_back;
mod remote;
mod sandbox;
mod taken_back;
mod throttle;
mod workspaces;

pub use self::{
    changes::Diff,
    checkout::Worktree,
    commit::{FileEdit, Merge, NewCommit},
    config::{Access, Config, Credentials, Mint, NoAccess, Remote, Signature},
    declined::{Cause, Declined},
    error::Error,
    git_folder::GitFolder,
    mirror::{Commit, Entry, Mirror},
    remote::Push,
    sandbox::{
        Commands, Layer, LayerUsage, Layers, Limits, Over, Prepared, Recipe, Reported, Sandbox, TestRun,
        Unavailable,
    },
    taken_back::TakenBack,
    throttle::Throttle,
    workspaces::Workspaces,
};
pub(crate) use self::{
    git::program as git_program,
    memo::{Memo, Question},
};
