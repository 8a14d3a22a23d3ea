//! The rules of a branch, as merges and `mergeable_state` meet them.

use aspora::dev::github::{BOT, CI_APP, Enforcement, RequiredCheck, ReviewEvent, Rules, TokenKind};
use serde_json::json;

use super::{REPO, World};

/// What happens before the merge is asked for.
enum Step {
    /// An app completes a check on the head.
    Check(&'static str, &'static str, &'static str),
    /// An app begins a check on the head.
    Begun(&'static str, &'static str),
    /// The caller sets a commit status.
    Status(&'static str, &'static str),
    /// A person with this permission reviews.
    Review(&'static str, &'static str, ReviewEvent),
    /// A push to the base.
    MoveBase,
    /// A push of another change to the head.
    MoveHead,
}

impl World {
    async fn take(&self, step: &Step) {
        let head = self.twin.branch(REPO, "topic").await.unwrap().unwrap();
        match *step {
            Step::Check(app, name, conclusion) => {
                self.twin.set_check(app, REPO, &head, name, Some(conclusion)).await.unwrap();
            }
            Step::Begun(app, name) => {
                self.twin.set_check(app, REPO, &head, name, None).await.unwrap();
            }
            Step::Status(context, state) => {
                let status = json!({"state": state, "context": context});
                assert_eq!(self.post(&format!("statuses/{head}"), status).await.0, 201);
            }
            Step::Review(user, permission, event) => {
                self.twin.set_permission(REPO, user, permission).unwrap();
                self.twin.review_as(user, REPO, 1, event, "a word").await.unwrap();
            }
            Step::MoveBase => {
                self.twin.push_as("ada", REPO, "main", &[("other.txt", b"other\n")]).await.unwrap();
            }
            Step::MoveHead => {
                self.twin.push_as("ada", REPO, "topic", &[("more.txt", b"more\n")]).await.unwrap();
            }
        }
    }

