//! The figures that an operator's metrics show of all processes together.

use crate::store::{Pool, Result};

/// One figure: the name of its metric, its labels by name, and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Such as `aspora_jobs`.
    pub name: String,
    /// Names and values of labels.
    pub labels: Vec<(String, String)>,
    /// The value, in the unit that the name says.
    pub value: f64,
}

/// Reads all figures by one statement over the tables of what is open; ended runs are not touched.
///
/// # Errors
/// When the database does not answer.
pub async fn read(pool: &Pool) -> Result<Vec<Figure>> {
    let rows = sqlx::query_file!("src/store/maintenance/metrics.sql").fetch_all(pool).await?;
    let figure = |name: String, labels: Vec<String>, value: f64| {
        let labels = labels.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        Figure { name, labels, value }
    };
    Ok(rows.into_iter().map(|row| figure(row.name, row.labels, row.value)).collect())
}
