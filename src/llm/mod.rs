//! The model, through async-openai: prompts in, text out, and what it cost.
//!
//! The only room that names async-openai. A model gets no tools and no secrets, one call is one
//! HTTP request, and trying again is the job table's business: nothing here retries.

mod answers;
mod client;
mod config;
mod error;
mod prompt;
mod prompts;
mod shown;
mod throttle;

pub use answers::{FINDINGS_LIMIT, MESSAGE_LIMIT, Unreadable, read_review, review_schema};
pub use client::{ASSUMED_OUTPUT, Model, REPLY_LIMIT, Reply, Usage};
pub use config::{BadConfig, Config, OPENAI_URL, Prices, Timeouts};
pub use error::{Bill, Error, RETRY_AFTER_LIMIT};
pub use prompt::{Message, Prompt, Role, Schema, Task};
pub use prompts::{CONTEXT_LIMIT, Complaint, Generate, Remediate, Repair, Review, Source};
pub use throttle::Throttle;
