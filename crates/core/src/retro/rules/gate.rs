//! What reviews, the gate and people held against heads, and so took rounds or ended the run.

use std::collections::{BTreeMap, BTreeSet};

use super::{Seen, count};
use crate::{
    policy::EVIDENCE_CHECK,
    retro::{
        facts::Held,
        lesson::{Cost, Lesson, ProposalKind},
        text::{key, named, shown},
    },
    words::counted,
};

/// The most characters of what was said that are kept, and of one thing that was.
const SAID: usize = 600;
const SAID_EACH: usize = 150;

pub(super) fn lessons(seen: &Seen<'_>) -> Vec<Lesson> {
    let mut explained = BTreeSet::new();
    let mut all = findings(seen, &mut explained);
    all.extend(documents(seen, &mut explained));
    all.extend(checks(seen, &mut explained));
    all.extend(tests(seen, &mut explained));
    all.extend(evidence(seen, &mut explained));
    all.extend(remarks(seen, &mut explained));
    let rest: BTreeSet<usize> =
        (0..seen.rounds.all.len()).filter(|round| !explained.contains(round)).collect();
    if !rest.is_empty() {
        let rounds = counted(rest.len(), "round");
        all.push(Lesson::new(
            "round",
            seen.cost_of(&rest),
            format!("{rounds} of remediation, and what was to be fixed is not recorded with this run"),
            "the run's history says what led there",
        ));
    }
    all
}

/// What held some heads: the rounds that fixed them, and whether the run ended on one of them. `None`: it did no harm.
struct Harm {
    cost: Cost,
    words: String,
    has_ended: bool,
}

fn harm(seen: &Seen<'_>, heads: &BTreeSet<&str>, explained: &mut BTreeSet<usize>) -> Option<Harm> {
    let (rounds, has_ended) = (seen.rounds.at(heads), seen.ended_at(heads));
    if rounds.is_empty() && !has_ended {
        return None;
    }
    let took = format!("took {}", counted(rounds.len(), "round"));
    let words = match (rounds.is_empty(), has_ended) {
        (true, _) => "ended the run".to_owned(),
        (false, true) => format!("{took} and ended the run"),
        (false, false) => took,
    };
    explained.extend(&rounds);
    Some(Harm { cost: seen.cost_of(&rounds), words, has_ended })
}

/// The same file's findings.
fn findings(seen: &Seen<'_>, explained: &mut BTreeSet<usize>) -> Vec<Lesson> {
    let mut files: BTreeMap<&str, (BTreeSet<&str>, Vec<&str>)> = BTreeMap::new();
    for found in seen.details.findings.iter().filter(|found| found.is_actionable) {
        let (heads, said) = files.entry(&found.path).or_default();
        heads.insert(&found.head);
        if !said.contains(&found.message.as_str()) {
            said.push(&found.message);
        }
    }
    let lesson = |(path, (heads, said)): (&str, (BTreeSet<&str>, Vec<&str>))| {
        let harm = harm(seen, &heads, explained)?;
        let (file, things) = (named(path), counted(said.len(), "thing"));
        let lesson = Lesson::new(
            key("finding", path),
            harm.cost,
            format!("reviews found {things} to fix in {file}, which {}", harm.words),
            "a harness case for what was found, or a look at the change as a reviewer takes it, before the push",
        );
        let said: Vec<String> = said.into_iter().map(|one| shown(one, SAID_EACH)).collect();
        let text = format!(
            "Reviews sent changes of {file} back again and again. Hold what they found by a case of the harness, so that it \
             is caught before a review; until then, read a change of this file once more as a reviewer would."
        );
        let title = format!("Hold what reviews find in {file} by a harness case");
        Some(Lesson {
            said: shown(&said.join("; "), SAID),
            ..lesson.proposing(ProposalKind::HarnessCase, &title, &text)
        })
    };
    files.into_iter().filter_map(lesson).collect()
}

/// The heads on which the gate held something, by what it was.
fn held<'a, K: Ord>(
    seen: &'a Seen<'_>,
    of: impl Fn(&'a Held) -> Option<K>,
) -> BTreeMap<K, BTreeSet<&'a str>> {
    let mut all: BTreeMap<K, BTreeSet<&str>> = BTreeMap::new();
    for blocked in &seen.details.blocked {
        for key in blocked.held.iter().filter_map(&of) {
            all.entry(key).or_default().insert(&blocked.head);
        }
    }
    all
}

fn documents(seen: &Seen<'_>, explained: &mut BTreeSet<usize>) -> Vec<Lesson> {
    let all = held(seen, |held| match held {
        Held::Docs(pattern) => Some(pattern.as_str()),
        Held::Check(_) | Held::Tests => None,
    });
    let lesson = |(pattern, heads): (&str, BTreeSet<&str>)| {
        let harm = harm(seen, &heads, explained)?;
        let docs = named(pattern);
        let lesson = Lesson::new(
            key("docs", pattern),
            harm.cost,
            format!("the change left {docs} as it was, which {}", harm.words),
            "the document in the same change as the code that it describes",
        );
        // What an agent could not satisfy in any round is the rule's fault, or at least a question to it.
        Some(if harm.has_ended {
            let text = format!(
                "Changes ended because {docs} did not change with them. See whether the rule asks for what is right."
            );
            lesson.proposing(
                ProposalKind::PolicyPattern,
                &format!("Look at the rule that asks for {docs}"),
                &text,
            )
        } else {
            let text = format!(
                "The policy asks for {docs} whenever the code changes that it describes. Change it in the same answer as the code."
            );
            lesson.proposing(ProposalKind::PromptNote, &format!("Note that {docs} goes with its code"), &text)
        })
    };
    all.into_iter().filter_map(lesson).collect()
}

