//! The model, through async-openai: prompts in, text and usage out.
//!
//! The only room that names async-openai. A model gets no tools and no secrets. One call is one HTTP request;
//! nothing is retried here, the job queue retries.

mod answers;
mod check_report;
mod client;
mod config;
mod error;
mod prompt;
mod prompts;
mod reply;
mod said;
mod shown;
mod stream;
mod throttle;
mod transport;

pub use answers::{FINDINGS_LIMIT, MESSAGE_LIMIT, Unreadable, read_review, review_schema};
pub use check_report::CheckReport;
pub use client::{ASSUMED_OUTPUT, Model};
pub use config::{BadConfig, Config, OPENAI_URL, Prices, Timeouts, host};
pub use error::{Bill, Error, RETRY_AFTER_LIMIT, Sign};
pub use prompt::{Message, Prompt, Role, Schema, Task};
pub use prompts::{
    CONTEXT_LIMIT, Complaint, DoWithout, FixTests, Generate, ProveAgain, RedTests, Remediate, Repair,
    Reproduce, Review, Shorter, Source,
};
pub use reply::{REPLY_LIMIT, Reply, Usage};
pub use said::{Amendment, Exchange, Said};
pub use throttle::Throttle;
