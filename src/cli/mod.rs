//! What `aspora …` does and prints.

pub mod house;
pub mod serve;
pub mod settings;
pub mod worker;
