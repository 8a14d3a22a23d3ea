//! Products and the one repository each may write to.

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Map, Value};

use super::{
    budgets,
    responses::{InvalidField, NotFound},
};
use crate::{
    api::{NewProposal, Overview, Problem, Product, ProductChanges, Proposal},
    core::{
        aftermath::{LONGEST_WATCH, RevertOnRed},
        branch,
        judging::Judging,
        limit,
        measure::{FIRST_PULL_MINUTES, LOOP_MINUTES},
        merge_method::MergeMethod,
        requirement::{ProductName, RepoName},
        reviewer,
    },
    engine::{self, ProductSettings, Put},
    github::{Gravity, Setting},
    http::{
        AppState,
        middleware::{caller::Caller, error::Error, extract, problem::Kind},
        overview,
        policy::Place,
        proposal, scope,
    },
    store::{self, audit::Author, product::OPEN_PULLS},
};

/// The most bytes of one word of a command.
const WORD_LIMIT: usize = 255;
/// How long the forge is waited for when a product is put.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest deadline of a check, in minutes: a year, as in a policy.
const DEADLINE_LIMIT: i32 = 366 * 24 * 60;
/// The most hours of a wait for people before they are notified again.
const HOURS_LIMIT: i16 = 720;
/// The most minutes of an objective: a year.
const OBJECTIVE_LIMIT: i32 = 525_600;
/// The most words of a command.
const WORDS: usize = 100;
/// How often a change is tried again while others change the same product.
const CHANGE_TRIES: u32 = 5;

/// All products, by name.
#[utoipa::path(get, path = "/api/v1/products", tag = "products", responses(
    (status = 200, description = "All products, by name.", body = Vec<Product>),
))]
pub(super) async fn list(State(app): State<AppState>, caller: Caller) -> Result<Json<Vec<Product>>, Error> {
    let rows = scope::products(&app, &caller).await?;
    Ok(Json(rows.into_iter().map(Product::from).collect()))
}

/// A product at a glance: its settings, what the policy at its base demands, what became of its newest runs, and how right
/// its reviewers were.
#[utoipa::path(get, path = "/api/v1/products/{name}", tag = "products", params(
    ("name" = String, Path, pattern = "^[a-z][a-z0-9-]{0,39}$", description = "The product."),
), responses(
    (status = 200, description = "The product at a glance.", body = Overview),
    NotFound,
))]
pub(super) async fn show(
    State(app): State<AppState>,
    budgets::Product(name): budgets::Product,
) -> Result<Json<Overview>, Error> {
    let product = store::product::get(app.engine.pool(), &name).await?;
    let product = product.ok_or_else(|| Error::not_found("product", format!("`{name}`")))?;
    Ok(Json(overview::of(app.engine.pool(), product).await?))
}

/// Adds a product, or replaces its settings; runs that began earlier keep theirs. Without `backlog` or
/// `concurrency` that number has no limit. The forge is asked what it would not let us do; a product of which no
/// run could be merged, such as one with a merge method that its repository does not allow, is refused.
#[utoipa::path(post, path = "/api/v1/products", tag = "products", request_body = Product, responses(
    (status = 201, description = "The product was added.", body = Product),
    (status = 200, description = "The product existed and has these settings now.", body = Product),
    InvalidField,
))]
pub(super) async fn put(
    State(app): State<AppState>,
    caller: Caller,
    extract::Json(product): extract::Json<Product>,
) -> Result<(StatusCode, Json<Product>), Error> {
    let (put, product) = settle(&app, caller.author(), product, None).await?;
    Ok((if put == Put::Added { StatusCode::CREATED } else { StatusCode::OK }, Json(product)))
}

