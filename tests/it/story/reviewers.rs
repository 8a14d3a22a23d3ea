//! Reviewers of others: what each puts on a head in the form of its real signs, and what counts of it.

mod http;
mod road;
mod threads;
mod waits;

use aspora::{
    core::{
        reviewer::Setting,
        run::{Event, State},
    },
    dev::github::LineReview,
    llm::Task,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    world::{REPO, World},
};

/// The file that the stories change.
const PATH: &str = "lib/round.py";
/// The app of the reviewer whose marks are not known.
const OTHER: &str = "acme-review";

/// A reviewer that is an app on the forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum App {
    Greptile,
    CodeRabbit,
    Copilot,
    Check,
}

impl App {
    fn setting(self) -> Value {
        match self {
            Self::Greptile => json!({"kind": "greptile"}),
            Self::CodeRabbit => json!({"kind": "coderabbit"}),
            Self::Copilot => json!({"kind": "copilot"}),
            Self::Check => {
                json!({"kind": "check", "app": OTHER, "check": "Acme Review", "ask": "@acme look"})
            }
        }
    }

    const fn slug(self) -> &'static str {
        match self {
            Self::Greptile => "greptile-apps",
            Self::CodeRabbit => "coderabbitai",
            Self::Copilot => "copilot-pull-request-reviewer",
            Self::Check => OTHER,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Greptile => "greptile",
            Self::CodeRabbit => "coderabbit",
            Self::Copilot => "copilot",
            Self::Check => "check",
        }
    }

    /// A comment that is low by this reviewer's marks, where it has any.
    const fn low(self) -> &'static str {
        match self {
            Self::Greptile => "<img alt=\"P3\" src=\"p3.svg\"> **The round begins at zero**",
            Self::CodeRabbit => "_🧹 Nitpick_ | _🔵 Trivial_\n\n**The round begins at zero.**",
            Self::Copilot => "[nitpick] The round begins at zero.",
            Self::Check => "The round begins at zero.",
        }
    }

    /// A comment that blocks by this reviewer's marks.
    const fn high(self) -> &'static str {
        match self {
            Self::Greptile => "<img alt=\"P1\" src=\"p1.svg\"> **The round begins at zero**",
            Self::CodeRabbit => "_⚠️ Potential issue_ | _🟠 Major_\n\n**The round begins at zero.**",
            Self::Copilot | Self::Check => "The round begins at zero.",
        }
    }

    /// Signs of a review without findings, as the app with this slug.
    async fn clean_as(self, world: &World, slug: &str, sha: &str) {
        self.end(world, slug, sha, &[]).await;
    }

    async fn clean(self, world: &World, sha: &str) {
        self.clean_as(world, self.slug(), sha).await;
    }

    /// Signs of a review with these comments at lines, as the app with this slug.
    async fn end(self, world: &World, slug: &str, sha: &str, comments: &[(&str, u64, &str)]) {
        let (twin, count) = (&world.twin, comments.len());
        let bot = format!("{slug}[bot]");
        let plural = if count == 1 { "" } else { "s" };
        let body = match self {
            Self::CodeRabbit => format!("**Actionable comments posted: {count}**"),
            Self::Copilot if count == 0 => {
                "Copilot reviewed 1 out of 1 changed files in this pull request and generated no comments."
                    .to_owned()
            }
            Self::Copilot => format!(
                "Copilot reviewed 1 out of 1 changed files in this pull request and generated {count} comment{plural}."
            ),
            // A second review of Greptile leaves no review object.
            Self::Greptile | Self::Check => String::new(),
        };
        if !body.is_empty() || count > 0 {
            let review = LineReview { commit: sha, event: "COMMENT", body: &body, comments };
            // A commit that is not part of the pull request cannot be reviewed.
            let reviewed = twin.review_lines_as(&bot, REPO, 1, review).await;
            assert!(reviewed.is_ok() || comments.is_empty(), "{reviewed:?}");
        }
        match self {
            Self::Greptile => {
                let said = format!("1 file reviewed, {count} comment{plural} added");
                let check = ("Greptile Review", Some("success"));
                twin.report_check(slug, REPO, sha, check, ("Greptile Review", &said)).await.unwrap();
            }
            Self::CodeRabbit => {
                let status = ("CodeRabbit", "success", "Review completed");
                twin.set_status_as(&bot, REPO, sha, status).await.unwrap();
            }
            Self::Copilot => {}
            Self::Check => {
                let end = if count == 0 { "success" } else { "failure" };
                let check = ("Acme Review", Some(end));
                twin.report_check(slug, REPO, sha, check, ("Acme", "Looked at all of it")).await.unwrap();
            }
        }
    }
}

