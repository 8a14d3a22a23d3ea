//! The words of `aspora run`.

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::One;

/// Look at one run.
#[derive(Debug, Subcommand)]
pub enum Run {
    /// Show how it stands.
    Show(One),
    /// Print its history, oldest first.
    Events(Events),
    /// Say the one reason why it is where it is.
    Why(One),
    /// Let nothing more begin until it is resumed; an attempt that has begun may finish.
    Pause(Control),
    /// Let a paused run go on.
    Resume(Control),
    /// End it; a worker that is at it is stopped.
    Cancel(Control),
    /// End its wait: its step is due now.
    RunNow(Control),
    /// Answer in the place of its step; what judges or merges cannot be skipped.
    Skip(Skip),
    /// Let it begin again where it ended, or at a step; what it has come to know is kept.
    Retry(Retry),
    /// Begin a new run from a step of one that has ended and is not merged.
    Fork(Fork),
    /// Print everything that is known of it, a fact a line, as JSON.
    Export(One),
}

/// A run, and why.
#[derive(Debug, Args)]
pub struct Control {
    /// The run's id.
    pub id: Uuid,
    /// Why, for those who read the history.
    #[arg(short, long)]
    pub reason: String,
}

/// What to answer in the place of a step.
#[derive(Debug, Args)]
pub struct Skip {
    /// The run, and why.
    #[command(flatten)]
    pub control: Control,
    /// The answer, one of those that the step can give.
    #[arg(long)]
    pub outcome: String,
}

/// Where to begin again.
#[derive(Debug, Args)]
pub struct Retry {
    /// The run, and why.
    #[command(flatten)]
    pub control: Control,
    /// The step; where the run ended unless said.
    #[arg(long)]
    pub step: Option<String>,
}

/// Where the new run begins.
#[derive(Debug, Args)]
pub struct Fork {
    /// The old run, and why.
    #[command(flatten)]
    pub control: Control,
    /// The step.
    #[arg(long)]
    pub step: String,
}

/// Which history to print.
#[derive(Debug, Args)]
pub struct Events {
    /// The run's id.
    pub id: Uuid,
    /// Go on until the run ends.
    #[arg(short, long)]
    pub follow: bool,
}
