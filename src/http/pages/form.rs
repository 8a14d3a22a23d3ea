//! The form that submits a requirement. A token in it makes a double click one requirement.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{
    super::{
        AppState,
        middleware::{
            caller::Caller,
            idempotency::{Once, Outcome, Reply},
        },
    },
    Problem,
    field::{Limit, field},
    layout,
    submitted::Submitted,
};
use crate::http::scope;
use crate::{
    core::requirement::{BODY_LIMIT, Invalid, RequestedBy, Requirement, TITLE_LIMIT},
    engine::{self, Submission},
    store::{self, Connection, amendment::Text, idempotency::StoredResponse, product::Product},
};

/// The route's name beside the tokens that were used on it.
const ROUTE: &str = "POST /requirements";

/// The fields of the form.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RequirementForm {
    #[serde(default)]
    product: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    priority: String,
    /// The requirement that it takes the place of; empty for none.
    #[serde(default)]
    supersedes: String,
    /// New for every form that is shown.
    #[serde(default)]
    token: String,
}

/// What a submitted form came to.
enum Answer {
    /// This run, from this click or an earlier one.
    Accepted(String),
    /// Fields to correct.
    Invalid(Vec<Invalid>),
    /// Nothing: its token was used for another text, which became this run.
    TokenUsed(String),
}

impl RequirementForm {
    /// An empty form.
    pub(super) fn blank() -> Self {
        let none = String::new;
        let (priority, supersedes) = ("3".to_owned(), none());
        Self { product: none(), title: none(), body: none(), priority, supersedes, token: token() }
    }

    /// A form with the text of a requirement, whose place the new one takes.
    pub(super) fn again(earlier: Uuid, text: &Text) -> Self {
        Self {
            product: text.product.clone(),
            title: text.title.clone(),
            body: text.body.clone(),
            priority: text.priority.to_string(),
            supersedes: earlier.to_string(),
            token: token(),
        }
    }

    /// Browsers send line breaks as CR LF; a requirement has LF.
    fn checked(&self) -> Result<Requirement, Vec<Invalid>> {
        let body = self.body.replace("\r\n", "\n");
        let priority = self.priority.parse().unwrap_or(0);
        Requirement::new(&self.product, &self.title, &body, priority)
    }

    fn once(&self, caller: &Caller) -> Result<Once, Problem> {
        let token: Uuid = self.token.parse().map_err(|_| {
            Problem::Unreadable("The form has no token. Open the list and try again.".to_owned())
        })?;
        let fields = json!([self.product, self.title, self.body, self.priority, self.supersedes]).to_string();
        Ok(Once::new(Some(token.to_string()), caller, ROUTE, fields.as_bytes()))
    }
}

/// The form in a fold, as the list shows it.
pub(super) fn folded(products: &[Product], form: &RequirementForm, caller: &Caller) -> Markup {
    html! {
        details.new #new-requirement {
            summary { "New requirement" }
            (fields(products, form, &[], caller))
        }
    }
}

/// `POST /requirements`
pub(super) async fn submit(
    State(app): State<AppState>,
    caller: Caller,
    Submitted(form): Submitted<RequirementForm>,
) -> Response {
    answer(&app, &caller, form).await.unwrap_or_else(|problem| problem.page(&app.settings, Some(&caller)))
}

async fn answer(app: &AppState, caller: &Caller, form: RequirementForm) -> Result<Response, Problem> {
    let (wrong, earlier) = match accept(app, caller, &form).await? {
        Answer::Accepted(place) => return Ok(Redirect::to(&place).into_response()),
        Answer::Invalid(wrong) => (wrong, None),
        Answer::TokenUsed(place) => (Vec::new(), Some(place)),
    };
    let products = scope::products(app, caller).await?;
    let form = RequirementForm { token: token(), ..form };
    let main = html! {
        main #main {
            h1 { "New requirement" }
            (rejected(earlier.as_deref()))
            (fields(&products, &form, &wrong, caller))
        }
    };
    let mut response = layout::page(&app.settings, Some(caller), "New requirement", &main);
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

fn rejected(earlier: Option<&str>) -> Markup {
    html! {
        p.error role="alert" {
            @if let Some(place) = earlier {
                "This form was sent before with another text, which became " a href=(place) { "this run" }
                ". Submit again to make another requirement."
            } @else {
                "Nothing was submitted yet: correct the marked fields."
            }
        }
    }
}