/// Changes what the body names and keeps the rest: a merge patch (RFC 7396), in which `null` takes a setting back to its
/// default. A product keeps its name.
#[utoipa::path(patch, path = "/api/v1/products/{name}", tag = "products", params(
    ("name" = String, Path, pattern = "^[a-z][a-z0-9-]{0,39}$", description = "The product."),
), request_body(content = ProductChanges, content_type = "application/json"), responses(
    (status = 200, description = "The product has these settings now.", body = Product),
    NotFound,
    InvalidField,
))]
pub(super) async fn change(
    State(app): State<AppState>,
    caller: Caller,
    budgets::Product(name): budgets::Product,
    extract::Json(ProductChanges(changes)): extract::Json<ProductChanges>,
) -> Result<Json<Product>, Error> {
    for _ in 0..CHANGE_TRIES {
        let stored = store::product::get(app.engine.pool(), &name).await?;
        let stored = stored.ok_or_else(|| Error::not_found("product", format!("`{name}`")))?;
        let product = merged(&Product::from(stored.clone()), &changes)?;
        let (put, product) = settle(&app, caller.author(), product, Some(&stored)).await?;
        if put != Put::Changed {
            return Ok(Json(product));
        }
    }
    Err(Error::new(Kind::Busy, "others change this product at the same time; nothing has changed"))
}

/// Removes a product: no requirement is accepted for it any more. Its runs and what was recorded of them stay.
#[utoipa::path(delete, path = "/api/v1/products/{name}", tag = "products", params(
    ("name" = String, Path, pattern = "^[a-z][a-z0-9-]{0,39}$", description = "The product."),
), responses(
    (status = 204, description = "The product is removed."),
    NotFound,
    (status = 409, description = "Runs of it are open, or schedules submit requirements for it.", body = Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn remove(
    State(app): State<AppState>,
    caller: Caller,
    budgets::Product(name): budgets::Product,
) -> Result<StatusCode, Error> {
    let missing = || Error::not_found("product", format!("`{name}`"));
    let product: ProductName = name.parse().map_err(|_| missing())?;
    match app.engine.remove_product(&product, caller.author()).await {
        Err(engine::Error::NoProduct(_)) => Err(missing()),
        ended => ended.map(|()| StatusCode::NO_CONTENT).map_err(Error::from),
    }
}

/// Looks at a product's repository and proposes what it lacks: how it is set up and tested, and a first policy. With
/// `open`, a pull request proposes it to the repository's people; one that is open already is found again.
#[utoipa::path(post, path = "/api/v1/products/{name}/proposal", tag = "products", params(
    ("name" = String, Path, pattern = "^[a-z][a-z0-9-]{0,39}$", description = "The product."),
), request_body = NewProposal, responses(
    (status = 200, description = "What is proposed.", body = Proposal),
    NotFound,
    InvalidField,
))]
pub(super) async fn propose(
    State(app): State<AppState>,
    caller: Caller,
    budgets::Product(name): budgets::Product,
    extract::Json(new): extract::Json<NewProposal>,
) -> Result<Json<Proposal>, Error> {
    let place = Place::find(&app, &caller, &name).await?;
    let mut proposal = proposal::look(&app, &place, new.root.as_deref()).await?;
    if new.open {
        proposal::open(&app, &place, &mut proposal).await?;
        app.engine.proposed(&place.name, proposal.pull_url.as_deref(), caller.author()).await?;
    }
    Ok(Json(proposal))
}

/// A product's settings with the changes in them.
fn merged(product: &Product, changes: &Map<String, Value>) -> Result<Product, Error> {
    let mut all = serde_json::to_value(product).map_err(|_| Error::internal())?;
    let settings = all.as_object_mut().ok_or_else(Error::internal)?;
    for (key, value) in changes {
        match value {
            Value::Null if key == "name" || key == "repository" => {
                return Err(Error::field(&format!("/{key}"), "has no default; leave it out to keep it"));
            }
            Value::Null => settings.remove(key),
            value => settings.insert(key.clone(), value.clone()),
        };
    }
    let changed: Product = extract::value(all)?;
    if changed.name != product.name {
        return Err(Error::field("/name", "a product keeps its name; add another one under the new name"));
    }
    Ok(changed)
}

