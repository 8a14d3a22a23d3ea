//! The lines of a patch at which a review comment may be placed.

/// One line of a patch, on one of its sides.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PatchLine {
    /// The line in the file, of the side.
    pub(crate) line: u64,
    pub(crate) side: &'static str,
    /// The line in the patch, counted from its first hunk header.
    pub(crate) position: u64,
    /// The hunk up to this line.
    pub(crate) hunk: String,
}

/// Every line of a patch that is on this side, `LEFT` or `RIGHT`.
pub(crate) fn lines_of(patch: &str, side: &'static str) -> Vec<PatchLine> {
    let mut found = Vec::new();
    let (mut left, mut right, mut hunk) = (0, 0, String::new());
    for (position, text) in (0..).zip(patch.lines()) {
        if let Some(starts) = hunk_starts(text) {
            (left, right) = starts;
            text.clone_into(&mut hunk);
            continue;
        }
        hunk = format!("{hunk}\n{text}");
        let (in_left, in_right) = match text.chars().next() {
            Some('+') => (false, true),
            Some('-') => (true, false),
            Some('\\') => (false, false),
            _ => (true, true),
        };
        let (here, line) = if side == "LEFT" { (in_left, left) } else { (in_right, right) };
        if here {
            found.push(PatchLine { line, side, position, hunk: hunk.clone() });
        }
        left += u64::from(in_left);
        right += u64::from(in_right);
    }
    found
}

/// The first lines, left and right, of `@@ -1,2 +3,4 @@`.
fn hunk_starts(text: &str) -> Option<(u64, u64)> {
    let mut ranges = text.strip_prefix("@@ ")?.split(' ');
    let mut start =
        |mark| -> Option<u64> { ranges.next()?.strip_prefix(mark)?.split(',').next()?.parse().ok() };
    Some((start('-')?, start('+')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_has_its_own_lines() {
        let patch = "@@ -1,3 +1,3 @@ top\n one\n-two\n+2\n three\n@@ -9 +9,2 @@\n nine\n+ten";
        let lines = |side| lines_of(patch, side).iter().map(|at| (at.line, at.position)).collect::<Vec<_>>();
        assert_eq!(lines("RIGHT"), [(1, 1), (2, 3), (3, 4), (9, 6), (10, 7)]);
        assert_eq!(lines("LEFT"), [(1, 1), (2, 2), (3, 4), (9, 6)]);
        assert_eq!(lines_of(patch, "RIGHT")[4].hunk, "@@ -9 +9,2 @@\n nine\n+ten");
    }
}
