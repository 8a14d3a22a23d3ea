//! Characters that nobody sees, or that turn the text around them, are shown by their numbers: on every page, in whatever
//! text they come, and of anybody.

use crate::core::path::is_invisible;

/// Elements whose content is plain text to a browser, and as a person wrote it.
const RAW: [&str; 4] = ["<title", "<textarea", "<option", "<script"];

/// The page with a label in place of each such character. In a tag, and where a browser takes no markup, the label is
/// plain text. What a person is writing (`textarea`) stays as it is.
pub(super) fn shown(page: String) -> String {
    if page.is_ascii() && !page.bytes().any(|byte| is_hidden(char::from(byte))) {
        return page;
    }
    let mut shown = String::with_capacity(page.len());
    let mut rest = page.as_str();
    let mut raw: Option<&str> = None;
    while !rest.is_empty() {
        let is_tag = rest.starts_with('<');
        let end = if is_tag { rest.find('>').map(|at| at + 1) } else { rest.find('<') };
        let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
        match (is_tag, raw) {
            (true, _) => label(&mut shown, part, plain),
            (false, Some("<textarea")) => shown.push_str(part),
            (false, Some(_)) => label(&mut shown, part, plain),
            (false, None) => label(&mut shown, part, marked),
        }
        if is_tag {
            let opened = RAW.iter().copied().find(|name| part.starts_with(*name));
            raw = if part.starts_with("</") { None } else { opened.or(raw) };
        }
        rest = after;
    }
    shown
}

/// Whether a person cannot see it, or sees other text in another order because of it.
fn is_hidden(c: char) -> bool {
    is_invisible(c) || (c.is_control() && !matches!(c, '\n' | '\t' | '\r'))
}

fn label(shown: &mut String, part: &str, label: impl Fn(u32) -> String) {
    for c in part.chars() {
        if is_hidden(c) { shown.push_str(&label(u32::from(c))) } else { shown.push(c) }
    }
}

fn plain(number: u32) -> String {
    format!("[U+{number:04X}]")
}

fn marked(number: u32) -> String {
    format!("<span class=\"invisible\">U+{number:04X}</span>")
}

#[cfg(test)]
mod tests {
    use maud::html;

    use super::*;

    #[track_caller]
    fn check(page: &str, expected: &str) {
        assert_eq!(shown(page.to_owned()), expected);
    }

    #[test]
    fn what_nobody_sees_is_labelled_wherever_it_stands() {
        check("<p>a b</p>", "<p>a b</p>");
        check("<p>é</p>", "<p>é</p>");
        check("<p>a\u{202e}b</p>", "<p>a<span class=\"invisible\">U+202E</span>b</p>");
        check("<p>\u{1b}[2J</p>", "<p><span class=\"invisible\">U+001B</span>[2J</p>");
        check(
            "<title>a\u{202e}b</title><p>\u{ad}",
            "<title>a[U+202E]b</title><p><span class=\"invisible\">U+00AD</span>",
        );
        check("<a title=\"\u{2066}x\">\t\r\n</a>", "<a title=\"[U+2066]x\">\t\r\n</a>");
        check("<select><option>\u{200b}</option></select>", "<select><option>[U+200B]</option></select>");
        check(
            "<textarea>\n\u{202e}</textarea>\u{202e}",
            "<textarea>\n\u{202e}</textarea><span class=\"invisible\">U+202E</span>",
        );
    }

    #[test]
    fn no_text_breaks_out_of_its_tag() {
        let hostile = "\"><script>\u{202e}alert(1)</script>";
        let page = html! { a title=(hostile) { (hostile) } }.into_string();
        let shown = shown(page);
        assert!(!shown.contains("<script") && !shown.contains('\u{202e}'), "{shown}");
        assert!(shown.starts_with("<a title=\"&quot;&gt;&lt;script&gt;[U+202E]alert"), "{shown}");
    }
}
