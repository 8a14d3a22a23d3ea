//! The changes that were merged into a branch, read with a few calls of git however many they are.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{error::Error, mirror::Mirror, mirror::is_file, names::sha};
use crate::core::{
    change::{Change, ChangeKind, FileChange},
    clash::Tree,
    policy::{Contents, DIFF_LIMIT, PastChange, Side, compared, wanted},
    sha::Sha,
    visible::looks_alike,
};

/// The largest file that is read, in bytes: as much as a run reads.
const LARGEST: u64 = 16 << 20;
/// How many bytes of files are read by one call.
const BATCH: u64 = 32 << 20;
/// A textual diff has at most this many bytes for each byte of the two sides: a line of one byte costs two, and each
/// seventh line a head of up to 135.
const DIFF_FACTOR: u64 = 22;
/// The most bytes that the head of a file's diff has beside its names.
const DIFF_HEAD: u64 = 800;
/// How many diffs are counted at once.
const AT_ONCE: usize = 4;

/// One commit and what it changed, before anything was read.
struct Listed {
    past: PastChange,
    /// The objects before and after, in the order of the files.
    objects: Vec<(String, String)>,
}

impl Mirror {
    /// What each of the newest commits of a history changed against its first parent, newest first, at most `most`: the
    /// changes that were merged, where `head` is a branch that is only merged into. A commit without a parent is left
    /// out. Of a path that `is_document`, it is known whether readers see a difference.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks the commit or an object, such as in a partial clone.
    pub async fn past_changes(
        &self,
        head: &Sha,
        most: usize,
        is_document: impl Fn(&str) -> bool,
    ) -> Result<Vec<PastChange>, Error> {
        self.need(head).await?;
        let mut listed = self.log(head, most).await?;
        self.list_changes(&mut listed).await?;
        let sizes = self.sizes(&listed).await?;
        let texts = self.texts(&listed, &sizes, &is_document).await?;
        let mut tree = Tree::of(self.paths(head).await?);
        for one in &mut listed {
            read(one, &texts, &is_document, &mut tree);
        }
        stream::iter(listed)
            .map(|one| self.with_diff_bytes(one, &sizes))
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    async fn log(&self, head: &Sha, most: usize) -> Result<Vec<Listed>, Error> {
        let most = format!("--max-count={most}");
        let call = self.git(["log", "-z", "--first-parent", "--no-show-signature", "--encoding=UTF-8"]);
        let listing = call.and([&most, "--format=%H%x00%P%x00%ct%x00%s", head.as_str()]).output().await?;
        let fields: Vec<_> = listing.split(|&byte| byte == 0).map(String::from_utf8_lossy).collect();
        let mut listed = Vec::new();
        for commit in fields.chunks_exact(4) {
            let Some(parent) = commit[1].split_ascii_whitespace().next() else { continue };
            let at = commit[2].parse().ok().and_then(|at| DateTime::<Utc>::from_timestamp(at, 0));
            let past = PastChange {
                commit: sha(&commit[0])?,
                parent: sha(parent)?,
                subject: commit[3].to_string(),
                committed_at: at.unwrap_or_default(),
                change: Change::default(),
                contents: Contents::default(),
                diff_bytes: None,
            };
            listed.push(Listed { past, objects: Vec::new() });
        }
        Ok(listed)
    }

    /// Lists what all of them changed by one call.
    async fn list_changes(&self, listed: &mut [Listed]) -> Result<(), Error> {
        let input: String =
            listed.iter().map(|one| format!("{} {}\n", one.past.commit, one.past.parent)).collect();
        let call = self.git(["diff-tree", "--stdin", "-r", "--no-renames", "--no-ext-diff", "--no-textconv"]);
        let call = call.and(["--ignore-submodules=none", "--raw", "-z", "--no-abbrev"]);
        let listing = call.input(input).output().await?;
        let mut parts = by_commit(&listing);
        for one in listed {
            let part = parts.remove(one.past.commit.as_str()).unwrap_or_default();
            one.past.change =
                Change::from_raw_diff(&part).map_err(|error| unreadable("diff-tree", &error))?;
            one.objects = objects(&part);
        }
        Ok(())
    }

    /// How many bytes each plain file has that one of the changes touches.
    async fn sizes(&self, listed: &[Listed]) -> Result<BTreeMap<String, u64>, Error> {
        let objects: BTreeSet<&str> = listed.iter().flat_map(Listed::blobs).collect();
        if objects.is_empty() {
            return Ok(BTreeMap::new());
        }
        let input: String = objects.iter().map(|object| format!("{object}\n")).collect();
        let call = self.git(["cat-file", "--batch-check=%(objectname) %(objectsize)", "--buffer"]);
        let listing = call.input(input).output().await?;
        let mut sizes = BTreeMap::new();
        for line in String::from_utf8_lossy(&listing).lines() {
            let (object, size) = line.split_once(' ').unwrap_or((line, ""));
            let missing =
                || Error::Missing(format!("the repository does not hold the file {object}: fetch it"));
            sizes.insert(object.to_owned(), size.parse().map_err(|_| missing())?);
        }
        Ok(sizes)
    }

    /// The files that are to be read, of those that are small enough.
    async fn texts(
        &self,
        listed: &[Listed],
        sizes: &BTreeMap<String, u64>,
        is_document: &impl Fn(&str) -> bool,
    ) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        let wanted = listed.iter().flat_map(|one| one.to_read(is_document));
        let wanted: BTreeSet<&str> =
            wanted.filter(|object| sizes.get(*object).is_some_and(|it| *it <= LARGEST)).collect();
        let mut texts = BTreeMap::new();
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for object in wanted {
            bytes += sizes[object];
            batch.push(object);
            if bytes > BATCH {
                self.read_batch(&batch, &mut texts).await?;
                (batch, bytes) = (Vec::new(), 0);
            }
        }
        self.read_batch(&batch, &mut texts).await?;
        Ok(texts)
    }

