//! Each question with its figures.

use super::{
    Figure, Point, Section, Unit,
    reading::{Reading, amount, behind, count, dollars, figure, ratio, runs},
};

/// The ends of runs, and their words.
const ENDS: [(&str, &str); 4] = [
    ("succeeded", "ended as intended"),
    ("blocked", "ended because a person is needed"),
    ("failed", "failed"),
    ("cancelled", "were cancelled, or closed by a person"),
];
/// How changes came to be merged, and the words for it.
const HOW: [(&str, &str); 5] = [
    ("alone", "merged by the factory; no person approved, and none had to"),
    ("approved", "merged by the factory after a person's approval"),
    ("by_hand", "merged by a person, at a head that was cleared"),
    ("unjudged", "merged by a person, unjudged"),
    ("unknown", "merged; how is not recorded any more"),
];
/// What time is spent on, and the words for it.
const SPENT: [(&str, &str); 14] = [
    ("work", "attempts at work"),
    ("queue", "a free worker"),
    ("retry", "the next try after a failure"),
    ("machines", "checks, reviewers and the forge"),
    ("approvers", "approvals by people"),
    ("requester", "answers of the requester"),
    ("keepers", "people who keep the repository"),
    ("outage", "a provider that did not answer"),
    ("paused_person", "a person, who paused it"),
    ("paused_budget", "a budget"),
    ("paused_breaker", "a person, after repeated failures"),
    ("ended", "a person, after it had ended"),
    ("before", "earlier runs of the requirement"),
    ("other", "other things"),
];
/// The severities, the gravest first.
const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "info"];
/// What becomes of findings.
const STATES: [(&str, &str); 4] = [
    ("fixed", "fixed"),
    ("dismissed", "dismissed"),
    ("gone", "not found again"),
    ("open", "open at the end"),
];

pub(super) fn merged(reading: &Reading<'_>) -> Section {
    let mut figures = vec![
        reading.runs("merged", "merged"),
        reading.runs("opened", "opened a pull request"),
        reading.runs("ended", "ended in all"),
    ];
    figures.extend(ENDS.map(|(end, words)| reading.runs(&format!("ended.{end}"), words)));
    figures.push(reading.runs("theirs", "pull requests of others that were judged to their end"));
    figures.push(reading.runs("theirs.merged", "of these, merged"));
    let points = reading.points(|sums| count(runs(sums, "merged")));
    section("merged", "How much was merged?", figures, ("merged", Unit::Runs, Some("merged")), points)
}

pub(super) fn alone(reading: &Reading<'_>) -> Section {
    let merged = reading.get("merged").runs;
    let mut figures =
        vec![reading.share("auto_merged", "of merges needed no person", "merged.alone", merged)];
    figures.extend(HOW.map(|(how, words)| reading.runs(&format!("merged.{how}"), words)));
    let cleared = reading.get("cleared").runs;
    figures.push(reading.share(
        "first_pass",
        "of cleared changes needed no round of remediation",
        "cleared.first_pass",
        cleared,
    ));
    figures.push(reading.runs("cleared.first_pass", "cleared at the first pass"));
    figures.push(reading.runs("cleared", "cleared, merged or not"));
    let rounds = reading.get("rounds");
    figures.push(reading.number("rounds", "rounds of remediation"));
    let opened = reading.get("opened").runs;
    let mean = ratio(rounds.amount, opened);
    figures.push(behind(
        "opened",
        figure("rounds.mean", "rounds for a pull request, on average", Unit::Number, mean, opened),
    ));
    let points = reading.points(|sums| count(runs(sums, "merged.alone")));
    section(
        "alone",
        "How much without a person?",
        figures,
        ("merged without a person", Unit::Runs, Some("merged.alone")),
        points,
    )
}

pub(super) fn time(reading: &Reading<'_>) -> Section {
    let mut figures = Vec::new();
    for (name, what, spread) in [
        ("cycle", "from the requirement to the merge", reading.cycle),
        ("first_pull", "from the requirement to the first pull request", reading.first_pull),
    ] {
        for (part, words, value) in [
            ("median", "half took at most this", spread.median),
            ("p90", "nine of ten took at most this", spread.p90),
        ] {
            let about = if spread.is_exact || spread.runs == 0 { "" } else { ", to 2.2 %" };
            let label = format!("{what}: {words}{about}");
            figures.push(behind(
                name,
                figure(&format!("{name}.{part}"), &label, Unit::Milliseconds, value.map(count), spread.runs),
            ));
        }
        let of = reading.get(name).runs;
        figures.push(reading.share(
            &format!("{name}.met_share"),
            &format!("{what}: within the objective"),
            &format!("{name}.met"),
            of,
        ));
    }
    let merged = reading.get("cycle").runs;
    for (cause, words) in SPENT {
        let label = match cause {
            "work" => "attempts at work, a merge on average".to_owned(),
            _ => format!("waiting for {words}, a merge on average"),
        };
        figures.extend(reading.mean(&format!("spent.{cause}"), &label, merged));
    }
    let steps: Vec<String> = reading.sums.keys().filter(|name| name.starts_with("step.")).cloned().collect();
    for step in steps {
        let label = format!("in step {}, a merge on average", &step["step.".len()..]);
        figures.extend(reading.mean(&step, &label, merged));
    }
    let points = reading.points(|sums| ratio(amount(sums, "cycle"), runs(sums, "cycle")).unwrap_or_default());
    let question = "How long did it take, and where did it wait?";
    section(
        "time",
        question,
        figures,
        ("average time to the merge", Unit::Milliseconds, Some("cycle")),
        points,
    )
}

