//! Output of commands to stdout, as text or JSON.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use super::{
    args::Format,
    history::{self, Paint},
};
use crate::api::{Event, Run};

/// Prints in the format that the caller chose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer {
    format: Format,
    paint: Paint,
}

impl Printer {
    /// Colours are for terminals only, and not if `NO_COLOR` is set.
    pub(crate) fn new(format: Format) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let paint = if io::stdout().is_terminal() && !no_color { Paint::Colour } else { Paint::Plain };
        Self { format, paint }
    }

    /// Prints the text, or the value as JSON.
    pub(crate) fn say(&self, text: &str, value: &impl Serialize) -> anyhow::Result<()> {
        match self.format {
            Format::Text => self.raw(&format!("{}\n", text.trim_end())),
            Format::Json => self.raw(&format!("{}\n", serde_json::to_string_pretty(value)?)),
        }
    }

    /// Prints an event of a run on one line.
    pub(crate) fn event(&self, event: &Event) -> anyhow::Result<()> {
        match self.format {
            Format::Text => self.raw(&format!("{}\n", history::line(event, self.paint))),
            Format::Json => self.raw(&format!("{}\n", serde_json::to_string(event)?)),
        }
    }

    /// Prints how a followed run ended; as JSON on one line, like the events.
    pub(crate) fn end(&self, run: &Run) -> anyhow::Result<()> {
        match self.format {
            Format::Text => self.raw(&format!("{}\n", history::end(run, self.paint))),
            Format::Json => self.raw(&format!("{}\n", serde_json::to_string(run)?)),
        }
    }

    /// Prints text beside the result; to stderr if the result is JSON.
    pub(crate) fn aside(&self, text: &str) -> anyhow::Result<()> {
        match self.format {
            Format::Text => self.raw(&format!("{text}\n")),
            Format::Json => Ok(writeln!(io::stderr().lock(), "{text}")?),
        }
    }

    /// Prints text beside the result unchanged and flushes it.
    pub(crate) fn aside_raw(&self, text: &str) -> anyhow::Result<()> {
        match self.format {
            Format::Text => self.raw(text),
            Format::Json => Ok(write!(io::stderr().lock(), "{text}")?),
        }
    }

    /// Whether text beside the result goes to a terminal that can be redrawn.
    pub(crate) fn is_on_terminal(&self) -> bool {
        let can_redraw = std::env::var_os("TERM").is_some_and(|name| name != "dumb");
        can_redraw
            && match self.format {
                Format::Text => io::stdout().is_terminal(),
                Format::Json => io::stderr().is_terminal(),
            }
    }

    /// Prints an event beside the result.
    pub(crate) fn aside_event(&self, event: &Event) -> anyhow::Result<()> {
        self.aside(&history::line(event, self.paint))
    }

    /// Prints a result that only programs need: one line of JSON.
    pub(crate) fn result(&self, value: &impl Serialize) -> anyhow::Result<()> {
        match self.format {
            Format::Text => Ok(()),
            Format::Json => self.raw(&format!("{}\n", serde_json::to_string(value)?)),
        }
    }

    /// Prints bytes unchanged.
    #[expect(clippy::unused_self, reason = "all output goes through the printer")]
    pub(crate) fn bytes(&self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(io::stdout().lock().write_all(bytes)?)
    }

    /// Prints text unchanged and flushes it.
    #[expect(clippy::unused_self, reason = "all output goes through the printer")]
    pub(crate) fn raw(&self, text: &str) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }
}
