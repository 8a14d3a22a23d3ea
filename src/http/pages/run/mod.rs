//! The page of a run: its state, what it waits for, and its whole history.

mod acts;
mod controls;
mod diagram;
mod diff;
mod gate;
mod ledger;
mod scale;
mod timeline;
mod view;

use axum::{
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    response::Response,
};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

pub(super) use self::controls::submit as control;
use self::view::View;
use super::{
    super::{AppState, middleware::caller::Caller},
    Problem, layout, words,
};
use crate::{
    core::{
        access::Right,
        budget::{Account, Scope, Unit},
        run,
        subject::Subject,
        why::{Cause, why},
        words::counted,
    },
    store::{self, assessment, attempt, audit, budget, effect, event, review},
};

/// The newest events that a page reads; older ones are in the raw JSON.
const EVENTS: i32 = 2000;

/// The query of the page.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PageQuery {
    #[serde(default)]
    fragment: String,
}

/// `GET /runs/{id}`, or with `?fragment=1` only its `<main>`. An id that is not UTF-8 is answered like one that is
/// not a UUID.
pub(super) async fn show(
    State(app): State<AppState>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Response {
    let Query(query) = query.unwrap_or_default();
    match load(&app, caller.clone(), &id.map(|Path(id)| id).unwrap_or_default()).await {
        Ok(view) if query.fragment == "1" => layout::fragment(&main(&view)),
        Ok(view) => layout::page(&app.settings, Some(&caller), &view.requirement.title, &main(&view)),
        Err(problem) => problem.page(&app.settings, Some(&caller)),
    }
}

async fn load(app: &AppState, caller: Caller, id: &str) -> Result<View, Problem> {
    let id: Uuid = id.parse().map_err(|_| Problem::not_a_run())?;
    let missing = || Problem::Missing(format!("There is no run {id}."));
    let pool = app.engine.pool();
    let (stored, job) = store::standing::with_job(pool, id).await?.ok_or_else(missing)?;
    let Subject::Requirement(requirement) = stored.spec.subject;
    let requirement = store::requirement::get(pool, requirement).await?;
    let after = stored.version.saturating_sub(EVENTS);
    Ok(View {
        forge: app.settings.forge_url.clone(),
        requirement: requirement.ok_or_else(missing)?,
        workflow: app.engine.workflow(&stored.spec.workflow_hash).await.ok(),
        events: event::after(pool, id, after, EVENTS.into()).await?,
        attempts: attempt::of_run(pool, id).await?,
        assessment: assessment::of_run(pool, id).await?.into_iter().next(),
        findings: review::findings(pool, id).await?,
        diffs: effect::diffs(pool, id).await?,
        effects: effect::of_run(pool, id).await?,
        acts: audit::of_run(pool, id).await?,
        caller,
        spent: effect::spent(pool, id).await?,
        budget: budget::accounts(pool, id, &stored.spec.product).await?,
        cause: why(&stored.run, job.as_ref()),
        job,
        stored,
    })
}

fn main(view: &View) -> Markup {
    let id = view.stored.spec.id;
    let events = format!("/api/v1/runs/{id}/events");
    html! {
        main #main {
            div #live data-events=(events) data-every="5000" data-over[view.is_over()] {
                (header(view))
                (now(view))
                (controls::panel(view))
                @if let Some(assessment) = &view.assessment { (gate::panel(view, assessment)) }
                (diagram::panel(view))
                (timeline::panel(view))
                @if view.caller.may(Right::ReadPayload) {
                    (ledger::findings(view))
                    (diff::panel(view))
                    (ledger::effects(view))
                }
                (ledger::history(view))
                (acts::panel(view))
                (wanted(view))
                p.muted {
                    "As of " (words::utc(view.now())) ". Raw: "
                    a href={ "/api/v1/runs/" (id) } { "run" } ", " a href=(events) { "events" } "."
                }
            }
        }
    }
}

