//! The form that submits a requirement. A token in it makes a double click one requirement.

use axum::{
    extract::{Form, State, rejection::FormRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{super::App, Problem, layout};
use crate::{
    core::requirement::{Invalid, Requirement},
    engine,
    store::{self, idempotency, product::Product},
};

/// Under which route the tokens are kept.
const ROUTE: &str = "POST /requirements";

/// What the form holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Draft {
    #[serde(default)]
    product: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    priority: String,
    /// Drawn anew for every form that is shown.
    #[serde(default)]
    token: String,
}

/// What came of a form.
enum Sent {
    /// It is this run, new or from the first click.
    Taken(String),
    /// It must be corrected.
    Wrong(Vec<Invalid>),
    /// Its token has been used for another text, whose run this is.
    Used(String),
}

impl Draft {
    /// An empty form.
    pub(super) fn blank() -> Self {
        let none = String::new;
        Self { product: none(), title: none(), body: none(), priority: "3".to_owned(), token: token() }
    }

    /// Browsers send line breaks as CR LF; a requirement is kept with LF.
    fn checked(&self) -> Result<Requirement, Vec<Invalid>> {
        let body = self.body.replace("\r\n", "\n");
        let priority = self.priority.parse().unwrap_or(0);
        Requirement::new(&self.product, &self.title, &body, priority)
    }

    fn digest(&self) -> String {
        let parts = [&self.product, &self.title, &self.body, &self.priority];
        hex::encode(Sha256::digest(json!(parts).to_string()))
    }
}

/// The form in a fold, as the list shows it.
pub(super) fn folded(products: &[Product], draft: &Draft) -> Markup {
    html! {
        details.new #new-requirement {
            summary { "New requirement" }
            (fields(products, draft, &[]))
        }
    }
}

/// `POST /requirements`
pub(super) async fn submit(
    State(app): State<App>,
    headers: HeaderMap,
    form: Result<Form<Draft>, FormRejection>,
) -> Response {
    let answered = match form {
        Ok(_) if !is_ours(&headers) => Err(Problem::Foreign),
        Ok(Form(draft)) => answer(&app, draft).await,
        Err(error) => Err(Problem::Unreadable(error.body_text())),
    };
    answered.unwrap_or_else(|problem| problem.page(&app.settings))
}

async fn answer(app: &App, draft: Draft) -> Result<Response, Problem> {
    let (wrong, earlier) = match take(app, &draft).await? {
        Sent::Taken(place) => return Ok(Redirect::to(&place).into_response()),
        Sent::Wrong(wrong) => (wrong, None),
        Sent::Used(place) => (Vec::new(), Some(place)),
    };
    let products = store::product::list(app.engine.pool()).await?;
    let draft = Draft { token: token(), ..draft };
    let main = html! {
        main #main {
            h1 { "New requirement" }
            @if let Some(place) = earlier {
                p.error role="alert" {
                    "This form was sent before with another text, which became " a href=(place) { "this run" }
                    ". Submit again to make another requirement."
                }
            } @else {
                p.error role="alert" { "Nothing was submitted yet: correct what is marked below." }
            }
            (fields(&products, &draft, &wrong))
        }
    };
    let mut response = layout::page(&app.settings, "New requirement", &main);
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

