//! Foreign text in keys and sentences: bounded, in one line, and nothing invisible.

use sha2::{Digest as _, Sha256};

use crate::{visible::without_invisible, words::one_line};

/// The longest key of a cause, in characters.
pub const KEY_LIMIT: usize = 200;
/// The most characters of foreign text in a key, which leaves room for what names its kind and for a digest.
const IN_KEY: usize = 150;
/// The most characters of a path or a name in a sentence.
const IN_SENTENCE: usize = 120;

/// The key of a cause that foreign text names. Texts that are not shown whole differ by a digest.
#[must_use]
pub fn key(kind: &str, text: &str) -> String {
    let shown = shown(text, IN_KEY);
    if shown == text {
        return format!("{kind}:{text}");
    }
    format!("{kind}:{shown}~{}", hex::encode(&Sha256::digest(text)[..4]))
}

/// A path or a name in a sentence.
pub(super) fn named(text: &str) -> String {
    format!("`{}`", shown(text, IN_SENTENCE).replace('`', "'"))
}

/// The beginning of a text, in one line.
pub(super) fn shown(text: &str, most: usize) -> String {
    let line = one_line(&without_invisible(text));
    if line.chars().count() <= most {
        return line;
    }
    let cut: String = line.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}
