//! A bare repository, and calls of the git command line on it.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use anyhow::{Context as _, bail};
use tokio::{io::AsyncWriteExt as _, process::Command};

use crate::workspace::{Memo, Question, git_program};

/// Commands that read commits, and whose options name none.
const READERS: [&str; 6] = ["diff", "diff-tree", "log", "merge-base", "rev-list", "rev-parse"];

/// Whether an argument is an option, or names commits by their full SHAs alone.
fn is_fixed(argument: &str) -> bool {
    let is_full = |name: &str| name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_option = argument.starts_with('-') && argument != "--all" && argument != "--not";
    let name = argument.strip_suffix("^{commit}").unwrap_or(argument);
    let (from, to) = name.split_once("..").unwrap_or((name, name));
    is_option || is_full(from) && is_full(to.strip_prefix('.').unwrap_or(to))
}

/// One bare repository.
#[derive(Debug, Clone)]
pub(crate) struct Git {
    pub(crate) dir: PathBuf,
    /// The objects of a push that is still being looked at.
    pub(crate) quarantine: Option<PathBuf>,
    pub(crate) memo: Arc<Memo>,
}

impl Git {
    /// The repository in a folder; `memo` keeps what git says of commits that are named by their full SHAs.
    pub(crate) fn new(dir: PathBuf, memo: Arc<Memo>) -> Self {
        Self { dir, quarantine: None, memo }
    }

    pub(crate) async fn text<'a>(
        &self,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> anyhow::Result<String> {
        let arguments: Vec<&str> = arguments.into_iter().collect();
        let question = self.question(&arguments);
        if let Some(known) = question.as_ref().and_then(|question| self.memo.get(question)) {
            return Ok(String::from_utf8_lossy(&known).into_owned());
        }
        let bytes = succeed(self.command(arguments), b"").await?;
        if let Some(question) = question {
            self.memo.put(question, &bytes);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// For commands that answer by their exit status.
    pub(super) async fn ask(&self, arguments: &[&str]) -> anyhow::Result<(i32, String)> {
        let question = self.question(arguments);
        if let Some(known) = question.as_ref().and_then(|question| self.memo.get(question)) {
            return Ok((0, String::from_utf8_lossy(&known).into_owned()));
        }
        let output = self.command(arguments).output().await.context("run git")?;
        if let Some(question) = question.filter(|_| output.status.success()) {
            self.memo.put(question, &output.stdout);
        }
        Ok((output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// What is asked, where the answer never changes.
    fn question(&self, arguments: &[&str]) -> Option<Question> {
        let (command, about) = arguments.split_first()?;
        let is_known = READERS.contains(command) && about.iter().all(|argument| is_fixed(argument));
        if !is_known || self.quarantine.is_some() {
            return None;
        }
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Question::of(&self.dir, &arguments)
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = git();
        if let Some(quarantine) = &self.quarantine {
            command.env("GIT_OBJECT_DIRECTORY", quarantine);
            command.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", self.dir.join("objects"));
        }
        command.args(["-c", "core.quotePath=false"]).arg("--git-dir").arg(&self.dir).args(arguments);
        command
    }
}

/// Git without the configuration of the user or the system, so that the twin is the same on every machine.
pub(crate) fn git() -> Command {
    let mut command = Command::new(git_program());
    for inherited in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(inherited);
    }
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.env("GIT_TERMINAL_PROMPT", "0").kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(super) async fn succeed_with(
    mut command: Command,
    index: &Path,
    input: &[u8],
) -> anyhow::Result<Vec<u8>> {
    command.env("GIT_INDEX_FILE", index);
    succeed(command, input).await
}

/// The output of a command that must succeed.
pub(crate) async fn succeed(mut command: Command, input: &[u8]) -> anyhow::Result<Vec<u8>> {
    command.stdin(Stdio::piped());
    let mut child = command.spawn().context("start git: is it installed?")?;
    let mut stdin = child.stdin.take().context("open git's input")?;
    let write = async {
        // Git may end before it has read all of its input; its output then says why.
        let _ = stdin.write_all(input).await;
        drop(stdin);
    };
    let ((), output) = tokio::join!(write, child.wait_with_output());
    let output = output.context("wait for git")?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        bail!("{:?} failed: {}", command.as_std(), message.trim());
    }
    Ok(output.stdout)
}
