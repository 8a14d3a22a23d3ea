//! What `aspora …` does and prints.

pub mod dev;
pub mod home;
pub mod house;
pub mod serve;
pub mod settings;
pub mod worker;