    async fn read_batch(&self, batch: &[&str], texts: &mut BTreeMap<String, Vec<u8>>) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let input: String = batch.iter().map(|object| format!("{object}\n")).collect();
        let call = self.git(["cat-file", "--batch=%(objectname) %(objectsize)", "--buffer"]);
        let output = call.input(input).output().await?;
        let mut rest = &output[..];
        for object in batch {
            let broken = || unreadable("cat-file", &format!("the answer ends before the file {object}"));
            let line = rest.iter().position(|&byte| byte == b'\n').ok_or_else(broken)?;
            let head = String::from_utf8_lossy(&rest[..line]);
            let size: usize =
                head.split_once(' ').and_then(|(_, size)| size.parse().ok()).ok_or_else(broken)?;
            let text = rest.get(line + 1..line + 1 + size).ok_or_else(broken)?;
            texts.insert((*object).to_owned(), text.to_vec());
            rest = rest.get(line + size + 2..).unwrap_or_default();
        }
        Ok(())
    }

    /// Counts the bytes of a diff that may be over the limit.
    async fn with_diff_bytes(&self, one: Listed, sizes: &BTreeMap<String, u64>) -> Result<PastChange, Error> {
        let bytes: u64 = one.blobs().filter_map(|object| sizes.get(object)).sum();
        let names: u64 =
            one.past.change.files.iter().map(|file| DIFF_HEAD + 4 * file.path.len() as u64).sum();
        let mut past = one.past;
        if bytes.saturating_mul(DIFF_FACTOR).saturating_add(names) > DIFF_LIMIT {
            past.diff_bytes = Some(self.diff_bytes_from(&past.parent, &past.commit).await?);
        }
        Ok(past)
    }
}

impl Listed {
    /// Each file with its objects before and after.
    fn files(&self) -> impl Iterator<Item = (&FileChange, &(String, String))> {
        self.past.change.files.iter().zip(&self.objects)
    }

    /// The objects of everything but submodules, whose commits are elsewhere.
    fn blobs(&self) -> impl Iterator<Item = &str> {
        let is_here = |mode: u32| mode != 0 && mode != 0o160_000;
        self.files().flat_map(move |(file, (before, after))| {
            let sides = [(file.old_mode, before), (file.new_mode, after)];
            sides.into_iter().filter(move |(mode, _)| is_here(*mode)).map(|(_, object)| object.as_str())
        })
    }

    fn to_read(&self, is_document: &impl Fn(&str) -> bool) -> Vec<&str> {
        let wanted: BTreeSet<&str> = wanted(&self.past.change).map(|file| file.path.as_str()).collect();
        let is_read = |file: &FileChange| wanted.contains(file.path.as_str()) || is_document(&file.path);
        let mut objects = Vec::new();
        for (file, (before, after)) in self.files().filter(|(file, _)| is_read(file)) {
            let sides = [(file.old_mode, before), (file.new_mode, after)];
            objects.extend(sides.into_iter().filter(|(mode, _)| is_file(*mode)).map(|(_, it)| it.as_str()));
        }
        objects
    }
}

