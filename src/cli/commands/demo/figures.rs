//! The figures of the dashboard that a demo ends with.

use std::time::Duration;

use backon::{ConstantBuilder, Retryable as _};

use super::super::{Client, metrics::written, plain};
use crate::api::{Metrics, MetricsFigure};

/// Those that are printed, in this order.
const NAMES: [&str; 6] =
    ["merged", "merged.alone", "cleared.first_pass", "incident", "gap.tracked", "gap.converted"];
/// How often, and for how long, it is waited until every run is counted: ten seconds in all.
const COUNTING: ConstantBuilder =
    ConstantBuilder::new().with_delay(Duration::from_millis(200)).with_max_times(50);

/// The figures, once every run is counted, and how many are not counted after ten seconds.
///
/// # Errors
/// When the server refuses or cannot be reached.
pub(super) async fn figures(client: &Client) -> anyhow::Result<(Vec<MetricsFigure>, i64)> {
    let all_counted = async || match client.metrics(&[]).await {
        Ok(metrics) if metrics.uncounted > 0 => Err(Ok(metrics)),
        Ok(metrics) => Ok(metrics),
        Err(failure) => Err(Err(failure)),
    };
    let counted = all_counted.retry(COUNTING).when(Result::is_ok).await;
    let metrics = match counted {
        Ok(metrics) | Err(Ok(metrics)) => metrics,
        Err(Err(failure)) => return Err(failure.into()),
    };
    let uncounted = metrics.uncounted;
    Ok((chosen(metrics), uncounted))
}

fn chosen(metrics: Metrics) -> Vec<MetricsFigure> {
    let all: Vec<MetricsFigure> = metrics.sections.into_iter().flat_map(|section| section.figures).collect();
    NAMES.iter().filter_map(|name| all.iter().find(|figure| figure.name == *name)).cloned().collect()
}

/// A line each, with the address of the dashboard.
pub(super) fn text(figures: &[MetricsFigure], uncounted: i64, dashboard: &str) -> String {
    let mut lines = vec!["\nWhat the dashboard says:".to_owned()];
    lines.extend(figures.iter().map(|it| format!("{:>9}  {}", written(it), plain(&it.label))));
    if uncounted > 0 {
        lines.push(format!("{uncounted:>9}  changed and not counted yet"));
    }
    lines.push(dashboard.to_owned());
    lines.join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_without_data_says_so() {
        let figure = |value| MetricsFigure {
            name: "incident".to_owned(),
            label: "incidents".to_owned(),
            unit: "number".to_owned(),
            value,
            of: None,
            runs_url: None,
        };
        let said = text(&[figure(Some(1.0)), figure(None)], 2, "http://127.0.0.1:8080/dashboard");
        assert!(said.contains("        1  incidents\n    no data  incidents\n"), "{said}");
        assert!(
            said.contains("        2  changed and not counted yet\n  http://127.0.0.1:8080/dashboard"),
            "{said}"
        );
    }
}
