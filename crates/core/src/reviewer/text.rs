//! Words and numbers in what reviewers write.

/// What says that there was no review, in lower case, whichever reviewer writes it. Seen in public: "Review skipped", "Review rate
/// limited", "Review limit reached" (lhpaul/ai-dev-framework-template#1457 and #1532, Comfy-Org/ComfyUI#15382); "Too many
/// files changed for review", "No reviewable files" (shepherdjerred/monorepo#1229); "wasn't able to review any files",
/// "unable to review", "encountered an error" (github/github-mcp-server#1716, netresearch/git-workflow-skill#151).
const REFUSALS: [&str; 17] = [
    "review skipped",
    "skipped review",
    "reviews paused",
    "reviews are paused",
    "auto reviews are disabled",
    "rate limit",
    "limit reached",
    "limit exceeded",
    "usage limit",
    "quota",
    "too many files",
    "no reviewable files",
    "able to review any files",
    "unable to review",
    "could not review",
    "encountered an error",
    "not reviewed",
];

/// The sentence by which a reviewer says that it has not reviewed.
pub(super) fn refusal(text: &str) -> Option<String> {
    let line = text.lines().find(|line| {
        let line = plain(line);
        REFUSALS.iter().any(|words| line.contains(words))
    })?;
    Some(line.trim().trim_matches(['#', '*', '>', ' ']).chars().take(200).collect())
}

/// In lower case, with plain apostrophes.
pub(super) fn plain(text: &str) -> String {
    text.replace('’', "'").to_lowercase()
}

/// The number right before these words, in lower case.
pub(super) fn number_before(text: &str, words: &str) -> Option<u32> {
    let text = plain(text);
    let (before, _) = text.split_once(words)?;
    let digits = before.trim_end_matches([' ', '*', '_']);
    let from = digits.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    // The character may be longer than a byte.
    digits.get(from..)?.parse().ok()
}

/// The number right after these words, in lower case.
pub(super) fn number_after(text: &str, words: &str) -> Option<u32> {
    let text = plain(text);
    let (_, after) = text.split_once(words)?;
    let digits = after.trim_start_matches([' ', '*', '_', ':', '(']);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

/// What people read of a comment: without HTML comments, tags, folded parts and badges; its first paragraphs.
pub(super) fn message(text: &str) -> String {
    let shown = without(without(text.to_owned(), "<!--", "-->"), "<details", "</details>");
    let shown = without(without(shown, "```", "```"), "<", ">");
    let lines = shown.lines().map(str::trim).filter(|line| !line.is_empty());
    let joined = lines.collect::<Vec<_>>().join(" ");
    let kept: String = joined.chars().filter(|c| !c.is_control()).take(1_000).collect();
    if kept.is_empty() { "(no words)".to_owned() } else { kept }
}

/// The text without everything from `open` to `close`; what is not closed is kept.
fn without(mut text: String, open: &str, close: &str) -> String {
    let mut from = 0;
    while let Some(start) = text[from..].find(open).map(|at| from + at) {
        let Some(end) = text[start + open.len()..].find(close) else { break };
        // A `<` in prose is no tag.
        let is_tag =
            open != "<" || text[start + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
        if is_tag {
            text.replace_range(start..start + open.len() + end + close.len(), "");
        }
        from = if is_tag { start } else { start + 1 };
    }
    text
}
