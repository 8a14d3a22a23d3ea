//! `aspora budget …`.

use std::fmt::Write as _;

use uuid::Uuid;

use super::{
    Client, Exit,
    args::{Budget as Verb, BudgetOf, Cap, SetBudget},
    print::Printer,
    story::plain,
};
use crate::{
    api::{Budget, LastSet, NewProductBudget, NewRunBudget, ProductBudget, RunBudget},
    core::budget::Unit,
};

pub(super) async fn obey(client: &Client, printer: &Printer, verb: Verb) -> anyhow::Result<Exit> {
    match verb {
        Verb::Show(BudgetOf { run: Some(id), .. }) => {
            let budget = client.run_budget(id).await?;
            printer.say(&of_run(&budget), &budget)?;
        }
        Verb::Show(BudgetOf { product, .. }) => {
            let budgets = client.budgets(product.as_deref()).await?;
            let pages: Vec<String> = budgets.iter().map(of_product).collect();
            let text = if pages.is_empty() { "There are no products.".to_owned() } else { pages.join("\n") };
            printer.say(&text, &budgets)?;
        }
        Verb::Set(what) => set(client, printer, what).await?,
        Verb::Release(what) => {
            let budget = client.release(what.run, &what.reason).await?;
            let count = budget.released.unwrap_or_default();
            printer.say(&format!("{count} held calls were let go.\n{}", of_run(&budget)), &budget)?;
        }
    }
    Ok(Exit::Done)
}

/// Changes the limits that are named; all others stay.
async fn set(client: &Client, printer: &Printer, what: SetBudget) -> anyhow::Result<()> {
    if let Some(id) = what.run {
        let now = client.run_budget(id).await?.run;
        let new = NewRunBudget {
            tokens: Cap::or(what.tokens, now.tokens),
            micro_dollars: Cap::or(what.micro_dollars, now.micro_dollars),
            reason: what.reason,
        };
        let budget = client.set_run_budget(id, &new).await?;
        return printer.say(&format!("{}{}", of_run(&budget), resumed(budget.resumed.as_deref())), &budget);
    }
    let product = what.product.unwrap_or_default();
    let now = client.budgets(Some(&product)).await?.into_iter().next();
    let (total, today) = (now.as_ref().map(|it| it.total), now.as_ref().map(|it| it.today));
    let new = NewProductBudget {
        tokens: Cap::or(what.tokens, total.and_then(|it| it.tokens)),
        micro_dollars: Cap::or(what.micro_dollars, total.and_then(|it| it.micro_dollars)),
        daily_tokens: Cap::or(what.daily_tokens, today.and_then(|it| it.tokens)),
        daily_micro_dollars: Cap::or(what.daily_micro_dollars, today.and_then(|it| it.micro_dollars)),
        reason: what.reason,
    };
    let budget = client.set_product_budget(&product, &new).await?;
    printer.say(&format!("{}{}", of_product(&budget), resumed(budget.resumed.as_deref())), &budget)
}

fn resumed(runs: Option<&[Uuid]>) -> String {
    runs.unwrap_or_default().iter().map(|run| format!("run {run} goes on\n")).collect()
}

fn of_product(budget: &ProductBudget) -> String {
    let mut text = format!("product {}\n", plain(&budget.product));
    line(&mut text, "in all", &budget.total);
    line(&mut text, "today", &budget.today);
    last_set(&mut text, budget.last_set.as_ref());
    text
}

fn of_run(budget: &RunBudget) -> String {
    let mut text = format!("run {}\n", budget.run_id);
    line(&mut text, "this run", &budget.run);
    line(&mut text, &plain(&budget.product), &budget.product_total);
    line(&mut text, "... today", &budget.product_today);
    last_set(&mut text, budget.last_set.as_ref());
    for call in &budget.unsettled {
        let state = if call.in_flight { "is being made" } else { "was cut off and may have been paid" };
        let _ = writeln!(
            text,
            "  held       {} tokens for {}, attempt {}, which {state}",
            call.tokens,
            plain(&call.call),
            call.attempt
        );
    }
    text
}

fn line(text: &mut String, name: &str, budget: &Budget) {
    let _ = writeln!(text, "  {name:<10} {}", used(budget));
}

/// What is used of a budget, and of how much.
pub(super) fn used(budget: &Budget) -> String {
    let of = |unit: Unit, settled: u64, reserved: u64, limit: Option<u64>| {
        let used = unit.of(settled.saturating_add(reserved));
        let limit = limit.map_or_else(|| "no limit".to_owned(), |limit| format!("of {}", unit.of(limit)));
        let held = if reserved > 0 { format!(", {} of them held", unit.of(reserved)) } else { String::new() };
        format!("{used} ({limit}{held})")
    };
    let b = budget;
    format!(
        "{}, {}",
        of(Unit::Tokens, b.settled_tokens, b.reserved_tokens, b.tokens),
        of(Unit::MicroDollars, b.settled_micro_dollars, b.reserved_micro_dollars, b.micro_dollars)
    )
}

fn last_set(text: &mut String, last: Option<&LastSet>) {
    if let Some(LastSet { reason, by, at }) = last {
        let _ = writeln!(
            text,
            "  set by     {} at {}: {}",
            plain(by),
            at.format("%Y-%m-%d %H:%M:%SZ"),
            plain(reason)
        );
    }
}
