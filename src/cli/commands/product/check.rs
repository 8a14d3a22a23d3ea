//! `aspora product check`: what the factory would make of a folder, here and now.

use std::{
    ffi::OsStr,
    fmt::Write as _,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;

use super::{Exit, Printer, dependencies, plain};
use crate::{
    activities::{Files, test_tree},
    core::{
        product_file::{self, Build, DependencyRule, ProductFile, TestsBy},
        requirement::{Invalid, ProductName},
        tested::{Demanded, Tested},
    },
    workspace::{GitFolder, Mirror, Sandbox},
};

/// The folder to check.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// A git repository of this machine.
    #[arg(default_value = ".", value_name = "DIR")]
    folder: PathBuf,
    /// Only this one of its products.
    #[arg(long, value_name = "NAME", value_parser = |text: &str| text.parse::<ProductName>().map_err(|invalid: Invalid| invalid.message))]
    product: Option<ProductName>,
}

/// What came of a product of the folder.
#[derive(Debug, Serialize)]
struct Checked {
    /// Its name, where the file has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<String>,
    /// Absent where the forge's checks alone decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    tested: Option<Tested>,
    passed: bool,
}

/// Reads the product file of the folder, sets up and tests its products in the sandbox of this machine.
///
/// # Errors
/// When the folder is no repository or has no product file that can be read, or no sandbox works here. Tests that do not
/// pass are [`Exit::Refused`].
pub(super) async fn run(printer: &Printer, check: &Check) -> anyhow::Result<Exit> {
    let file = product_file_of(&check.folder)?;
    let builds: Vec<_> = file
        .builds()
        .filter(|(name, _)| check.product.as_ref().is_none_or(|only| name.is_none_or(|name| name == only)))
        .collect();
    if builds.is_empty() {
        let known: Vec<_> = file.builds().filter_map(|(name, _)| name).map(ProductName::as_str).collect();
        bail!("`{}` has no such product; it has {}", product_file::PATH, known.join(", "));
    }
    let sandbox = Sandbox::find().await.context("the tests of products run in a sandbox or not at all")?;
    let tree = tempfile::tempdir().context("make a folder for the copy")?;
    let paths = copy(&check.folder, tree.path())?;
    let shows_history = |(_, build): &(_, &Build)| build.history && build.tests == TestsBy::Ours;
    let git_folder = match builds.iter().any(shows_history) {
        true => Some(git_folder(&check.folder).await?),
        false => None,
    };
    let files = Files { tree: tree.path(), paths: &paths, git_folder: git_folder.as_ref() };
    let mut all = Vec::new();
    for (name, build) in builds {
        let name = name.map(ToString::to_string);
        printer.aside(&begins(name.as_deref(), build))?;
        if build.dependencies == DependencyRule::Ask && build.tests == TestsBy::Ours {
            let list = dependencies::changed(&check.folder, (tree.path(), &paths), build)?;
            if !list.files.is_empty() {
                printer.aside(&dependencies::text(&list))?;
            }
        }
        let tested = match build.tests {
            TestsBy::Forge => None,
            TestsBy::Ours => Some(test_tree(&sandbox, files, build).await?),
        };
        let passed = tested.as_ref().is_none_or(Tested::is_clean);
        all.push(Checked { product: name, tested, passed });
    }
    printer.say(&all.iter().map(text).collect::<String>(), &all)?;
    Ok(if all.iter().all(|checked| checked.passed) { Exit::Success } else { Exit::Refused })
}

fn product_file_of(folder: &Path) -> anyhow::Result<ProductFile> {
    let path = folder.join(product_file::PATH);
    match fs::read_to_string(&path) {
        Ok(text) => ProductFile::parse(&text).map_err(|error| anyhow::anyhow!("{error}")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
            "{} is not there; `aspora product add` proposes one, and docs/PRODUCT_FILE.md says what it may hold",
            path.display()
        ),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

/// Copies what git has or would take of a work tree; the paths.
fn copy(folder: &Path, to: &Path) -> anyhow::Result<Vec<String>> {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        git.env_remove(variable);
    }
    let output = git.output().context("start git: is it installed?")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("{} is no git repository: {said}", folder.display());
    }
    let mut paths = Vec::new();
    for path in output.stdout.split(|&byte| byte == 0).filter(|path| !path.is_empty()) {
        let path = String::from_utf8(path.to_vec()).context("a path of the repository is not UTF-8")?;
        let (from, target) = (folder.join(&path), to.join(&path));
        // A file that is deleted and not committed is still listed, and a submodule is a folder.
        let Ok(data) = fs::symlink_metadata(&from) else { continue };
        if data.is_dir() {
            continue;
        }
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        let copied = if data.is_symlink() {
            fs::read_link(&from).and_then(|link| std::os::unix::fs::symlink(link, &target))
        } else {
            fs::copy(&from, &target).map(|_| ())
        };
        copied.with_context(|| format!("copy {path}"))?;
        paths.push(path);
    }
    Ok(paths)
}

/// The history of a work tree's last commit.
async fn git_folder(folder: &Path) -> anyhow::Result<GitFolder> {
    let place = dependencies::git(folder, &["rev-parse", "--path-format=absolute", "--git-common-dir"])?;
    let place = place.with_context(|| format!("{} is no git repository", folder.display()))?;
    let head = dependencies::git(folder, &["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])?;
    let head = head.with_context(|| {
        format!("the product file asks for the history, and {} has no commit yet", folder.display())
    })?;
    let mirror = Mirror::at(PathBuf::from(OsStr::from_bytes(place.trim_ascii_end())));
    Ok(mirror.git_folder(&String::from_utf8_lossy(&head).trim().parse()?, GitFolder::LIMIT).await?)
}

fn begins(name: Option<&str>, build: &Build) -> String {
    let mut text = name.map(|name| format!("Product `{name}`, ")).unwrap_or_default();
    let root = if build.root.is_empty() { "the whole repository" } else { build.root.as_str() };
    let _ = write!(text, "folder: {}", plain(root));
    let commands = [("set-up", &build.setup), ("tests", &build.test), ("lint", &build.lint)];
    for (what, lines) in commands {
        for line in lines {
            let _ = write!(text, "\n  {what}: {}", plain(line));
        }
    }
    text
}

fn text(checked: &Checked) -> String {
    let Some(tested) = &checked.tested else {
        return "left to the forge's checks, as the product file says\n".to_owned();
    };
    let mut text = format!("{}, in {:.1} s\n", plain(&first(tested)), seconds(tested.millis));
    if !tested.passed() {
        indent(&mut text, &tested.log);
    }
    for demanded in &tested.demands {
        let _ = writeln!(text, "{}, in {:.1} s", plain(&demanded.sentence()), seconds(demanded.millis));
        if !demanded.is_met() {
            indent(&mut text, &demanded.log);
        }
    }
    text
}

/// What the tests came to, without the demands, which have lines of their own.
fn first(tested: &Tested) -> String {
    let alone = Tested { demands: Vec::<Demanded>::new(), ..tested.clone() };
    format!("tests {}", alone.sentence())
}

fn indent(text: &mut String, log: &str) {
    for line in log.lines() {
        let _ = writeln!(text, "    {}", plain(line));
    }
}

fn seconds(millis: u64) -> f64 {
    std::time::Duration::from_millis(millis).as_secs_f64()
}
