//! `aspora migrate`.

use anyhow::Context as _;

use super::{Exit, Printer, options::Database};
use crate::store;

/// Applies the migrations that the database lacks.
///
/// # Errors
/// When the database cannot be reached or migrated.
pub(crate) async fn run(printer: &Printer, database: &Database) -> anyhow::Result<Exit> {
    let pool = database.connect(1).await?;
    store::migrate(&pool).await.context("migrate the database")?;
    printer.say("The database has the schema of this release.", &serde_json::json!({ "migrated": true }))?;
    Ok(Exit::Success)
}
