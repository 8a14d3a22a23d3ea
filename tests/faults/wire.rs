//! What a client asks and when it is answered, read off the wire as it passes.

use std::collections::HashMap;

/// Ends the answer to whatever was asked of Postgres; the state of the transaction follows.
const READY: [u8; 5] = [b'Z', 0, 0, 0, 5];
/// The version in the first message of a client that begins a session.
const SESSION: [u8; 4] = [0, 3, 0, 0];

/// Listens to one client.
pub(super) enum Ear {
    Postgres(Messages),
    /// Whatever is asked is asked in plain words.
    Plain,
}

/// Waits for the end of one answer.
pub(super) enum Answer {
    Postgres(Vec<u8>),
    /// It ends with what comes first: nobody may read it anyway.
    Plain,
    /// Nothing ends it, nor what is asked after it.
    Never,
}

/// The messages of a session, put together again from the pieces in which they come.
#[derive(Default)]
pub(super) struct Messages {
    pieces: Vec<u8>,
    has_begun: bool,
    /// The text of each prepared statement.
    prepared: HashMap<Vec<u8>, String>,
}

impl Ear {
    /// What is asked for with these bytes: each statement that is executed, or the words themselves.
    pub(super) fn receive_signal(&mut self, bytes: &[u8]) -> Vec<String> {
        match self {
            Self::Postgres(messages) => messages.receive_signal(bytes),
            Self::Plain => vec![String::from_utf8_lossy(bytes).into_owned()],
        }
    }

    pub(super) const fn answer(&self) -> Answer {
        match self {
            Self::Postgres(_) => Answer::Postgres(Vec::new()),
            Self::Plain => Answer::Plain,
        }
    }
}

impl Answer {
    /// Whether the answer ends with these bytes.
    pub(super) fn ends(&mut self, bytes: &[u8]) -> bool {
        match self {
            Self::Postgres(tail) => {
                tail.extend_from_slice(bytes);
                tail.drain(..tail.len().saturating_sub(READY.len() + 1));
                tail.starts_with(&READY)
            }
            Self::Plain => true,
            Self::Never => false,
        }
    }
}

impl Messages {
    fn receive_signal(&mut self, bytes: &[u8]) -> Vec<String> {
        self.pieces.extend_from_slice(bytes);
        let mut heard = Vec::new();
        while let Some((kind, body)) = self.next() {
            let mut words = body.split(|byte| *byte == 0);
            let mut word = || words.next().unwrap_or_default();
            match kind {
                b'P' => {
                    let (name, text) = (word().to_vec(), word());
                    self.prepared.insert(name, String::from_utf8_lossy(text).into_owned());
                }
                b'B' => {
                    let (_portal, name) = (word(), word());
                    heard.extend(self.prepared.get(name).cloned());
                }
                b'Q' => heard.push(String::from_utf8_lossy(word()).into_owned()),
                _ => {}
            }
        }
        heard
    }

    /// The next whole message and its kind; those before the session have none.
    fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let head = usize::from(self.has_begun);
        let length: [u8; 4] = self.pieces.get(head..head + 4)?.try_into().ok()?;
        let end = head + usize::try_from(u32::from_be_bytes(length)).ok()?;
        let kind = if self.has_begun { self.pieces[0] } else { 0 };
        let body = self.pieces.get(head + 4..end)?.to_vec();
        self.pieces.drain(..end);
        self.has_begun = self.has_begun || body.starts_with(&SESSION);
        Some((kind, body))
    }
}
