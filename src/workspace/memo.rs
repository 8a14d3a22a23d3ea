//! What git said of commits, trees and files by their full names, kept in memory: it never changes, and a process costs more
//! than most of its answers.

use std::{
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use hashlink::LruCache;

/// The most bytes that are kept, questions included.
const MOST: usize = 32 << 20;
/// A longer answer is not kept, since it would push out too many others (bytes).
const LONGEST: usize = 2 << 20;

/// The answers that were used last.
#[derive(Default)]
pub(crate) struct Memo(Mutex<Kept>);

struct Kept {
    answers: LruCache<Question, Vec<u8>>,
    bytes: usize,
}

impl Default for Kept {
    fn default() -> Self {
        // Its bytes bound it.
        Self { answers: LruCache::new_unbounded(), bytes: 0 }
    }
}

/// What was asked of which repository.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Question {
    place: Place,
    args: Vec<String>,
}

/// A directory, and none that was made later in its place.
#[derive(PartialEq, Eq, Hash)]
struct Place {
    device: u64,
    inode: u64,
    created: Option<SystemTime>,
}

impl Question {
    /// Arguments of git beside the options of every call; `None` where there is no such repository.
    pub(crate) fn of(repository: &Path, args: &[String]) -> Option<Self> {
        let found = std::fs::metadata(repository).ok()?;
        let place = Place { device: found.dev(), inode: found.ino(), created: found.created().ok() };
        Some(Self { place, args: args.to_vec() })
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.args.iter().map(|arg| size_of::<String>() + arg.len()).sum::<usize>()
    }
}

impl std::fmt::Debug for Memo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memo").finish_non_exhaustive()
    }
}

impl Memo {
    pub(crate) fn get(&self, question: &Question) -> Option<Vec<u8>> {
        self.kept().answers.get(question).cloned()
    }

    pub(crate) fn put(&self, question: Question, answer: &[u8]) {
        if answer.len() > LONGEST {
            return;
        }
        let mut kept = self.kept();
        kept.bytes += question.bytes() + answer.len();
        let asked = question.bytes();
        if let Some(before) = kept.answers.insert(question, answer.to_vec()) {
            kept.bytes -= asked + before.len();
        }
        while kept.bytes > MOST
            && let Some((question, answer)) = kept.answers.remove_lru()
        {
            kept.bytes -= question.bytes() + answer.len();
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(repository: &Path, word: &str) -> Question {
        Question::of(repository, &[word.to_owned()]).unwrap()
    }

    #[test]
    fn an_answer_is_of_one_repository_and_of_the_same_words() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let memo = Memo::default();
        memo.put(question(one.path(), "a"), b"x");
        assert_eq!(memo.get(&question(one.path(), "a")).as_deref(), Some(&b"x"[..]));
        assert!(memo.get(&question(one.path(), "b")).is_none());
        assert!(memo.get(&question(other.path(), "a")).is_none());
    }

    #[test]
    fn a_repository_that_took_the_place_of_another_is_asked_itself() {
        let root = tempfile::tempdir().unwrap();
        let (place, memo) = (root.path().join("r"), Memo::default());
        std::fs::create_dir(&place).unwrap();
        memo.put(question(&place, "a"), b"x");
        std::fs::remove_dir(&place).unwrap();
        assert!(Question::of(&place, &[]).is_none());
        std::fs::create_dir(&place).unwrap();
        assert!(memo.get(&question(&place, "a")).is_none());
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let (place, memo) = (tempfile::tempdir().unwrap(), Memo::default());
        let long = vec![0; LONGEST];
        memo.put(question(place.path(), "first"), b"x");
        for number in 0..2 * MOST / LONGEST {
            memo.put(question(place.path(), &number.to_string()), &long);
            assert!(memo.get(&question(place.path(), "first")).is_some(), "it was used last");
        }
        assert!(memo.get(&question(place.path(), "0")).is_none());
        assert!(memo.kept().bytes <= MOST);
        memo.put(question(place.path(), "too long"), &vec![0; LONGEST + 1]);
        assert!(memo.get(&question(place.path(), "too long")).is_none());
    }
}
