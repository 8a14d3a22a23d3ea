//! What the merge of base and head would change, tried in a repository of its own that borrows the objects: nothing
//! is written to the one that is asked about, and none of its configuration or merge drivers applies.

use std::{collections::BTreeSet, fs};

use anyhow::Context as _;
use aspora_core::{change::Change, policy::MergePreview};

use super::git::Git;

/// What the merge changes on the base beyond what `listed` has.
pub(crate) fn preview(
    git: &Git<'_>,
    base: &str,
    head: &str,
    listed: &Change,
) -> anyhow::Result<MergePreview> {
    let folder = tempfile::tempdir().context("make a folder for the merge")?;
    let scratch = Git::at(folder.path());
    borrow_objects(git, &scratch, folder.path())?;
    let try_merge = ["merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", base, head];
    let (code, output) = scratch.ends(&try_merge, &[0, 1]).context(
        "merge the two to see what the merge changes; git 2.38 or newer is needed, and files that a partial clone \
         left out must be fetched",
    )?;
    let mut fields =
        output.split(|&byte| byte == 0).map(String::from_utf8_lossy).filter(|field| !field.is_empty());
    let tree = fields.next().context("git named no tree of the merge")?.trim().to_owned();
    let mut conflicts: Vec<String> = fields.map(String::from).collect::<BTreeSet<_>>().into_iter().collect();
    if code == 1 && conflicts.is_empty() {
        conflicts.push("a path that git does not name".to_owned());
    }
    Ok(MergePreview { beyond: scratch.change(base, &tree)?.beyond(listed), conflicts })
}

fn borrow_objects(git: &Git<'_>, scratch: &Git<'_>, folder: &std::path::Path) -> anyhow::Result<()> {
    let format = git.line(&["rev-parse", "--show-object-format"])?;
    let path = |name| git.line(&["rev-parse", "--path-format=absolute", "--git-path", name]);
    scratch.run(&["init", "-q", "--bare", "--template=", &format!("--object-format={format}")])?;
    fs::create_dir_all(folder.join("objects/info")).context("borrow the repository's objects")?;
    fs::write(folder.join("objects/info/alternates"), format!("{}\n", path("objects")?))
        .context("borrow the repository's objects")?;
    // Without it, git would look for the parents that a shallow clone lacks.
    let shallow = path("shallow")?;
    if fs::exists(&shallow).unwrap_or(false) {
        fs::copy(shallow, folder.join("shallow")).context("read where the clone ends")?;
    }
    Ok(())
}