/// A world whose product has these reviewers, and whose model fixes at once what is found.
async fn world(reviewers: Value) -> World {
    world_that_fixes_by(reviewers, "ROUND = 1\nLAST = 10").await
}

/// As [`world`], with this text of the file as the fix.
async fn world_that_fixes_by(reviewers: Value, fix: &str) -> World {
    let world = World::with(|setup| {
        let script = generates(&file(PATH, "ROUND = 0\nLAST = 9"));
        let script = script.with(Task::Remediate, &[], &[], &file(PATH, fix));
        setup.script = with_clean_reviews(script);
        setup.ci = Some(passing_ci());
    })
    .await;
    let settings: Vec<Setting> = serde_json::from_value(reviewers).unwrap();
    let product = "wealth".parse().unwrap();
    aspora::store::product::review_by(&world.pool, &product, &settings).await.unwrap();
    world.twin.set_permission(REPO, "asha", "write").unwrap();
    world
}

/// A run that waits for its review, and its head.
async fn awaited(world: &World) -> (Uuid, String) {
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "the review of").await;
    (run, world.head(run).await)
}

/// Acts while nobody looks; the step looks again afterwards.
async fn unseen(world: &World, run: Uuid, act: impl AsyncFnOnce()) {
    world.control(run, "pause", &json!({"reason": "a moment"})).await;
    let held = "select count(*) from job where run_id = $1 and lease_token is not null";
    let held = async || sqlx::query_scalar::<_, i64>(held).bind(run).fetch_one(&world.pool).await.unwrap();
    world
        .eventually("the run is paused and nobody works on it", async || {
            matches!(world.run(run).await.run.state, State::Paused(_)) && held().await == 0
        })
        .await;
    act().await;
    world.control(run, "resume", &json!({"reason": "go on"})).await;
}

/// Waits until the step has looked again from now on, and waits for this.
async fn until_seen(world: &World, run: Uuid, what: &str) -> String {
    let parked = async || {
        let events = world.events(run).await;
        events.iter().filter(|row| matches!(row.body.0, Event::Parked { .. })).count()
    };
    let before = parked().await;
    world.eventually("another look", async || parked().await > before).await;
    world.until_waiting_for(run, what).await
}

/// Moves what is remembered of the wait so many minutes into the past.
async fn pass(world: &World, minutes: i32) {
    let update = "update review_part set since = since - make_interval(mins => $1) where state = 'awaited'";
    sqlx::query(update).bind(minutes).execute(&world.pool).await.unwrap();
}

/// The findings of a run.
async fn findings(world: &World, run: Uuid) -> Vec<Value> {
    let (status, found) = world.call("GET", &format!("runs/{run}/findings"), None).await;
    assert_eq!(status, 200, "{found}");
    found.as_array().unwrap().clone()
}

/// The comments by which we have asked for reviews.
fn requests(world: &World) -> Vec<String> {
    let comments = world.twin.comments(REPO).into_iter().map(|comment| comment.body);
    comments.filter(|body| body.contains("review-request/")).collect()
}

/// The gate's last report.
fn report(world: &World) -> String {
    let runs = world.twin.check_runs(REPO);
    let gate = runs.iter().rfind(|run| run.name == "risk-policy-gate");
    gate.and_then(|run| run.summary.clone()).unwrap_or_default()
}
