//! Check runs: all of one commit are read, ours are created and updated.
//!
//! Only an app may create check runs; with a person's token only [`Forge::set_status`] remains.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Error, Forge,
    abilities::CheckRuns,
    buttons::{Action, Button},
    escape, route, text, text_or_empty,
};
use crate::core::{
    policy::{CheckStatus, Conclusion},
    requirement::RepoName,
    sha::Sha,
};

/// The most characters of a check run's summary and of its text, each.
const OUTPUT_LIMIT: usize = 65_535;
/// Of a commit with more suites than this, the listing of check runs has only those of the newest 1,000.
/// docs.github.com "REST API endpoints for check runs".
const SUITES_LIMIT: usize = 1_000;

/// One run of a check on one commit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "RawCheckRun")]
pub struct CheckRun {
    /// GitHub's number.
    pub id: u64,
    /// The check's name; any app and any job of a workflow can use any name.
    pub name: String,
    /// The app that reported it; a name means something only together with this.
    pub app_id: Option<u64>,
    /// The app's slug.
    pub app_slug: Option<String>,
    /// The suite that it belongs to.
    pub suite: Option<u64>,
    /// Its progress.
    pub status: CheckStatus,
    /// Its result, once it is completed.
    pub conclusion: Option<Conclusion>,
    /// When it started.
    pub started_at: Option<DateTime<Utc>>,
    /// When it completed.
    pub completed_at: Option<DateTime<Utc>>,
    /// Set by the app that created it; in ours, the effect's key.
    pub external_id: String,
    /// The page for people.
    pub html_url: String,
    /// Its title and texts.
    pub output: CheckOutput,
}

/// The title and texts of a check run, Markdown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckOutput {
    /// One line.
    #[serde(default, deserialize_with = "text_or_empty")]
    pub title: String,
    /// The summary; cut at 65,535 characters.
    #[serde(default, deserialize_with = "text_or_empty")]
    pub summary: String,
    /// The details; cut at 65,535 characters.
    #[serde(default, deserialize_with = "text_or_empty", skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// What a check run says about lines of a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Annotation {
    /// The file.
    #[serde(default, deserialize_with = "text_or_empty")]
    pub path: String,
    /// The first line.
    #[serde(default)]
    pub start_line: Option<u64>,
    /// `failure`, `warning` or `notice`.
    #[serde(default, deserialize_with = "text_or_empty")]
    pub annotation_level: String,
    /// One line.
    #[serde(default, deserialize_with = "text_or_empty")]
    pub title: String,
    /// What is to be said.
    #[serde(default, deserialize_with = "text_or_empty")]
    pub message: String,
}

/// A check run to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCheckRun {
    /// The check's name.
    pub name: String,
    /// The commit that it is about.
    pub head: Sha,
    /// The effect's key, by which [`Forge::find_check_run`] finds it.
    pub external_id: String,
    /// The page of the run that it belongs to.
    pub details_url: Option<String>,
    /// Its first content.
    pub update: CheckUpdate,
}

/// The content of one of our check runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckUpdate {
    /// `Some` completes it; `None` leaves it in progress.
    pub conclusion: Option<Conclusion>,
    /// Its title and texts.
    pub output: CheckOutput,
    /// Its buttons, which replace those that it had.
    pub buttons: Vec<Button>,
}

impl Forge {
    /// Every check run on a commit, of every app; several of one name if it ran again.
    ///
    /// # Errors
    /// Those of the calls; [`super::Kind::Forbidden`] where the credential may not read them, which
    /// [`super::Abilities::reads_check_runs`] says from then on.
    pub async fn check_runs(&self, repo: &RepoName, sha: &Sha) -> Result<Vec<CheckRun>, Error> {
        let listing = route(repo, &format!("commits/{sha}/check-runs?filter=all"));
        let runs = self.pages(&listing, |page: RawCheckRuns| page.check_runs).await;
        let runs = runs.inspect_err(|error| self.learn_refusal(repo, CheckRuns::Read, error))?;
        let suites: BTreeSet<_> = runs.iter().filter_map(|run| run.suite).collect();
        if suites.len() < SUITES_LIMIT {
            return Ok(runs);
        }
        self.check_runs_by_suite(repo, sha).await
    }

