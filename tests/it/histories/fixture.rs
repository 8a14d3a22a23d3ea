//! Git repositories that have the histories of public ones, with contents of their own.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use aspora::workspace::Mirror;
use tempfile::TempDir;

/// The histories, and the product that the policy beside each is for.
pub(super) const HISTORIES: [(&str, &str); 3] =
    [("chi", "chi"), ("fastapi-template", "template"), ("policy-bot", "bot")];

/// Where the data is.
pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/histories")
}

/// A bare repository with one of the histories on `main`.
pub(super) struct History {
    folder: TempDir,
    /// How many changes follow the first commit.
    pub(super) changes: usize,
}

impl History {
    pub(super) fn of(name: &str) -> Self {
        let packed = folder().join(format!("{name}.tsv.gz"));
        let table = Command::new("gzip").arg("-dc").arg(packed).output().unwrap();
        assert!(table.status.success(), "{table:?}");
        let rows: Vec<Row> = String::from_utf8(table.stdout).unwrap().lines().filter_map(Row::read).collect();
        let folder = tempfile::tempdir().unwrap();
        git(folder.path(), &["init", "-q", "--bare", "-b", "main", "."], &[]);
        let (stream, changes) = stream(&rows);
        git(folder.path(), &["fast-import", "--quiet"], &stream);
        Self { folder, changes }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn mirror(&self) -> Mirror {
        Mirror::at(self.path().to_owned())
    }
}

fn git(at: &Path, arguments: &[&str], input: &[u8]) {
    let mut git = Command::new("git");
    let mut child = git.current_dir(at).args(arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    assert!(child.wait().unwrap().success(), "git {arguments:?}");
}

/// One path of one change.
struct Row {
    change: usize,
    status: char,
    old_mode: String,
    new_mode: String,
    /// Lines added and deleted; `None` for a binary file.
    lines: Option<(usize, usize)>,
    path: String,
    new_path: String,
}

impl Row {
    fn read(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [change, status, old_mode, new_mode, added, deleted, path, new_path] = fields[..] else {
            panic!("a row has eight fields: {line:?}")
        };
        if change.starts_with('#') {
            return None;
        }
        Some(Self {
            change: change.parse().unwrap(),
            status: status.chars().next().unwrap(),
            old_mode: old_mode.to_owned(),
            new_mode: new_mode.to_owned(),
            lines: added.parse().ok().zip(deleted.parse().ok()),
            path: path.to_owned(),
            new_path: new_path.to_owned(),
        })
    }
}

/// A file: its mode, and the numbers of its lines.
#[derive(Clone)]
struct File {
    mode: String,
    is_binary: bool,
    lines: Vec<usize>,
}

/// What `git fast-import` makes the repository of, and how many changes it has.
fn stream(rows: &[Row]) -> (Vec<u8>, usize) {
    let mut next = 0;
    let mut files = first(rows, &mut next);
    let mut out = String::new();
    commit(&mut out, 0, 1, &files.iter().map(|(path, file)| (path.as_str(), Some(file))).collect::<Vec<_>>());
    let last = rows.last().unwrap().change;
    for change in 1..=last {
        let mut touched = Vec::new();
        for row in rows.iter().filter(|row| row.change == change) {
            apply(row, &mut files, &mut next, &mut touched);
        }
        let touched: Vec<_> = touched.iter().map(|path| (path.as_str(), files.get(path))).collect();
        commit(&mut out, change, last, &touched);
    }
    (out.into_bytes(), last)
}

/// The files that are there before the first change: those that a change finds and none has made.
fn first(rows: &[Row], next: &mut usize) -> BTreeMap<String, File> {
    let (mut first, mut made) = (BTreeMap::new(), std::collections::BTreeSet::new());
    for row in rows {
        if row.status != 'A' && !made.contains(&row.path) && !first.contains_key(&row.path) {
            let count = row.lines.map_or(1, |(added, deleted)| 20 + deleted + 2 * added.min(200));
            let lines = numbered(count, next);
            let file = File { mode: row.old_mode.clone(), is_binary: row.lines.is_none(), lines };
            first.insert(row.path.clone(), file);
        }
        let path = if row.status == 'R' { &row.new_path } else { &row.path };
        made.insert(path.clone());
    }
    first
}

fn numbered(count: usize, next: &mut usize) -> Vec<usize> {
    let first = *next;
    *next += count;
    (first..*next).collect()
}

fn apply(row: &Row, files: &mut BTreeMap<String, File>, next: &mut usize, touched: &mut Vec<String>) {
    touched.push(row.path.clone());
    let before = files.remove(&row.path);
    let path = match row.status {
        'D' => return,
        'R' => {
            touched.push(row.new_path.clone());
            &row.new_path
        }
        _ => &row.path,
    };
    let mut lines = before.map(|file| file.lines).unwrap_or_default();
    let (added, deleted) = row.lines.unwrap_or((1, 1));
    lines.truncate(lines.len().saturating_sub(deleted));
    lines.extend(numbered(added, next));
    files.insert(path.clone(), File { mode: row.new_mode.clone(), is_binary: row.lines.is_none(), lines });
}

/// A commit on `main`. Each seventh is a merge of a branch that made the change.
fn commit(out: &mut String, change: usize, last: usize, touched: &[(&str, Option<&File>)]) {
    let at = 1_700_000_000 + change * 3_600;
    let mut write = |branch: &str, mark: usize, parents: &str| {
        let message = format!("Change {change}");
        let _ = writeln!(out, "commit refs/heads/{branch}\nmark :{mark}");
        let _ = writeln!(out, "committer t <t@example.org> {at} +0000\ndata {}\n{message}", message.len());
        out.push_str(parents);
        for (path, file) in touched {
            entry(out, path, *file);
        }
        out.push('\n');
    };
    let mark = change + 1;
    if change > 0 && change.is_multiple_of(7) {
        let side = last + 1 + mark;
        write("side", side, &format!("from :{change}\n"));
        write("main", mark, &format!("from :{change}\nmerge :{side}\n"));
    } else {
        write("main", mark, "");
    }
}

fn entry(out: &mut String, path: &str, file: Option<&File>) {
    let path = format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""));
    let Some(file) = file else {
        let _ = writeln!(out, "D {path}");
        return;
    };
    let text = content(&path, file);
    let _ = writeln!(out, "M {} inline {path}\ndata {}\n{text}", file.mode, text.len());
}

/// Contents that the readers of manifests can read.
fn content(path: &str, file: &File) -> String {
    let each =
        |write: &dyn Fn(usize) -> String| file.lines.iter().map(|line| write(*line)).collect::<Vec<_>>();
    let name = path.trim_matches('"').rsplit('/').next().unwrap_or_default();
    if file.is_binary {
        return format!("\0{:?}", file.lines);
    }
    if file.mode == "120000" {
        return format!("target-{}", file.lines.len());
    }
    match name {
        "package.json" => {
            let lines = each(&|line| format!("    \"dep-{}\": \"1.0.{line}\"", line % 97));
            let unique: BTreeMap<String, String> =
                lines.iter().map(|line| (line.split(':').next().unwrap().to_owned(), line.clone())).collect();
            let lines: Vec<String> = unique.into_values().collect();
            format!("{{\n  \"dependencies\": {{\n{}\n  }}\n}}\n", lines.join(",\n"))
        }
        "go.mod" => {
            let lines = each(&|line| format!("\texample.org/m{line} v1.0.{line}\n"));
            format!("module example.org/x\n\nrequire (\n{})\n", lines.concat())
        }
        _ => each(&|line| format!("line {line} of the file\n")).concat(),
    }
}
