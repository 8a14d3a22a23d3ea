//! The embedded default: stand-ins for everything that a factory needs on a machine without configuration.

mod acting;
mod ask;
pub mod ci;
mod evidence;
pub mod github;
mod main_tests;
pub mod model;
pub mod oidc;
mod own_tests;
mod people;
pub mod postgres;
pub mod product;
mod scan;
pub mod showcase;
mod stand_ins;
pub mod templates;

pub use self::{
    acting::{Acting, Given, app_permissions, give},
    ask::{Answer, Compared, Exchange, ask},
    ci::checks_of,
    evidence::EvidenceInbox,
    main_tests::{MainTests, set_up, test_main},
    people::{Person, admit, people},
    stand_ins::{Needs, StandIns, unittest},
};
