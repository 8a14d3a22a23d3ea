//! A line for each of several things that go on at once: redrawn on a terminal, otherwise printed whenever it changes.

use std::{
    convert::Infallible,
    fmt::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Printer, text::plain};

/// How often a terminal is redrawn, for the seconds.
const REDRAW: Duration = Duration::from_secs(1);

/// A board of rows; those who change it share it.
pub(super) struct Board {
    printer: Printer,
    is_live: bool,
    began: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rows: Vec<Row>,
    /// How many lines of the terminal are the board's.
    drawn: usize,
}

struct Row {
    name: String,
    text: String,
    since: Instant,
}

impl Board {
    /// A board with these rows, redrawn if the printer's text goes to a terminal.
    pub(super) fn new(printer: Printer, names: &[&str]) -> Self {
        let now = Instant::now();
        let row = |name: &&str| Row { name: (*name).to_owned(), text: String::new(), since: now };
        let state = State { rows: names.iter().map(row).collect(), drawn: 0 };
        Self { printer, is_live: printer.is_on_terminal(), began: now, state: Mutex::new(state) }
    }

    /// Sets a row's text, and its seconds to zero if that changes it.
    ///
    /// # Errors
    /// When it cannot be printed.
    pub(super) fn set(&self, row: usize, text: &str) -> anyhow::Result<()> {
        let (text, now, mut state) = (plain(text), Instant::now(), self.locked());
        let Some(row) = state.rows.get_mut(row).filter(|row| row.text != text) else { return Ok(()) };
        (row.text, row.since) = (text, now);
        let line = format!("{:>4} s  {:<9} {}", (now - self.began).as_secs(), row.name, row.text);
        if self.is_live { self.draw(&mut state, "") } else { self.printer.aside(&line) }
    }

    /// Prints a text above the rows.
    ///
    /// # Errors
    /// When it cannot be printed.
    pub(super) fn say(&self, text: &str) -> anyhow::Result<()> {
        if self.is_live { self.draw(&mut self.locked(), text) } else { self.printer.aside(text) }
    }

    /// Redraws the seconds, for as long as it can be printed.
    ///
    /// # Errors
    /// When it cannot be printed.
    pub(super) async fn redraw(&self) -> anyhow::Result<Infallible> {
        let mut ticks = tokio::time::interval(REDRAW);
        loop {
            ticks.tick().await;
            if self.is_live {
                self.draw(&mut self.locked(), "")?;
            }
        }
    }

    fn draw(&self, state: &mut State, above: &str) -> anyhow::Result<()> {
        let frame = frame(&state.rows, state.drawn, above, Instant::now());
        state.drawn = state.rows.len();
        self.printer.aside_raw(&frame)
    }

    /// A poisoned lock is safe to use: rows are consistent at any time.
    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rows in place of the `drawn` lines above, below a text. A row that is too long is cut by the terminal, not wrapped.
fn frame(rows: &[Row], drawn: usize, above: &str, now: Instant) -> String {
    let mut text = String::new();
    // Writing into a string cannot fail.
    if drawn > 0 {
        let _ = write!(text, "\x1b[{drawn}A");
    }
    text.push_str("\r\x1b[J");
    if !above.is_empty() {
        let _ = writeln!(text, "{above}");
    }
    text.push_str("\x1b[?7l");
    for row in rows {
        let _ = writeln!(text, "{:<9} {:>4} s  {}", row.name, (now - row.since).as_secs(), row.text);
    }
    text.push_str("\x1b[?7h");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_takes_the_place_of_the_one_before() {
        let now = Instant::now();
        let row = |name: &str, ago| Row {
            name: name.to_owned(),
            text: "verdict".to_owned(),
            since: now - Duration::from_secs(ago),
        };
        let rows = [row("wealth", 12), row("ecm", 0)];
        let lines = "wealth      12 s  verdict\necm          0 s  verdict\n";
        assert_eq!(frame(&rows, 0, "", now), format!("\r\x1b[J\x1b[?7l{lines}\x1b[?7h"));
        let again = frame(&rows, 2, "ines approves", now);
        assert_eq!(again, format!("\x1b[2A\r\x1b[Jines approves\n\x1b[?7l{lines}\x1b[?7h"));
    }
}
