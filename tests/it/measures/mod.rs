//! Figures of what the factory does: counted once, kept for ever, and the same however they are counted.

use crate::support;

mod fold;
mod kept;
mod look_back;
mod read;
