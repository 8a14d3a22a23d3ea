//! Reasoning that a server left in an answer: the beginnings that the answer may have.
//!
//! A model that reasons ends it with a closing tag. The opening one is often part of the prompt and so missing from the
//! answer, and content may hold such a tag too. So this only lists where the answer may begin; the caller reads from each.

use std::ops::Range;

/// The pairs of tags in use. Reports name `<think>` (`DeepSeek`, Qwen, and vLLM, llama.cpp and Ollama for them), `[THINK]`
/// (Mistral) and `◁think▷` (Kimi); the others are what models write that are asked to think aloud.
const TAGS: [(&str, &str); 7] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[think]", "[/think]"),
    ("◁think▷", "◁/think▷"),
];
/// Before the answer in the channels of gpt-oss.
const FINAL: &str = "<|channel|>final<|message|>";
/// The most closing tags that are tried as the end of the reasoning; with more, only the first ones are.
const TRIED: usize = 16;

/// Where an answer may begin and end in a text, as byte ranges; empty if its reasoning is never closed.
///
/// Without reasoning it is the whole text. After an opening tag the answer begins after one of the closing tags; without
/// one it may also begin with the text.
#[must_use]
pub fn answers(text: &str) -> Vec<Range<usize>> {
    let start = text.len() - text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}').len();
    if text[start..].starts_with("<|") {
        return channels(text).into_iter().collect();
    }
    let folded = text.to_ascii_lowercase();
    let opened = TAGS.iter().find(|(open, _)| folded[start..].starts_with(open));
    let mut ends: Vec<usize> = match opened {
        Some((_, close)) => ends_of(&folded, close).collect(),
        None => TAGS.iter().flat_map(|(_, close)| ends_of(&folded, close)).collect(),
    };
    ends.sort_unstable();
    ends.truncate(TRIED);
    let whole = opened.is_none().then_some(0);
    whole.into_iter().chain(ends).map(|from| from..text.len()).collect()
}

/// Whether the line holds a closing tag.
pub(super) fn closes(line: &str) -> bool {
    let folded = line.to_ascii_lowercase();
    TAGS.iter().any(|(_, close)| folded.contains(close))
}

fn ends_of<'a>(folded: &'a str, close: &'static str) -> impl Iterator<Item = usize> + 'a {
    folded.match_indices(close).map(move |(at, _)| at + close.len())
}

/// What the last final message holds.
fn channels(text: &str) -> Option<Range<usize>> {
    let from = text.rfind(FINAL)? + FINAL.len();
    let last = text[from..].trim_end();
    let last = ["<|return|>", "<|end|>"].into_iter().find_map(|end| last.strip_suffix(end)).unwrap_or(last);
    Some(from..from + last.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found: Vec<&str> = answers(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_answer_begins_after_its_reasoning() {
        check("x", &["x"]);
        check("", &[""]);
        check("<think>hm</think>x", &["x"]);
        check("\u{feff}\n <THINK>hm</Think>\nx", &["\nx"]);
        check("<reasoning>a</reasoning>x", &["x"]);
        check("◁think▷é◁/think▷x", &["x"]);
        check("<think>x", &[]);
        check("hm</think>x", &["hm</think>x", "x"]);
        check("<think>a</think>b</think>c", &["b</think>c", "c"]);
        check("x <think>", &["x <think>"]);
    }

    #[test]
    fn channels_end_in_a_final_message() {
        let channels =
            "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>x";
        check(channels, &["x"]);
        check(&format!("{channels}<|return|>"), &["x"]);
        check("<|channel|>analysis<|message|>hm", &[]);
    }
}