    async fn check_runs_by_suite(&self, repo: &RepoName, sha: &Sha) -> Result<Vec<CheckRun>, Error> {
        #[derive(Deserialize)]
        struct Page {
            check_suites: Vec<Suite>,
        }
        let listing = route(repo, &format!("commits/{sha}/check-suites"));
        let mut all = Vec::new();
        for suite in self.pages(&listing, |page: Page| page.check_suites).await? {
            let listing = route(repo, &format!("check-suites/{}/check-runs?filter=all", suite.id));
            all.extend(self.pages(&listing, |page: RawCheckRuns| page.check_runs).await?);
        }
        Ok(all)
    }

    /// One check run.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn check_run(&self, repo: &RepoName, id: u64) -> Result<CheckRun, Error> {
        self.get(&route(repo, &format!("check-runs/{id}"))).await
    }

    /// What a check run says about lines of files, of all pages.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn annotations(&self, repo: &RepoName, id: u64) -> Result<Vec<Annotation>, Error> {
        let route = route(repo, &format!("check-runs/{id}/annotations"));
        self.pages(&route, |page: Vec<Annotation>| page).await
    }

    /// The check run of this effect, by its name and external id. The app is not compared, since GitHub does
    /// not say which app we are; it refuses an update of another app's check run.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn find_check_run(
        &self,
        repo: &RepoName,
        sha: &Sha,
        name: &str,
        external_id: &str,
    ) -> Result<Option<CheckRun>, Error> {
        let name = escape(name);
        let route = route(repo, &format!("commits/{sha}/check-runs?filter=all&check_name={name}"));
        let runs = self.pages(&route, |page: RawCheckRuns| page.check_runs).await?;
        // The oldest, so that two callers find the same.
        Ok(runs.into_iter().filter(|run| run.external_id == external_id).min_by_key(|run| run.id))
    }

    /// Creates a check run. A second call creates another one: call [`Self::find_check_run`] first.
    ///
    /// # Errors
    /// Those of the call; [`super::Kind::Forbidden`] when the credential is not an app's, which
    /// [`super::Abilities::creates_check_runs`] says from then on.
    pub async fn create_check_run(&self, repo: &RepoName, new: &NewCheckRun) -> Result<CheckRun, Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            name: &'a str,
            head_sha: &'a Sha,
            external_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            details_url: Option<&'a str>,
            #[serde(flatten)]
            update: UpdateBody,
        }
        let body = Body {
            name: &new.name,
            head_sha: &new.head,
            external_id: &new.external_id,
            details_url: new.details_url.as_deref(),
            update: UpdateBody::of(&new.update),
        };
        let made = self.post(&route(repo, "check-runs"), &body).await;
        made.inspect_err(|error| self.learn_refusal(repo, CheckRuns::Create, error))
    }

    /// Updates one of our check runs; idempotent.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn update_check_run(
        &self,
        repo: &RepoName,
        id: u64,
        update: &CheckUpdate,
    ) -> Result<CheckRun, Error> {
        self.patch(&route(repo, &format!("check-runs/{id}")), &UpdateBody::of(update)).await
    }
}

/// A [`CheckUpdate`] as GitHub takes it.
#[derive(Serialize)]
struct UpdateBody {
    status: CheckStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    conclusion: Option<Conclusion>,
    output: CheckOutput,
    actions: Vec<Action>,
}

