//! Whether a run goes in circles: the same findings again, the same tree again, or calls without a new head.
//!
//! All of it is derived from stored data, so a restart forgets nothing.

use std::collections::BTreeSet;

/// One complete review of a run; the first is round 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// The head that was reviewed.
    pub head: String,
    /// The fingerprints of its actionable findings.
    pub findings: BTreeSet<String>,
}

/// A head that the run pushed; the first is head 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The commit.
    pub head: String,
    /// Its tree.
    pub tree: String,
}

/// Why another fix of `head` would only cost money: its findings are those of an earlier round.
///
/// If that round was the one before, there is no progress; if others lie between, the run goes in circles. A
/// round without actionable findings is not compared.
#[must_use]
pub fn findings_return(rounds: &[Round], head: &str) -> Option<String> {
    let now = rounds.iter().position(|round| round.head == head)?;
    let findings = &rounds[now].findings;
    let then = rounds[..now].iter().rposition(|round| round.findings == *findings)?;
    if findings.is_empty() {
        return None;
    }
    let (here, there) = (short(head), short(&rounds[then].head));
    Some(if then + 1 == now {
        format!("no progress: {here} has the same findings as {there}")
    } else {
        format!(
            "going in circles: round {} ({here}) has the findings of round {} ({there}) again: {}",
            now + 1,
            then + 1,
            listed(findings)
        )
    })
}

/// Why a fix of the last of `heads` would only cost money: it restores the tree of an earlier head.
/// `findings` are those that it was meant to fix.
#[must_use]
pub fn tree_returns(heads: &[Pushed], tree: &str, findings: &BTreeSet<String>) -> Option<String> {
    let earlier = heads.get(..heads.len().checked_sub(1)?)?;
    let then = earlier.iter().rposition(|pushed| pushed.tree == tree)?;
    let meant = if findings.is_empty() { "no findings".to_owned() } else { listed(findings) };
    Some(format!(
        "going in circles: the fix of head {} ({}) would bring back the tree {} of head {} ({}); it was meant to fix {meant}",
        heads.len(),
        short(&heads[heads.len() - 1].head),
        short(tree),
        then + 1,
        short(&earlier[then].head)
    ))
}

/// Why no further model call is made: `answered` calls led to no new head.
#[must_use]
pub fn too_many_calls(answered: u32, most: u32) -> Option<String> {
    (answered >= most).then(|| {
        format!(
            "{answered} model calls were answered since the last push, and the limit without a new head is \
             {most}; a resume grants {most} more"
        )
    })
}

fn short(sha: &str) -> &str {
    sha.get(..7).unwrap_or(sha)
}

fn listed(findings: &BTreeSet<String>) -> String {
    findings.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(findings: &str) -> BTreeSet<String> {
        findings.split_whitespace().map(str::to_owned).collect()
    }

    /// Rounds as `head: fingerprints`, oldest first; checks the last one.
    #[track_caller]
    fn check(rounds: &[&str], expected: Option<&str>) {
        let round = |text: &&str| {
            let (head, findings) = text.split_once(':').unwrap();
            Round { head: head.to_owned(), findings: set(findings) }
        };
        let rounds: Vec<Round> = rounds.iter().map(round).collect();
        let head = rounds.last().map_or("a", |round| round.head.as_str()).to_owned();
        assert_eq!(findings_return(&rounds, &head).as_deref(), expected);
    }

    #[test]
    fn returning_findings_are_reported_with_their_rounds() {
        let circle = "going in circles: round 3 (c) has the findings of round 1 (a) again: x, y";
        check(&[], None);
        check(&["a: x"], None);
        check(&["a: x", "b: y"], None);
        check(&["a: x", "b: x"], Some("no progress: b has the same findings as a"));
        check(&["a: x y", "b: z", "c: y x"], Some(circle));
        check(&["a: x y", "b:", "c: x y"], Some(circle));
        check(&["a: x", "b: x y", "c: y"], None);
        check(&["a:", "b:"], None);
        check(&["a: x", "b: y", "c:"], None);
        check(&["a: x", "b: y", "c: y"], Some("no progress: c has the same findings as b"));
        let last = "going in circles: round 5 (e) has the findings of round 3 (c) again: x";
        check(&["a: x", "b: y", "c: x", "d: z", "e: x"], Some(last));
    }

    #[test]
    fn a_head_without_a_review_is_not_compared() {
        let rounds = [Round { head: "a".to_owned(), findings: set("x") }];
        assert_eq!(findings_return(&rounds, "b"), None);
    }

    #[test]
    fn a_returning_tree_is_reported_with_its_heads() {
        let pushed = |head: &str, tree: &str| Pushed { head: head.to_owned(), tree: tree.to_owned() };
        let heads = [pushed("0123456789", "t1"), pushed("b", "t2"), pushed("c", "t3")];
        let find = |count: usize, tree: &str| tree_returns(&heads[..count], tree, &set("x y"));
        assert_eq!(find(0, "t1"), None);
        assert_eq!(find(1, "t1"), None, "the tree of the head itself is not an earlier one");
        assert_eq!(find(3, "t4"), None);
        assert_eq!(find(3, "t3"), None);
        assert_eq!(
            find(3, "t1").as_deref(),
            Some(
                "going in circles: the fix of head 3 (c) would bring back the tree t1 of head 1 (0123456); it \
                 was meant to fix x, y"
            )
        );
        assert_eq!(
            tree_returns(&heads[..2], "t1", &set("")).as_deref(),
            Some(
                "going in circles: the fix of head 2 (b) would bring back the tree t1 of head 1 (0123456); it \
                 was meant to fix no findings"
            )
        );
    }

    #[test]
    fn calls_without_a_new_head_are_limited() {
        assert_eq!(too_many_calls(11, 12), None);
        assert_eq!(
            too_many_calls(12, 12).as_deref(),
            Some(
                "12 model calls were answered since the last push, and the limit without a new head is 12; \
                 a resume grants 12 more"
            )
        );
        assert!(too_many_calls(40, 12).is_some());
    }
}
