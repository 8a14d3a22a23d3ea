//! Pushes that a forge declines, read from what git prints of them.
//!
//! The forge's words stand behind `remote: ` on standard error; the reason of the branch stands in parentheses in
//! git's own line of it, which `--porcelain` puts on standard output.

use std::fmt;

use crate::core::redact::redact;

/// The most characters of the forge's words that are kept.
const LONGEST: usize = 600;

/// A push that the forge declined, and would decline again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declined {
    /// Why.
    pub cause: Cause,
    /// The forge's own words, in one line.
    pub said: String,
}

/// Why a push was declined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The branch is protected, or a ruleset forbids the push.
    Rules,
    /// A commit changes a workflow file, which our credential may not.
    Workflow {
        /// The file.
        path: String,
    },
    /// A commit holds a secret.
    Secret {
        /// Each as `kind in path:line`.
        found: Vec<String>,
    },
    /// A file is larger than the forge takes.
    TooLarge,
    /// A branch whose name is the beginning of this one's, or the other way round, is in the way.
    InTheWay {
        /// That branch.
        branch: String,
    },
    /// A hook of the forge declined it for reasons of its own.
    Hook,
}

impl Declined {
    /// Whether another change would be taken, so that the one who wrote it can do something about it.
    #[must_use]
    pub const fn is_about_the_change(&self) -> bool {
        matches!(self.cause, Cause::Secret { .. } | Cause::TooLarge)
    }

    /// Reads a push that failed; `None` when nothing was declined for good.
    pub(super) fn read(stdout: &[u8], stderr: &[u8]) -> Option<Self> {
        let (stdout, stderr) = (String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr));
        let remote: Vec<&str> =
            stderr.lines().filter_map(|line| line.strip_prefix("remote:")).map(str::trim).collect();
        let reason = stdout.lines().chain(stderr.lines()).find_map(reason_of);
        let cause = cause(&remote, reason)?;
        let said = remote.iter().filter(|line| !is_ornament(line)).copied();
        let said = match reason {
            Some(reason) if matches!(cause, Cause::Workflow { .. }) => reason.to_owned(),
            Some(_) | None => said.collect::<Vec<_>>().join("; "),
        };
        Some(Self { cause, said: redact(&said).chars().take(LONGEST).collect() })
    }
}

fn cause(remote: &[&str], reason: Option<&str>) -> Option<Cause> {
    let said = |word: &str| remote.iter().any(|line| line.contains(word));
    if let Some(branch) = remote.iter().find_map(|line| in_the_way(line)) {
        return Some(Cause::InTheWay { branch });
    }
    let reason = reason?;
    if reason.starts_with("refusing to allow") && reason.contains("workflow") {
        let path = reason.split('`').nth(1).unwrap_or_default().to_owned();
        return Some(Cause::Workflow { path });
    }
    if said("GITHUB PUSH PROTECTION") {
        return Some(Cause::Secret { found: secrets(remote) });
    }
    if said("GH001:") {
        return Some(Cause::TooLarge);
    }
    if said("GH006:") || said("GH013:") {
        return Some(Cause::Rules);
    }
    reason.ends_with("hook declined").then_some(Cause::Hook)
}

/// The reason in `[remote rejected] (reason)`.
fn reason_of(line: &str) -> Option<&str> {
    let (_, after) = line.split_once("[remote rejected]")?;
    let (_, reason) = after.split_once('(')?;
    reason.trim_end().strip_suffix(')')
}

/// The branch in `cannot lock ref 'refs/heads/a/b': 'refs/heads/a' exists; cannot create 'refs/heads/a/b'`.
fn in_the_way(line: &str) -> Option<String> {
    let (before, _) = line.split_once("' exists; cannot create '")?;
    let (_, name) = before.rsplit_once('\'')?;
    Some(name.strip_prefix("refs/heads/").unwrap_or(name).to_owned())
}

/// Every secret as `kind in path:line`.
fn secrets(remote: &[&str]) -> Vec<String> {
    let (mut kind, mut found) = ("secret", Vec::new());
    for line in remote {
        if let Some(title) = line.strip_prefix("——") {
            let title = title.trim_matches(['—', ' ']);
            kind = if title.is_empty() { kind } else { title };
        } else if let Some(place) = line.strip_prefix("path:") {
            found.push(format!("{kind} in {}", place.trim()));
        }
    }
    found
}

