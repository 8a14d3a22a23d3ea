//! Check runs and commit statuses: all of one commit are read, ours are created and updated.
//!
//! Only an app may create check runs; with a person's token only [`Forge::set_status`] remains. A status
//! names no app, so anyone who can push may have set it.

use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IntoDeserializer as _, value::Error as UnknownWord},
};

use super::{Error, Forge, abilities::CheckRuns, escape, route, text, text_or_empty};
use crate::core::{
    policy::{CheckStatus, Conclusion, StatusState},
    requirement::RepoName,
    sha::Sha,
};

/// The most characters of a check run's summary and of its text, each.
const OUTPUT_LIMIT: usize = 65_535;
/// The most characters of a commit status's description.
const DESCRIPTION_LIMIT: usize = 140;

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
}

/// The newest status of one context on one commit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CommitStatus {
    /// GitHub's number.
    pub id: u64,
    /// The status's name.
    pub context: String,
    /// Its state.
    pub state: StatusState,
    /// One line.
    #[serde(default, deserialize_with = "text_or_empty")]
    pub description: String,
    /// The page for people; may be empty.
    #[serde(default, deserialize_with = "text_or_empty")]
    pub target_url: String,
    /// When it was set.
    pub updated_at: DateTime<Utc>,
}

/// A commit status to set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewStatus {
    /// The status's name.
    pub context: String,
    /// Its state.
    pub state: StatusState,
    /// One line; cut at 140 characters.
    pub description: String,
    /// The page for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_url: Option<String>,
}

impl Forge {
    /// Every check run on a commit, of every app; several of one name if it ran again.
    ///
    /// # Errors
    /// Those of the calls; [`super::Kind::Forbidden`] where the credential may not read them, which
    /// [`super::Abilities::reads_check_runs`] says from then on.
    pub async fn check_runs(&self, repo: &RepoName, sha: &Sha) -> Result<Vec<CheckRun>, Error> {
        let route = route(repo, &format!("commits/{sha}/check-runs?filter=all"));
        let runs = self.pages(&route, |page: RawCheckRuns| page.check_runs).await;
        runs.inspect_err(|error| self.refused(repo, CheckRuns::Read, error))
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
        made.inspect_err(|error| self.refused(repo, CheckRuns::Create, error))
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

    /// The newest status of every context on a commit.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn statuses(&self, repo: &RepoName, sha: &Sha) -> Result<Vec<CommitStatus>, Error> {
        #[derive(Deserialize)]
        struct Combined {
            statuses: Vec<CommitStatus>,
        }
        let route = route(repo, &format!("commits/{sha}/status"));
        let all = self.pages(&route, |page: Combined| page.statuses).await?;
        Ok(newest_per_context(all))
    }

    /// Sets a commit status; idempotent, since only the newest counts.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn set_status(
        &self,
        repo: &RepoName,
        sha: &Sha,
        new: &NewStatus,
    ) -> Result<CommitStatus, Error> {
        let description = text::cap(&new.description, DESCRIPTION_LIMIT);
        let body = NewStatus { description, ..new.clone() };
        self.post(&route(repo, &format!("statuses/{sha}")), &body).await
    }
}

/// A [`CheckUpdate`] as GitHub takes it.
#[derive(Serialize)]
struct UpdateBody {
    status: CheckStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    conclusion: Option<Conclusion>,
    output: CheckOutput,
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
        }
    }
}

/// GitHub's conclusion as the policy knows it: a workflow that could not start has failed.
fn conclusion<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Conclusion>, D::Error> {
    let Some(word) = Option::<String>::deserialize(from)? else { return Ok(None) };
    if word == "startup_failure" {
        return Ok(Some(Conclusion::Failure));
    }
    let known: Result<_, UnknownWord> = Conclusion::deserialize(word.as_str().into_deserializer());
    known.map(Some).map_err(serde::de::Error::custom)
}

fn newest_per_context(mut all: Vec<CommitStatus>) -> Vec<CommitStatus> {
    all.sort_by(|a, b| (&a.context, b.updated_at, b.id).cmp(&(&b.context, a.updated_at, a.id)));
    all.dedup_by(|later, first| later.context == first.context);
    all
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
    status: CheckStatus,
    #[serde(default, deserialize_with = "conclusion")]
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

    fn status(id: u64, context: &str, day: u32) -> CommitStatus {
        serde_json::from_value(serde_json::json!({
            "id": id, "context": context, "state": "success", "description": null, "target_url": null,
            "updated_at": format!("2026-11-{day:02}T00:00:00Z"),
        }))
        .unwrap()
    }

    #[test]
    fn the_newest_status_of_a_context_counts() {
        let all = vec![status(1, "ci", 3), status(9, "ci", 2), status(4, "lint", 1), status(5, "lint", 1)];
        let ids: Vec<u64> = newest_per_context(all).iter().map(|status| status.id).collect();
        assert_eq!(ids, [1, 5]);
    }

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
        assert_eq!(read("startup_failure"), Some(Conclusion::Failure));
        assert_eq!(read("splendid"), Some(Conclusion::Unknown));
    }

    #[test]
    fn an_update_is_completed_when_it_has_a_conclusion_and_is_cut_to_size() {
        let output = CheckOutput { title: "t".into(), summary: "ü".repeat(70_000), text: String::new() };
        let body = |conclusion| {
            serde_json::to_value(UpdateBody::of(&CheckUpdate { conclusion, output: output.clone() })).unwrap()
        };
        let open = body(None);
        assert_eq!((open["status"].as_str(), open.get("conclusion")), (Some("in_progress"), None));
        let done = body(Some(Conclusion::TimedOut));
        assert_eq!(
            (done["status"].as_str(), done["conclusion"].as_str()),
            (Some("completed"), Some("timed_out"))
        );
        assert_eq!(done["output"]["summary"].as_str().unwrap().chars().count(), OUTPUT_LIMIT);
    }
}
