//! The output of tests as plain text.

/// How many lines of the output are kept, from its end.
pub const LINES_KEPT: usize = 200;
/// How many bytes of them are kept, from their end.
const BYTES_KEPT: usize = 30_000;
/// How many bytes of one line are kept.
const LINE_BYTES: usize = 2_000;
/// How an escape character is written where control characters were escaped before.
const ESCAPED: &str = "\\u{1b}";
/// The same for a carriage return.
const RETURN: &str = "\\u{d}";

/// Text without colours, other escape sequences and control characters. What was escaped before is known too.
#[must_use]
pub fn plain(output: &str) -> String {
    let output = output.replace(ESCAPED, "\u{1b}").replace(RETURN, "\r");
    let mut plain = String::with_capacity(output.len());
    let mut rest = output.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => match rest.peek() {
                Some('[') => {
                    rest.next();
                    // Parameters, then one final byte.
                    while rest.next_if(|c| matches!(c, '\u{20}'..='\u{3f}')).is_some() {}
                    rest.next_if(|c| matches!(c, '\u{40}'..='\u{7e}'));
                }
                Some(']') => {
                    while rest.next_if(|c| !matches!(c, '\u{7}' | '\u{1b}' | '\n')).is_some() {}
                    rest.next_if_eq(&'\u{7}');
                }
                _ => {
                    rest.next_if(|c| matches!(c, '\u{40}'..='\u{7e}'));
                }
            },
            '\r' if rest.peek() == Some(&'\n') => {}
            '\r' => plain.push('\n'),
            '\n' | '\t' => plain.push(c),
            _ if c.is_control() => {}
            _ => plain.push(c),
        }
    }
    plain
}

/// The end of a plain text.
pub(super) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let mut kept: Vec<String> = Vec::new();
    let mut bytes = 0;
    for line in lines.iter().rev().take(LINES_KEPT) {
        let line = match line.len() > LINE_BYTES {
            true => format!("{}…", &line[..line.floor_char_boundary(LINE_BYTES)]),
            false => (*line).to_owned(),
        };
        bytes += line.len() + 1;
        if bytes > BYTES_KEPT {
            break;
        }
        kept.push(line);
    }
    let cut = lines.len() - kept.len();
    if cut > 0 {
        kept.push(format!("[{cut} lines before this were cut]"));
    }
    kept.reverse();
    kept.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(output: &str, expected: &str) {
        assert_eq!(plain(output), expected, "{output:?}");
    }

    #[test]
    fn colours_and_control_characters_go_and_words_stay() {
        check("\u{1b}[31m1 failed\u{1b}[0m\n", "1 failed\n");
        check("\\u{1b}[1;31m1 failed\\u{1b}[0m\\u{d}\n", "1 failed\n");
        check("\u{1b}]8;;https://x.example\u{7}name\u{1b}]8;;\u{7}", "name");
        check("10 %\r20 %\ra\tb\u{8}\u{7f}", "10 %\n20 %\na\tb");
        check("größe ✔", "größe ✔");
        check("\u{1b}", "");
    }

    #[test]
    fn the_end_is_kept_and_a_cut_is_said() {
        assert_eq!(tail("a\nb\n\n"), "a\nb");
        let many: String = (0..300).map(|line| format!("line {line}\n")).collect();
        let kept = tail(&many);
        assert!(kept.starts_with("[100 lines before this were cut]\nline 100\n"), "{kept}");
        assert!(kept.ends_with("line 299"));
        let wide = format!("{}\nend", "ä".repeat(40_000));
        let kept = tail(&wide);
        assert!(kept.len() < 2_100 && kept.ends_with("…\nend"), "{}", kept.len());
    }
}
