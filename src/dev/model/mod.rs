//! The scripted model: a server that speaks OpenAI's chat completions from a script.
//!
//! It is a stand-in and says so. It keeps nothing between requests except a ledger of them and the faults that a test
//! has queued; the same prompt always gets the same answer.

mod script;
mod server;
mod wire;

pub use self::{
    script::{Rule, Script},
    server::{Entry, Fault, ScriptedModel},
    wire::MODEL,
};