fn checks(seen: &Seen<'_>, explained: &mut BTreeSet<usize>) -> Vec<Lesson> {
    let all = held(seen, |held| match held {
        Held::Check(name) if name != EVIDENCE_CHECK => Some(name.as_str()),
        Held::Check(_) | Held::Docs(_) | Held::Tests => None,
    });
    let lesson = |(name, heads): (&str, BTreeSet<&str>)| {
        let harm = harm(seen, &heads, explained)?;
        let check = named(name);
        let text = format!(
            "The check {check} failed on several changes. Read how it is configured in the repository, and keep to what it \
             asks for before you answer."
        );
        let lesson = Lesson::new(
            key("check", name),
            harm.cost,
            format!("the check {check} failed, which {}", harm.words),
            "the same command among the product's own tests, which run before a push",
        );
        Some(lesson.proposing(
            ProposalKind::PromptNote,
            &format!("Note what the check {check} asks for"),
            &text,
        ))
    };
    all.into_iter().filter_map(lesson).collect()
}

/// The product's own tests, on heads and on answers that were not pushed.
fn tests(seen: &Seen<'_>, explained: &mut BTreeSet<usize>) -> Option<Lesson> {
    let on_heads =
        held(seen, |held| matches!(held, Held::Tests).then_some(())).remove(&()).unwrap_or_default();
    let harm = harm(seen, &on_heads, explained);
    let red = count(seen.not_taken_for(super::model::Why::Tests).count());
    if harm.is_none() && red == 0 {
        return None;
    }
    let happened = match &harm {
        Some(harm) => format!("the product's own tests failed on a head, which {}", harm.words),
        None => format!("the product's own tests failed with {}", counted(red, "answer")),
    };
    let mut cost = harm.map(|harm| harm.cost).unwrap_or_default();
    cost.calls = cost.calls.saturating_add(red);
    let lesson = Lesson::new(
        "tests",
        cost,
        happened,
        "what the tests ask for in the specification, where the model reads it first",
    );
    let text = "Answers failed the product's own tests before they could be pushed. Read the tests of what you change first, and \
                change both together.";
    Some(lesson.proposing(ProposalKind::PromptNote, "Note how the product's tests are kept green", text))
}

/// Browser evidence that did not hold.
fn evidence(seen: &Seen<'_>, explained: &mut BTreeSet<usize>) -> Vec<Lesson> {
    let mut flows: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for captured in seen.details.captures.iter().filter(|captured| !captured.holds) {
        for flow in &captured.flows {
            flows.entry(flow).or_default().insert(&captured.head);
        }
    }
    let lesson = |(flow, heads): (&str, BTreeSet<&str>)| {
        let harm = harm(seen, &heads, explained)?;
        let name = named(flow);
        let text = format!(
            "Browser evidence of the flow {name} did not hold on several changes. Keep what the flow looks for on its page, or \
             change the flow in the same answer."
        );
        let lesson = Lesson::new(
            key("evidence", flow),
            harm.cost,
            format!("the evidence of the flow {name} did not hold, which {}", harm.words),
            "the flow in mind when its page is changed",
        );
        Some(lesson.proposing(
            ProposalKind::PromptNote,
            &format!("Note what the flow {name} looks for"),
            &text,
        ))
    };
    flows.into_iter().filter_map(lesson).collect()
}

/// What people asked for on the pull request.
fn remarks(seen: &Seen<'_>, explained: &mut BTreeSet<usize>) -> Vec<Lesson> {
    let mut files: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for remark in &seen.details.remarks {
        files.entry(&remark.path).or_default().insert(&remark.visit);
    }
    let lesson = |(path, visits): (&str, BTreeSet<&str>)| {
        let rounds = seen.rounds.of_visits(&visits);
        if rounds.is_empty() {
            return None;
        }
        explained.extend(&rounds);
        let place = if path.is_empty() { "the change".to_owned() } else { named(path) };
        let cause = if path.is_empty() { "remark".to_owned() } else { key("remark", path) };
        let text = format!(
            "People asked for other things in {place} on several pull requests. Say here what they always ask for."
        );
        let lesson = Lesson::new(
            cause,
            seen.cost_of(&rounds),
            format!("people asked for changes in {place}, which took {}", counted(rounds.len(), "round")),
            "what they asked for in the requirement, or in a note if it is always the same",
        );
        let title = format!("Note what people ask for in {place}");
        Some(lesson.proposing(ProposalKind::PromptNote, &title, &text))
    };
    files.into_iter().filter_map(lesson).collect()
}