pub(super) fn cost(reading: &Reading<'_>) -> Section {
    let (cost, merged) = (reading.get("cost"), reading.get("merged").runs);
    let of_merged = reading.get("cost_of_merged");
    let is_known = cost.runs > 0 || reading.get("tokens").runs == 0;
    let known = |value: Option<f64>| value.filter(|_| is_known && reading.has_data());
    let per_merge = known(ratio(cost.amount, merged).map(dollars));
    let figures = vec![
        figure(
            "cost",
            "for model calls, in all",
            Unit::Dollars,
            known(Some(dollars(count(cost.amount)))),
            cost.runs,
        ),
        behind(
            "merged",
            figure("cost.per_merge", "in all, for each merge", Unit::Dollars, per_merge, merged),
        ),
        behind(
            "cost_of_merged",
            figure(
                "cost_of_merged.mean",
                "for the calls of a merged run, on average",
                Unit::Dollars,
                ratio(of_merged.amount, of_merged.runs).map(dollars),
                of_merged.runs,
            ),
        ),
        reading.number("tokens", "tokens"),
        reading.runs("unpriced", "used tokens whose price is not known"),
    ];
    let points = reading.points(|sums| dollars(count(amount(sums, "cost"))));
    section(
        "cost",
        "What did it cost?",
        figures,
        ("cost of model calls", Unit::Dollars, Some("cost")),
        points,
    )
}

pub(super) fn findings(reading: &Reading<'_>) -> Section {
    let mut figures = Vec::new();
    for severity in SEVERITIES {
        figures.push(reading.number(&format!("finding.{severity}"), &format!("{severity}: found")));
        figures.extend(STATES.map(|(state, words)| {
            reading.number(&format!("finding.{severity}.{state}"), &format!("{severity}: {words}"))
        }));
    }
    let names: Vec<String> =
        reading.sums.keys().filter_map(|name| name.strip_prefix("settled.")).map(str::to_owned).collect();
    for reviewer in names {
        figures.extend(precision(reading, &reviewer));
    }
    let points = reading.points(|sums| {
        count(SEVERITIES.iter().map(|severity| amount(sums, &format!("finding.{severity}"))).sum())
    });
    let question = "What was found, and was it right?";
    section("findings", question, figures, ("findings", Unit::Number, None), points)
}

/// How often a reviewer was right, of what was fixed or dismissed.
fn precision(reading: &Reading<'_>, reviewer: &str) -> [Figure; 3] {
    let name = |part: &str| format!("{part}.{reviewer}");
    let settled = reading.get(&name("settled"));
    let label = format!("{reviewer}: of actionable findings that were fixed or dismissed, were right");
    let share = ratio(reading.get(&name("right")).amount, settled.amount);
    [
        behind(&name("settled"), figure(&name("precision"), &label, Unit::Share, share, settled.amount)),
        reading.number(&name("right"), &format!("{reviewer}: right, since fixed")),
        reading.number(&name("wrong"), &format!("{reviewer}: wrong, since dismissed")),
    ]
}

pub(super) fn broke(reading: &Reading<'_>) -> Section {
    let (covered, total) = (reading.get("coverage.covered"), reading.get("coverage.total"));
    let incident = reading.get("incident");
    let merged = reading.get("merged").runs;
    let incidents = (merged > 0).then(|| count(incident.amount));
    let figures = vec![
        figure(
            "incident",
            "incidents that a merged change caused, as far as that is known",
            Unit::Number,
            incidents,
            incident.runs,
        ),
        reading.share("incident.share", "of merges caused an incident", "incident", merged),
        reading.runs("merged.unjudged", "merged unjudged"),
        behind(
            "coverage.total",
            figure(
                "coverage",
                "of lines at merged heads ran in the product's tests",
                Unit::Share,
                ratio(covered.amount, total.amount),
                total.runs,
            ),
        ),
        // Products report what their tests reach of the whole, not of a change.
        Figure {
            behind: None,
            ..figure("coverage.changed", "of changed lines ran in the product's tests", Unit::Share, None, 0)
        },
    ];
    let points = reading.points(|sums| count(amount(sums, "incident")));
    section(
        "broke",
        "What broke?",
        figures,
        ("incidents of the merges", Unit::Number, Some("incident")),
        points,
    )
}

fn section(
    name: &'static str,
    question: &'static str,
    figures: Vec<Figure>,
    (plotted, unit, behind): (&'static str, Unit, Option<&'static str>),
    points: Vec<Point>,
) -> Section {
    Section { name, question, figures, plotted, unit, behind, points }
}
