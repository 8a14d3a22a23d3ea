//! Budgets: what model calls may use and have used; limits are set and reservations released here.

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::request::Parts,
};
use uuid::Uuid;

use super::{
    responses::{InvalidField, NotFound},
    runs,
};
use crate::http::scope::products;
use crate::{
    api::{
        Budget, DefaultBudget, NewBudget, NewProductBudget, NewRelease, NewRunBudget, ProductBudget,
        RunBudget,
    },
    core::{
        budget::{LIMIT_MOST, Limits, Scope},
        reason::Reason,
        requirement::{Invalid, ProductName},
    },
    http::{
        AppState,
        middleware::{
            caller::Caller,
            error::Error,
            extract::{self, Id, Query},
        },
    },
    store::{self, budget},
};

/// The name in the path, of a product that exists.
pub(super) struct Product(pub(super) String);

/// The budgets of all products, or of one.
#[utoipa::path(get, path = "/api/v1/budgets", tag = "budgets",
    params(("product" = Option<String>, Query, pattern = "^[a-z][a-z0-9-]{0,39}$", description = "Only this product.")),
    responses(
        (status = 200, description = "The budgets, by product.", body = Vec<ProductBudget>),
        NotFound,
    ))]
pub(super) async fn list(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<Vec<ProductBudget>>, Error> {
    let query = query.only(&["product"])?;
    let names = match query.text("product") {
        Some(name) if caller.has(name) => vec![existing(&app, name).await?],
        Some(name) => return Err(Error::not_found("product", format!("`{name}`"))),
        None => products(&app, &caller).await?.into_iter().map(|it| it.name).collect(),
    };
    let mut budgets = Vec::new();
    for name in names {
        budgets.push(of_product(&app, name).await?);
    }
    Ok(Json(budgets))
}

/// Replaces the limits of a product; what is left out has no limit. Runs that were paused by the budget are
/// resumed if their next call fits now.
#[utoipa::path(put, path = "/api/v1/products/{name}/budget", tag = "budgets", request_body = NewProductBudget,
    params(("name" = String, Path, pattern = "^[a-z][a-z0-9-]{0,39}$", description = "The product.")),
    responses(
        (status = 200, description = "The product's budgets, as they are now.", body = ProductBudget),
        NotFound,
        InvalidField,
    ))]
pub(super) async fn set_product(
    State(app): State<AppState>,
    caller: Caller,
    Product(name): Product,
    extract::Json(new): extract::Json<NewProductBudget>,
) -> Result<Json<ProductBudget>, Error> {
    let reason = check(
        &[
            ("/tokens", new.tokens),
            ("/micro_dollars", new.micro_dollars),
            ("/daily_tokens", new.daily_tokens),
            ("/daily_micro_dollars", new.daily_micro_dollars),
        ],
        &new.reason,
    )?;
    let limits = [
        (Scope::Product, Limits { tokens: new.tokens, micro_dollars: new.micro_dollars }),
        (Scope::ProductDay, Limits { tokens: new.daily_tokens, micro_dollars: new.daily_micro_dollars }),
    ];
    let resumed = app.engine.set_budget(&limits, &name, &reason, caller.author()).await?;
    let view = of_product(&app, name).await?;
    Ok(Json(ProductBudget { resumed: Some(resumed), ..view }))
}

/// The budget of a run and of its product, and the run's calls whose cost is unknown.
#[utoipa::path(get, path = "/api/v1/runs/{id}/budget", tag = "budgets", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The budget.", body = RunBudget),
    NotFound,
))]
pub(super) async fn show_run(State(app): State<AppState>, Id(id): Id) -> Result<Json<RunBudget>, Error> {
    Ok(Json(of_run(&app, id).await?))
}

/// Replaces the limits of a run; what is left out has no limit. If the run was paused by its budget and its
/// next call fits now, it is resumed.
#[utoipa::path(put, path = "/api/v1/runs/{id}/budget", tag = "budgets", request_body = NewRunBudget,
    params(("id" = Uuid, Path)), responses(
        (status = 200, description = "The run's budget, as it is now.", body = RunBudget),
        NotFound,
        InvalidField,
    ))]
pub(super) async fn set_run(
    State(app): State<AppState>,
    caller: Caller,
    Id(id): Id,
    extract::Json(new): extract::Json<NewRunBudget>,
) -> Result<Json<RunBudget>, Error> {
    runs::run(app.engine.pool(), id).await?;
    let reason = check(&[("/tokens", new.tokens), ("/micro_dollars", new.micro_dollars)], &new.reason)?;
    let limits = [(Scope::Run, Limits { tokens: new.tokens, micro_dollars: new.micro_dollars })];
    let resumed = app.engine.set_budget(&limits, &id.to_string(), &reason, caller.author()).await?;
    Ok(Json(RunBudget { resumed: Some(resumed), ..of_run(&app, id).await? }))
}

/// The limits of each run that has none of its own.
#[utoipa::path(get, path = "/api/v1/budgets/default", tag = "budgets", operation_id = "show_default", responses(
    (status = 200, description = "The limits, and who set them.", body = DefaultBudget),
))]
pub(super) async fn show_default(State(app): State<AppState>) -> Result<Json<DefaultBudget>, Error> {
    Ok(Json(of_every_run(&app).await?))
}

