//! The files of a commit that the model is shown: text only, the most relevant first.

use std::collections::{BTreeMap, BTreeSet};

use super::Failure;
use crate::{
    core::{path::RepoPath, policy::POLICY_PATH, sha::Sha},
    llm::{CONTEXT_LIMIT, Source},
    workspace::{Entry, Mirror},
};

/// Larger files are not shown to the model (bytes).
const FILE_LIMIT: u64 = 128 * 1024;
/// How many files are read by one call of git; some of them may not fit in the end.
const READ_AT_ONCE: usize = 64;
/// The product's specification.
pub(super) const SPEC: &str = "SPEC.md";

/// The part of a commit that the model is shown.
pub(super) struct Context {
    /// Every path.
    pub(super) tree: Vec<String>,
    /// The text files that fit, most relevant first.
    pub(super) files: Vec<Source>,
    /// The product's specification.
    pub(super) spec: Option<String>,
    /// The risk policy.
    pub(super) policy: Option<String>,
}

impl Context {
    /// Reads what is relevant to `about` (a requirement's text); the paths in `first` are the most relevant.
    pub(super) async fn read(
        mirror: &Mirror,
        commit: &Sha,
        about: &str,
        first: &[String],
    ) -> Result<Self, Failure> {
        let entries = mirror.list(commit).await?;
        let tree = entries.iter().map(|entry| entry.path.clone()).collect();
        let (mut files, mut budget) = (Vec::new(), CONTEXT_LIMIT as u64);
        for some in by_relevance(&entries, about, first).chunks(READ_AT_ONCE) {
            let fitting = some.iter().filter(|entry| entry.size <= budget).map(|entry| entry.path.as_str());
            let mut texts = texts(mirror, commit, fitting.collect()).await?;
            for entry in some {
                if entry.size <= budget
                    && let Some(text) = texts.remove(&entry.path)
                {
                    budget -= entry.size;
                    files.push(Source { path: entry.path.clone(), text });
                }
            }
        }
        let spec = text(mirror, commit, SPEC).await?;
        let policy = text(mirror, commit, POLICY_PATH).await?;
        Ok(Self { tree, files, spec, policy })
    }

    /// The paths of the product's harness cases.
    pub(super) fn harness(&self) -> Vec<String> {
        self.tree.iter().filter(|path| path.starts_with("tests/harness/")).cloned().collect()
    }
}

/// The texts of these paths on a commit; a path that does not exist or is not text is left out.
pub(super) async fn texts(
    mirror: &Mirror,
    commit: &Sha,
    paths: Vec<&str>,
) -> Result<BTreeMap<String, String>, Failure> {
    let paths: BTreeSet<&str> = paths.into_iter().filter(|path| path.parse::<RepoPath>().is_ok()).collect();
    if paths.is_empty() {
        return Ok(BTreeMap::new());
    }
    let files = mirror.read_all(commit, &paths).await?;
    Ok(files.into_iter().filter_map(|(path, bytes)| Some((path, as_text(bytes)?))).collect())
}

/// One file's text.
pub(super) async fn text(mirror: &Mirror, commit: &Sha, path: &str) -> Result<Option<String>, Failure> {
    let Ok(path) = path.parse::<RepoPath>() else { return Ok(None) };
    let bytes = mirror.read(commit, &path).await?;
    Ok(bytes.and_then(as_text))
}

fn as_text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// The files in `first`, then those whose paths share most words with the requirement, then by path.
fn by_relevance<'e>(entries: &'e [Entry], about: &str, first: &[String]) -> Vec<&'e Entry> {
    let wanted = words_of(about);
    let mut files: Vec<&Entry> = entries
        .iter()
        .filter(|entry| matches!(entry.mode, 0o100_644 | 0o100_755) && entry.size <= FILE_LIMIT)
        .collect();
    // The specification and the policy have sections of their own in a prompt.
    files.retain(|entry| entry.path != SPEC && entry.path != POLICY_PATH);
    let rank = |entry: &Entry| {
        let shared = words_of(&entry.path).intersection(&wanted).count();
        (!first.contains(&entry.path), usize::MAX - shared)
    };
    files.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.path.cmp(&b.path)));
    files
}

fn words_of(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2);
    words.map(str::to_lowercase).collect()
}