impl UpdateBody {
    fn of(update: &CheckUpdate) -> Self {
        let output = &update.output;
        Self {
            status: update.conclusion.map_or(CheckStatus::InProgress, |_| CheckStatus::Completed),
            conclusion: update.conclusion,
            output: CheckOutput {
                title: text::cap(&output.title, text::TITLE_LIMIT),
                summary: text::cap(&output.summary, OUTPUT_LIMIT),
                text: text::cap(&output.text, OUTPUT_LIMIT),
            },
            actions: update.buttons.iter().map(|button| button.action()).collect(),
        }
    }
}

#[derive(Deserialize)]
struct RawCheckRuns {
    check_runs: Vec<CheckRun>,
}

#[derive(Deserialize)]
struct RawCheckRun {
    id: u64,
    name: String,
    app: Option<App>,
    #[serde(default)]
    check_suite: Option<Suite>,
    status: CheckStatus,
    #[serde(default)]
    conclusion: Option<Conclusion>,
    #[serde(default)]
    started_at: Option<DateTime<Utc>>,
    #[serde(default)]
    completed_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "text_or_empty")]
    external_id: String,
    #[serde(default, deserialize_with = "text_or_empty")]
    html_url: String,
    #[serde(default)]
    output: CheckOutput,
}

#[derive(Deserialize)]
struct Suite {
    id: u64,
}

#[derive(Deserialize)]
struct App {
    id: u64,
    #[serde(default)]
    slug: Option<String>,
}

impl From<RawCheckRun> for CheckRun {
    fn from(raw: RawCheckRun) -> Self {
        let (app_id, app_slug) = raw.app.map_or((None, None), |app| (Some(app.id), app.slug));
        Self {
            id: raw.id,
            name: raw.name,
            app_id,
            app_slug,
            suite: raw.check_suite.map(|suite| suite.id),
            status: raw.status,
            conclusion: raw.conclusion,
            started_at: raw.started_at,
            completed_at: raw.completed_at,
            external_id: raw.external_id,
            html_url: raw.html_url,
            output: raw.output,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_values_are_read_and_satisfy_nothing() {
        let run: CheckRun = serde_json::from_str(
            r#"{"id": 1, "name": "ci", "app": null, "status": "requested", "conclusion": "splendid",
                "output": {"title": null, "summary": null}}"#,
        )
        .unwrap();
        assert_eq!((run.status, run.conclusion), (CheckStatus::Pending, Some(Conclusion::Unknown)));
        assert_eq!((run.app_id, run.output), (None, CheckOutput::default()));
    }

    #[test]
    fn a_conclusion_is_read_as_the_policy_knows_it() {
        let read = |word: &str| {
            let json = serde_json::json!({"id": 1, "name": "ci", "status": "completed", "conclusion": word});
            serde_json::from_value::<CheckRun>(json).unwrap().conclusion
        };
        assert_eq!(read("success"), Some(Conclusion::Success));
        assert_eq!(read("timed_out"), Some(Conclusion::TimedOut));
        assert_eq!(read("startup_failure"), Some(Conclusion::StartupFailure));
        assert_eq!(read("splendid"), Some(Conclusion::Unknown));
    }

    #[test]
    fn an_update_is_completed_when_it_has_a_conclusion_and_is_cut_to_size() {
        let output = CheckOutput { title: "t".into(), summary: "ü".repeat(70_000), text: String::new() };
        let body = |conclusion| {
            let update = CheckUpdate { conclusion, output: output.clone(), buttons: Button::ALL.to_vec() };
            serde_json::to_value(UpdateBody::of(&update)).unwrap()
        };
        let open = body(None);
        assert_eq!((open["status"].as_str(), open.get("conclusion")), (Some("in_progress"), None));
        let done = body(Some(Conclusion::TimedOut));
        assert_eq!(
            (done["status"].as_str(), done["conclusion"].as_str()),
            (Some("completed"), Some("timed_out"))
        );
        assert_eq!(done["actions"][1]["identifier"], "take_over");
        assert_eq!(done["output"]["summary"].as_str().unwrap().chars().count(), OUTPUT_LIMIT);
    }
}
