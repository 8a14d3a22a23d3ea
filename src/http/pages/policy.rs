//! The policy of a product as a page: a text to check, to try on the changes that were merged, and the decisions that
//! were recorded, judged again. Nothing is changed by it.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    super::{
        AppState,
        middleware::{caller::Caller, error::Error},
        policy::{self, Place},
    },
    Problem,
    field::{Limit, field},
    layout,
    submitted::Submitted,
    words,
};
use crate::{
    api::{PolicyRemark, PolicySimulation, SimulatedChange, Validation},
    core::{policy::POLICY_LIMIT, requirement::Invalid, words::counted},
    engine::decisions::{Differing, Rejudged, Which},
};

/// How many changes are looked at where the form does not say.
const CHANGES: usize = 200;
/// How many decisions are judged again at most.
const DECISIONS: usize = 500;
/// How many differing decisions are shown, and places of each.
const SHOWN: usize = 50;

/// The fields of the form.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PolicyForm {
    #[serde(default)]
    policy: String,
    #[serde(default)]
    last: String,
    /// `validate`, `simulate` or `replay`.
    #[serde(default)]
    act: String,
}

/// What the form came to.
enum Found {
    Nothing,
    Checked(Validation),
    Tried(PolicySimulation),
    Judged(Rejudged),
    /// It could not be done, and why.
    Refused(String),
}

/// `GET /products/{name}/policy`
pub(super) async fn show(State(app): State<AppState>, caller: Caller, Path(name): Path<String>) -> Response {
    let place = match Place::find(&app, &caller, &name).await {
        Ok(place) => place,
        Err(error) => return missing(error, &name).page(&app.settings, Some(&caller)),
    };
    let text = policy::text_today(&app, &place).await.unwrap_or_default();
    let form = PolicyForm { policy: text, last: CHANGES.to_string(), act: String::new() };
    page(&app, &caller, &place, &form, &Found::Nothing)
}

/// `POST /products/{name}/policy`
pub(super) async fn submit(
    State(app): State<AppState>,
    caller: Caller,
    Path(name): Path<String>,
    Submitted(form): Submitted<PolicyForm>,
) -> Response {
    let place = match Place::find(&app, &caller, &name).await {
        Ok(place) => place,
        Err(error) => return missing(error, &name).page(&app.settings, Some(&caller)),
    };
    // Browsers send line breaks as CR LF, which would change every digest and nothing else.
    let form = PolicyForm { policy: form.policy.replace("\r\n", "\n"), ..form };
    let found = match answer(&app, &caller, &place, &form).await {
        Ok(found) => found,
        Err(error) => Found::Refused(error.sentence()),
    };
    let mut response = page(&app, &caller, &place, &form, &found);
    if matches!(found, Found::Refused(_)) {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    response
}

fn missing(error: Error, name: &str) -> Problem {
    if error.is_of_the_caller() {
        return Problem::Missing(format!("There is no product {name}."));
    }
    error.into()
}

async fn answer(app: &AppState, caller: &Caller, place: &Place, form: &PolicyForm) -> Result<Found, Error> {
    Ok(match form.act.as_str() {
        "validate" => Found::Checked(policy::validate(app, &form.policy, Some(place)).await?),
        "simulate" => {
            let last = form.last.trim().parse().unwrap_or(0);
            Found::Tried(policy::simulate(app, caller, &form.policy, place, last).await?)
        }
        "replay" => {
            let product = Some(place.name.to_string());
            let which = Which { product, since: None, most: Some(DECISIONS) };
            Found::Judged(app.engine.judge_again(&which).await?)
        }
        _ => return Err(Error::field("/act", "choose what to do with one of the buttons")),
    })
}

fn page(app: &AppState, caller: &Caller, place: &Place, form: &PolicyForm, found: &Found) -> Response {
    let name = &place.name;
    let main = html! {
        main #main {
            h1 { "Policy of " (name) }
            p.muted { a href={ "/products/" (name) } { "The product" } ". What you try here changes nothing. A policy is changed by a pull request in " (place.product.repository) "." }
            (result(found))
            (form_of(caller, name.as_str(), form, found))
        }
    };
    layout::page(&app.settings, Some(caller), &format!("Policy of {name}"), &main)
}

fn form_of(caller: &Caller, name: &str, form: &PolicyForm, found: &Found) -> Markup {
    let wrong: Vec<Invalid> = match found {
        Found::Refused(why) => vec![Invalid { field: "policy", message: format!("and number: {why}") }],
        _ => Vec::new(),
    };
    html! {
        form.requirement method="post" action={ "/products/" (name) "/policy" } {
            (layout::proof(caller))
            (field("policy", "Policy", Some(Limit::Bytes(POLICY_LIMIT)), &wrong, |marks| html! {
                textarea #policy name="policy" rows="24" spellcheck="false" aria-invalid=[marks.invalid]
                    aria-describedby=[marks.described.as_deref()] data-limit=[marks.limit] data-unit=[marks.unit]
                    { "\n" (form.policy) }
            }))
            (field("last", "Changes to look at", None, &[], |_| html! {
                input #last name="last" type="number" min="1" max=(policy::MOST_CHANGES) value=(form.last);
            }))
            button name="act" value="validate" { "Check" }
            " " button name="act" value="simulate" { "Try on merged changes" }
            " " button name="act" value="replay" { "Judge the last " (DECISIONS) " decisions again" }
        }
    }
}

