//! The tests of the shell: each room against the real thing, the whole product against its stand-ins.
//!
//! They are one program, so that the support is compiled and GitHub's description read once. One test:
//! `cargo test --test it engine::claims`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "../support/mod.rs"]
mod support;

mod actions;
mod bench;
mod cli;
mod controls;
mod credentials;
mod deploy;
mod dev_products;
mod docs;
mod doctor;
mod engine;
mod evidence_commands;
mod evidence_schema;
mod github;
mod growth;
mod histories;
mod http;
mod llm;
mod measures;
mod metrics;
mod notices;
mod pages;
mod policy_commands;
mod policy_schema;
mod pool;
mod postgres;
mod product;
mod product_check;
mod product_schema;
mod repositories;
mod sandbox;
mod schedules;
mod showcase;
mod simulation;
mod story;
mod templates;
mod twin;
mod worker;
mod workspace;
