//! The head of a run's page: what it is about, where it is, what it has cost.

use maud::{Markup, html};

use super::{
    super::words,
    view::{About, View},
};
use crate::{
    core::{
        budget::{Account, Scope, Unit},
        run,
        words::counted,
    },
    store::effect,
};

/// The header's panel.
pub(super) fn panel(view: &View) -> Markup {
    let spec = &view.stored.spec;
    let progress = &view.stored.run.progress;
    let state = match &view.stored.run.state {
        run::State::Ended { end, .. } => end.as_str(),
        state => state.as_str(),
    };
    html! {
        h1 { (view.about.title()) }
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
            @if let About::Pull(pull, _) = &view.about {
                div { dt { "Opened by" } dd { (pull.author_login.as_deref().unwrap_or("ghost")) } }
                @if pull.from_fork { div { dt { "Branch" } dd { "in another repository: " code { (spec.branch) } } } }
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
