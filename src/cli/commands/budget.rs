//! `aspora budget`.

use std::{fmt::Write as _, str::FromStr};

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::{Client, Exit, Printer, plain};
use crate::{
    api::{Budget, DefaultBudget, LastSet, NewProductBudget, NewRunBudget, ProductBudget, RunBudget},
    core::{budget::Unit, words::counted},
};

/// The subcommands of `aspora budget`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show limits and usage: of all products and the default of runs, of one product or of a run.
    Show(Show),
    /// Set limits; the others stay. Runs that are paused for lack of budget resume if it suffices now.
    Set(Set),
    /// Release what is reserved for interrupted calls of a run, if they were not billed.
    Release(Release),
}

/// Whose budget to show.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Only this product.
    #[arg(short, long, conflicts_with = "run")]
    product: Option<String>,
    /// This run.
    #[arg(short, long)]
    run: Option<Uuid>,
}

/// Which limits to set, and whose.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("whose").required(true).args(["product", "run", "every_run"]))]
#[command(group = clap::ArgGroup::new("limit").required(true).multiple(true)
    .args(["tokens", "micro_dollars", "daily_tokens", "daily_micro_dollars"]))]
pub(crate) struct Set {
    /// The product.
    #[arg(short, long)]
    product: Option<String>,
    /// The run.
    #[arg(short, long)]
    run: Option<Uuid>,
    /// Each run that has no limits of its own.
    #[arg(long)]
    every_run: bool,
    /// Maximum number of tokens, or `none`.
    #[arg(long)]
    tokens: Option<Cap>,
    /// Maximum cost in millionths of a dollar, or `none`; workers need ASPORA_PRICES to apply it.
    #[arg(long)]
    micro_dollars: Option<Cap>,
    /// Maximum number of tokens per day (UTC), or `none`.
    #[arg(long, conflicts_with_all = ["run", "every_run"])]
    daily_tokens: Option<Cap>,
    /// Maximum cost per day (UTC) in millionths of a dollar, or `none`.
    #[arg(long, conflicts_with_all = ["run", "every_run"])]
    daily_micro_dollars: Option<Cap>,
    /// The reason.
    #[arg(long)]
    reason: String,
}

/// Whose reserved calls to release.
#[derive(Debug, Args)]
pub(crate) struct Release {
    /// The run.
    #[arg(short, long)]
    run: Uuid,
    /// The reason.
    #[arg(long)]
    reason: String,
}

/// A limit on the command line: a number or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cap {
    None,
    Most(u64),
}

impl Cap {
    /// The given limit, or the current one if none is given.
    fn or(given: Option<Self>, current: Option<u64>) -> Option<u64> {
        match given {
            Some(Self::None) => None,
            Some(Self::Most(most)) => Some(most),
            None => current,
        }
    }
}

impl FromStr for Cap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            _ => text.parse().map(Self::Most).map_err(|_| "expected a whole number or `none`".to_owned()),
        }
    }
}

/// Runs a subcommand.
///
/// # Errors
/// When the server refuses the request or cannot be reached.
pub(crate) async fn run(client: &Client, printer: &Printer, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Show(Show { run: Some(id), .. }) => {
            let budget = client.run_budget(id).await?;
            printer.say(&of_run(&budget), &budget)?;
        }
        Command::Show(Show { product, .. }) => {
            let budgets = client.budgets(product.as_deref()).await?;
            let mut texts: Vec<String> = budgets.iter().map(of_product).collect();
            if product.is_none() {
                texts.push(of_every_run(&client.default_budget().await?));
            }
            printer.say(&texts.join("\n"), &budgets)?;
        }
        Command::Set(set) => set_limits(client, printer, set).await?,
        Command::Release(release) => {
            let budget = client.release(release.run, &release.reason).await?;
            let count = counted(budget.released.unwrap_or_default(), "reserved call");
            printer.say(&format!("Released {count}.\n{}", of_run(&budget)), &budget)?;
        }
    }
    Ok(Exit::Success)
}

/// Changes the given limits and keeps the others.
async fn set_limits(client: &Client, printer: &Printer, what: Set) -> anyhow::Result<()> {
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
    if what.every_run {
        let now = client.default_budget().await?;
        let new = NewRunBudget {
            tokens: Cap::or(what.tokens, now.tokens),
            micro_dollars: Cap::or(what.micro_dollars, now.micro_dollars),
            reason: what.reason,
        };
        let budget = client.set_default_budget(&new).await?;
        return printer
            .say(&format!("{}{}", of_every_run(&budget), resumed(budget.resumed.as_deref())), &budget);
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
    runs.unwrap_or_default().iter().map(|run| format!("run {run} resumed\n")).collect()
}

fn of_product(budget: &ProductBudget) -> String {
    let mut text = format!("product {}\n", plain(&budget.product));
    line(&mut text, "total", &budget.total);
    line(&mut text, "today", &budget.today);
    last_set(&mut text, budget.last_set.as_ref());
    text
}

fn of_every_run(budget: &DefaultBudget) -> String {
    let limit =
        |unit: Unit, most: Option<u64>| most.map_or_else(|| "no limit".to_owned(), |most| unit.of(most));
    let (tokens, dollars) =
        (limit(Unit::Tokens, budget.tokens), limit(Unit::MicroDollars, budget.micro_dollars));
    let mut text = format!("each run without limits of its own\n  {:<10} {tokens}, {dollars}\n", "most");
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
        let state = if call.in_flight { "in flight" } else { "interrupted, possibly billed" };
        let _ = writeln!(
            text,
            "  reserved   {} for {}, attempt {}: {state}",
            counted(call.tokens, "token"),
            plain(&call.call),
            call.attempt
        );
    }
    text
}

fn line(text: &mut String, name: &str, budget: &Budget) {
    let _ = writeln!(text, "  {name:<10} {}", used(budget));
}

/// The usage and the limits of a budget.
pub(super) fn used(budget: &Budget) -> String {
    let of = |unit: Unit, settled: u64, reserved: u64, limit: Option<u64>| {
        let used = unit.of(settled.saturating_add(reserved));
        let limit = limit.map_or_else(|| "no limit".to_owned(), |limit| format!("of {}", unit.of(limit)));
        let reserved =
            if reserved > 0 { format!(", {} of them reserved", unit.of(reserved)) } else { String::new() };
        format!("{used} ({limit}{reserved})")
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

#[cfg(test)]
mod tests {
    use crate::cli::args::parses;

    #[test]
    fn a_budget_is_set_for_one_run_or_product_with_a_reason() {
        let check = |rest: &str, good: bool| {
            let rest: Vec<&str> = rest.split_whitespace().collect();
            assert_eq!(parses("budget set", &rest), good, "{rest:?}");
        };
        let run = "--run 0190a5c4-7b1e-7c3a-9f00-2b8a1c4d5e6f";
        check("--product wealth --tokens 5 --daily-micro-dollars none --reason r", true);
        check(&format!("{run} --tokens 5 --micro-dollars 7 --reason r"), true);
        check(&format!("{run} --daily-tokens 5 --reason r"), false);
        check(&format!("{run} --product wealth --tokens 5 --reason r"), false);
        check("--every-run --tokens 5 --reason r", true);
        check("--every-run --daily-tokens 5 --reason r", false);
        check("--every-run --product wealth --tokens 5 --reason r", false);
        check("--tokens 5 --reason r", false);
        check("--product wealth --reason r", false);
        check("--product wealth --tokens 5", false);
        check("--product wealth --tokens=-1 --reason r", false);
    }
}