/// A line that says nothing: empty, or made of dashes.
fn is_ornament(line: &str) -> bool {
    line.chars().all(|c| matches!(c, '—' | '-' | ' '))
}

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = &self.said;
        match &self.cause {
            Cause::Rules => write!(
                f,
                "the forge's rules decline the push: {said}. Allow this account to push to the branches of runs, or \
                 exempt `aspora/**` from the rule"
            ),
            Cause::Workflow { path } => write!(
                f,
                "the forge declines a change of the workflow file `{path}`: {said}. Give the credential the workflows \
                 permission, or leave such files to people"
            ),
            Cause::Secret { found } => write!(
                f,
                "the forge found a secret in the push: {}. Take it out of the change; a secret that was real is to be \
                 revoked",
                found.join(", ")
            ),
            Cause::TooLarge => {
                write!(f, "the forge declines the push: {said}. Keep large files out of the change")
            }
            Cause::InTheWay { branch } => write!(
                f,
                "the branch `{branch}` is in the way of this run's branch, since git keeps branches as files and \
                 folders. Rename or delete `{branch}` at the forge, then retry the run"
            ),
            Cause::Hook => write!(f, "a hook of the forge declines the push: {said}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stdout: &str, stderr: &str, cause: Option<Cause>, says: &str) {
        let read = Declined::read(stdout.as_bytes(), stderr.as_bytes());
        let (found, text) = read.map(|declined| (declined.cause.clone(), declined.to_string())).unzip();
        assert!(found.into_iter().eq(cause), "{stderr}");
        let text = text.unwrap_or_default();
        assert!(text.contains(says), "{text}");
    }

    fn rejected(reason: &str) -> String {
        format!("To https://github.com/a/b.git\n!\tabc:refs/heads/x\t[remote rejected] ({reason})\nDone\n")
    }

    #[test]
    fn every_kind_of_decline_has_its_cause() {
        let protected = "remote: error: GH006: Protected branch update failed for refs/heads/x.        \n\
                         remote: \nremote: - Changes must be made through a pull request.        \n\
                         error: failed to push some refs to 'https://github.com/a/b.git'\n";
        let says = "GH006: Protected branch update failed for refs/heads/x.; - Changes must be made through";
        check(&rejected("protected branch hook declined"), protected, Some(Cause::Rules), says);
        let rules = "remote: error: GH013: Repository rule violations found for refs/heads/x.        \n\
                     remote: \nremote: - Commits must have verified signatures.        \n";
        let reason = rejected("push declined due to repository rule violations");
        check(&reason, rules, Some(Cause::Rules), "Commits must have verified signatures");
        let workflow = "refusing to allow a GitHub App to create or update workflow `.github/workflows/x.yml` without \
                        `workflows` permission";
        let cause = Cause::Workflow { path: ".github/workflows/x.yml".to_owned() };
        check(&rejected(workflow), "error: failed to push some refs\n", Some(cause), "workflows permission");
        let secret = "remote: error: GH013: Repository rule violations found for refs/heads/x.        \n\
                      remote: - GITHUB PUSH PROTECTION        \nremote:   —————————————————————        \n\
                      remote:       —— GitHub Personal Access Token ———————        \n\
                      remote:        locations:        \nremote:          - commit: 8728dbe        \n\
                      remote:            path: lib/key.py:4        \n";
        let cause = Cause::Secret { found: vec!["GitHub Personal Access Token in lib/key.py:4".to_owned()] };
        check(&reason, secret, Some(cause), "lib/key.py:4");
        let large = "remote: error: File a.bin is 106.49 MB; this exceeds GitHub's file size limit of 100.00 MB\n\
                     remote: error: GH001: Large files detected.\n";
        check(&rejected("pre-receive hook declined"), large, Some(Cause::TooLarge), "106.49 MB");
        let own = "remote: Commit messages need a ticket.\n";
        check(&rejected("pre-receive hook declined"), own, Some(Cause::Hook), "need a ticket");
        let lock = "remote: error: cannot lock ref 'refs/heads/aspora/w/1': 'refs/heads/aspora' exists; cannot create \
                    'refs/heads/aspora/w/1'        \n";
        let cause = Cause::InTheWay { branch: "aspora".to_owned() };
        check(&rejected("failed to update ref"), lock, Some(cause), "the branch `aspora` is in the way");
    }

    #[test]
    fn a_race_and_an_outage_are_not_declined_for_good() {
        let race = "remote: error: cannot lock ref 'refs/heads/x': is at 1 but expected 2        \n";
        check(&rejected("failed to update ref"), race, None, "");
        check("!\ta:refs/heads/x\t[rejected] (stale info)\n", "", None, "");
        check(&rejected("Internal Server Error"), "remote: Internal Server Error        \n", None, "");
        check("", "fatal: the remote end hung up unexpectedly\n", None, "");
        check(&rejected("failure"), "remote: fatal error in commit_refs        \n", None, "");
    }
}
