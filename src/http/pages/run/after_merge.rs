//! What followed the merge: what the base's own checks said, where the change was deployed, and who reverts it.

use maud::{Markup, html};
use uuid::Uuid;

use super::{super::words, controls::form, view::View};
use crate::{
    api::{Deployment, DeploymentStatus},
    core::access::Right,
};

/// The panel of a merged change; nothing while it is not merged.
pub(super) fn panel(view: &View) -> Markup {
    let after = &view.after_merge;
    html! {
        @if let Some(it) = &after.reverts {
            p #reverts { "This run reverts run " (run_link(it.run_id)) ", merged as " (view.commit(&it.sha)) ": " (it.reason) }
        }
        @if after.merged.is_some() {
            section #after-merge {
                h2 { "After the merge" }
                (base(view))
                (deployments(view))
                (reverts(view))
            }
        }
    }
}

/// What the base's own checks said.
fn base(view: &View) -> Markup {
    let Some(base) = &view.after_merge.base else {
        return html! { p.muted { "The base's own checks were not watched after this merge." } };
    };
    let class = match base.state.as_str() {
        "green" | "green_again" => "now good",
        "red" => "now bad",
        _ => "now",
    };
    html! {
        p.(class) #base { (words::prose(&base.sentence)) "." }
        p.muted {
            @if let Some(at) = base.looked_at { "Looked at " (words::utc(at)) "; " } @else { "Not looked at yet; " }
            "watched until " (words::utc(base.until)) "."
            @if let Some(error) = &base.error { " The last look failed: " (error) }
        }
        @if !base.checks.is_empty() {
            ul { @for check in &base.checks { li {
                @match &check.url { Some(url) => (words::link(url, &check.name)), None => (check.name) }
                ": " (check.words)
                @if let Some(at) = check.since { " since " (words::utc(at)) }
            } } }
        }
    }
}

/// Who reverts it, and the form that asks for it.
fn reverts(view: &View) -> Markup {
    let after = &view.after_merge;
    html! {
        @for it in &after.reverted_by {
            p { "Reverted by run " (run_link(it.run_id)) " " (words::state(&it.state)) ", asked for by " (it.asked_by) ", "
                (words::utc(it.at)) ": " (it.reason) }
        }
        @if after.is_revertible() && view.caller.may(Right::Submit) && view.caller.may(Right::Control) {
            (form(view, "revert", "Revert this merge", &html! {}))
        }
    }
}

fn run_link(id: Uuid) -> Markup {
    html! { a href={ "/runs/" (id) } { code.id { (id) } } }
}

fn deployments(view: &View) -> Markup {
    let all = &view.after_merge.deployments;
    html! {
        h3 { "Deployments" }
        @if all.is_empty() {
            p.muted { "No data: the forge has announced no deployment of this change." }
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Deployments" { table {
                thead { tr {
                    th scope="col" { "Place" } th scope="col" { "State" } th scope="col" { "Commit" }
                    th scope="col" { "By" } th scope="col" { "Over time" }
                } }
                tbody { @for deployment in all { (row(view, deployment)) } }
            } }
        }
    }
}

fn row(view: &View, it: &Deployment) -> Markup {
    html! { tr {
        td { (words::link(&it.url, &it.environment)) @if it.production { " (production)" } }
        td { (badge(it.state.as_deref().unwrap_or("no status yet"))) }
        td { (view.commit(&it.sha)) }
        td { (it.creator.as_deref().unwrap_or("ghost")) }
        td.message {
            "made " (words::utc(it.created_at))
            @for status in &it.statuses { "; " (said(status)) }
        }
    } }
}

fn said(it: &DeploymentStatus) -> Markup {
    html! {
        @match &it.log_url { Some(url) => (words::link(url, &it.state)), None => (it.state) }
        " " (words::utc(it.at))
        @if let Some(by) = &it.creator { " by " (by) }
        @if !it.description.is_empty() { " (" (it.description) ")" }
    }
}

fn badge(state: &str) -> Markup {
    let class = match state {
        "success" => "badge good",
        "failure" | "error" => "badge bad",
        "in_progress" | "queued" | "pending" => "badge running",
        _ => "badge",
    };
    html! { span class=(class) { (state.replace('_', " ")) } }
}
