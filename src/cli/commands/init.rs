//! `aspora product init`: a new product's repository, in a folder of this machine.

use std::{
    fs,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{Exit, Printer};
use crate::{
    core::{
        requirement::{Invalid, ProductName},
        words::counted,
    },
    dev::templates::{NewFile, Template, new_product},
};

/// The subject of the first commit.
const SUBJECT: &str = "feat: Begin the product";

/// What a new product is written in.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Language {
    /// Python: FastAPI.
    Fastapi,
    /// Go: the standard library.
    Go,
    /// JavaScript: Node's standard library.
    Node,
}

impl From<Language> for Template {
    fn from(language: Language) -> Self {
        match language {
            Language::Fastapi => Self::FastApi,
            Language::Go => Self::Go,
            Language::Node => Self::Node,
        }
    }
}

/// The arguments of `aspora product init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The product's name: a-z, 0-9 and -.
    #[arg(value_parser = |text: &str| text.parse::<ProductName>().map_err(|invalid: Invalid| invalid.message))]
    name: ProductName,
    /// What it is written in.
    #[arg(long, value_enum)]
    template: Language,
    /// The folder to make, which must be empty or missing [default: the product's name].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// A product that was made.
#[derive(Debug, Serialize)]
pub(super) struct Made {
    product: String,
    template: String,
    folder: PathBuf,
    files: usize,
    commit: String,
}

/// Makes a product, and says how to go on.
///
/// # Errors
/// As [`make`].
pub(crate) fn run(printer: &Printer, new: &Init) -> anyhow::Result<Exit> {
    let folder = new.dir.clone().unwrap_or_else(|| PathBuf::from(new.name.as_str()));
    let made = make(&new.name, new.template.into(), folder)?;
    let text = format!(
        "{shown} is the repository of `{name}`: {files} in one commit, {short}.\n\
         Its README.md says how to test and serve it, without Aspora.\n\
         To have requirements done there: aspora dev --product {name}={shown}",
        shown = made.folder.display(),
        name = made.product,
        files = counted(made.files, "file"),
        short = &made.commit[..made.commit.len().min(12)],
    );
    printer.say(&text, &made)?;
    Ok(Exit::Success)
}

/// Writes the files of a product into an empty or missing folder and commits them.
///
/// # Errors
/// When the folder holds something, cannot be written, or git refuses; the message says what to do.
pub(super) fn make(name: &ProductName, template: Template, folder: PathBuf) -> anyhow::Result<Made> {
    let files = new_product(name, template);
    prepare(&folder)?;
    for file in &files {
        write(&folder, file).with_context(|| format!("write {} in {}", file.path, folder.display()))?;
    }
    let commit = commit(&folder)?;
    let product = name.as_str().to_owned();
    Ok(Made { product, template: template.to_string(), folder, files: files.len(), commit })
}

fn prepare(folder: &Path) -> anyhow::Result<()> {
    let shown = folder.display();
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            Some(_) => bail!("{shown} is not empty; choose another folder with --dir"),
            None => Ok(()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            fs::create_dir_all(folder).with_context(|| format!("create the folder {shown}"))
        }
        Err(error) => Err(error).with_context(|| format!("read {shown}; choose another folder with --dir")),
    }
}

fn write(folder: &Path, file: &NewFile) -> std::io::Result<()> {
    let path = folder.join(file.path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mode = if file.is_program { 0o755 } else { 0o644 };
    let mut to = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
    std::io::Write::write_all(&mut to, &file.content)
}

/// Makes the repository and its first commit, as the person whom git knows, else as the product's own.
fn commit(folder: &Path) -> anyhow::Result<String> {
    git(folder, &["init", "--quiet", "--initial-branch=main"])?;
    git(folder, &["add", "--all"])?;
    let is_known =
        git(folder, &["config", "user.email"]).is_ok() && git(folder, &["config", "user.name"]).is_ok();
    let nobody = ["-c", "user.name=Aspora", "-c", "user.email=aspora@localhost"];
    let who: &[&str] = if is_known { &[] } else { &nobody };
    let commit =
        ["-c", "commit.gpgSign=false", "-c", "core.hooksPath=/dev/null", "commit", "--quiet", "-m", SUBJECT];
    git(folder, &[who, &commit].concat())?;
    git(folder, &["rev-parse", "HEAD"])
}

/// The output of a git command in the folder, whatever repository the environment names.
fn git(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("git");
    command.current_dir(folder).args(arguments).stdin(std::process::Stdio::null());
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(variable);
    }
    let output = command.output().context("start git: is it installed?")?;
    if !output.status.success() {
        bail!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
