//! Products.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    core::{judging::Judging, reviewer::Setting},
    store::product,
};

/// A product and the one repository that it may write to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// 1 to 40 of `a-z`, `0-9` and `-`, beginning with a letter.
    #[schema(pattern = "^[a-z][a-z0-9-]{0,39}$")]
    pub name: String,
    /// The repository on the forge, `owner/name`.
    #[schema(pattern = "^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$")]
    pub repository: String,
    /// The branch that changes are merged into.
    #[serde(default = "main")]
    #[schema(default = "main")]
    pub base_branch: String,
    /// The command that runs the product's tests in the sandbox, word by word; empty if it has no tests.
    #[serde(default)]
    pub test_command: Vec<String>,
    /// The most open runs; further requirements are answered with 429. Absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub backlog: Option<i32>,
    /// The most jobs that may run at once: the limit `product:<name>`. Absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10000)]
    pub concurrency: Option<i32>,
    /// The app whose check `Browser Evidence` counts, by its slug or number. Absent: what is sent to
    /// POST /api/v1/evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "github-actions")]
    pub evidence_app: Option<String>,
    /// After this many minutes without progress a check has failed, where the policy does not say. Absent: 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 527040)]
    pub check_deadline_minutes: Option<i32>,
    /// How its pull requests are merged: `merge`, `squash` or `rebase`. A merge queue has its own method.
    #[serde(default = "merge")]
    #[schema(default = "merge")]
    pub merge_method: String,
    /// After this many hours of a wait for people, they are notified again. Absent: 24.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 720)]
    pub answer_hours: Option<i16>,
    /// The objective for the time from the requirement to the first pull request, in minutes. Absent: 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 525600)]
    pub first_pull_minutes: Option<i32>,
    /// The objective for the time from the requirement to the merge, in minutes. Absent: 1440.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 525600)]
    pub loop_minutes: Option<i32>,
    /// The most pull requests of ours that may be open in its repository at once; further runs wait before a model is
    /// asked. Absent: 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10000)]
    pub open_pulls: Option<i32>,
    /// Who reviews its pull requests, at most 8, one of them blocking. Absent: the built-in reviewer alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 8)]
    pub reviewers: Vec<Reviewer>,
    /// Whether the pull requests that other people and programs open are judged: `off`, `shadow` (judged, and nothing said
    /// of it on the forge) or `on`.
    #[serde(default = "off")]
    #[schema(default = "off")]
    pub judging: String,
    /// Whether those are merged by us once they are cleared; otherwise only where a person asks for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub merges_theirs: bool,
    /// Whether the product's tests run here on their heads too, in the sandbox, and must pass.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tests_theirs: bool,
    /// Who says whether the product's tests pass. `ours`: our own run of them, and anything but `passed` blocks what is ours.
    /// `forge`: its checks alone. Absent: `ours` with a test command, `forge` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(ours|forge)$")]
    pub tests: Option<String>,
    /// For how many minutes the base's own checks are watched after a merge; 0: not at all. Absent: 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1440)]
    pub watch_minutes: Option<i16>,
    /// What follows when a check of the base fails since a merge and was green before. `off`: people are notified. `ask`: they
    /// are asked to revert it. `open`: a run that reverts it begins, and goes through the gate like any other.
    #[serde(default = "off")]
    #[schema(default = "off", pattern = "^(off|ask|open)$")]
    pub revert_on_red: String,
    /// In an answer: what the forge would not let us do with this product, or what is worth knowing about it, each
    /// with how to put it right. What is sent is ignored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(read_only)]
    pub warnings: Vec<String>,
}

/// The settings of a product that are to change, as a merge patch (RFC 7396): what is left out stays, `null` is the default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object, example = json!({ "backlog": 20, "concurrency": null }))]
pub struct ProductChanges(pub serde_json::Map<String, serde_json::Value>);

/// What to look for in a product's repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProposal {
    /// The product's folder, where the repository holds several products.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub root: Option<String>,
    /// Whether a pull request is opened for what the repository lacks.
    #[serde(default)]
    pub open: bool,
}

/// What a product's repository lacks to be built and judged, as it is proposed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Proposal {
    /// The commit of the base branch that was looked at.
    pub base: String,
    /// `.aspora/product.toml`, if the repository has none and it was found out how it is tested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_file: Option<String>,
    /// `.aspora/risk-policy.json`, if the repository has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// What was found, a sentence each.
    pub notes: Vec<String>,
    /// The pull request that adds the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_url: Option<String>,
}

/// A reviewer of a product. What is absent has the default of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reviewer {
    /// `builtin`, `greptile`, `coderabbit`, `copilot`, `check` or `http`.
    #[schema(example = "greptile")]
    pub kind: String,
    /// Its name in reports, unique in the list. Absent: the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[A-Za-z0-9-]{1,100}$")]
    pub name: Option<String>,
    /// The slug of the app whose signs alone count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "greptile-apps")]
    pub app: Option<String>,
    /// The name of its check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// The comment that asks it for a review of a head, once a head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<String>,
    /// Of kind `http`: the base of `/reviews/{owner}/{repo}/pr/{n}/findings`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://api.greptile.com/v1")]
    pub url: Option<String>,
    /// `blocking` or `advisory`. Absent: `blocking`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// How many minutes its review is awaited. Absent: 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1440)]
    pub timeout_minutes: Option<u32>,
    /// Whether the built-in reviewer takes over when the review has not come by then. Absent: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<bool>,
}

impl From<Reviewer> for Setting {
    fn from(given: Reviewer) -> Self {
        let Reviewer { kind, name, app, check, ask, url, mode, timeout_minutes, fallback } = given;
        Self { kind, name, app, check, ask, url, mode, timeout_minutes, fallback }
    }
}

impl From<Setting> for Reviewer {
    fn from(setting: Setting) -> Self {
        let Setting { kind, name, app, check, ask, url, mode, timeout_minutes, fallback } = setting;
        Self { kind, name, app, check, ask, url, mode, timeout_minutes, fallback }
    }
}

fn main() -> String {
    "main".to_owned()
}

fn off() -> String {
    Judging::Off.as_str().to_owned()
}

fn merge() -> String {
    "merge".to_owned()
}

impl From<product::Product> for Product {
    fn from(row: product::Product) -> Self {
        let product::Product {
            name,
            repository,
            base_branch,
            test_command,
            backlog,
            concurrency,
            evidence_app,
            check_deadline_minutes,
            merge_method,
            answer_hours,
            first_pull_minutes,
            loop_minutes,
            open_pulls,
            reviewers,
            judging,
            merges_theirs,
            tests_theirs,
            tests,
            watch_minutes,
            revert_on_red,
        } = row;
        Self {
            name,
            repository,
            base_branch,
            test_command,
            backlog,
            concurrency,
            evidence_app,
            check_deadline_minutes,
            merge_method,
            answer_hours,
            first_pull_minutes,
            loop_minutes,
            open_pulls,
            reviewers: reviewers.0.into_iter().map(Reviewer::from).collect(),
            judging,
            merges_theirs,
            tests_theirs,
            tests,
            watch_minutes,
            revert_on_red,
            warnings: Vec::new(),
        }
    }
}
