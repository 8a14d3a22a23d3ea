//! Products as pages: the list, and each one's policy in words, limits, checks, runs and reviewers.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::{
    super::{AppState, middleware::caller::Caller, overview, scope},
    Problem, layout, proposals, words,
};
use crate::{
    api::{
        BaseCheck, FiledProposal, FindingFigures, Overview, PolicyOverview, Product, ReviewerFigures,
        RunFigures, ShadowFigures, TierOverview,
    },
    core::{
        command::{PREFIX, Verb},
        measure::{FIRST_PULL_MINUTES, LOOP_MINUTES},
        requirement::ProductName,
        words::counted,
    },
    store::{self, product::OPEN_PULLS, shadow},
};

/// The verdicts of shadow mode on a page.
const VERDICTS: i64 = 20;

/// `GET /products`
pub(super) async fn list(State(app): State<AppState>, caller: Caller) -> Response {
    match scope::products(&app, &caller).await {
        Ok(products) => layout::page(&app.settings, Some(&caller), "Products", &listed(&products)),
        Err(error) => Problem::from(error).page(&app.settings, Some(&caller)),
    }
}

/// `GET /products/{name}`
pub(super) async fn show(
    State(app): State<AppState>,
    caller: Caller,
    name: Result<Path<String>, PathRejection>,
) -> Response {
    let name = name.map(|Path(name)| name).unwrap_or_default();
    match load(&app, &name).await {
        Ok(loaded) => {
            let title = format!("Product {name}");
            layout::page(&app.settings, Some(&caller), &title, &main(&caller, &loaded))
        }
        Err(problem) => problem.page(&app.settings, Some(&caller)),
    }
}

/// What the page shows.
struct Loaded {
    overview: Overview,
    decisions: Vec<shadow::Row>,
    proposals: Vec<FiledProposal>,
    now: DateTime<Utc>,
}

async fn load(app: &AppState, name: &str) -> Result<Loaded, Problem> {
    let pool = app.engine.pool();
    let missing = || Problem::Missing("There is no such product.".to_owned());
    let name: ProductName = name.parse().map_err(|_| missing())?;
    let product = store::product::get(pool, name.as_str()).await?.ok_or_else(missing)?;
    let now = store::now(&mut *pool.acquire().await?).await?;
    let decisions = shadow::newest(pool, name.as_str(), VERDICTS).await?;
    let proposals = proposals::load(pool, name.as_str()).await?;
    Ok(Loaded { overview: overview::of(pool, product).await?, decisions, proposals, now })
}

fn listed(products: &[store::product::Product]) -> Markup {
    html! {
        main #main {
            h1 { "Products" }
            @if products.is_empty() {
                p.empty { "No product yet: " code { "aspora product put NAME OWNER/REPOSITORY" } " adds one." }
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Products" { table {
                    thead { tr {
                        th scope="col" { "Product" } th scope="col" { "Repository" } th scope="col" { "Base" }
                        th scope="col" { "Requirements" }
                    } }
                    tbody { @for product in products { tr {
                        td { a href={ "/products/" (product.name) } { (product.name) } }
                        td { (product.repository) }
                        td { code { (product.base_branch) } }
                        td { a href={ "/?product=" (product.name) } { "show" } }
                    } } }
                } }
            }
        }
    }
}

fn main(caller: &Caller, loaded: &Loaded) -> Markup {
    let Loaded { overview, decisions, proposals, now } = loaded;
    let (Overview { product, policy, base, runs, reviewers, shadow }, now) = (overview, *now);
    html! {
        main #main {
            h1 { (product.name) }
            p.muted {
                (product.repository) ", branch " code { (product.base_branch) } ". "
                a href={ "/?product=" (product.name) } { "Requirements" } ". "
                a href={ "/products/" (product.name) "/policy" } { "Check or try its policy" } "."
            }
            (outcomes(runs))
            (proposals::section(caller, proposals))
            (demanded(policy.as_ref(), now))
            (base_checks(base, policy.as_ref(), now))
            @if let Some(shadow) = shadow { (in_the_shadow(shadow, decisions, now)) }
            (reviewed(reviewers))
            (settings(product))
            (commands())
            p.muted { "Raw: " a href={ "/api/v1/products/" (product.name) } { "product" } "." }
        }
    }
}

/// What became of the newest runs.
fn outcomes(runs: &RunFigures) -> Markup {
    let rows = [
        ("open", runs.open),
        ("succeeded", runs.succeeded),
        ("needs a person", runs.blocked),
        ("failed", runs.failed),
        ("cancelled", runs.cancelled),
    ];
    let all: i64 = rows.iter().map(|(_, count)| count).sum();
    html! {
        section {
            h2 { "Runs" }
            @if all == 0 { p.empty { "None began in the last 30 days." } } @else {
                p { "Of the newest runs, at most 1,000 of the last 30 days:" }
                dl.strip { @for (name, count) in rows { div { dt { (name) } dd { (count) } } } }
            }
        }
    }
}

