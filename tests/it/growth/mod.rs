//! Growth and its limits: monthly partitions, long texts, retention, exports, lists, and older releases.

use crate::support;

mod base;
mod blobs;
mod dumps;
mod exports;
mod lists;
mod partitions;
mod releases;
mod retention;
