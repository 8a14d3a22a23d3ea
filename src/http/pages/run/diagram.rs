//! The run's own graph as SVG: the edges that it took are solid and counted, its current place is marked.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{super::words, view::View};
use crate::core::{run::State, workflow::Workflow};

const BOX_WIDE: i32 = 118;
const BOX_HIGH: i32 = 36;
const COLUMN: i32 = 172;
const ROW: i32 = 74;
const MARGIN: i32 = 46;
/// How many places the path names.
const NAMED: usize = 40;

/// The edges between two places, each with the outcomes that lead along it.
type Edges<'a> = BTreeMap<(&'a str, &'a str), String>;

/// The diagram's panel; it says so if this release cannot read the graph.
pub(super) fn panel(view: &View) -> Markup {
    let Some(workflow) = &view.workflow else {
        return html! {
            section { h2 { "Workflow" } p { "This release cannot read the graph that this run follows." } }
        };
    };
    let trail = trail(view);
    let layout = Layout::of(workflow);
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for pair in trail.windows(2) {
        *counts.entry((pair[0], pair[1])).or_default() += 1;
    }
    let mut edges = edges(workflow);
    for (from, to) in counts.keys() {
        edges.entry((*from, *to)).or_insert_with(|| "out of attempts or rounds".to_owned());
    }
    let here = place(&view.stored.run.state);
    let path = path(&trail);
    html! {
        section {
            h2 { "Workflow" }
            div.scroll tabindex="0" role="region" aria-label="Diagram of the workflow" {
                svg.diagram viewBox={ "0 0 " (layout.wide) " " (layout.high) }
                    role="img" aria-label={ "Path taken: " (path) } {
                    (arrow_heads())
                    @for ((from, to), label) in edges.iter().filter(|(edge, _)| !counts.contains_key(*edge)) {
                        (layout.edge(from, to, label, 0))
                    }
                    @for (edge, count) in &counts {
                        (layout.edge(edge.0, edge.1, edges.get(edge).map_or("", String::as_str), *count))
                    }
                    @for name in layout.places.keys() {
                        (layout.place(name, *name == here, trail.contains(name), workflow))
                    }
                }
            }
            p.muted.path { "Path: " (path) }
        }
    }
}

/// Every place that the run has been in, in order; a wait does not leave its place.
fn trail(view: &View) -> Vec<&str> {
    let here = place(&view.stored.run.state);
    view.trail.iter().map(|place| place.as_deref().unwrap_or(here)).collect()
}

/// The path in words, its newest part if it is long.
fn path(trail: &[&str]) -> String {
    let newest = trail.len().saturating_sub(NAMED);
    let path = trail[newest..].join(" → ");
    if newest > 0 { format!("… → {path}") } else { path }
}

fn place(state: &State) -> &str {
    match state {
        State::Ended { name, .. } => name,
        state => state.step().unwrap_or_default(),
    }
}

fn edges(workflow: &Workflow) -> Edges<'_> {
    let mut edges = Edges::new();
    for (name, step) in &workflow.steps {
        for (outcome, to) in &step.on {
            let label = edges.entry((name, to)).or_default();
            if !label.is_empty() {
                label.push_str(", ");
            }
            label.push_str(&outcome.to_string());
        }
    }
    edges
}

struct Layout<'a> {
    /// The upper left corner of each place.
    places: BTreeMap<&'a str, (i32, i32)>,
    wide: i32,
    high: i32,
}

impl<'a> Layout<'a> {
    /// A column for each distance from the start, and the ends in the last one.
    fn of(workflow: &'a Workflow) -> Self {
        let mut columns: Vec<Vec<&str>> = vec![vec![&workflow.start]];
        let mut seen = vec![workflow.start.as_str()];
        while let Some(last) = columns.last().filter(|last| !last.is_empty()) {
            let mut next = Vec::new();
            for to in
                last.iter().filter_map(|name| workflow.steps.get(*name)).flat_map(|step| step.on.values())
            {
                if workflow.steps.contains_key(to) && !seen.contains(&to.as_str()) {
                    seen.push(to);
                    next.push(to.as_str());
                }
            }
            columns.push(next);
        }
        columns.pop();
        let mut ends: Vec<&str> = workflow.ends.keys().map(String::as_str).collect();
        ends.sort_by_key(|name| (workflow.ends.get(*name), *name));
        columns.push(ends);
        // A third row leaves enough room for the edges that go back below the second.
        let tallest = columns.iter().map(Vec::len).max().unwrap_or(1);
        let below = if tallest > 2 { 10 } else { MARGIN };
        let mut places = BTreeMap::new();
        for (x, column) in (0..).zip(&columns) {
            for (y, name) in (0..).zip(column) {
                places.insert(*name, (10 + x * COLUMN, MARGIN + y * ROW));
            }
        }
        let count = |many: usize| i32::try_from(many).unwrap_or(1);
        let wide = count(columns.len() - 1) * COLUMN + BOX_WIDE + 20;
        Self { places, wide, high: (count(tallest) - 1) * ROW + BOX_HIGH + MARGIN + below }
    }