/// The policy in words.
fn demanded(policy: Option<&PolicyOverview>, now: DateTime<Utc>) -> Markup {
    html! {
        section {
            h2 { "What a change must have" }
            @match policy {
                None => p.empty { "No change of this product has been judged yet, so its policy has not been read." },
                Some(policy) => {
                    p.muted {
                        "The policy at " code { (policy.commit.get(..7).unwrap_or(&policy.commit)) } ", by which a change was judged "
                        (words::moment(now, policy.read_at)) ". Beside it, a built-in floor holds: CI files, hooks, the policy itself and "
                        "the like are always critical."
                    }
                    @if let Some(fault) = &policy.fault { p.now.bad { "The policy has no say: " (fault) "." } }
                    @if !policy.tiers.is_empty() { (tiers(&policy.tiers)) }
                    @if !policy.documented.is_empty() {
                        p { "A change of " (patterns(&policy.documented)) " must change one of " (patterns(&policy.documents)) " too." }
                    }
                    @if !policy.shown.is_empty() {
                        p {
                            "A change of " (patterns(&policy.shown)) " needs evidence from a browser"
                            @if !policy.flows.is_empty() { " of " (policy.flows.join(", ")) } "."
                        }
                    }
                }
            }
        }
    }
}

fn tiers(tiers: &[TierOverview]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Tiers" { table {
            thead { tr {
                th scope="col" { "Tier" } th scope="col" { "Paths" } th scope="col" { "Checks" }
                th scope="col" { "Approvals" } th scope="col" { "Up to date" }
            } }
            tbody { @for tier in tiers { tr {
                td { (words::tier_word(&tier.tier)) }
                td {
                    @if tier.patterns.is_empty() { span.muted { "by the floor alone" } }
                    @else { (patterns(&tier.patterns)) }
                }
                td { (tier.checks.join(", ")) }
                td { (approvals(tier)) }
                td { @if tier.up_to_date { "yes" } @else { "no" } }
            } } }
        } }
    }
}

fn approvals(tier: &TierOverview) -> String {
    match (tier.approvals, tier.human) {
        (0, _) => "none".to_owned(),
        (count, true) => format!("{} by people", counted(count, "approval")),
        (count, false) => format!("{}; a clean review counts as one", counted(count, "approval")),
    }
}

fn patterns(all: &[String]) -> Markup {
    html! { @for (place, pattern) in all.iter().enumerate() { @if place > 0 { ", " } code { (pattern) } } }
}

/// The checks of the base, as the last judgement saw them.
fn base_checks(checks: &[BaseCheck], policy: Option<&PolicyOverview>, now: DateTime<Utc>) -> Markup {
    html! {
        section {
            h2 { "Checks of the base" }
            @if checks.is_empty() { p.empty { "None was seen there when a change was last judged." } } @else {
                @if let Some(policy) = policy { p.muted { "As seen " (words::moment(now, policy.read_at)) "." } }
                ul { @for check in checks {
                    li { (check.name) " by " (check.app) ": " strong { (check.conclusion) } }
                } }
            }
        }
    }
}

/// What shadow mode would have done, beside what people did.
fn in_the_shadow(figures: &ShadowFigures, decisions: &[shadow::Row], now: DateTime<Utc>) -> Markup {
    let (settled, right) = figures.settled();
    html! {
        section {
            h2 { "Shadow mode" }
            p {
                @if settled == 0 {
                    "No pull request was merged, or closed against a verdict, so it cannot be said yet how often a verdict would have been right. "
                } @else {
                    "Of " (counted(settled, "pull request")) ", " strong { (right) } " went as the verdict said: "
                    (figures.cleared_and_merged) " cleared and merged, " (figures.blocked_and_closed) " blocked and closed. "
                    (figures.held_and_merged) " were merged although the verdict would have held them. "
                }
                (figures.closed_otherwise) " more were closed, " (figures.open) " are open."
            }
            div.scroll tabindex="0" role="region" aria-label="Verdicts of shadow mode" { table {
                thead { tr {
                    th scope="col" { "Pull request" } th scope="col" { "Tier" } th scope="col" { "Verdict" }
                    th scope="col" { "What became of it" } th scope="col" { "When" }
                } }
                tbody { @for row in decisions { tr {
                    td { a href={ "/runs/" (row.run_id) } { "#" (row.pull) } " " code { (row.head_sha.get(..7).unwrap_or(&row.head_sha)) } }
                    td { (words::tier_word(&row.tier)) }
                    td.message { (words::prose(&row.sentence)) }
                    td { (became(row)) }
                    td.nowrap { (words::moment(now, row.decided_at)) }
                } } }
            } }
        }
    }
}

