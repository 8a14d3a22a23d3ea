//! What a run must survive: killed, suspended and doubled workers, a killed database, a poisonous job.
//!
//! The workers are processes of their own; the forge and the model are servers of this one, so that a hook can inject
//! a fault at any request. A test is named after its row of the catalogue of faults.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "../support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "these tests need a part of it")]
mod support;

#[expect(dead_code, reason = "the chaos test needs the rest")]
mod env;

mod boundary;
mod f01_kill;
mod f01_points;
mod f01_signed;
mod f02_applied_and_cut;
mod f03_lost_answers;
mod f03_postgres;
mod f04_read_only;
mod f05_half_open;
mod f06_no_connection;
mod f07_slow_model;
mod f10_outage;
mod f12_moved_head;
#[cfg(target_os = "linux")]
mod f14_clock;
mod f15_two_workers;
mod f16_zombie;
mod f20_thundering_herd;
mod f21_poison;
mod f22_sigterm;
mod f23_long_history;
mod f24_evidence;
mod f25_harness_gaps;
