//! The embedded default: everything a factory needs on a machine where nothing is configured.

pub mod ci;
pub mod github;
pub mod model;
pub mod postgres;
pub mod product;
mod stand;

pub use stand::{Needs, StandIns, unittest};
