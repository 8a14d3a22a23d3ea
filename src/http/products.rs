//! Products and the one repository each may write to.

use axum::{Json, extract::State, http::StatusCode};

use super::{
    App,
    error::{Error, Kind},
    extract,
    view::Product,
};
use crate::{
    core::{
        limit::{self, Key},
        requirement::{ProductName, RepoName},
    },
    store,
};

/// The most characters of a branch's name or of one word of a command.
const WORD_LIMIT: usize = 255;
/// The most words of a command.
const WORDS: usize = 100;

/// All products, by name.
#[utoipa::path(get, path = "/api/v1/products", tag = "products", responses(
    (status = 200, description = "All products, by name.", body = Vec<Product>),
))]
pub(super) async fn list(State(app): State<App>) -> Result<Json<Vec<Product>>, Error> {
    let rows = store::product::list(app.engine.pool()).await?;
    Ok(Json(rows.into_iter().map(Product::from).collect()))
}

/// Adds a product or brings one to these values; runs that began earlier keep theirs. A limit that is
/// left out is no limit.
#[utoipa::path(post, path = "/api/v1/products", tag = "products", request_body = Product, responses(
    (status = 201, description = "The product was added.", body = Product),
    (status = 200, description = "The product was there and has these values now.", body = Product),
    (status = 422, description = "A field does not fit.", body = super::view::Problem, content_type = "application/problem+json"),
))]
pub(super) async fn put(
    State(app): State<App>,
    extract::Json(product): extract::Json<Product>,
) -> Result<(StatusCode, Json<Product>), Error> {
    let (name, repository) = check(&product)?;
    let pool = app.engine.pool();
    let was_there = store::product::get(pool, name.as_str()).await?.is_some();
    let mut tx = pool.begin().await?;
    store::product::put(&mut *tx, &name, &repository, &product.base_branch, &product.test_command).await?;
    store::product::cap(&mut *tx, &name, product.backlog).await?;
    let key = Key::Product(name);
    match product.concurrency {
        Some(most) => store::limit::put(&mut tx, &key, most).await?,
        None => _ = store::limit::remove(&mut *tx, &key).await?,
    }
    tx.commit().await?;
    let status = if was_there { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(product)))
}

fn check(product: &Product) -> Result<(ProductName, RepoName), Error> {
    let mut faults = Vec::new();
    let name =
        product.name.parse::<ProductName>().map_err(|wrong| faults.push(("/name", wrong.message))).ok();
    let repository = product
        .repository
        .parse::<RepoName>()
        .map_err(|wrong| faults.push(("/repository", wrong.message)))
        .ok();
    if !is_branch(&product.base_branch) {
        faults.push(("/base_branch", "is not a branch's name such as `main`".to_owned()));
    }
    let words = &product.test_command;
    let long = |word: &String| word.len() > WORD_LIMIT || word.contains('\0');
    if words.len() > WORDS || words.iter().any(long) {
        let limits = format!("at most {WORDS} words of at most {WORD_LIMIT} bytes, without NUL");
        faults.push(("/test_command", limits));
    }
    if product.backlog.is_some_and(|most| most < 1) {
        faults.push(("/backlog", "must be 1 or more; leave it out for any number".to_owned()));
    }
    if product.concurrency.is_some_and(|most| !(1..=limit::MOST).contains(&most)) {
        let limits = format!("must be from 1 to {}; leave it out for any number", limit::MOST);
        faults.push(("/concurrency", limits));
    }
    match (name, repository, faults.is_empty()) {
        (Some(name), Some(repository), true) => Ok((name, repository)),
        _ => Err(faults.into_iter().fold(
            Error::new(Kind::Invalid, "the product does not fit; errors names each field"),
            |error, (pointer, detail)| error.at(pointer, detail),
        )),
    }
}

/// What git allows in a branch's name, and a little less.
fn is_branch(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+' | '@');
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && !part.ends_with(['.'])
            && !part.ends_with(".lock")
    };
    (1..=WORD_LIMIT).contains(&name.len())
        && name.chars().all(plain)
        && name.split('/').all(part)
        && !name.contains("..")
        && name != "@"
        && !name.contains("@{")
}
