//! Query parameters, and lists in pages with `Link` headers.

use std::sync::{Arc, atomic::Ordering};

use axum::{
    Json,
    extract::FromRequestParts,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, request::Parts};
use serde_json::{Value, json};

use crate::dev::github::{answers::Answer, refusal::Refusal, render::Links, shared::Shared};

const DEFAULT_PAGE: usize = 30;
/// The most items on a page, unless a test wants fewer.
pub(crate) const LARGEST_PAGE: usize = 100;

/// The parameters of a request, and its path.
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    path: String,
    largest: usize,
}

impl FromRequestParts<Arc<Shared>> for Query {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        let query = parts.uri.query().unwrap_or("");
        let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let largest = shared.page_size.load(Ordering::SeqCst);
        Ok(Self { pairs, path: parts.uri.path().to_owned(), largest })
    }
}

impl Query {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// The requested page of a list, and the `Link` header that leads to the others.
    pub(crate) fn page(&self, links: &Links, all: Vec<Value>) -> (Vec<Value>, Option<HeaderValue>) {
        let size = self.size();
        let page = self.number("page", 1);
        let last = all.len().div_ceil(size).max(1);
        let mut header = Vec::new();
        let mut link = |number: usize, name: &str| {
            header.push(format!("<{}>; rel=\"{name}\"", self.address(links, "page", &number.to_string())));
        };
        if page > 1 {
            link(page - 1, "prev");
        }
        if page < last {
            link(page + 1, "next");
            link(last, "last");
        }
        if page > 1 {
            link(1, "first");
        }
        let shown = all.into_iter().skip((page - 1).saturating_mul(size)).take(size).collect();
        (shown, HeaderValue::from_str(&header.join(", ")).ok().filter(|_| !header.is_empty()))
    }

    /// How many items a page has.
    pub(crate) fn size(&self) -> usize {
        self.number("per_page", DEFAULT_PAGE).min(self.largest)
    }

    fn number(&self, name: &str, default: usize) -> usize {
        self.get(name).and_then(|text| text.parse().ok()).filter(|number| *number > 0).unwrap_or(default)
    }

    /// The address of the same list with another value of the parameter that says which part is asked for.
    pub(crate) fn address(&self, links: &Links, name: &str, value: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.pairs.iter().filter(|(key, _)| key != name));
        query.append_pair(name, value);
        format!("{}{}?{}", links.base, self.path, query.finish())
    }
}

/// 200 with one page of a list.
pub(crate) fn list(links: &Links, query: &Query, all: Vec<Value>) -> Answer {
    let (shown, header) = query.page(links, all);
    Ok(linked(Json(shown).into_response(), header))
}

/// 200 with one page of a list in the field `name`, and the count of all.
pub(crate) fn counted_list(links: &Links, query: &Query, name: &str, all: Vec<Value>) -> Answer {
    let total = all.len();
    let (shown, header) = query.page(links, all);
    Ok(linked(Json(json!({"total_count": total, name: shown})).into_response(), header))
}

/// An answer with this `Link` header.
pub(crate) fn linked(mut answer: Response, header: Option<HeaderValue>) -> Response {
    answer.headers_mut().extend(header.map(|header| (http::header::LINK, header)));
    answer
}
