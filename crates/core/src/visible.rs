//! What people see of a text: without invisible characters, and in markup without comments.

use crate::path::is_invisible;

/// Extensions of files whose HTML comments are not rendered.
const MARKUP: [&str; 7] = [".md", ".markdown", ".mdx", ".html", ".htm", ".svg", ".xml"];
/// Names of characters in HTML that render as nothing or as white space.
const BLANK_ENTITIES: [&str; 12] = [
    "&nbsp;",
    "&ensp;",
    "&emsp;",
    "&thinsp;",
    "&zwj;",
    "&zwnj;",
    "&shy;",
    "&lrm;",
    "&rlm;",
    "&NoBreak;",
    "&ZeroWidthSpace;",
    "&NewLine;",
];

/// The text of a file as people see it: every line keeps its number. Comments are removed from markup only.
#[must_use]
pub fn visible(path: &str, text: &str) -> String {
    let text = without_invisible(text);
    if is_markup(path) { without_comments(&text) } else { text }
}

/// Whether two versions of a file look alike to its readers: nothing but white space, invisible characters,
/// comments and empty markup differs.
#[must_use]
pub fn looks_alike(path: &str, one: &str, other: &str) -> bool {
    seen(path, one) == seen(path, other)
}

/// The text without invisible and control characters.
#[must_use]
pub fn without_invisible(text: &str) -> String {
    let is_hidden = |c: char| is_invisible(c) || (c.is_control() && !matches!(c, '\n' | '\t' | '\r'));
    text.chars().filter(|c| !is_hidden(*c)).collect()
}

/// A comment leaves its line breaks, so that later lines keep their numbers. One that is not closed extends to
/// the end of the text, as it does in a browser.
#[must_use]
pub fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("<!--") {
        kept.push_str(&rest[..start]);
        let comment = &rest[start..];
        let end = comment.find("-->").map_or(comment.len(), |end| end + 3);
        kept.extend(comment[..end].chars().filter(|c| *c == '\n'));
        rest = &comment[end..];
    }
    kept + rest
}

fn is_markup(path: &str) -> bool {
    let path = path.to_lowercase();
    MARKUP.iter().any(|end| path.ends_with(end))
}

/// The visible text without white space; of markup without tags, blank entities and unused link labels too.
fn seen(path: &str, text: &str) -> String {
    let mut text = visible(path, text);
    if is_markup(path) {
        text = text.lines().filter(|line| !is_label(line)).collect::<Vec<_>>().join("\n");
        text = without_blank_entities(&without_tags(&text));
    }
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// A link label such as `[//]: # (a comment)`, which Markdown does not render.
fn is_label(line: &str) -> bool {
    let rest = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]:"));
    rest.is_some_and(|(name, _)| !name.starts_with('^') && !name.contains(']'))
}

/// A tag that shows something by itself, such as an image, is kept.
fn without_tags(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        kept.push_str(&rest[..start]);
        let tag = &rest[start..];
        let end = tag.find('>').filter(|_| is_tag(tag)).map_or(1, |end| end + 1);
        let shows =
            ["<img", "<svg", "<video", "<audio", "<iframe", "<a "].iter().any(|name| tag.starts_with(name));
        if end == 1 || shows {
            kept.push_str(&tag[..end]);
        }
        rest = &tag[end..];
    }
    kept + rest
}

fn is_tag(text: &str) -> bool {
    text[1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'))
}

fn without_blank_entities(text: &str) -> String {
    let named = BLANK_ENTITIES.iter().fold(text.to_owned(), |text, entity| text.replace(entity, ""));
    let mut kept = String::with_capacity(named.len());
    let mut rest = named.as_str();
    while let Some(start) = rest.find("&#") {
        kept.push_str(&rest[..start]);
        let entity = &rest[start..];
        let end = entity.find(';').map_or(2, |end| end + 1);
        if !numbered(&entity[..end]).is_some_and(|c| c.is_whitespace() || c.is_control() || is_invisible(c)) {
            kept.push_str(&entity[..end]);
        }
        rest = &entity[end..];
    }
    kept + rest
}

/// The character of `&#8203;` or `&#x200b;`.
fn numbered(entity: &str) -> Option<char> {
    let number = entity.strip_prefix("&#")?.strip_suffix(';')?;
    let hexadecimal = number.strip_prefix(['x', 'X']).map(|digits| u32::from_str_radix(digits, 16));
    char::from_u32(hexadecimal.unwrap_or_else(|| number.parse()).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, one: &str, other: &str, alike: bool) {
        assert_eq!(looks_alike(path, one, other), alike, "{path}: {one:?} and {other:?}");
        assert_eq!(looks_alike(path, other, one), alike, "{path}: {other:?} and {one:?}");
    }

    #[test]
    fn m8_what_no_reader_sees_is_no_difference() {
        for blank in [
            "",
            " ",
            "\n\n",
            "<!-- -->",
            "<!-- updated\n for v2 -->",
            "\u{200b}",
            "\u{feff}",
            "\u{2060}\u{e0061}",
            "\u{ad}",
            "\u{0}",
            "\u{a0}",
            "&nbsp;",
            "&#8203;",
            "&#x200B;",
            "&ZeroWidthSpace;",
            "<br>",
            "<p></p>",
            "<span/>",
            "\n[//]: # (updated)\n",
            "\n[comment]: <> (x)\n",
            "<? php ?>",
        ] {
            check("docs/API.md", "# API\nText.\n", &format!("# API\n{blank}Text.\n"), true);
        }
        check("docs/API.md", "Text.", "Text.\n<!-- to the end", true);
        check("docs/api.rst", "Text.", "Text.\u{200b}", true);
    }

    #[test]
    fn what_a_reader_sees_is_a_difference() {
        for word in [
            "x",
            "<b>x</b>",
            "1 < 2",
            "&amp;",
            "&#65;",
            "`a`",
            "<img src=a>",
            "<a href=x>",
            "[^1]: note",
            "\u{301}",
            "a<!-- -->",
        ] {
            check("docs/API.md", "# API\nText.\n", &format!("# API\n{word}Text.\n"), false);
        }
        check("docs/api.rst", "Text.", "Text.<!-- -->", false);
    }
}