/// Replaces the limits of each run that has none of its own; what is left out has no limit. Runs that were paused by
/// these limits are resumed if their next call fits now.
#[utoipa::path(put, path = "/api/v1/budgets/default", tag = "budgets", operation_id = "set_default",
    request_body = NewRunBudget, responses(
        (status = 200, description = "The limits, as they are now.", body = DefaultBudget),
        InvalidField,
    ))]
pub(super) async fn set_default(
    State(app): State<AppState>,
    caller: Caller,
    extract::Json(new): extract::Json<NewRunBudget>,
) -> Result<Json<DefaultBudget>, Error> {
    let reason = check(&[("/tokens", new.tokens), ("/micro_dollars", new.micro_dollars)], &new.reason)?;
    let limits = [(Scope::Run, Limits { tokens: new.tokens, micro_dollars: new.micro_dollars })];
    let resumed = app.engine.set_budget(&limits, budget::EVERY_RUN, &reason, caller.author()).await?;
    Ok(Json(DefaultBudget { resumed: Some(resumed), ..of_every_run(&app).await? }))
}

/// Releases what is reserved for a run's calls that were cut off, since the caller knows that they were not
/// charged. Calls in flight stay reserved.
#[utoipa::path(post, path = "/api/v1/runs/{id}/budget/release", tag = "budgets", request_body = NewRelease,
    params(("id" = Uuid, Path)), responses(
        (status = 200, description = "The budget after the release; another request releases nothing more.", body = RunBudget),
        NotFound,
        InvalidField,
    ))]
pub(super) async fn release(
    State(app): State<AppState>,
    caller: Caller,
    Id(id): Id,
    extract::Json(new): extract::Json<NewRelease>,
) -> Result<Json<RunBudget>, Error> {
    runs::run(app.engine.pool(), id).await?;
    let reason = check(&[], &new.reason)?;
    let released = app.engine.release_reservations(id, &reason, caller.author()).await?;
    Ok(Json(RunBudget { released: Some(released), ..of_run(&app, id).await? }))
}

/// The limits that a new requirement sets for its run.
///
/// # Errors
/// Names each limit that is too high.
pub(super) fn requested(new: Option<NewBudget>) -> Result<Option<Limits>, Error> {
    let Some(new) = new else { return Ok(None) };
    let wrong = too_high(&[("/budget/tokens", new.tokens), ("/budget/micro_dollars", new.micro_dollars)]);
    if wrong.is_empty() { Ok(Some(new.limits())) } else { Err(Error::fields("budget", wrong)) }
}

fn check(limits: &[(&'static str, Option<u64>)], reason: &str) -> Result<Reason, Error> {
    let mut wrong = too_high(limits);
    match reason.parse::<Reason>() {
        Ok(reason) if wrong.is_empty() => return Ok(reason),
        Ok(_) => {}
        Err(invalid) => wrong.push(("/reason", invalid.message)),
    }
    Err(Error::fields("budget", wrong))
}

fn too_high(limits: &[(&'static str, Option<u64>)]) -> Vec<(&'static str, String)> {
    let high = limits.iter().filter(|(_, limit)| limit.is_some_and(|limit| limit > LIMIT_MOST));
    let detail = format!("is over {LIMIT_MOST}; leave it out for no limit");
    high.map(|(pointer, _)| (*pointer, detail.clone())).collect()
}

impl FromRequestParts<AppState> for Product {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Error> {
        let name = extract::path(parts, app, "name").await?;
        existing(app, &name).await.map(Self)
    }
}

/// The name of a product that exists.
async fn existing(app: &AppState, name: &str) -> Result<String, Error> {
    let name: ProductName =
        name.parse().map_err(|wrong: Invalid| Error::parameter("product", wrong.message))?;
    match store::product::get(app.engine.pool(), name.as_str()).await? {
        Some(product) => Ok(product.name),
        None => Err(Error::not_found("product", format!("`{name}`"))),
    }
}

async fn of_product(app: &AppState, product: String) -> Result<ProductBudget, Error> {
    let pool = app.engine.pool();
    let accounts = budget::of_product(pool, &product).await?;
    let last_set = budget::last_change(pool, Scope::Product, &product).await?.map(Into::into);
    let (total, today) = (Budget::of(&accounts, Scope::Product), Budget::of(&accounts, Scope::ProductDay));
    Ok(ProductBudget { product, total, today, last_set, resumed: None })
}

async fn of_every_run(app: &AppState) -> Result<DefaultBudget, Error> {
    let pool = app.engine.pool();
    let limits = budget::limits_of(&mut *pool.acquire().await?, Scope::Run, budget::EVERY_RUN).await?;
    let last_set = budget::last_change(pool, Scope::Run, budget::EVERY_RUN).await?.map(Into::into);
    let Limits { tokens, micro_dollars } = limits;
    Ok(DefaultBudget { tokens, micro_dollars, last_set, resumed: None })
}

async fn of_run(app: &AppState, id: Uuid) -> Result<RunBudget, Error> {
    let pool = app.engine.pool();
    let product = runs::run(pool, id).await?.spec.product;
    let accounts = budget::accounts(pool, id, &product).await?;
    let unsettled = budget::open_reservations(pool, id).await?.into_iter().map(Into::into).collect();
    let last_set = budget::last_change(pool, Scope::Run, &id.to_string()).await?.map(Into::into);
    Ok(RunBudget {
        run_id: id,
        run: Budget::of(&accounts, Scope::Run),
        product,
        product_total: Budget::of(&accounts, Scope::Product),
        product_today: Budget::of(&accounts, Scope::ProductDay),
        last_set,
        unsettled,
        resumed: None,
        released: None,
    })
}
