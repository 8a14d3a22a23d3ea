//! Where output goes: the standard output, as text or as JSON.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use super::{
    args::Format,
    story::{self, Paint},
};
use crate::api::{Event, Run};

/// Prints as the caller wants it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Printer {
    format: Format,
    paint: Paint,
}

impl Printer {
    /// Colours only for a terminal, and not if `NO_COLOR` is set.
    pub(super) fn new(format: Format) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let paint = if io::stdout().is_terminal() && !unwanted { Paint::Colour } else { Paint::Plain };
        Self { format, paint }
    }

    /// The text for people, or the value for programs.
    pub(super) fn say(&self, text: &str, value: &impl Serialize) -> anyhow::Result<()> {
        match self.format {
            Format::Text => self.raw(&format!("{}\n", text.trim_end())),
            Format::Json => self.raw(&format!("{}\n", serde_json::to_string_pretty(value)?)),
        }
    }

    /// An event of a run that is being followed: one line.
    pub(super) fn event(&self, event: &Event) -> anyhow::Result<()> {
        match self.format {
            Format::Text => self.raw(&format!("{}\n", story::line(event, self.paint))),
            Format::Json => self.raw(&format!("{}\n", serde_json::to_string(event)?)),
        }
    }

    /// How a run that was followed ended: for programs on one line, as the events are.
    pub(super) fn end(&self, run: &Run) -> anyhow::Result<()> {
        match self.format {
            Format::Text => self.raw(&format!("{}\n", story::end(run, self.paint))),
            Format::Json => self.raw(&format!("{}\n", serde_json::to_string(run)?)),
        }
    }

    /// Something for people beside the result: where the result is JSON, on the standard error.
    pub(super) fn aside(&self, text: &str) -> anyhow::Result<()> {
        match self.format {
            Format::Text => self.raw(&format!("{text}\n")),
            Format::Json => Ok(writeln!(io::stderr().lock(), "{text}")?),
        }
    }

    /// An event of a run that is told beside the result.
    pub(super) fn told(&self, event: &Event) -> anyhow::Result<()> {
        self.aside(&story::line(event, self.paint))
    }

    /// A result that only programs need: one line of JSON.
    pub(super) fn result(&self, value: &impl Serialize) -> anyhow::Result<()> {
        match self.format {
            Format::Text => Ok(()),
            Format::Json => self.raw(&format!("{}\n", serde_json::to_string(value)?)),
        }
    }

    /// Bytes as they are.
    #[expect(clippy::unused_self, reason = "only a printer prints")]
    pub(super) fn bytes(&self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(io::stdout().lock().write_all(bytes)?)
    }

    /// The text as it is, at once.
    #[expect(clippy::unused_self, reason = "only a printer prints")]
    pub(super) fn raw(&self, text: &str) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }
}
