//! Comments on pull requests. A webhook only says that there is something to read: a worker reads the comment itself,
//! once, and asks the forge what its author may do.

use super::ignored;
use crate::{
    api::{Receipt, ReceiptResult},
    github::webhook::NamedRepository,
    http::{AppState, middleware::error::Error},
    store::{conversation, repository},
};

/// Makes the conversation of the last run on the pull request due.
pub(super) async fn written(app: &AppState, named: &NamedRepository, pull: u64) -> Result<Receipt, Error> {
    let (name, id) = (named.name.to_string(), named.id.and_then(|id| i64::try_from(id).ok()));
    let mut connection = app.engine.pool().acquire().await?;
    let names = repository::names(&mut connection, id, &name).await?;
    let names: Vec<String> = names.into_iter().map(|it| it.name).collect();
    let number = i64::try_from(pull).unwrap_or(i64::MAX);
    if conversation::wake(&mut connection, &names, number).await? == 0 {
        return Ok(ignored(format!("no run here works on pull request #{pull}")));
    }
    Ok(Receipt::new(ReceiptResult::Stored, format!("a worker reads the conversation of #{pull}")))
}