/// Checks settings, asks the forge about them, and stores them, unless they are no longer those that were read.
async fn settle(
    app: &AppState,
    author: Author<'_>,
    product: Product,
    read: Option<&store::product::Product>,
) -> Result<(Put, Product), Error> {
    let Checked { name, repository, method, judging, revert_on_red } = check(&product)?;
    let warnings = ask_the_forge(app, &name, &repository, &product.base_branch, method).await?;
    let reviewers: Vec<reviewer::Setting> = product.reviewers.iter().cloned().map(Into::into).collect();
    let settings = ProductSettings {
        name: &name,
        repository: &repository,
        repository_number: number(app, &repository).await,
        base_branch: &product.base_branch,
        test_command: &product.test_command,
        backlog: product.backlog,
        concurrency: product.concurrency,
        evidence_app: product.evidence_app.as_deref(),
        check_deadline_minutes: product.check_deadline_minutes,
        merge_method: method,
        answer_hours: product.answer_hours,
        objectives: (product.first_pull_minutes, product.loop_minutes),
        open_pulls: product.open_pulls,
        reviewers: &reviewers,
        judging,
        merges_theirs: product.merges_theirs,
        tests_theirs: product.tests_theirs,
        tests: product.tests.as_deref(),
        watch_minutes: product.watch_minutes,
        revert_on_red,
    };
    let put = app.engine.put_product(&settings, read, author).await?;
    Ok((put, Product { warnings, ..product }))
}

/// What the forge says of the repository and its base branch. A product of which no run could ever be merged is
/// refused; a forge that does not answer is a warning.
async fn ask_the_forge(
    app: &AppState,
    product: &ProductName,
    repository: &RepoName,
    branch: &str,
    method: MergeMethod,
) -> Result<Vec<String>, Error> {
    let Some(forge) = &app.settings.forge else { return Ok(Vec::new()) };
    let asked = async {
        let (of_policy, method) = forge.inspect_policy(repository, branch, product, method).await;
        let mut remarks = forge.inspect(repository, branch, method).await;
        remarks.extend(of_policy);
        remarks
    };
    let Ok(remarks) = tokio::time::timeout(PATIENCE, asked).await else {
        return Ok(vec!["the forge did not answer in time; `aspora doctor` asks it again".to_owned()]);
    };
    let fatal: Vec<_> = remarks.iter().filter(|it| it.gravity == Gravity::Fatal).collect();
    if !fatal.is_empty() {
        let field = |setting: Setting| match setting {
            Setting::Repository => "/repository",
            Setting::MergeMethod => "/merge_method",
        };
        let wrong: Vec<(&str, String)> =
            fatal.into_iter().map(|it| (field(it.setting), it.what.clone())).collect();
        return Err(Error::fields("product", wrong));
    }
    let grave = remarks.into_iter().filter(|remark| remark.gravity > Gravity::Fine);
    Ok(grave.map(|remark| remark.what).collect())
}

/// The forge's number of a repository, by which the product follows it; `None` if the forge does not say, in which case
/// a webhook will.
async fn number(app: &AppState, repository: &RepoName) -> Option<i64> {
    let forge = app.settings.forge.as_ref()?;
    let known = tokio::time::timeout(PATIENCE, forge.repository(repository)).await.ok()?.ok()?;
    i64::try_from(known.id).ok()
}

/// What of the settings is read before it is stored.
struct Checked {
    name: ProductName,
    repository: RepoName,
    method: MergeMethod,
    judging: Judging,
    revert_on_red: RevertOnRed,
}