    /// The state that the pull request shows, and the answer to its merge.
    async fn state_and_merge(&self) -> (String, u16, String) {
        let state = self.get("pulls/1").await.1["mergeable_state"].as_str().unwrap().to_owned();
        let (status, answer) = self.put("pulls/1/merge", json!({})).await;
        (state, status, answer["message"].as_str().unwrap().to_owned())
    }
}

/// Steps under rules, classic and as a ruleset; `refused` is GitHub's sentence, or none for a merge.
async fn check(rules: Rules, steps: &[Step], state: &str, refused: Option<&str>) {
    for ruleset in [false, true] {
        let world = World::new().await;
        world.twin.set_mergeable_after(REPO, 0).unwrap();
        world.open_pull().await;
        if ruleset {
            world.twin.add_ruleset(REPO, "main", Enforcement::Active, rules.clone()).unwrap();
        } else {
            world.twin.protect(REPO, "main", rules.clone()).unwrap();
        }
        for step in steps {
            world.take(step).await;
        }
        let expected = match refused {
            None => (state.to_owned(), 200, "Pull Request successfully merged".to_owned()),
            Some(reason) if ruleset => {
                (state.to_owned(), 405, format!("Repository rule violations found\n\n{reason}\n\n"))
            }
            Some(reason) => (state.to_owned(), 405, reason.to_owned()),
        };
        assert_eq!(world.state_and_merge().await, expected, "ruleset: {ruleset}, {rules:?}");
        world.spec.assert_conforms();
    }
}

fn checks(checks: &[RequiredCheck]) -> Rules {
    Rules { checks: checks.to_vec(), ..Rules::default() }
}

#[tokio::test]
async fn a_merge_waits_for_the_required_checks_of_the_right_app() {
    use Step::{Begun, Check, Status};
    let one = || checks(&[RequiredCheck::any("ci")]);
    let bound = || checks(&[RequiredCheck::of(CI_APP, "ci")]);
    let two = || checks(&[RequiredCheck::any("ci"), RequiredCheck::any("lint")]);
    let blocked = "blocked";
    check(one(), &[], blocked, Some("Required status check \"ci\" is expected.")).await;
    check(one(), &[Begun(CI_APP, "ci")], blocked, Some("Required status check \"ci\" is in progress.")).await;
    let failing = Some("Required status check \"ci\" is failing.");
    check(one(), &[Check(CI_APP, "ci", "failure")], blocked, failing).await;
    check(one(), &[Check("any", "ci", "skipped")], "clean", None).await;
    let both = [Check(CI_APP, "ci", "success"), Status("ci", "failure")];
    check(one(), &both, blocked, failing).await;
    let foreign = Some("Required status check \"ci\" was not set by the expected GitHub app.");
    check(bound(), &[Check("evil-app", "ci", "success")], blocked, foreign).await;
    check(bound(), &[Status("ci", "success")], blocked, foreign).await;
    check(bound(), &[Check(CI_APP, "ci", "success")], "clean", None).await;
    check(two(), &[], blocked, Some("2 of 2 required status checks are expected.")).await;
    let mixed = Some("2 of 2 required status checks have not succeeded: 1 expected and 1 failing.");
    check(two(), &[Check(CI_APP, "ci", "failure")], blocked, mixed).await;
    let other = [Check(CI_APP, "ci", "success"), Check(CI_APP, "extra", "failure")];
    check(one(), &other, "unstable", None).await;
}

#[tokio::test]
async fn a_merge_waits_for_people_who_may_write() {
    use Step::{MoveBase, MoveHead, Review};
    let rules = || Rules { approvals: 1, ..Rules::default() };
    let stale = || Rules { dismiss_stale_reviews: true, ..rules() };
    let missing = Some("At least 1 approving review is required by reviewers with write access.");
    let approve = |permission| Review("ada", permission, ReviewEvent::Approve);
    check(rules(), &[], "blocked", missing).await;
    check(rules(), &[approve("read")], "blocked", missing).await;
    check(rules(), &[approve("write")], "clean", None).await;
    check(rules(), &[approve("write"), MoveHead], "clean", None).await;
    check(stale(), &[approve("write"), MoveHead], "blocked", missing).await;
    check(stale(), &[approve("write"), MoveBase], "clean", None).await;
    let refuse = Review("lin", "write", ReviewEvent::RequestChanges);
    check(rules(), &[approve("write"), refuse], "blocked", Some("Changes have been requested.")).await;
    let outsider = Review("eve", "read", ReviewEvent::RequestChanges);
    check(rules(), &[approve("write"), outsider], "clean", None).await;
}

#[tokio::test]
async fn a_strict_rule_wants_the_base_in_the_head() {
    use Step::{Check, MoveBase};
    let strict = || Rules { up_to_date: true, ..checks(&[RequiredCheck::any("ci")]) };
    let pass = || Check(CI_APP, "ci", "success");
    check(strict(), &[pass()], "clean", None).await;
    let behind = Some("Required status check \"ci\" is expected.");
    check(strict(), &[pass(), MoveBase], "behind", behind).await;
}

#[tokio::test]
async fn signatures_and_a_merge_queue_block_a_plain_merge() {
    let signed = Rules { signatures: true, ..Rules::default() };
    check(signed, &[], "blocked", Some("Commits must have verified signatures.")).await;
    let queue = Rules { merge_queue: true, ..Rules::default() };
    check(queue, &[], "clean", Some("Changes must be made through the merge queue")).await;
}

#[tokio::test]
async fn who_may_bypass_the_rules_merges_a_blocked_pull_request() {
    let rules = Rules { bypass: vec![BOT.to_owned()], ..checks(&[RequiredCheck::any("ci")]) };
    check(rules, &[], "blocked", None).await;
}

#[tokio::test]
async fn rules_are_served_as_github_describes_them() {
    let world = World::new().await;
    assert_eq!(world.get("branches/main/protection").await.1["message"], "Branch not protected");
    assert_eq!(world.get("branches/main").await.1["protected"], false);
    let rules = Rules {
        approvals: 1,
        up_to_date: true,
        signatures: true,
        merge_queue: true,
        bypass: vec!["ada".to_owned()],
        ..checks(&[RequiredCheck::of(CI_APP, "ci"), RequiredCheck::any("lint")])
    };
    world.twin.protect(REPO, "main", rules.clone()).unwrap();
    let protection = world.get("branches/main/protection").await.1;
    let app = &protection["required_status_checks"]["checks"][0]["app_id"];
    assert!(app.is_i64() && protection["required_status_checks"]["strict"] == true, "{protection}");
    assert_eq!(protection["required_status_checks"]["checks"][1]["app_id"], json!(null));
    assert_eq!(protection["enforce_admins"]["enabled"], false);
    assert_eq!(world.get("branches/main").await.1["protection"]["enabled"], true);
    let active = world.twin.add_ruleset(REPO, "main", Enforcement::Active, rules.clone()).unwrap();
    let idle = world.twin.add_ruleset(REPO, "main", Enforcement::Evaluate, rules).unwrap();
    let listed = world.get("rules/branches/main").await.1;
    let kinds: Vec<_> =
        listed.as_array().unwrap().iter().map(|rule| rule["type"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"merge_queue") && kinds.contains(&"required_status_checks"), "{kinds:?}");
    assert!(listed.as_array().unwrap().iter().all(|rule| rule["ruleset_id"] == active), "{listed}");
    assert_eq!(world.get("rulesets").await.1.as_array().unwrap().len(), 2);
    let shown = world.get(&format!("rulesets/{idle}")).await.1;
    assert_eq!(shown["enforcement"], "evaluate");
    assert_eq!(shown["bypass_actors"][0]["actor_type"], "User");
    world.twin.set_permission(REPO, "lin", "read").unwrap();
    let scopes = vec!["repo".to_owned()];
    let reader = TokenKind::Classic { login: "lin".to_owned(), scopes };
    let reader = world.twin.issue_token(reader).unwrap();
    let shown = world.ask_as(Some(&reader), "GET", &format!("/repos/{REPO}/rulesets/{active}"), None).await;
    assert_eq!((shown.status, &shown.body["bypass_actors"]), (200, &json!(null)));
    world.twin.unprotect(REPO, "main").unwrap();
    assert_eq!(world.get("branches/main/protection").await.0, 404);
    world.spec.assert_conforms();
}
