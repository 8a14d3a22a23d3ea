//! People are notified: what is owed to whom, once, and what becomes of it on the wire.

use crate::support;
use crate::worker::harness;

mod derive;
mod receiver;
mod smtp;
mod wire;