fn check(product: &Product) -> Result<Checked, Error> {
    let mut wrong = Vec::new();
    let name = product.name.parse::<ProductName>().map_err(|it| wrong.push(("/name", it.message))).ok();
    let repository = product.repository.parse::<RepoName>();
    let repository = repository.map_err(|it| wrong.push(("/repository", it.message))).ok();
    if let Some(fault) = branch::fault(&product.base_branch) {
        wrong.push(("/base_branch", format!("{fault}; a branch's name such as `main` is needed")));
    }
    if !is_command(&product.test_command) {
        let limits = format!("at most {WORDS} words of at most {WORD_LIMIT} bytes, without NUL");
        wrong.push(("/test_command", limits));
    }
    if product.backlog.is_some_and(|most| most < 1) {
        wrong.push(("/backlog", "must be 1 or more; leave it out for no limit".to_owned()));
    }
    if product.concurrency.is_some_and(|most| !(1..=limit::MOST).contains(&most)) {
        wrong.push(("/concurrency", format!("must be from 1 to {}; leave it out for no limit", limit::MOST)));
    }
    if product.open_pulls.is_some_and(|most| !(1..=limit::MOST).contains(&most)) {
        wrong.push((
            "/open_pulls",
            format!("must be from 1 to {}; leave it out for {OPEN_PULLS}", limit::MOST),
        ));
    }
    if product.evidence_app.as_deref().is_some_and(|app| !is_app(app)) {
        wrong.push((
            "/evidence_app",
            "must be an app's slug such as `github-actions`, or its number".to_owned(),
        ));
    }
    if product.check_deadline_minutes.is_some_and(|minutes| !(1..=DEADLINE_LIMIT).contains(&minutes)) {
        let limits = format!("must be from 1 to {DEADLINE_LIMIT} minutes; leave it out for 60");
        wrong.push(("/check_deadline_minutes", limits));
    }
    if product.answer_hours.is_some_and(|hours| !(1..=HOURS_LIMIT).contains(&hours)) {
        let limits = format!("must be from 1 to {HOURS_LIMIT} hours; leave it out for 24");
        wrong.push(("/answer_hours", limits));
    }
    for (pointer, minutes, default) in [
        ("/first_pull_minutes", product.first_pull_minutes, FIRST_PULL_MINUTES),
        ("/loop_minutes", product.loop_minutes, LOOP_MINUTES),
    ] {
        if minutes.is_some_and(|minutes| !(1..=OBJECTIVE_LIMIT).contains(&minutes)) {
            let limits = format!("must be from 1 to {OBJECTIVE_LIMIT} minutes; leave it out for {default}");
            wrong.push((pointer, limits));
        }
    }
    let reviewers: Vec<reviewer::Setting> = product.reviewers.iter().cloned().map(Into::into).collect();
    let refused = reviewer::check(&reviewers).err().unwrap_or_default();
    let refused: Vec<_> =
        refused.into_iter().map(|it| (format!("/reviewers{}", it.pointer), it.message)).collect();
    wrong.extend(refused.iter().map(|(pointer, message)| (pointer.as_str(), message.clone())));
    let method = product.merge_method.parse::<MergeMethod>();
    let method = method.map_err(|it| wrong.push(("/merge_method", it.to_string()))).ok();
    let judging = product.judging.parse::<Judging>();
    let judging = judging.map_err(|it| wrong.push(("/judging", it.to_string()))).ok();
    if product.merges_theirs && judging.is_some_and(|judging| judging != Judging::On) {
        let needs = "needs `judging` to be `on`: what is not judged is not merged".to_owned();
        wrong.push(("/merges_theirs", needs));
    }
    if product.tests_theirs && product.test_command.is_empty() {
        wrong.push(("/tests_theirs", "needs a `test_command`".to_owned()));
    }
    match product.tests.as_deref() {
        None | Some("ours" | "forge") => {}
        Some(_) => {
            wrong.push(("/tests", "must be `ours` or `forge`; leave it out for the default".to_owned()))
        }
    }
    if product
        .watch_minutes
        .is_some_and(|it| !(0..=i16::try_from(LONGEST_WATCH).unwrap_or(i16::MAX)).contains(&it))
    {
        let limits = format!("must be from 0 (not watched) to {LONGEST_WATCH} minutes; leave it out for 60");
        wrong.push(("/watch_minutes", limits));
    }
    let revert_on_red = product.revert_on_red.parse::<RevertOnRed>();
    let revert_on_red = revert_on_red.map_err(|it| wrong.push(("/revert_on_red", it.to_string()))).ok();
    match (name, repository, method, judging, revert_on_red, wrong.is_empty()) {
        (Some(name), Some(repository), Some(method), Some(judging), Some(revert_on_red), true) => {
            Ok(Checked { name, repository, method, judging, revert_on_red })
        }
        _ => Err(Error::fields("product", wrong)),
    }
}

/// Whether a text may be the slug or the number of an app.
fn is_app(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (1..=100).contains(&text.len()) && text.chars().all(plain)
}

/// Whether a command may be stored; an empty one says that the product has no tests.
fn is_command(words: &[String]) -> bool {
    let fits = |word: &String| word.len() <= WORD_LIMIT && !word.contains('\0');
    words.len() <= WORDS && words.iter().all(fits)
}
