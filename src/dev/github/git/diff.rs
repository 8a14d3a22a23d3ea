//! Reads git's diffs: the listing of `--raw -z`, and the hunks of `--patch`.

/// One changed file between two commits.
#[derive(Debug, Clone)]
pub(crate) struct Changed {
    pub(crate) path: String,
    /// The path before a rename or copy.
    pub(crate) previous: Option<String>,
    /// In GitHub's terms: `added`, `removed`, `modified`, `renamed`, …
    pub(crate) status: &'static str,
    pub(crate) blob: String,
    pub(crate) additions: u64,
    pub(crate) deletions: u64,
    /// From the first hunk header on; `None` for a binary file or a pure rename.
    pub(crate) patch: Option<String>,
}

/// Reads `:100644 100644 <blob> <blob> M\0path\0`; a rename or copy has two paths.
pub(super) fn read_listing(listing: &str) -> Vec<Changed> {
    let mut fields = listing.split('\0');
    let mut files = Vec::new();
    while let (Some(head), Some(first)) = (fields.next(), fields.next()) {
        let mut fields_of_head = head.split(' ');
        let (Some(blob), Some(letter)) = (fields_of_head.nth(3), fields_of_head.next()) else { break };
        let (status, moved) = match letter.chars().next() {
            Some('A') => ("added", false),
            Some('D') => ("removed", false),
            Some('R') => ("renamed", true),
            Some('C') => ("copied", true),
            Some('T') => ("changed", false),
            _ => ("modified", false),
        };
        let second = if moved { fields.next() } else { None };
        files.push(Changed {
            path: second.unwrap_or(first).to_owned(),
            previous: second.map(|_| first.to_owned()),
            status,
            blob: blob.to_owned(),
            additions: 0,
            deletions: 0,
            patch: None,
        });
    }
    files
}

/// The diff of each file, in the order of the listing.
pub(super) fn patches_of(diff: &str) -> Vec<&str> {
    let starts: Vec<usize> = std::iter::once(0)
        .filter(|_| diff.starts_with("diff --git "))
        .chain(diff.match_indices("\ndiff --git ").map(|(at, _)| at + 1))
        .collect();
    let ends = starts.iter().skip(1).copied().chain([diff.len()]);
    starts.iter().zip(ends).map(|(start, end)| &diff[*start..end]).collect()
}

pub(super) fn with_patch(mut file: Changed, diff: Option<&&str>) -> Changed {
    let hunks = diff.and_then(|diff| diff.find("\n@@ ").map(|at| diff[at + 1..].trim_end_matches('\n')));
    if let Some(hunks) = hunks {
        file.additions = count(hunks, '+');
        file.deletions = count(hunks, '-');
        file.patch = Some(hunks.to_owned());
    }
    file
}

fn count(hunks: &str, mark: char) -> u64 {
    hunks.lines().filter(|line| line.starts_with(mark)).count() as u64
}