    fn edge(&self, from: &str, to: &str, label: &str, count: usize) -> Markup {
        let (Some(&from_at), Some(&to_at)) = (self.places.get(from), self.places.get(to)) else {
            return html! {};
        };
        let (path, (x, y)) = curve(from_at, to_at);
        let taken = count > 0;
        html! {
            g.road.taken[taken] {
                path d=(path) marker-end=(if taken { "url(#head-taken)" } else { "url(#head)" }) {
                    title { (from) " → " (to) ": " (label) @if taken { ", taken " (count) "×" } }
                }
                @if taken {
                    circle cx=(x) cy=(y) r="9" {}
                    text x=(x) y=(y + 4) { (count) }
                }
            }
        }
    }

    fn place(&self, name: &str, here: bool, been: bool, workflow: &Workflow) -> Markup {
        let Some(&(x, y)) = self.places.get(name) else { return html! {} };
        let is_end = workflow.ends.contains_key(name);
        let corner = if is_end { BOX_HIGH / 2 } else { 6 };
        html! {
            g.place.here[here].been[been] {
                rect x=(x) y=(y) width=(BOX_WIDE) height=(BOX_HIGH) rx=(corner) {}
                text x=(x + BOX_WIDE / 2) y=(y + BOX_HIGH / 2 + 5) { (words::place(name)) }
            }
        }
    }
}

/// An edge as a path, and the position of its count: forward through the gap, back around the row.
fn curve(from: (i32, i32), to: (i32, i32)) -> (String, (i32, i32)) {
    let half = BOX_HIGH / 2;
    if to.0 > from.0 {
        let (x1, y1, x2, y2) = (from.0 + BOX_WIDE, from.1 + half, to.0 - 5, to.1 + half);
        let bend = (x2 - x1) / 2;
        let path = format!("M{x1} {y1}C{} {y1} {} {y2} {x2} {y2}", x1 + bend, x2 - bend);
        // An edge over more than one gap may pass behind other places: its count is drawn before its end.
        let near = x2 - x1 < COLUMN;
        let count = if near { ((x1 + x2) / 2, (y1 + y2) / 2) } else { (x2 - 26, y2 - (y2 - y1) / 36) };
        return (path, count);
    }
    if to.0 == from.0 {
        // Down on the left of the middle and up on the right, so that both can be seen.
        let down = to.1 > from.1;
        let x = from.0 + BOX_WIDE / 2 + if down { -22 } else { 22 };
        let (y1, y2) = if down { (from.1 + BOX_HIGH, to.1 - 5) } else { (from.1, to.1 + BOX_HIGH + 5) };
        return (format!("M{x} {y1}L{x} {y2}"), (x, (y1 + y2) / 2));
    }
    let (x1, x2) = (from.0 + BOX_WIDE / 2 - 12, to.0 + BOX_WIDE / 2 + 12);
    let upper = from.1 <= MARGIN && to.1 <= MARGIN;
    let reach = 24 + (x1 - x2) / 16;
    let (y1, y2, bow) = if upper {
        (from.1, to.1 - 5, from.1.min(to.1) - reach)
    } else {
        (from.1 + BOX_HIGH, to.1 + BOX_HIGH + 5, from.1.max(to.1) + BOX_HIGH + reach)
    };
    let path = format!("M{x1} {y1}C{x1} {bow} {x2} {bow} {x2} {y2}");
    (path, ((x1 + x2) / 2, (y1 + y2 + 6 * bow) / 8))
}

fn arrow_heads() -> Markup {
    html! {
        defs {
            @for id in ["head", "head-taken"] {
                marker id=(id) viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7"
                    orient="auto" markerUnits="userSpaceOnUse" {
                    path d="M0 0L8 4L0 8z" {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_and_end_has_a_place_of_its_own() {
        let workflow = Workflow::parse(include_str!("../../../../workflows/requirement.toml")).unwrap();
        let layout = Layout::of(&workflow);
        let corners: std::collections::BTreeSet<_> = layout.places.values().collect();
        assert_eq!(corners.len(), workflow.steps.len() + workflow.ends.len());
        assert!(corners.iter().all(|(x, y)| x + BOX_WIDE <= layout.wide && y + BOX_HIGH <= layout.high));
    }
}
