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
    figures.push(figure(
        "rounds",
        "rounds of remediation",
        Unit::Number,
        Some(count(rounds.amount)),
        rounds.runs,
    ));
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
        ("time to the merge, on average", Unit::Milliseconds, Some("cycle")),
        points,
    )
}

pub(super) fn cost(reading: &Reading<'_>) -> Section {
    let (cost, merged) = (reading.get("cost"), reading.get("merged").runs);
    let of_merged = reading.get("cost_of_merged");
    let (tokens, unpriced) = (reading.get("tokens"), reading.get("unpriced").runs);
    let is_known = cost.runs > 0 || tokens.runs == 0;
    let known = |value: Option<f64>| {
        value.filter(|_| is_known && reading.get("ended").runs + reading.get("theirs").runs > 0)
    };
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
        figure("tokens", "tokens", Unit::Number, Some(count(tokens.amount)), tokens.runs),
        Figure {
            value: Some(count(unpriced)),
            ..reading.runs("unpriced", "used tokens whose price is not known")
        },
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
        let name = format!("finding.{severity}");
        let found = reading.get(&name);
        figures.push(figure(
            &name,
            &format!("{severity}: found"),
            Unit::Number,
            Some(count(found.amount)),
            found.runs,
        ));
        for (state, words) in STATES {
            let name = format!("finding.{severity}.{state}");
            let sum = reading.get(&name);
            figures.push(figure(
                &name,
                &format!("{severity}: {words}"),
                Unit::Number,
                Some(count(sum.amount)),
                sum.runs,
            ));
        }
    }
    let mut reviewers: Vec<&str> = reading
        .sums
        .keys()
        .filter_map(|name| name.strip_prefix("right.").or_else(|| name.strip_prefix("wrong.")))
        .collect();
    reviewers.sort_unstable();
    reviewers.dedup();
    for reviewer in reviewers {
        let (right, wrong) =
            (reading.get(&format!("right.{reviewer}")), reading.get(&format!("wrong.{reviewer}")));
        let share = ratio(right.amount, right.amount + wrong.amount);
        let label = format!("{reviewer}: of actionable findings that were fixed or dismissed, were right");
        let of = right.amount + wrong.amount;
        figures.push(Figure {
            behind: None,
            ..figure(&format!("precision.{reviewer}"), &label, Unit::Share, share, of)
        });
        for (name, words, sum) in
            [("right", "right, since fixed", right), ("wrong", "wrong, since dismissed", wrong)]
        {
            let (name, label) = (format!("{name}.{reviewer}"), format!("{reviewer}: {words}"));
            figures.push(figure(&name, &label, Unit::Number, Some(count(sum.amount)), sum.runs));
        }
    }
    let points = reading.points(|sums| {
        count(SEVERITIES.iter().map(|severity| amount(sums, &format!("finding.{severity}"))).sum())
    });
    section(
        "findings",
        "What was found, and was it right?",
        figures,
        ("findings", Unit::Number, None),
        points,
    )
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
        ("incidents, by the day of the merge", Unit::Number, Some("incident")),
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