async fn accept(app: &AppState, caller: &Caller, form: &RequirementForm) -> Result<Answer, Problem> {
    let requirement = match form.checked() {
        Ok(requirement) => requirement,
        Err(wrong) => return Ok(Answer::Invalid(wrong)),
    };
    if !caller.has(requirement.product.as_str()) {
        let unknown = engine::Error::NoProduct(requirement.product.as_str().to_owned());
        return invalid_product(unknown).map(|wrong| Answer::Invalid(vec![wrong]));
    }
    let who = caller.principal();
    let requester = RequestedBy { name: who.name.clone(), forge_login: who.login.clone() };
    let by = caller.author();
    let submission =
        Submission { requirement: &requirement, budget: None, requested_by: Some(&requester), by };
    let earlier = match form.supersedes.as_str() {
        "" => None,
        earlier => Some(superseded(app, caller, earlier).await?),
    };
    let once = form.once(caller)?;
    let outcome = once.run(app.engine.pool(), async |tx: &mut Connection| {
        app.engine.resubmit_in(tx, submission, earlier).await.map(|done| reply(done.accepted))
    });
    match outcome.await {
        Ok(Outcome::Fresh(given) | Outcome::Replayed(given)) => Ok(Answer::Accepted(place(given))),
        Ok(Outcome::KeyReused(given)) => Ok(Answer::TokenUsed(place(given))),
        Ok(Outcome::KeyBusy) => Err(Problem::Failed("a token was neither free nor used".to_owned())),
        Err(engine::Error::Invalid(wrong)) => Ok(Answer::Invalid(wrong)),
        Err(error) => invalid_product(error).map(|wrong| Answer::Invalid(vec![wrong])),
    }
}

/// The requirement of one of the caller's products that the form names.
async fn superseded(app: &AppState, caller: &Caller, earlier: &str) -> Result<Uuid, Problem> {
    let missing = || Problem::Missing("There is no such requirement to submit again.".to_owned());
    let id: Uuid = earlier.parse().map_err(|_| missing())?;
    let product = store::scope::of_requirement(app.engine.pool(), id).await?;
    product.filter(|product| caller.has(product)).map(|_| id).ok_or_else(missing)
}

fn reply(accepted: engine::Accepted) -> Reply {
    let engine::Accepted { requirement, run } = accepted;
    let location = Some(format!("/runs/{run}"));
    Reply { status: StatusCode::SEE_OTHER, location, body: json!({ "run": run, "requirement": requirement }) }
}

fn place(given: StoredResponse) -> String {
    given.location.unwrap_or_else(|| "/".to_owned())
}

/// What is wrong with the product, if that is why the engine refused the requirement.
fn invalid_product(error: engine::Error) -> Result<Invalid, Problem> {
    let message = match error {
        engine::Error::NoProduct(name) => {
            format!("`{name}` is not a product here; choose one from the list")
        }
        full @ engine::Error::BacklogFull { .. } => format!("{full}; submit again once some have ended"),
        error => return Err(error.into()),
    };
    Ok(Invalid { field: "product", message })
}

/// The form of a requirement.
pub(super) fn fields(
    products: &[Product],
    form: &RequirementForm,
    wrong: &[Invalid],
    caller: &Caller,
) -> Markup {
    html! {
        form.requirement method="post" action="/requirements" {
            (layout::proof(caller))
            input type="hidden" name="token" value=(form.token);
            @if !form.supersedes.is_empty() {
                input type="hidden" name="supersedes" value=(form.supersedes);
            }
            div.row {
                (field("product", "Product", None, wrong, |marks| html! {
                    select #product name="product" required aria-invalid=[marks.invalid]
                        aria-describedby=[marks.described.as_deref()] {
                        @for product in products {
                            option value=(product.name) selected[product.name == form.product] {
                                (product.name)
                            }
                        }
                    }
                }))
                (field("priority", "Priority", None, wrong, |marks| html! {
                    select #priority name="priority" aria-invalid=[marks.invalid]
                        aria-describedby=[marks.described.as_deref()] {
                        @for (value, word) in
                            [("1", "1, first"), ("2", "2"), ("3", "3"), ("4", "4"), ("5", "5, last")]
                        {
                            option value=(value) selected[value == form.priority] { (word) }
                        }
                    }
                }))
            }
            (texts(&form.title, &form.body, wrong))
            button { "Submit" }
        }
    }
}

/// The two texts of a requirement. The body has no `maxlength`: browsers cut what is pasted there without a word.
pub(super) fn texts(title: &str, body: &str, wrong: &[Invalid]) -> Markup {
    html! {
        (field("title", "Title", Some(Limit::Characters(TITLE_LIMIT)), wrong, |marks| html! {
            input #title name="title" value=(title) required autocomplete="off" aria-invalid=[marks.invalid]
                aria-describedby=[marks.described.as_deref()] data-limit=[marks.limit] data-unit=[marks.unit];
        }))
        (field("body", "What is wanted", Some(Limit::Bytes(BODY_LIMIT)), wrong, |marks| html! {
            textarea #body name="body" rows="8" required aria-invalid=[marks.invalid]
                aria-describedby=[marks.described.as_deref()] data-limit=[marks.limit] data-unit=[marks.unit]
                { "\n" (body) }
        }))
    }
}

fn token() -> String {
    Uuid::new_v4().to_string()
}
