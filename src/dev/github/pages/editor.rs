//! The editor for one file of a branch: a commit of a person, without git.

use http::StatusCode;
use maud::{Markup, html};

use super::{fields::Fields, forms::proof};
use crate::dev::github::{
    commits::{NewCommit, NotMade, commit_on_branch},
    push_rules::Pusher,
    refusal::Refusal,
    sessions::Visitor,
    shared::Shared,
};

/// What is edited.
pub(super) struct Edited<'a> {
    pub(super) home: &'a str,
    pub(super) branch: &'a str,
    /// The commit that the branch is at.
    pub(super) head: &'a str,
    /// Empty for a new file.
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    /// All files of the branch.
    pub(super) files: &'a [String],
}

/// The form that edits a file, and the choice of another one.
pub(super) fn form(visitor: &Visitor, edited: &Edited<'_>) -> Markup {
    let Edited { home, branch, head, path, text, files } = edited;
    html! {
        section {
            form method="get" action={ (home) "/edit" } {
                input type="hidden" name="branch" value=(branch);
                label for="file" { "File of " code { (branch) } }
                div.row {
                    select #file name="path" {
                        @for file in *files { option value=(file) selected[file == path] { (file) } }
                    }
                    button.plain { "Open" }
                }
            }
        }
        section {
            form method="post" action={ (home) "/edit" } {
                (proof(visitor))
                input type="hidden" name="branch" value=(branch);
                input type="hidden" name="head" value=(head);
                label for="path" { "Path, also of a new file" }
                input #path name="path" value=(path) required spellcheck="false";
                label for="text" { "Whole text" }
                // A browser drops the first line break.
                textarea #text name="text" rows="18" spellcheck="false" { "\n" (text) }
                label for="message" { "Commit message" }
                input #message name="message" placeholder={ "Update " (path) };
                button { "Commit to " (branch) }
            }
        }
    }
}

/// Commits a file to a branch, unless the branch has moved since the form was shown; the commit's SHA. The rules of the
/// branch hold as for a push.
pub(super) async fn commit(
    shared: &Shared,
    repo: &str,
    login: &str,
    form: &Fields,
) -> Result<String, Refusal> {
    let path = form.some("path").filter(|path| is_path(path));
    let path = path.ok_or_else(|| unprocessable("The path must be that of a file in the repository."))?;
    let message = form.some("message").unwrap_or_else(|| format!("Update {path}"));
    let new = NewCommit {
        branch: form.get("branch").to_owned(),
        expected_head: form.get("head").to_owned(),
        message,
        additions: vec![(path, form.get("text").as_bytes().to_vec())],
        deletions: Vec::new(),
    };
    let turn = shared.host.turn().await;
    let pusher = Pusher { login, workflows: true };
    let made = commit_on_branch(&turn, repo, pusher, &new).await?;
    made.map_err(|not_made| match not_made {
        NotMade::NoBranch => unprocessable(&format!("There is no branch {}.", new.branch)),
        NotMade::Stale => Refusal::new(
            StatusCode::CONFLICT,
            "The branch has moved since this form was shown. Open the file again.",
        ),
        NotMade::NoPath(_) => Refusal::not_found(),
        NotMade::Declined(declined) => {
            let lines = declined.lines.into_iter().filter(|line| !line.is_empty());
            let lines: Vec<_> = lines.chain([declined.reason]).map(Into::into).collect();
            Refusal { errors: lines, ..unprocessable("Unprocessable Entity") }
        }
    })
}

/// What git takes as the path of a file.
fn is_path(path: &str) -> bool {
    let fits = |part: &str| !matches!(part, "" | "." | "..") && !part.eq_ignore_ascii_case(".git");
    path.split('/').all(fits) && !path.chars().any(char::is_control)
}

fn unprocessable(message: &str) -> Refusal {
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, message)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_path_stays_in_the_repository() {
        let check = |path: &str, fits| assert_eq!(super::is_path(path), fits, "{path:?}");
        check("lib/a.py", true);
        check(".github/workflows/ci.yml", true);
        check("/etc/passwd", false);
        check("a/../../b", false);
        check(".Git/config", false);
        check("a//b", false);
        check("a\nb", false);
    }
}