fn became(row: &shadow::Row) -> String {
    match (row.became.as_deref(), &row.became_by) {
        (None, _) => "open".to_owned(),
        (Some("pushed"), _) => "a new head was pushed".to_owned(),
        (Some(became), Some(by)) => format!("{became} by {by}"),
        (Some(became), None) => became.to_owned(),
    }
}

/// How right each reviewer was.
fn reviewed(reviewers: &[ReviewerFigures]) -> Markup {
    html! {
        section {
            h2 { "Reviewers" }
            @if reviewers.is_empty() { p.empty { "No review in the last 30 days." } }
            @for reviewer in reviewers {
                p {
                    strong { (reviewer.name) } ": " (counted(reviewer.complete, "complete review"))
                    @if reviewer.failed > 0 { ", and " (reviewer.failed) " that failed or did not come" } ". "
                    @match reviewer.precision {
                        Some(share) => { "Of its actionable findings that were fixed or dismissed, " strong { (percent(share)) } " were right." },
                        None => "None of its actionable findings was fixed or dismissed yet, so it cannot be said how often it is right.",
                    }
                }
                @if !reviewer.findings.is_empty() { (findings(&reviewer.findings)) }
            }
        }
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn findings(findings: &[FindingFigures]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Findings" { table {
            thead { tr {
                th scope="col" { "Severity" } th scope="col" { "Found" } th scope="col" { "Fixed" }
                th scope="col" { "Dismissed" } th scope="col" { "Gone" } th scope="col" { "Open" }
            } }
            tbody { @for row in findings { tr {
                td { (words::tier_word(&row.severity)) }
                td { (row.found) } td { (row.fixed) } td { (row.dismissed) } td { (row.gone) } td { (row.open) }
            } } }
        } }
    }
}

fn settings(product: &Product) -> Markup {
    let limit = |most: Option<i32>| most.map_or_else(|| "no limit".to_owned(), |most| most.to_string());
    let tests = match product.test_command.as_slice() {
        [] => "none, unless its product file says how".to_owned(),
        words => words.join(" "),
    };
    let decides = match product.tests.as_deref() {
        Some("forge") => "the forge's checks alone",
        Some(_) => "our own run of them, besides the forge's checks",
        None => "our own run of them, where it is said how they run",
    };
    let names: Vec<String> =
        product.reviewers.iter().map(|it| it.name.clone().unwrap_or_else(|| it.kind.clone())).collect();
    let rows = [
        ("Pull requests of others are judged", product.judging.clone()),
        ("Reviewers", if names.is_empty() { "builtin".to_owned() } else { names.join(", ") }),
        ("Tests", tests),
        ("Whether tests pass is said by", decides.to_owned()),
        ("Merged by", product.merge_method.clone()),
        ("Open runs", limit(product.backlog)),
        ("Jobs at once", limit(product.concurrency)),
        ("Our open pull requests", product.open_pulls.unwrap_or(OPEN_PULLS).to_string()),
        ("A check may stand still for", counted(product.check_deadline_minutes.unwrap_or(60), "minute")),
        ("People are reminded after", counted(product.answer_hours.unwrap_or(24), "hour")),
        (
            "The base is watched after a merge for",
            match product.watch_minutes.unwrap_or(60) {
                0 => "no time".to_owned(),
                minutes => counted(minutes, "minute"),
            },
        ),
        ("A merge that breaks the base", reverted(&product.revert_on_red).to_owned()),
        (
            "First pull request, objective",
            counted(product.first_pull_minutes.unwrap_or(FIRST_PULL_MINUTES), "minute"),
        ),
        ("Merge, objective", counted(product.loop_minutes.unwrap_or(LOOP_MINUTES), "minute")),
        (
            "Browser Evidence counts from",
            product.evidence_app.clone().unwrap_or_else(|| "what is sent here".to_owned()),
        ),
    ];
    html! {
        section {
            h2 { "Settings and limits" }
            dl.strip { @for (name, value) in rows { div { dt { (name) } dd { (value) } } } }
            p.muted { code { "aspora product put" } " changes them." }
        }
    }
}

/// What becomes of a merge that breaks the base, in words.
fn reverted(setting: &str) -> &str {
    match setting {
        "ask" => "people are asked whether it is reverted",
        "open" => "is reverted by a run of its own",
        _ => "people are notified",
    }
}

/// What people may say on a pull request.
fn commands() -> Markup {
    html! {
        section {
            h2 { "On a pull request" }
            p { "Who may write to the repository can say in a comment:" }
            ul { @for verb in Verb::ALL { li { code { (PREFIX) " " (verb.as_str()) } ": " (verb.does()) } } }
        }
    }
}
