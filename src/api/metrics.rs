//! What the factory does and how well: figures of a range of days, and the runs behind each.

use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    core::measure::{Board, Figure, Point, Range, Section},
    store::measure::Listed,
};

/// Where the runs behind a figure are listed.
const RUNS: &str = "/api/v1/metrics/runs";
/// Where harness gaps are listed.
const GAPS: &str = "/api/v1/harness-gaps";

/// The figures of a range of days, in UTC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Metrics {
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// Only this product; absent: all that the caller may see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Only this tier; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// How many runs, of all products, have changed and are not counted again yet.
    pub uncounted: i64,
    /// The questions that the figures answer. More may come.
    pub sections: Vec<MetricsSection>,
}

/// A question and the figures that answer it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricsSection {
    /// `merged`, `alone`, `time`, `cost`, `findings`, `broke` or `gaps`.
    pub name: String,
    /// The question, for people.
    pub question: String,
    /// The figures.
    pub figures: Vec<MetricsFigure>,
    /// What the points show, for people.
    pub plotted: String,
    /// The unit of the points.
    pub unit: String,
    /// One for each day of up to 92 days, and otherwise for each month.
    pub points: Vec<MetricsPoint>,
}

/// A number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricsFigure {
    /// Its name, which does not change.
    pub name: String,
    /// What it is, for people.
    pub label: String,
    /// `runs`, `share` (0 to 1), `ms`, `usd` or `number`.
    pub unit: String,
    /// The number; absent where there is no data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// How many runs, or findings, it rests on, where it is not a number of runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<i64>,
    /// Where the runs behind it are listed, or the harness gaps; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs_url: Option<String>,
}

/// A number for a day or a month.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricsPoint {
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// The number.
    pub value: f64,
    /// The figure whose runs in these days are behind it; absent where there are none, or several figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figure: Option<String>,
    /// Where these runs are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs_url: Option<String>,
}

/// A run that adds to a figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MetricsRun {
    /// The run.
    pub run_id: Uuid,
    /// Its product.
    pub product: String,
    /// Its tier; absent: it was never judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// When it counts: at the merge, else at the end.
    pub counted_at: DateTime<Utc>,
    /// What it adds: a count, milliseconds, millionths of a dollar or lines, as the figure says.
    pub amount: i64,
    /// The title of its requirement, or of the pull request of others; absent where retention has deleted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Whether retention has deleted the run; what it counts stays.
    pub is_deleted: bool,
}

/// A page of runs that add to a figure, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MetricsRuns {
    /// The runs.
    pub items: Vec<MetricsRun>,
    /// Gives the next page as `?cursor=`; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What a board was made for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The days.
    pub range: Range,
    /// Only this product.
    pub product: Option<String>,
    /// Only this tier.
    pub tier: Option<String>,
}

impl Asked {
    /// The address, under `path`, of the runs behind a figure.
    #[must_use]
    pub fn runs_url(&self, path: &str, figure: &str) -> String {
        format!("{path}?{}", self.query(Some(figure)))
    }

    /// The parameters of an address that asks for the same, of a figure if one is given.
    #[must_use]
    pub fn query(&self, figure: Option<&str>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if let Some(figure) = figure {
            query.append_pair("figure", figure);
        }
        query.append_pair("from", &self.range.from().to_string());
        query.append_pair("to", &self.range.to().to_string());
        for (name, value) in [("product", &self.product), ("tier", &self.tier)] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }
}

impl Metrics {
    /// What a board says to who asked for it.
    #[must_use]
    pub fn new(asked: Asked, board: Board, uncounted: i64) -> Self {
        let sections = board.sections.into_iter().map(|section| MetricsSection::new(&asked, section));
        Self {
            from: asked.range.from(),
            to: asked.range.to(),
            uncounted,
            sections: sections.collect(),
            product: asked.product,
            tier: asked.tier,
        }
    }

    /// The figures as CSV, a line each under a line of names.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text = "section,figure,label,unit,value,of,runs_url\r\n".to_owned();
        for section in &self.sections {
            for figure in &section.figures {
                let value = figure.value.map_or_else(String::new, |value| value.to_string());
                let of = figure.of.map_or_else(String::new, |of| of.to_string());
                let runs = figure.runs_url.as_deref().unwrap_or_default();
                let cells =
                    [&section.name, &figure.name, &figure.label, &figure.unit, &value, &of, runs].map(cell);
                let _ = write!(text, "{}\r\n", cells.join(","));
            }
        }
        text
    }
}

/// A cell of CSV. A spreadsheet takes what begins with one of a few characters for a formula.
fn cell(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

impl MetricsSection {
    fn new(asked: &Asked, section: Section) -> Self {
        let behind = section.behind;
        let points = section.points.into_iter();
        Self {
            name: section.name.to_owned(),
            question: section.question.to_owned(),
            figures: section.figures.into_iter().map(|figure| MetricsFigure::new(asked, figure)).collect(),
            plotted: section.plotted.to_owned(),
            unit: section.unit.as_str().to_owned(),
            points: points.map(|point| MetricsPoint::new(asked, behind, point)).collect(),
        }
    }
}

impl MetricsPoint {
    fn new(asked: &Asked, behind: Option<&str>, Point { from, to, value }: Point) -> Self {
        let figure = behind.filter(|_| value > 0.0).map(str::to_owned);
        let address = |name: &String| {
            let range = Range::new(from, to).ok()?;
            Some(Asked { range, ..asked.clone() }.runs_url(RUNS, name))
        };
        Self { from, to, value, runs_url: figure.as_ref().and_then(address), figure }
    }
}

impl MetricsFigure {
    fn new(asked: &Asked, figure: Figure) -> Self {
        Self {
            runs_url: figure.behind.map(|name| match name.strip_prefix("gap.") {
                Some(state) => gaps_url(asked, state),
                None => asked.runs_url(RUNS, &name),
            }),
            name: figure.name,
            label: figure.label,
            unit: figure.unit.as_str().to_owned(),
            value: figure.value,
            of: figure.of,
        }
    }
}

/// Where harness gaps in a state are listed, newest first; `tracked` is all of them.
fn gaps_url(asked: &Asked, state: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if state != "tracked" {
        query.append_pair("state", state);
    }
    if let Some(product) = &asked.product {
        query.append_pair("product", product);
    }
    format!("{GAPS}?{}", query.finish())
}

impl From<Listed> for MetricsRun {
    fn from(row: Listed) -> Self {
        Self {
            run_id: row.run,
            product: row.product,
            tier: Some(row.tier).filter(|tier| tier != crate::core::measure::NO_TIER),
            counted_at: row.counted_at,
            amount: row.amount,
            title: row.title,
            is_deleted: !row.exists,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be_and_are_no_formulas() {
        assert_eq!(cell("plain"), "plain");
        assert_eq!(cell("a, b"), "\"a, b\"");
        assert_eq!(cell("say \"x\""), "\"say \"\"x\"\"\"");
        assert_eq!(cell("=1+1"), "'=1+1");
    }
}
