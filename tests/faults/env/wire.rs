//! Reads requests off the wire as they pass, and finds where a response ends.

use std::collections::HashMap;

/// `ReadyForQuery`, which ends the response of Postgres; one byte follows, the state of the transaction.
const READY_FOR_QUERY: [u8; 5] = [b'Z', 0, 0, 0, 5];
/// The protocol version in the startup message.
const PROTOCOL_VERSION: [u8; 4] = [0, 3, 0, 0];

/// Reads the requests of one client.
pub(super) enum RequestReader {
    Postgres(FrontendMessages),
    /// HTTP, whose requests are text.
    Http,
}

/// Finds the end of one response.
pub(super) enum ResponseEnd {
    /// The last bytes of the response so far.
    Postgres(Vec<u8>),
    /// The first piece counts as the whole response, as the client does not get it anyway.
    Http,
    /// Neither this response nor a later one ends.
    Never,
}

/// The messages of a client to Postgres, reassembled from the pieces in which they arrive.
#[derive(Default)]
pub(super) struct FrontendMessages {
    pieces: Vec<u8>,
    has_session: bool,
    /// The text of each prepared statement by its name.
    prepared: HashMap<Vec<u8>, String>,
}

impl RequestReader {
    /// The requests in these bytes: the text of each executed statement, or the HTTP request itself.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Vec<String> {
        match self {
            Self::Postgres(messages) => messages.read(bytes),
            Self::Http => vec![String::from_utf8_lossy(bytes).into_owned()],
        }
    }

    pub(super) const fn response_end(&self) -> ResponseEnd {
        match self {
            Self::Postgres(_) => ResponseEnd::Postgres(Vec::new()),
            Self::Http => ResponseEnd::Http,
        }
    }
}

impl ResponseEnd {
    /// Whether the response ends with these bytes.
    pub(super) fn is_reached(&mut self, bytes: &[u8]) -> bool {
        match self {
            Self::Postgres(tail) => {
                tail.extend_from_slice(bytes);
                tail.drain(..tail.len().saturating_sub(READY_FOR_QUERY.len() + 1));
                tail.starts_with(&READY_FOR_QUERY)
            }
            Self::Http => true,
            Self::Never => false,
        }
    }
}

impl FrontendMessages {
    fn read(&mut self, bytes: &[u8]) -> Vec<String> {
        self.pieces.extend_from_slice(bytes);
        let mut statements = Vec::new();
        while let Some((kind, body)) = self.next() {
            let mut strings = body.split(|byte| *byte == 0);
            let mut string = || strings.next().unwrap_or_default();
            match kind {
                // Parse
                b'P' => {
                    let (name, text) = (string().to_vec(), string());
                    self.prepared.insert(name, String::from_utf8_lossy(text).into_owned());
                }
                // Bind
                b'B' => {
                    let (_portal, name) = (string(), string());
                    statements.extend(self.prepared.get(name).cloned());
                }
                // Query
                b'Q' => statements.push(String::from_utf8_lossy(string()).into_owned()),
                _ => {}
            }
        }
        statements
    }

    /// The next complete message and its type; messages before the session have no type.
    fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let head = usize::from(self.has_session);
        let length: [u8; 4] = self.pieces.get(head..head + 4)?.try_into().ok()?;
        let end = head + usize::try_from(u32::from_be_bytes(length)).ok()?;
        let kind = if self.has_session { self.pieces[0] } else { 0 };
        let body = self.pieces.get(head + 4..end)?.to_vec();
        self.pieces.drain(..end);
        self.has_session = self.has_session || body.starts_with(&PROTOCOL_VERSION);
        Some((kind, body))
    }
}