async fn take(app: &App, draft: &Draft) -> Result<Sent, Problem> {
    let requirement = match draft.checked() {
        Ok(requirement) => requirement,
        Err(wrong) => return Ok(Sent::Wrong(wrong)),
    };
    let Ok(key) = draft.token.parse::<Uuid>() else {
        return Err(Problem::Unreadable("The form has no token. Open the list and try again.".to_owned()));
    };
    let (key, digest) = (key.to_string(), draft.digest());
    if let Some(sent) = earlier(app, &key, &digest).await? {
        return Ok(sent);
    }
    let mut tx = app.engine.pool().begin().await?;
    let accepted = match app.engine.accept_in(&mut tx, &requirement, "page").await {
        Ok(accepted) => accepted,
        Err(engine::Error::NoProduct(name)) => {
            let message = format!("`{name}` is not a product here; choose one of the list");
            return Ok(Sent::Wrong(vec![Invalid { field: "product", message }]));
        }
        Err(full @ engine::Error::BacklogFull { .. }) => {
            let message = format!("{full}; send it again once some have ended");
            return Ok(Sent::Wrong(vec![Invalid { field: "product", message }]));
        }
        Err(error) => return Err(error.into()),
    };
    let place = format!("/runs/{}", accepted.run);
    let given = idempotency::StoredResponse {
        request_digest: digest.clone(),
        status: 303,
        location: Some(place.clone()),
        response: json!({ "run": accepted.run, "requirement": accepted.requirement }),
    };
    if idempotency::insert(&mut tx, &key, ROUTE, &given).await? {
        tx.commit().await?;
        return Ok(Sent::Taken(place));
    }
    // The other click was quicker and has committed: what this one made is rolled back.
    tx.rollback().await?;
    let sent = earlier(app, &key, &digest).await?;
    sent.ok_or_else(|| Problem::Failed("a token was neither free nor used".to_owned()))
}

async fn earlier(app: &App, key: &str, digest: &str) -> Result<Option<Sent>, Problem> {
    let given = idempotency::get(app.engine.pool(), key, ROUTE).await?;
    Ok(given.map(|given| {
        let place = given.location.unwrap_or_else(|| "/".to_owned());
        if given.request_digest == digest { Sent::Taken(place) } else { Sent::Used(place) }
    }))
}

/// Whether a form came from our own page: browsers say so, and whoever is no browser needs no guard.
pub(super) fn is_ours(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match (text(header::HeaderName::from_static("sec-fetch-site")), text(header::ORIGIN)) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && host == text(header::HOST)
        }
        (None, None) => true,
    }
}

fn fields(products: &[Product], draft: &Draft, wrong: &[Invalid]) -> Markup {
    html! {
        form.requirement method="post" action="/requirements" {
            input type="hidden" name="token" value=(draft.token);
            div.row {
                (field("product", "Product", wrong, &html! {
                    select #product name="product" required {
                        @for product in products {
                            option value=(product.name) selected[product.name == draft.product] {
                                (product.name)
                            }
                        }
                    }
                }))
                (field("priority", "Priority", wrong, &html! {
                    select #priority name="priority" {
                        @for (value, word) in
                            [("1", "1, first"), ("2", "2"), ("3", "3"), ("4", "4"), ("5", "5, last")]
                        {
                            option value=(value) selected[value == draft.priority] { (word) }
                        }
                    }
                }))
            }
            (field("title", "Title", wrong, &html! {
                input #title name="title" value=(draft.title) required autocomplete="off";
            }))
            (field("body", "What is wanted", wrong, &html! {
                textarea #body name="body" rows="8" required { "\n" (draft.body) }
            }))
            button { "Submit" }
        }
    }
}

fn field(name: &str, label: &str, wrong: &[Invalid], input: &Markup) -> Markup {
    let error = wrong.iter().find(|invalid| invalid.field == name);
    html! {
        div.field.wrong[error.is_some()] {
            label for=(name) { (label) }
            (input)
            @if let Some(error) = error { p.error { (label) " " (error.message) } }
        }
    }
}

fn token() -> String {
    Uuid::new_v4().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_another_site_is_not_ours() {
        let check = |pairs: &[(&'static str, &'static str)], ours: bool| {
            let headers = pairs.iter().map(|(name, value)| {
                (header::HeaderName::from_static(name), header::HeaderValue::from_static(value))
            });
            assert_eq!(is_ours(&headers.collect()), ours, "{pairs:?}");
        };
        check(&[("sec-fetch-site", "same-origin")], true);
        check(&[("sec-fetch-site", "cross-site"), ("origin", "http://a"), ("host", "a")], false);
        check(&[("origin", "http://a:1"), ("host", "a:1")], true);
        check(&[("origin", "http://evil"), ("host", "a:1")], false);
        check(&[("origin", "null"), ("host", "a:1")], false);
        check(&[], true);
    }
}
