//! What each kind of problem means, as the `type` of a problem names it.

use axum::{Json, extract::Path};
use serde_json::{Value, json};

use crate::http::middleware::{error::Error, problem::Kind};

/// What a kind of problem means and what to do.
pub(super) async fn show(Path(code): Path<String>) -> Result<Json<Value>, Error> {
    let known = Kind::ALL.iter().map(|kind| kind.row()).find(|row| row.code == code);
    let row = known.ok_or_else(|| Error::new(Kind::NotFound, "there is no such kind of problem"))?;
    let status = row.status.as_u16();
    Ok(Json(json!({ "code": row.code, "status": status, "title": row.title, "remedy": row.remedy })))
}