fn header(view: &View) -> Markup {
    let spec = &view.stored.spec;
    let progress = &view.stored.run.progress;
    let state = match &view.stored.run.state {
        run::State::Ended { end, .. } => end.as_str(),
        state => state.as_str(),
    };
    html! {
        h1 { (view.requirement.title) }
        dl.strip {
            div { dt { "State" } dd { (words::state(state)) } }
            @if let Some(step) = view.stored.run.step() { div { dt { "Step" } dd { (step) } } }
            @if let Some(tier) = progress.tier { div { dt { "Tier" } dd { (words::tier(tier)) } } }
            @if let Some(pull) = progress.pull {
                div { dt { "Pull request" } dd { (words::pull(&view.forge, &spec.repository, pull)) } }
            }
            @if let Some(head) = &progress.head { div { dt { "Head" } dd { (view.commit(head.as_str())) } } }
            @if let Some(merged) = &progress.merged {
                div { dt { "Merged as" } dd { (view.commit(merged.as_str())) } }
            }
            @if let Some(by) = &progress.unjudged { div { dt { "Merged unjudged" } dd { "by " (by) } } }
            @if let Some(parent) = spec.parent {
                div { dt { "Forked from" } dd { a href={ "/runs/" (parent) } { code.id { (parent) } } } }
            }
            div { dt { "Product" } dd { (spec.product) } }
            div { dt { "Began" } dd { (words::moment(view.now(), view.stored.created_at)) } }
            div { dt { "Spent" } dd { (spent(&view.spent)) } }
            @if let Some(budget) = budget_left(&view.budget) { div { dt { "Budget" } dd { (budget) } } }
            div { dt { "Run" } dd { code.id { (spec.id) } } }
        }
    }
}

fn spent(spent: &effect::Spent) -> Markup {
    let tokens = words::thousands(spent.input_tokens + spent.output_tokens);
    let title = format!("{} read, {} written", spent.input_tokens, spent.output_tokens);
    html! {
        @if spent.calls == 0 { "nothing yet" } @else {
            @if spent.micro_dollars > 0 { (words::dollars(spent.micro_dollars)) ", " }
            span title=(title) { (tokens) " tokens" } ", "
            (counted(spent.calls, "call"))
        }
    }
}

/// Each limit that the run's calls count against, with its use; `None` without a limit.
fn budget_left(accounts: &[Account]) -> Option<Markup> {
    let mut lines = Vec::new();
    for Account { scope, limits, used } in accounts {
        let (all, held) = (used.all(), used.reserved);
        let units = [
            (Unit::Tokens, limits.tokens, all.tokens, held.tokens),
            (Unit::MicroDollars, limits.micro_dollars, all.micro_dollars, held.micro_dollars),
        ];
        for (unit, limit, all, held) in units {
            let Some(limit) = limit else { continue };
            let whose = match scope {
                Scope::Run => "this run",
                Scope::Product => "the product",
                Scope::ProductDay => "the product today",
            };
            lines.push((whose, amount(unit, all), amount(unit, limit), amount(unit, held)));
        }
    }
    (!lines.is_empty()).then(|| {
        html! {
            @for (whose, all, limit, held) in lines {
                div { (whose) ": " span title={ (held) " reserved for calls whose cost is unknown" } { (all) } " of " (limit) }
            }
        }
    })
}

fn amount(unit: Unit, amount: u64) -> String {
    let amount = i64::try_from(amount).unwrap_or(i64::MAX);
    match unit {
        Unit::Tokens => format!("{} tokens", words::thousands(amount)),
        Unit::MicroDollars => words::dollars(amount),
    }
}

fn now(view: &View) -> Markup {
    let class = match &view.stored.run.state {
        run::State::At { .. } => "now",
        run::State::Waiting { .. } | run::State::Paused { .. } => "now waiting",
        run::State::Ended { end: crate::core::workflow::End::Succeeded, .. } => "now good",
        run::State::Ended { .. } => "now bad",
    };
    let error = view.job.as_ref().and_then(|job| job.error.as_ref());
    // The sentence of a job that backs off says its error already.
    let error = error.filter(|_| !matches!(view.cause, Cause::BackingOff { .. } | Cause::Ended { .. }));
    html! {
        p.(class) #now {
            (words::prose(&view.cause.sentence(view.now())))
            @if let Some(error) = error { " Last error: " (error) }
        }
    }
}

fn wanted(view: &View) -> Markup {
    let requirement = &view.requirement;
    html! {
        section {
            h2 { "Requirement" }
            p.muted {
                "Priority " (requirement.priority) ", submitted by "
                (requirement.requested_by.as_deref().unwrap_or("an unknown caller"))
                ", " (words::utc(requirement.created_at))
            }
            @if view.caller.may(Right::ReadPayload) { pre.text { (requirement.body) } }
        }
    }
}
