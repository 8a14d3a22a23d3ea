//! The body of a webhook, which anyone may send, and of evidence: counted while it is read, in bounded time and memory.
//!
//! Nothing is known of its sender until all of it is here and its signature was checked. So it must arrive in time,
//! and only a few large bodies are held at once. A small one, as almost every webhook is, waits for no other.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use futures::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{error::Error, problem::Kind};

/// How long a body may take to arrive; after so long GitHub has given up too. docs.github.com "Best practices for
/// using webhooks".
const DEADLINE: Duration = Duration::from_secs(10);
/// From this size on a body is large (64 KiB).
const LARGE: usize = 64 * 1024;
/// The most large bodies that are held at once.
const LARGE_AT_ONCE: usize = 4;

/// Where bodies are read. Its clones share one bound: [`LARGE_AT_ONCE`] bodies up to the limit, and up to [`LARGE`] for
/// each connection.
#[derive(Debug, Clone)]
pub(crate) struct Intake {
    limit: usize,
    deadline: Duration,
    large: Arc<Semaphore>,
}

/// A whole body. It counts as held until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) bytes: Vec<u8>,
    slot: Option<OwnedSemaphorePermit>,
}

impl Intake {
    /// Takes bodies of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, deadline: DEADLINE, large: Arc::new(Semaphore::new(LARGE_AT_ONCE)) }
    }

    /// The same for larger bodies, which take longer to arrive.
    pub(crate) fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Reads a body.
    ///
    /// # Errors
    /// [`Kind::TooLarge`], before anything is read if the headers say so; [`Kind::TooSlow`], also if it waited too long
    /// for other large bodies; [`Kind::BadRequest`] when it ends early.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Held, Error> {
        if length(headers).is_some_and(|length| length > self.limit) {
            return Err(self.too_large());
        }
        tokio::time::timeout(self.deadline, self.collect(body)).await.unwrap_or_else(|_| {
            let detail = format!("the body did not arrive within {:?}", self.deadline);
            Err(Error::new(Kind::TooSlow, detail))
        })
    }

    async fn collect(&self, body: Body) -> Result<Held, Error> {
        let mut chunks = body.into_data_stream();
        let mut held = Held::default();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Error::new(Kind::BadRequest, "the body ended early"))?;
            let length = held.bytes.len() + chunk.len();
            if length > self.limit {
                return Err(self.too_large());
            }
            if length > LARGE && held.slot.is_none() {
                let slot = Arc::clone(&self.large).acquire_owned().await;
                held.slot = Some(slot.map_err(|_| Error::internal())?);
            }
            held.bytes.extend_from_slice(&chunk);
        }
        Ok(held)
    }

    fn too_large(&self) -> Error {
        Error::new(Kind::TooLarge, format!("the body has over {} bytes", self.limit))
    }
}

fn length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::{body::Bytes, response::IntoResponse as _};
    use futures::stream;

    use super::*;

    const LIMIT: usize = 4 * LARGE;

    /// Gives up as soon as it would have to wait.
    fn impatient() -> Intake {
        Intake { deadline: Duration::ZERO, ..Intake::new(LIMIT) }
    }

    fn of(sizes: &[usize]) -> Body {
        let chunks: Vec<_> =
            sizes.iter().map(|size| Ok::<_, Infallible>(Bytes::from(vec![b'x'; *size]))).collect();
        Body::from_stream(stream::iter(chunks))
    }

    /// The bytes that were read, or the status of the refusal.
    async fn read(intake: &Intake, body: Body) -> Result<Held, u16> {
        let read = intake.read(&HeaderMap::new(), body).await;
        read.map_err(|error| error.into_response().status().as_u16())
    }

    #[tokio::test]
    async fn a_body_is_counted_while_it_is_read() {
        let intake = impatient();
        assert_eq!(read(&intake, of(&[LARGE; 4])).await.unwrap().bytes.len(), LIMIT);
        assert_eq!(read(&intake, of(&[LARGE, LARGE, LARGE, LARGE, 1])).await.unwrap_err(), 413);
        let endless = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[0; 4096])));
        assert_eq!(read(&Intake::new(LIMIT), Body::from_stream(endless)).await.unwrap_err(), 413);
    }

    #[tokio::test]
    async fn a_length_over_the_limit_is_refused_unread() {
        let headers = [(header::CONTENT_LENGTH, (LIMIT + 1).into())].into_iter().collect();
        let unread = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let refused = Intake::new(LIMIT).read(&headers, unread).await.unwrap_err();
        assert_eq!(refused.into_response().status().as_u16(), 413);
    }

    #[tokio::test]
    async fn a_body_that_does_not_end_in_time_is_refused() {
        let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"{"))]);
        let dribbling = Body::from_stream(first.chain(stream::pending()));
        assert_eq!(read(&impatient(), dribbling).await.unwrap_err(), 408);
    }

    #[tokio::test]
    async fn few_large_bodies_are_held_at_once_and_small_ones_always() {
        let intake = impatient();
        let mut held = Vec::new();
        for _ in 0..LARGE_AT_ONCE {
            held.push(read(&intake, of(&[LARGE + 1])).await.unwrap());
        }
        assert_eq!(read(&intake.clone(), of(&[LARGE + 1])).await.unwrap_err(), 408, "one too many");
        assert!(read(&intake, of(&[LARGE])).await.is_ok(), "a small one");
        held.pop();
        assert!(read(&intake, of(&[LARGE + 1])).await.is_ok(), "there is room again");
    }
}
