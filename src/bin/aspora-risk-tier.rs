//! `aspora-risk-tier`: the tier of the change between two commits, from git alone.
//!
//! Prints one word for scripts (`TIER=$(aspora-risk-tier …)`); errors go to standard error.
//! Exit codes: 0 the tier was found, 1 it was not, 2 the command line is wrong.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, bail, ensure};
use aspora::core::{
    change::Change,
    policy::{Classification, Contract, Scope, classify},
    requirement::ProductName,
};
use clap::{Parser, ValueEnum};

/// Prints the risk tier of the change between two commits.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The policy: a path inside the repository, read from the base commit, or an absolute path.
    #[arg(long)]
    policy: String,
    /// The product; an unknown one is judged under all products.
    #[arg(long)]
    product: ProductName,
    /// The commit that the change starts from.
    #[arg(long)]
    base: String,
    /// The commit that the change ends at.
    #[arg(long)]
    head: String,
    /// The repository.
    #[arg(long, default_value = ".")]
    repo: PathBuf,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Print, to standard error in text format, what decided for each path.
    #[arg(long)]
    explain: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The name of the tier alone.
    Text,
    /// The whole classification.
    Json,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aspora-risk-tier: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let git = Git { repo: &arguments.repo };
    let (base, head) = (git.commit(&arguments.base)?, git.commit(&arguments.head)?);
    let start = git.line(&["merge-base", &base, &head]).context("find where the change starts")?;
    let (base_policy, head_policy) = policies(&git, &arguments.policy, &base, &head)?;
    let contract = Contract { base: base_policy.as_deref(), head: head_policy.as_deref() };
    let products = std::slice::from_ref(&arguments.product);
    let scope = Scope { contract, products, forge_changed_files: None };
    let classification = classify(&scope, &git.change(&start, &head)?)?;
    print(arguments, &classification)
}

fn print(arguments: &Arguments, classification: &Classification) -> anyhow::Result<()> {
    match arguments.format {
        Format::Text => println!("{}", classification.tier),
        Format::Json => {
            println!("{}", serde_json::to_string_pretty(classification).context("print as JSON")?)
        }
    }
    if arguments.format == Format::Text {
        classification.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    }
    if arguments.explain && arguments.format == Format::Text {
        explain(classification);
    }
    Ok(())
}

fn explain(classification: &Classification) {
    for reason in &classification.whole {
        eprintln!("{}: {}", reason.tier, reason.rule);
    }
    for path in &classification.paths {
        for reason in &path.reasons {
            let source = reason.product.as_ref().map_or("floor", |product| product.as_str());
            eprintln!("{} {:?} by {source}: {}", reason.tier, path.path, reason.rule);
        }
    }
}

/// The policy's text at both ends; a file outside the repository is the same for both.
fn policies(
    git: &Git<'_>,
    policy: &str,
    base: &str,
    head: &str,
) -> anyhow::Result<(Option<String>, Option<String>)> {
    if let Some(inside) = git.inside(policy)? {
        return Ok((git.file(base, &inside)?, git.file(head, &inside)?));
    }
    let text = fs::read_to_string(policy).with_context(|| format!("read the policy {policy:?}"))?;
    Ok((Some(text.clone()), Some(text)))
}

/// A repository, read by a git that runs nothing the repository or the machine configures.
struct Git<'a> {
    repo: &'a Path,
}

impl Git<'_> {
    /// The full name of a commit; a name that git could read as an option is refused.
    fn commit(&self, name: &str) -> anyhow::Result<String> {
        ensure!(!name.is_empty() && !name.starts_with('-'), "{name:?} is not a commit");
        self.line(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{name}^{{commit}}")])
            .with_context(|| format!("find the commit {name:?}; a shallow clone may lack it"))
    }

    fn change(&self, start: &str, head: &str) -> anyhow::Result<Change> {
        let listing = ["diff", "--raw", "-z", "--no-renames", "--no-ext-diff", "--no-textconv"];
        let shape = ["--no-abbrev", "--ignore-submodules=none", "--no-relative", start, head, "--"];
        let raw = self.run(&[&listing[..], &shape[..]].concat()).context("list the change")?;
        Change::from_raw_diff(&raw).context("read git's listing")
    }

    /// The text of a file at a commit; `None` if it does not exist.
    fn file(&self, commit: &str, path: &str) -> anyhow::Result<Option<String>> {
        let entry = self.run(&["ls-tree", "-z", "--full-tree", commit, "--", &format!(":(literal){path}")]);
        let entry = entry.with_context(|| format!("look for {path:?} at {commit}"))?;
        if entry.is_empty() {
            return Ok(None);
        }
        ensure!(
            entry.starts_with(b"100644 ") || entry.starts_with(b"100755 "),
            "{path:?} is not a plain file"
        );
        let bytes = self.run(&["cat-file", "blob", &format!("{commit}:{path}")])?;
        String::from_utf8(bytes).map(Some).with_context(|| format!("{path:?} at {commit} is not UTF-8"))
    }

    /// The path as the repository has it, if it is inside; a relative one always is.
    fn inside(&self, path: &str) -> anyhow::Result<Option<String>> {
        if !Path::new(path).is_absolute() {
            let path = path.strip_prefix("./").unwrap_or(path);
            let plain = !path.is_empty() && !path.split('/').any(|part| matches!(part, "" | "." | ".."));
            return Ok(plain.then(|| path.to_owned()));
        }
        // A bare repository has no work tree.
        let Ok(top) = self.line(&["rev-parse", "--show-toplevel"]) else { return Ok(None) };
        let inside = Path::new(path).strip_prefix(&top).ok().and_then(Path::to_str);
        Ok(inside.map(str::to_owned))
    }

    fn line(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let text = String::from_utf8(self.run(arguments)?).context("git's answer is not UTF-8")?;
        Ok(text.trim_end_matches('\n').to_owned())
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
        let mut git = Command::new("git");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GIT_") {
                git.env_remove(name);
            }
        }
        git.env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("LC_ALL", "C")
            .args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "safe.directory=*"])
            .arg("--no-pager")
            .arg("-C")
            .arg(self.repo);
        let output = git.args(arguments).output().context("run git; is it installed?")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("git {} failed: {}", arguments[0], said.trim().escape_debug());
        }
        Ok(output.stdout)
    }
}
