//! What grows: months, what is kept apart, what is swept, what is written out, and lists that stay quick.

use crate::support;

mod base;
mod blobs;
mod dumps;
mod exports;
mod lists;
mod months;
mod releases;
mod sweeps;