fn result(found: &Found) -> Markup {
    match found {
        Found::Nothing => html! {},
        Found::Refused(why) => html! { p.error role="alert" { "Nothing was tried: " (why) } },
        Found::Checked(checked) => validation(checked),
        Found::Tried(simulation) => tried(simulation),
        Found::Judged(judged) => rejudged(judged),
    }
}

fn validation(found: &Validation) -> Markup {
    let (faults, warnings) = (found.faults.len(), found.warnings.len() + found.misfits.len());
    html! {
        section #validation {
            h2 { "Check" }
            p.now.bad[!found.valid].good[found.valid] role="status" {
                @if found.valid { "It is a policy" } @else { "It is refused" }
                ": " (counted(faults, "error")) ", " (counted(warnings, "warning")) "."
            }
            @if faults + found.warnings.len() > 0 {
                div.scroll tabindex="0" role="region" aria-label="Errors and warnings" { table {
                    thead { tr { th scope="col" { "Line" } th scope="col" { "What" } th scope="col" { "Where" } th scope="col" { "Why" } } }
                    tbody {
                        @for remark in &found.faults { (remark_row("error", remark)) }
                        @for remark in &found.warnings { (remark_row("warning", remark)) }
                    }
                } }
            }
            @if !found.misfits.is_empty() {
                h3 { "What does not fit the repository" }
                ul { @for misfit in &found.misfits { li { (misfit) } } }
            }
        }
    }
}

fn remark_row(word: &str, remark: &PolicyRemark) -> Markup {
    let pointer = if remark.pointer.is_empty() { "/" } else { &remark.pointer };
    html! { tr { td { (remark.line) } td { (word) } td.cell { code { (pointer) } } td.cell { (remark.message) } } }
}

fn tried(all: &PolicySimulation) -> Markup {
    let summary = &all.summary;
    html! {
        section #simulation {
            h2 { "What it would have said of " (counted(summary.changes, "change")) }
            @if let Some(why) = &all.today_fault { p.error { "There is nothing to compare with: " (why) } }
            @if all.words.is_empty() && all.today_fault.is_none() { p.now.good { "It decides everything as today's policy does." } }
            ul { @for sentence in &all.words { li { (sentence) } } }
            p {
                "Tried: " (tiers(&summary.tiers)) "; " (summary.blocked) " would have been blocked. "
                "Today: " (tiers(&summary.tiers_today)) "; " (summary.blocked_today) " blocked. "
                (summary.differing) " differ."
            }
            div.scroll tabindex="0" role="region" aria-label="Changes" { table {
                thead { tr {
                    th scope="col" { "Commit" } th scope="col" { "Change" } th scope="col" { "Today" }
                    th scope="col" { "Tried" } th scope="col" { "Asks" } th scope="col" { "Because" }
                } }
                tbody { @for change in &all.changes { (change_row(change)) } }
            } }
        }
    }
}

fn tiers(counts: &std::collections::BTreeMap<String, usize>) -> String {
    let order = ["critical", "high", "medium", "low"];
    let words = order.iter().filter_map(|tier| counts.get(*tier).map(|count| format!("{count} {tier}")));
    let words: Vec<String> = words.collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

fn change_row(change: &SimulatedChange) -> Markup {
    let today = change.today.as_ref();
    html! {
        tr {
            td { code { (change.sha.get(..7).unwrap_or(&change.sha)) } }
            td.cell { (change.subject) }
            td { (today.map_or("–", |it| it.tier.as_str())) }
            td { @if change.differs { strong { (change.tried.tier) } } @else { (change.tried.tier) } }
            td.cell {
                (change.tried.asks)
                @if let Some(today) = today.filter(|it| it.asks != change.tried.asks) { " (today: " (today.asks) ")" }
            }
            td.cell {
                (change.tried.because)
                @if let Some(why) = &change.tried.blocked { "; blocked: " (why) }
            }
        }
    }
}

fn rejudged(found: &Rejudged) -> Markup {
    let is_same = found.differing.is_empty();
    html! {
        section #replay {
            h2 { "Decisions judged again" }
            p.now.good[is_same].bad[!is_same] role="status" {
                (counted(found.judged, "decision")) " judged again from the recorded facts: "
                @if is_same { "none differs" } @else {
                    (found.decide_otherwise()) " decided otherwise, "
                    (found.differing.len() - found.decide_otherwise()) " in other words alone"
                }
                @if found.is_cut { "; older ones were left out" }
                "."
            }
            @if !is_same {
                div.scroll tabindex="0" role="region" aria-label="Decisions that differ" { table {
                    thead { tr {
                        th scope="col" { "Run" } th scope="col" { "Stage" } th scope="col" { "When" }
                        th scope="col" { "Decided" } th scope="col" { "What differs" }
                    } }
                    tbody { @for one in found.differing.iter().take(SHOWN) { (differing_row(one)) } }
                } }
            }
        }
    }
}

fn differing_row(one: &Differing) -> Markup {
    let shown = |value: Option<&serde_json::Value>| -> String {
        value.map_or_else(|| "absent".to_owned(), |it| it.to_string().chars().take(80).collect())
    };
    html! {
        tr {
            td { a href={ "/runs/" (one.run()) } { code.id { (one.run()) } } }
            td { (one.decided.stage) }
            td.nowrap { (words::utc(one.decided.assessed_at)) }
            td { (one.decided.decision) }
            td.cell {
                @if let Some(why) = &one.unreadable { (why) }
                @for difference in one.differences.iter().take(5) {
                    code { (difference.pointer) } ": " (shown(difference.recorded.as_ref())) " → " (shown(difference.now.as_ref())) br;
                }
            }
        }
    }
}
