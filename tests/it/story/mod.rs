//! End-to-end tests: requirements from their submission to the merge, or to wherever they end.
//!
//! Server, worker, database, octocrab, async-openai and git are real and run in this process. Only GitHub and the
//! model are stand-ins, which speak HTTP; every request to the GitHub twin and every response is checked against
//! GitHub's OpenAPI description.

use crate::support;

mod forge;
mod harness_gap;
mod history;
mod script;
mod streams;
mod world;

mod access;
mod after_end;
mod after_merge;
mod answers;
mod approvals;
mod base;
mod before_merge;
mod buttons;
mod checks;
mod circles;
mod consent;
mod contents;
mod controls;
mod credentials;
mod elsewhere;
mod ends;
mod evidence;
mod fallback;
mod faults;
mod findings;
mod form;
mod judged;
mod judged_cost;
mod judged_others;
mod judged_products;
mod judgement;
mod limits;
mod look_back;
mod measures;
mod merging;
mod money;
mod open_pulls;
mod opinions;
mod outages;
mod own_tests;
mod people;
mod policy;
mod product_file;
mod pushes;
mod questions;
mod quiet;
mod reconciler;
mod remarks;
mod reports;
mod returned;
mod reviewers;
mod road;
mod rounds;
mod set_up;
mod signed;
mod takeover;
mod talk;
mod weather;
mod webhooks;
