//! The dependencies that a run asks people about, and what they said.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    core::dependency::{self, DependencyFile},
    store::consent,
};

/// The dependencies that a run asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Dependencies {
    /// The run.
    pub run_id: Uuid,
    /// What names the set that waits for an answer; absent if none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<String>,
    /// Each time that the run asked, the first one first.
    pub asked: Vec<DependencySet>,
}

/// A set of dependencies, which is what set-up would install for exactly these files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DependencySet {
    /// What names it: SHA-256 in hexadecimal of the files that set-up reads.
    pub digest: String,
    /// The step that asks.
    pub step: String,
    /// The head that brings it; absent for a change that nobody has pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_sha: Option<String>,
    /// The packages that come, go or change version.
    pub packages: Vec<Package>,
    /// The files that differ from those of the base.
    pub files: Vec<ChangedFile>,
    /// When it was asked.
    pub asked_at: DateTime<Utc>,
    /// `yes` or `no`; absent while nobody has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Who answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<DateTime<Utc>>,
    /// When another set took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<DateTime<Utc>>,
}

/// A package that comes, goes or changes version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// The versions that are gone; empty for a new package.
    pub from: Vec<String>,
    /// The versions that are new; empty for one that was removed.
    pub to: Vec<String>,
    /// How it comes in: `named in requirements.txt`, or `needed by another package, in uv.lock`.
    pub comes_in: String,
    /// All of it in words.
    pub sentence: String,
}

/// A file of set-up that differs from that of the base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangedFile {
    /// Its path.
    pub path: String,
    /// Why nothing is known of what changed in it; absent if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// How many more packages changed in it than are listed.
    pub more: u32,
}

/// What a person says to the dependencies that a run asks about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SayDependencies {
    /// What names the set that was looked at.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub digest: String,
    /// `yes` or `no`.
    #[schema(pattern = "^(yes|no)$")]
    pub answer: String,
    /// Why; recorded in the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl From<consent::Row> for DependencySet {
    fn from(row: consent::Row) -> Self {
        let list = row.list.0;
        Self {
            digest: row.digest,
            step: row.step,
            head_sha: row.head_sha,
            packages: list.packages.into_iter().map(Package::from).collect(),
            files: list.files.into_iter().map(ChangedFile::from).collect(),
            asked_at: row.asked_at,
            answer: row.answer,
            answered_by: row.answered_by,
            reason: row.reason,
            answered_at: row.answered_at,
            withdrawn_at: row.withdrawn_at,
        }
    }
}

impl From<dependency::Package> for Package {
    fn from(package: dependency::Package) -> Self {
        let (sentence, comes_in) = (package.sentence(), package.comes.to_string());
        Self { name: package.name, from: package.from, to: package.to, comes_in, sentence }
    }
}

impl From<DependencyFile> for ChangedFile {
    fn from(file: DependencyFile) -> Self {
        Self { path: file.path, unreadable: file.unreadable, more: file.more }
    }
}

impl ChangedFile {
    /// The file in a line: `requirements.txt`, or with why it was not read.
    #[must_use]
    pub fn sentence(&self) -> String {
        match (&self.unreadable, self.more) {
            (Some(why), _) => format!("{}: not read, because {why}", self.path),
            (None, 0) => self.path.clone(),
            (None, more) => format!("{}, and {more} more packages that are not listed", self.path),
        }
    }
}
