//! Budgets: what model calls may use, shown, set anew and let go.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use uuid::Uuid;

use super::{
    App,
    error::{Error, Kind},
    extract::{self, Id, Query},
    runs,
    view::{
        Budget, NewBudget, NewProductBudget, NewRelease, NewRunBudget, Problem, ProductBudget, RunBudget,
    },
};
use crate::{
    core::{
        budget::{LIMIT_MOST, Limits, Scope},
        reason::Reason,
        requirement::ProductName,
    },
    store::{self, budget},
};

/// Who sets budgets over REST.
const ACTOR: &str = "api";

/// The budgets of all products, or of one.
#[utoipa::path(get, path = "/api/v1/budgets", tag = "budgets",
    params(("product" = Option<String>, Query, description = "Only this product.")),
    responses(
        (status = 200, description = "The budgets, by product.", body = Vec<ProductBudget>),
        (status = 404, description = "There is no such product.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(State(app): State<App>, query: Query) -> Result<Json<Vec<ProductBudget>>, Error> {
    let query = query.only(&["product"])?;
    let names = match query.text("product") {
        Some(name) => vec![known(&app, name).await?],
        None => store::product::list(app.engine.pool()).await?.into_iter().map(|it| it.name).collect(),
    };
    let mut budgets = Vec::new();
    for name in names {
        budgets.push(of_product(&app, name).await?);
    }
    Ok(Json(budgets))
}

/// Sets the limits of a product anew; what is left out has no limit from now on. Runs that were paused for
/// want of budget and fit now go on.
#[utoipa::path(put, path = "/api/v1/products/{name}/budget", tag = "budgets", request_body = NewProductBudget,
    params(("name" = String, Path, description = "The product.")),
    responses(
        (status = 200, description = "The product has these limits now.", body = ProductBudget),
        (status = 404, description = "There is no such product.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field does not fit.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn set_product(
    State(app): State<App>,
    name: Result<Path<String>, PathRejection>,
    extract::Json(new): extract::Json<NewProductBudget>,
) -> Result<Json<ProductBudget>, Error> {
    let Path(name) = name.map_err(|_| Error::parameter("name", "is not UTF-8"))?;
    let name = known(&app, &name).await?;
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
    let resumed = app.engine.set_budget(&limits, &name, &reason, ACTOR).await?;
    let view = of_product(&app, name).await?;
    Ok(Json(ProductBudget { resumed: Some(resumed), ..view }))
}

/// The budget of a run, what its product has left, and its calls whose cost is not known.
#[utoipa::path(get, path = "/api/v1/runs/{id}/budget", tag = "budgets", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The budget.", body = RunBudget),
    (status = 404, description = "There is no such run.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show_run(State(app): State<App>, Id(id): Id) -> Result<Json<RunBudget>, Error> {
    Ok(Json(of_run(&app, id).await?))
}

/// Sets the limits of a run anew; what is left out has no limit from now on. If it was paused for want of
/// budget and fits now, it goes on.
#[utoipa::path(put, path = "/api/v1/runs/{id}/budget", tag = "budgets", request_body = NewRunBudget,
    params(("id" = Uuid, Path)), responses(
        (status = 200, description = "The run has these limits now.", body = RunBudget),
        (status = 404, description = "There is no such run.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field does not fit.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn set_run(
    State(app): State<App>,
    Id(id): Id,
    extract::Json(new): extract::Json<NewRunBudget>,
) -> Result<Json<RunBudget>, Error> {
    runs::run(app.engine.pool(), id).await?;
    let reason = check(&[("/tokens", new.tokens), ("/micro_dollars", new.micro_dollars)], &new.reason)?;
    let limits = [(Scope::Run, Limits { tokens: new.tokens, micro_dollars: new.micro_dollars })];
    let resumed = app.engine.set_budget(&limits, &id.to_string(), &reason, ACTOR).await?;
    Ok(Json(RunBudget { resumed: Some(resumed), ..of_run(&app, id).await? }))
}

/// Lets go of what is held for a run's calls that were cut off: they were not paid, says the caller. Calls
/// that are being made stay held.
#[utoipa::path(post, path = "/api/v1/runs/{id}/budget/release", tag = "budgets", request_body = NewRelease,
    params(("id" = Uuid, Path)), responses(
        (status = 200, description = "They are let go; asking again lets go of nothing more.", body = RunBudget),
        (status = 404, description = "There is no such run.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field does not fit.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn release(
    State(app): State<App>,
    Id(id): Id,
    extract::Json(new): extract::Json<NewRelease>,
) -> Result<Json<RunBudget>, Error> {
    runs::run(app.engine.pool(), id).await?;
    let reason = check(&[], &new.reason)?;
    let released = app.engine.release_reservations(id, &reason, ACTOR).await?;
    Ok(Json(RunBudget { released: Some(released), ..of_run(&app, id).await? }))
}

/// The limits that a new requirement names for its run.
///
/// # Errors
/// [`Kind::Invalid`] naming each limit that is too high.
pub(super) fn asked(new: Option<NewBudget>) -> Result<Option<Limits>, Error> {
    let Some(new) = new else { return Ok(None) };
    let limits = [("/budget/tokens", new.tokens), ("/budget/micro_dollars", new.micro_dollars)];
    match too_high(&limits) {
        Some(error) => Err(error),
        None => Ok(Some(new.limits())),
    }
}

fn check(limits: &[(&str, Option<u64>)], reason: &str) -> Result<Reason, Error> {
    match (too_high(limits), reason.parse::<Reason>()) {
        (None, Ok(reason)) => Ok(reason),
        (Some(error), Ok(_)) => Err(error),
        (error, Err(wrong)) => {
            let error = error.unwrap_or_else(|| Error::new(Kind::Invalid, UNFIT));
            Err(error.at("/reason", wrong.message))
        }
    }
}

const UNFIT: &str = "the budget does not fit; errors names each field";

fn too_high(limits: &[(&str, Option<u64>)]) -> Option<Error> {
    let high = limits.iter().filter(|(_, limit)| limit.is_some_and(|limit| limit > LIMIT_MOST));
    high.fold(None, |error: Option<Error>, (pointer, _)| {
        let error = error.unwrap_or_else(|| Error::new(Kind::Invalid, UNFIT));
        Some(error.at(*pointer, format!("is over {LIMIT_MOST}; leave it out for no limit")))
    })
}

/// The name of a product that exists.
async fn known(app: &App, name: &str) -> Result<String, Error> {
    let name: ProductName = name
        .parse()
        .map_err(|wrong: crate::core::requirement::Invalid| Error::parameter("product", wrong.message))?;
    match store::product::get(app.engine.pool(), name.as_str()).await? {
        Some(product) => Ok(product.name),
        None => Err(Error::no("product", format!("`{name}`"))),
    }
}

async fn of_product(app: &App, product: String) -> Result<ProductBudget, Error> {
    let pool = app.engine.pool();
    let accounts = budget::of_product(pool, &product).await?;
    let last_set = budget::last_change(pool, Scope::Product, &product).await?.map(Into::into);
    let (total, today) = (Budget::of(&accounts, Scope::Product), Budget::of(&accounts, Scope::ProductDay));
    Ok(ProductBudget { product, total, today, last_set, resumed: None })
}

async fn of_run(app: &App, id: Uuid) -> Result<RunBudget, Error> {
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
