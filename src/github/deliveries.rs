//! The deliveries of the App's webhook, as GitHub lists them for three days (a server of one's own for seven).
//! docs.github.com "REST API endpoints for GitHub App webhooks".

use chrono::{DateTime, Utc};
use http::{Method, header};
use serde::Deserialize;

use super::{Credential, Error, Forge, PAGE_SIZE, escape};

/// The most pages that are read at once; the list holds the deliveries of days.
const PAGES: usize = 20;

/// One attempt at a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Delivery {
    /// GitHub's number of the attempt.
    pub id: u64,
    /// What all attempts at a delivery share: `X-GitHub-Delivery`.
    pub guid: String,
    /// When it was made, by GitHub's clock.
    pub delivered_at: DateTime<Utc>,
    /// The status of the answer; GitHub writes one of its own when there was none.
    pub status_code: u16,
    /// What GitHub says of the attempt, such as `OK`.
    pub status: String,
}

impl Forge {
    /// Whether the list of deliveries can be read: only an App has one.
    #[must_use]
    pub const fn lists_deliveries(&self) -> bool {
        matches!(self.credentials.credential, Credential::App(_))
    }

    /// The attempts since then, newest first, and at most 2,000: runs poll GitHub too, so that what is left out costs
    /// time only.
    ///
    /// # Errors
    /// When GitHub does not answer, or we are no App.
    pub async fn deliveries_since(&self, since: DateTime<Utc>) -> Result<Vec<Delivery>, Error> {
        let (mut all, mut cursor) = (Vec::new(), None);
        for _ in 0..PAGES {
            let (page, next) = self.deliveries(PAGE_SIZE, cursor.as_deref()).await?;
            let is_last = page.last().is_none_or(|oldest| oldest.delivered_at < since);
            all.extend(page.into_iter().filter(|delivery| delivery.delivered_at >= since));
            match next {
                Some(next) if !is_last => cursor = Some(next),
                Some(_) | None => return Ok(all),
            }
        }
        tracing::warn!(
            "GitHub lists over {} deliveries of webhooks since {since}: older ones are not asked for again",
            all.len()
        );
        Ok(all)
    }

    /// The newest attempts.
    pub(super) async fn newest_deliveries(&self, most: usize) -> Result<Vec<Delivery>, Error> {
        Ok(self.deliveries(most, None).await?.0)
    }

    /// Asks GitHub to make a delivery again. It answers before that is done.
    ///
    /// # Errors
    /// When GitHub does not answer, or no longer has the delivery.
    pub async fn redeliver(&self, attempt: u64) -> Result<(), Error> {
        let route = format!("/app/hook/deliveries/{attempt}/attempts");
        self.call(Method::POST, &route, None::<&()>).await.map(|_| ())
    }

    /// One page, and the cursor of the next. Only the cursor is taken from GitHub's link, so that no answer can send
    /// our credential to another host.
    async fn deliveries(
        &self,
        size: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<Delivery>, Option<String>), Error> {
        let from = cursor.map(|cursor| format!("&cursor={}", escape(cursor))).unwrap_or_default();
        let route = format!("/app/hook/deliveries?per_page={size}{from}");
        let answer = self.call(Method::GET, &route, None::<&()>).await?;
        let links = answer.headers.get_all(header::LINK).iter();
        let next = links.filter_map(|link| next_cursor(link.to_str().ok()?)).next();
        Ok((answer.json()?, next))
    }
}

/// The cursor of the next page in a `Link` header.
fn next_cursor(links: &str) -> Option<String> {
    let next = links.split(',').find(|link| link.contains("rel=\"next\""))?;
    let query = next.split(['<', '>']).nth(1)?.split_once('?')?.1;
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "cursor").map(|(_, cursor)| cursor.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_of_the_next_page_is_read_from_its_link() {
        let check = |links: &str, expected: Option<&str>| {
            assert_eq!(next_cursor(links).as_deref(), expected, "{links}")
        };
        let next = "<https://api.github.com/app/hook/deliveries?per_page=2&cursor=v1_1%2B2>; rel=\"next\"";
        check(next, Some("v1_1+2"));
        check(&format!("<https://x/?cursor=v1_0>; rel=\"prev\", {next}"), Some("v1_1+2"));
        check("<https://x/?cursor=v1_0>; rel=\"prev\"", None);
        check("<https://x/>; rel=\"next\"", None);
        check("rel=\"next\"", None);
    }
}
