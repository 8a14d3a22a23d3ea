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
    store::product,
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
        let before = twin.files(&repo).await?;
        let tested = match self.test_command(name).await? {
            Some(words) if !has(&before, product_file::PATH) => Tested::Command(words),
            _ => says_how(twin, &repo, name, &before).await?,
        };
        let files = twin.files(&repo).await?;
        let checks = checks_of(&files);
        let by_default = matches!(tested, Tested::Unknown(_)) && has(&checks, "CI Pipeline");
        let tests = if by_default { unittest() } else { Vec::new() };
        self.add(name, &repository, &branch, &tests).await?;
        let has_policy = has(&files, POLICY_PATH);
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
        lines.push(tested.line());
        if by_default {
            lines.push(format!("  until then, its tests are those of Python: {}", tests.join(" ")));
        }
        lines.push(policy_line(name, has_policy, start));
        lines.extend(adopted.note.map(|note| format!("  note: {note}")));
        Ok(lines.join("\n"))
    }

    /// The command that people put for a product's tests; `None` if there is none but our own default.
    async fn test_command(&self, name: &ProductName) -> anyhow::Result<Option<Vec<String>>> {
        let known = product::get(self.engine.pool(), name.as_str()).await?;
        let command = known.map(|it| it.test_command).unwrap_or_default();
        Ok((!command.is_empty() && command != unittest()).then_some(command))
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

/// What is known of a repository's tests.
enum Tested {
    /// Its product file says it, which was there before.
    File,
    /// The product was put with this command, which stays.
    Command(Vec<String>),
    /// Its manifests said it, by these notes, and this file was committed.
    Detected(String, String),
    /// Nothing, for this reason.
    Unknown(String),
}

impl Tested {
    /// For people, one line or some.
    fn line(&self) -> String {
        let path = product_file::PATH;
        match self {
            Self::File => format!("  how it is tested stands in {path}"),
            Self::Command(words) => format!("  it is tested as it was put: {}", words.join(" ")),
            Self::Detected(notes, text) => {
                let lines: String = text.lines().map(|line| format!("\n    {line}")).collect();
                format!("  how it is tested was detected ({notes}) and committed here as {path}:{lines}")
            }
            Self::Unknown(why) => format!("  how it is tested is not known: {why}"),
        }
    }
}

/// How a repository is tested. One that does not say it gets the product file that its manifests suggest, where they do.
async fn says_how(twin: &Twin, repo: &str, name: &ProductName, files: &[String]) -> anyhow::Result<Tested> {
    if has(files, product_file::PATH) {
        return Ok(Tested::File);
    }
    let mut fetched = Fetched { paths: files.to_vec(), ..Fetched::default() };
    for path in wanted(files) {
        if let Some(text) = twin.text(repo, path).await? {
            fetched.texts.insert(path.to_owned(), text);
        }
    }
    let proposed = propose(&fetched, name, None)?;
    let notes = proposed.notes.join("; ");
    let Some(file) = proposed.file else { return Ok(Tested::Unknown(notes)) };
    let text = file.to_string();
    let content = [(product_file::PATH, text.as_bytes())];
    twin.commit(repo, &content, "chore: Say how the product is set up and tested").await?;
    Ok(Tested::Detected(notes, text))
}

fn has(names: &[String], name: &str) -> bool {
    names.iter().any(|it| it == name)
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
