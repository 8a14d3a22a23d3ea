//! Plots as SVG, drawn here: a bar for each day or month, and the same as a table.

use maud::{Markup, html};

use super::{RUNS, written};
use crate::{
    api::{Asked, MetricsPoint, MetricsSection},
    core::measure::Range,
};

const WIDE: f64 = 760.0;
const HIGH: f64 = 120.0;
/// Room for the words above and below the bars.
const MARGIN: f64 = 18.0;

/// A bar for each point, or that there is no data.
pub(super) fn bars(asked: &Asked, section: &MetricsSection) -> Markup {
    let points = &section.points;
    let most = points.iter().map(|point| point.value).fold(0.0, f64::max);
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return html! {} };
    if most <= 0.0 {
        return html! { p.empty { (capital(&section.plotted)) ": no data in these days." } };
    }
    let by = if asked.range.is_by_day() { "day" } else { "month" };
    let title = format!("{} by {by}", capital(&section.plotted));
    let (best, peak) = (peak(points), written(&section.unit, most));
    let said = format!("{title}, from {} to {}; the most is {peak}, {}.", first.from, last.to, best);
    html! {
        figure.plot {
            svg.bars viewBox={ "0 0 " (WIDE) " " (HIGH + 2.0 * MARGIN) } role="img" aria-label=(said) {
                title { (title) }
                desc { (said) }
                line x1="0" y1=(HIGH + MARGIN) x2=(WIDE) y2=(HIGH + MARGIN) {}
                @for (place, point) in points.iter().enumerate() { (bar(asked, section, place, point, most)) }
                text x="0" y="12" { (peak) }
                text x="0" y=(HIGH + 2.0 * MARGIN - 4.0) { (first.from) }
                text.end x=(WIDE) y=(HIGH + 2.0 * MARGIN - 4.0) { (last.to) }
            }
            figcaption.muted { (title) ". The highest bar is " (peak) "." }
        }
        (table(asked, section, &title))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a range has a few thousand days")]
fn bar(asked: &Asked, section: &MetricsSection, place: usize, point: &MetricsPoint, most: f64) -> Markup {
    if point.value <= 0.0 {
        return html! {};
    }
    let slot = WIDE / section.points.len() as f64;
    let high = (HIGH * point.value / most).max(1.0);
    let at = |number: f64| format!("{number:.1}");
    let words = format!("{}: {}", days(point), written(&section.unit, point.value));
    let rect = html! {
        rect x=(at(slot * place as f64 + slot * 0.1)) y=(at(HIGH + MARGIN - high)) width=(at(slot * 0.8)) height=(at(high)) {
            title { (words) }
        }
    };
    html! {
        @match address(asked, point) {
            // The table below has the same links for who does not see the plot.
            Some(address) => a href=(address) tabindex="-1" aria-hidden="true" { (rect) },
            None => (rect),
        }
    }
}

/// The same numbers for who does not see the plot.
fn table(asked: &Asked, section: &MetricsSection, title: &str) -> Markup {
    html! {
        details {
            summary { "As a table" }
            div.scroll tabindex="0" role="region" aria-label=(title) { table {
                thead { tr { th scope="col" { "Days" } th scope="col" { (capital(&section.plotted)) } } }
                tbody { @for point in section.points.iter().filter(|point| point.value > 0.0) { tr {
                    th scope="row" { (days(point)) }
                    td {
                        @match address(asked, point) {
                            Some(address) => a href=(address) { (written(&section.unit, point.value)) },
                            None => (written(&section.unit, point.value)),
                        }
                    }
                } } }
            } }
        }
    }
}

/// The runs behind a point.
fn address(asked: &Asked, point: &MetricsPoint) -> Option<String> {
    let figure = point.figure.as_deref()?;
    let range = Range::new(point.from, point.to).ok()?;
    Some(Asked { range, ..asked.clone() }.runs_url(RUNS, figure))
}

fn days(point: &MetricsPoint) -> String {
    if point.from == point.to { point.from.to_string() } else { format!("{} to {}", point.from, point.to) }
}

/// When the highest bar was.
fn peak(points: &[MetricsPoint]) -> String {
    let highest = points.iter().max_by(|a, b| a.value.total_cmp(&b.value));
    highest.map_or_else(String::new, days)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