/// Compares what was read of one change, and steps back in the tree to what it was before.
fn read(
    one: &mut Listed,
    texts: &BTreeMap<String, Vec<u8>>,
    is_document: &impl Fn(&str) -> bool,
    tree: &mut Tree,
) {
    let wanted: BTreeSet<String> = wanted(&one.past.change).map(|file| file.path.clone()).collect();
    let mut sides = BTreeMap::new();
    let mut blank = Vec::new();
    for (at, (file, (before, after))) in one.files().enumerate() {
        let read = (side(file, file.old_mode, before, texts), side(file, file.new_mode, after, texts));
        blank.extend((is_document(&file.path) && is_unseen(file, &read)).then_some(at));
        if wanted.contains(&file.path) {
            sides.insert(file.path.clone(), read);
        }
    }
    let mut contents = compared(&one.past.change, &sides);
    let of_kind =
        |kind| one.past.change.files.iter().filter(move |file| file.kind == kind).map(|file| &file.path);
    let mut near: BTreeSet<String> = of_kind(ChangeKind::Added).flat_map(|path| tree.near(path)).collect();
    near.extend(of_kind(ChangeKind::Deleted).cloned());
    contents.note_clashes(&one.past.change, &near.into_iter().collect::<Vec<_>>());
    of_kind(ChangeKind::Added).for_each(|path| tree.remove(path));
    of_kind(ChangeKind::Deleted).for_each(|path| tree.insert(path.clone()));
    one.past.contents = contents;
    for at in blank {
        one.past.change.files[at].blank = true;
    }
}

fn side(file: &FileChange, mode: u32, object: &str, texts: &BTreeMap<String, Vec<u8>>) -> Side {
    let unread = |why: &str| Side::Unread(why.to_owned());
    match texts.get(object) {
        _ if mode == 0 => Side::Absent,
        _ if file.odd || !is_file(mode) => unread("it is no plain file"),
        None => unread("it is too large to be read"),
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Side::Text(text.to_owned()),
            Err(_) => unread("it is not UTF-8"),
        },
    }
}

/// Whether a document looks to its readers as it did before.
fn is_unseen(file: &FileChange, sides: &(Side, Side)) -> bool {
    let before = match &sides.0 {
        Side::Absent => "",
        Side::Text(text) => text,
        Side::Unread(_) => return false,
    };
    let Side::Text(after) = &sides.1 else { return false };
    looks_alike(&file.path, before, after)
}

/// The raw entries of each commit: its name stands before them, where a colon would begin an entry.
fn by_commit(listing: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut parts: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut current = Vec::new();
    let mut name = String::new();
    let mut fields = listing.split(|&byte| byte == 0);
    while let Some(field) = fields.next() {
        if field.first() == Some(&b':') {
            for part in [field, fields.next().unwrap_or_default()] {
                current.extend_from_slice(part);
                current.push(0);
            }
        } else {
            parts.insert(std::mem::take(&mut name), std::mem::take(&mut current));
            name = String::from_utf8_lossy(field).into_owned();
        }
    }
    parts.insert(name, current);
    parts
}

/// The objects of raw entries, before and after.
fn objects(raw: &[u8]) -> Vec<(String, String)> {
    let heads = raw.split(|&byte| byte == 0).step_by(2).map(String::from_utf8_lossy);
    let pair = |head: &str| {
        let mut fields = head.split(' ').skip(2).map(str::to_owned);
        fields.next().zip(fields.next())
    };
    heads.filter_map(|head| pair(&head)).collect()
}

fn unreadable(command: &str, error: &impl std::fmt::Display) -> Error {
    let message = format!("its answer could not be read: {error}");
    Error::Git { command: command.to_owned(), message, transient: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_those_of_the_commit_before_them_whatever_a_path_looks_like() {
        let listing =
            b"c1\0:100644 100644 a b M\0c2\0:000000 100644 0 d A\0:x\0c3\0:100644 000000 e 0 D\0p\0";
        let parts = by_commit(listing);
        assert_eq!(
            objects(&parts["c1"]),
            [("a".to_owned(), "b".to_owned()), ("0".to_owned(), "d".to_owned())]
        );
        assert_eq!(Change::from_raw_diff(&parts["c1"]).unwrap().files[1].path, ":x");
        assert_eq!(Change::from_raw_diff(&parts["c3"]).unwrap().files.len(), 1);
    }
}
