//! Responses that are read as they arrive: the events of a run, and its export.

use std::collections::VecDeque;

use reqwest::header;
use uuid::Uuid;

use super::{Client, Failure, RETRY_DELAY};
use crate::api::{Event, Run};

/// How often in a row a stream may break without an event in between.
const MAX_BREAKS: u32 = 20;
/// Maximum size of one event, in bytes.
const EVENT_LIMIT: usize = 4 * 1024 * 1024;

impl Client {
    /// Everything recorded about a run, in pieces as they arrive, without a time limit.
    ///
    /// # Errors
    /// [`Failure`], also when the response is incomplete, or the error of `show`.
    pub(crate) async fn export(
        &self,
        run: Uuid,
        mut show: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let request = self.http.get(format!("{}/api/v1/runs/{run}/export", self.server));
        let mut response = self.send(request).await?;
        while let Some(piece) = response.chunk().await.map_err(|error| self.broken(error))? {
            show(&piece)?;
        }
        Ok(())
    }

    /// Shows every event of a run once and in order, as it happens; the run, once it has ended.
    ///
    /// # Errors
    /// [`Failure`] when the server stays unreachable, or the error of `show`.
    pub(crate) async fn follow(
        &self,
        run: Uuid,
        mut show: impl FnMut(&Event) -> anyhow::Result<()>,
    ) -> anyhow::Result<Run> {
        let (mut last, mut breaks) = (0, 0);
        loop {
            let before = last;
            let ended = self.stream(run, &mut last, &mut show).await;
            breaks = if last > before { 0 } else { breaks + 1 };
            match ended {
                Ok(()) => {
                    let view = self.run(run).await?;
                    if view.state == "ended" && last >= view.version {
                        return Ok(view);
                    }
                }
                Err(error) => {
                    let is_transient = error.downcast_ref::<Failure>().is_some_and(Failure::is_transient);
                    // Before the first event, an unreachable server is an error at once.
                    if !is_transient || last == 0 || breaks >= MAX_BREAKS {
                        return Err(error);
                    }
                }
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }

    async fn stream(
        &self,
        run: Uuid,
        last: &mut i32,
        show: &mut impl FnMut(&Event) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let request = self
            .http
            .get(format!("{}/api/v1/runs/{run}/events", self.server))
            .header(header::ACCEPT, "text/event-stream")
            .header("last-event-id", last.to_string());
        let mut response = self.send(request).await?;
        let mut lines = Lines::default();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(error))? {
            lines.push(&chunk)?;
            while let Some(line) = lines.next() {
                let Some(data) = line.strip_prefix("data:") else { continue };
                let event: Event = serde_json::from_str(data)?;
                if event.seq > *last {
                    show(&event)?;
                    *last = event.seq;
                }
            }
        }
        Ok(())
    }
}

/// Splits a stream of bytes into lines, wherever its chunks end.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
    complete: VecDeque<String>,
}

impl Lines {
    fn push(&mut self, chunk: &[u8]) -> anyhow::Result<()> {
        self.rest.extend_from_slice(chunk);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let text = String::from_utf8_lossy(&line);
            self.complete.push_back(text.trim_end_matches(['\r', '\n']).to_owned());
        }
        anyhow::ensure!(
            self.rest.len() <= EVENT_LIMIT,
            "the server sent an event larger than {EVENT_LIMIT} bytes"
        );
        Ok(())
    }

    fn next(&mut self) -> Option<String> {
        self.complete.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_complete_wherever_the_chunks_end() {
        let text = "id: 1\r\ndata: {\"ü\": 1}\n\n: heartbeat\n";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            for chunk in text.as_bytes().chunks(size) {
                lines.push(chunk).unwrap();
            }
            let all: Vec<String> = std::iter::from_fn(|| lines.next()).collect();
            assert_eq!(all, ["id: 1", "data: {\"ü\": 1}", "", ": heartbeat"], "{size}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_rejected() {
        assert!(Lines::default().push(&vec![b'x'; EVENT_LIMIT + 1]).is_err());
    }
}
