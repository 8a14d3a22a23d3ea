//! Lines of Python, as far as they can be distinguished without a parser.

/// Whether every line is what it looks like: no characters that Python takes for the end of a line or of an
/// indentation and others do not, and no encoding that gives bytes another meaning.
pub(super) fn is_plain(text: &str) -> bool {
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    let text = text.replace("\r\n", "\n");
    // PEP 263: the encoding stands in a comment on one of the first two lines.
    let declares = text.lines().take(2).any(|line| line.contains("coding"));
    !text.chars().any(odd) && !text.chars().any(crate::path::is_invisible) && !declares
}

/// The lines that are neither blank nor comments.
pub(super) fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim_end).filter(|line| !is_comment(line))
}

pub(super) fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

/// How far a line is indented; a tab counts as one, so lines that mix both compare as they stand.
pub(super) fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The name that a line defines, with whether it is a class.
pub(super) fn defined(line: &str) -> Option<(&str, bool)> {
    let line = line.trim_start();
    let rest = line.strip_prefix("async ").unwrap_or(line);
    let (rest, class) = match (rest.strip_prefix("def "), rest.strip_prefix("class ")) {
        (Some(rest), _) => (rest, false),
        (None, Some(rest)) => (rest, true),
        (None, None) => return None,
    };
    let end = rest.find(|c: char| !is_of_name(c)).unwrap_or(rest.len());
    Some((&rest[..end], class)).filter(|(name, _)| !name.is_empty())
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a word stands in a text by itself.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back().is_some_and(is_of_name);
        let after = text[at + word.len()..].chars().next().is_some_and(is_of_name);
        !before && !after
    })
}

/// Whether a line is one whole assertion.
pub(super) fn is_assertion(line: &str) -> bool {
    let line = line.trim_start();
    let is_call = line.strip_prefix("self.assert").is_some_and(|rest| rest.contains('('));
    (is_call || line.starts_with("assert ") || line.starts_with("assert(")) && is_balanced(line)
}

/// Whether every bracket and quote that a line opens is closed on it.
pub(super) fn is_balanced(line: &str) -> bool {
    let (mut open, mut quote, mut escaped) = (Vec::new(), None, false);
    for c in line.chars() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(mark), c) if c == mark => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '#') => break,
            (None, '(' | '[' | '{') => open.push(c),
            (None, ')' | ']' | '}') if open.pop().is_none() => return false,
            (None, _) => {}
        }
    }
    open.is_empty() && quote.is_none()
}

/// A line for people.
pub(super) fn shown(line: &str) -> String {
    let line = line.trim();
    let cut: String = line.chars().take(60).collect();
    if cut.len() < line.len() { format!("`{cut}…`") } else { format!("`{cut}`") }
}
