//! Products whose repositories are git repositories of this machine, for `aspora dev --product`.

use std::path::Path;

use anyhow::Context as _;

use super::dev_server::DevServer;
use crate::{
    core::{
        policy::{Demands, POLICY_PATH, starter},
        product_file::{
            self,
            detect::{Fetched, propose, wanted},
        },
        requirement::ProductName,
        words::counted,
    },
    dev::{checks_of, github::Twin, unittest},
};

/// The person of the twin whose password the shown address has: one who may push.
const CLONES_AS: &str = "noor";

impl DevServer {
    /// Adds a product whose repository is a git repository on this machine, with a starter policy if it is to have one
    /// and has none; says how to work with it, in some lines.
    ///
    /// # Errors
    /// When the directory cannot be served as it is, or the forge is not the twin; the message says what to do.
    pub async fn add_local(&self, name: &ProductName, folder: &Path, start: bool) -> anyhow::Result<String> {
        let (repository, adopted) = self.stand_ins.adopt(name, folder).await?;
        let twin = self.stand_ins.twin().context("the GitHub twin does not run")?;
        let (repo, branch) = (repository.to_string(), adopted.branch);
        let mut files = twin.files(&repo).await?;
        let (says, how) = says_how(twin, &repo, name, &files).await?;
        if says {
            files = twin.files(&repo).await?;
        }
        let checks = checks_of(&files);
        let is_tested = !says && checks.iter().any(|check| check == "CI Pipeline");
        let tests = if is_tested { unittest() } else { Vec::new() };
        self.add(name, &repository, &branch, &tests).await?;
        let has_policy = files.iter().any(|path| path == POLICY_PATH);
        if start && !has_policy {
            let policy = starter(name, &files, &checks);
            let files = [(POLICY_PATH, policy.as_bytes())];
            twin.commit(&repo, &files, "chore: Add a starter risk policy").await?;
        }
        let mut lines =
            vec![format!("Product `{name}`: {} on `{branch}`, at {}/{repo}", folder.display(), twin.url())];
        lines.push(format!("  clone: git clone {}", self.clone_url(twin, &repo)?));
        lines.push(format!(
            "  results come back to {0} as branches: `aspora/…` of each run, `aspora/merged/{branch}` once merged; \
             to take them over there: git merge aspora/merged/{branch}",
            folder.display()
        ));
        lines.push(how);
        if is_tested {
            lines.push(format!("  until then, its tests are those of Python: {}", tests.join(" ")));
        }
        lines.push(policy_line(name, has_policy, start));
        lines.extend(adopted.note.map(|note| format!("  note: {note}")));
        Ok(lines.join("\n"))
    }

    /// Where to clone a repository of the twin, with the password of a person who may push.
    fn clone_url(&self, twin: &Twin, repository: &str) -> anyhow::Result<String> {
        let people = self.stand_ins.people()?;
        let person = people.iter().find(|person| person.login == CLONES_AS);
        let person = person.with_context(|| format!("the GitHub twin has no person {CLONES_AS}"))?;
        let mut url: url::Url = twin.git_url(repository).parse().context("read the twin's address")?;
        let set = url.set_username(person.login).and_then(|()| url.set_password(Some(&person.password)));
        set.ok().context("put a password into the twin's address")?;
        Ok(url.to_string())
    }
}

/// Whether a repository says how it is tested, and how, for people. One that does not gets the product file that its
/// manifests suggest, where they do.
async fn says_how(
    twin: &Twin,
    repo: &str,
    name: &ProductName,
    files: &[String],
) -> anyhow::Result<(bool, String)> {
    if files.iter().any(|path| path == product_file::PATH) {
        return Ok((true, format!("  how it is tested stands in {}", product_file::PATH)));
    }
    let mut fetched = Fetched { paths: files.to_vec(), ..Fetched::default() };
    for path in wanted(files) {
        if let Some(text) = twin.text(repo, path).await? {
            fetched.texts.insert(path.to_owned(), text);
        }
    }
    let proposed = propose(&fetched, name, None)?;
    let notes = proposed.notes.join("; ");
    let Some(file) = proposed.file else {
        return Ok((false, format!("  how it is tested is not known: {notes}")));
    };
    let text = file.to_string();
    let content = [(product_file::PATH, text.as_bytes())];
    twin.commit(repo, &content, "chore: Say how the product is set up and tested").await?;
    let lines: String = text.lines().map(|line| format!("\n    {line}")).collect();
    let path = product_file::PATH;
    Ok((true, format!("  how it is tested was detected ({notes}) and committed here as {path}:{lines}")))
}

fn policy_line(name: &ProductName, has_policy: bool, start: bool) -> String {
    let approvals = counted(u64::from(Demands::without_a_policy().approvals_needed()), "approval");
    match (has_policy, start) {
        (true, _) => format!("  its risk policy is {POLICY_PATH}: aspora product show {name}"),
        (false, true) => {
            format!("  a starter policy was committed as {POLICY_PATH}: aspora product show {name}")
        }
        (false, false) => format!(
            "  it has no {POLICY_PATH}, so every change is critical and needs {approvals} by people of the twin: \
             approve as two of them, or start with --starter-policy"
        ),
    }
}
