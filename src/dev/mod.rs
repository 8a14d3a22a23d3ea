//! The embedded default: stand-ins for everything that a factory needs on a machine without configuration.

mod acting;
pub mod ci;
pub mod github;
pub mod model;
pub mod oidc;
mod people;
pub mod postgres;
pub mod product;
mod scan;
mod stand_ins;

pub use self::{
    acting::{Acting, Given, app_permissions, give},
    people::{Person, admit, people},
    stand_ins::{Needs, StandIns, unittest},
};
