//! What is kept of an answer whose other blocks failed, until the failed ones come again.

use super::{Answer, Block, Forgiven, Intent, Malformed, Part, Problem, Reading, Refused};
use crate::path::collision;

/// The good blocks of earlier answers to one question, and the files whose blocks failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// The title, if one was given.
    pub title: Option<String>,
    /// Why the change is as it is; may be empty.
    pub why: String,
    /// The blocks, each on its own file.
    pub blocks: Vec<Block>,
    /// The paths of the blocks that must come again.
    pub missing: Vec<String>,
    /// What was read past so far.
    pub forgiven: Vec<Forgiven>,
}

impl Kept {
    /// The paths of the blocks that are kept.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.blocks.iter().map(|block| block.path.to_string()).collect()
    }

    /// What is kept of a reading of which the blocks on these paths failed; nothing if no other block is left.
    #[must_use]
    pub fn of(part: Part, failed: &[String], missing: Vec<String>) -> Self {
        let Part { title, why, mut blocks, forgiven, .. } = part;
        blocks.retain(|block| !failed.iter().any(|path| path == block.path.as_str()));
        if blocks.is_empty() { Self::default() } else { Self { title, why, blocks, missing, forgiven } }
    }

    /// The same, if exactly these paths are kept: what a question that was asked before says is what counts.
    #[must_use]
    pub fn as_said(self, paths: &[String]) -> Option<Self> {
        match paths {
            [] => Some(Self::default()),
            paths => Some(self).filter(|kept| kept.paths() == paths),
        }
    }

    /// This with the next answer over it: its blocks take the place of those on the same files, and its title and its
    /// why that of earlier ones. A decline or questions are taken as they are.
    ///
    /// # Errors
    /// When two of the blocks together are for one file.
    pub fn with(self, reading: Reading) -> Result<Reading, Malformed> {
        let new = match reading {
            Reading::Whole(Answer { title, why, intent: Intent::Blocks(blocks), forgiven }) => {
                Part { title, why, blocks, refused: Vec::new(), forgiven }
            }
            Reading::Whole(answer) => return Ok(Reading::Whole(answer)),
            Reading::Part(part) => part,
        };
        let is_given = |path: &str| {
            new.blocks.iter().any(|block| block.path.as_str() == path)
                || new.refused.iter().any(|refused| refused.path == path)
        };
        let left_out: Vec<Refused> =
            self.missing.iter().filter(|path| !is_given(path)).map(|path| left_out(path)).collect();
        let mut blocks = self.blocks;
        blocks.retain(|block| !is_given(block.path.as_str()));
        blocks.extend(new.blocks);
        if let Some((one, other)) = collision(blocks.iter().map(|block| &block.path)) {
            return Err(Malformed { line: 1, problem: Problem::Collision(one.clone(), other.clone()) });
        }
        let mut forgiven = self.forgiven;
        forgiven.extend(new.forgiven);
        forgiven.sort_unstable();
        forgiven.dedup();
        let title = new.title.or(self.title);
        let why = if new.why.is_empty() { self.why } else { new.why };
        let refused: Vec<Refused> = new.refused.into_iter().chain(left_out).collect();
        Ok(match refused.is_empty() && !blocks.is_empty() {
            true => Reading::Whole(Answer { title, why, intent: Intent::Blocks(blocks), forgiven }),
            false => Reading::Part(Part { title, why, blocks, refused, forgiven }),
        })
    }
}

fn left_out(path: &str) -> Refused {
    let why = Malformed { line: 1, problem: Problem::LeftOut(path.to_owned()) };
    Refused { path: path.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Reading {
        Answer::read(text).unwrap()
    }

    fn file(path: &str, text: &str) -> String {
        format!("=== file: {path}\n{text}\n=== end: {path}\n")
    }

    fn kept(missing: &[&str]) -> Kept {
        let Reading::Whole(answer) =
            read(&("=== title: t\n=== why: w\n".to_owned() + &file("a", "1") + &file("b", "2")))
        else {
            unreachable!()
        };
        let Intent::Blocks(blocks) = answer.intent else { unreachable!() };
        let missing: Vec<String> = missing.iter().map(|path| (*path).to_owned()).collect();
        let part =
            Part { title: answer.title, why: answer.why, blocks, refused: Vec::new(), forgiven: Vec::new() };
        Kept::of(part, &["b".to_owned()], missing)
    }

    #[test]
    fn the_repair_takes_the_place_of_what_failed_and_the_rest_is_kept() {
        assert_eq!(kept(&["b"]).paths(), ["a"]);
        let Ok(Reading::Whole(answer)) = kept(&["b"]).with(read(&file("b", "3"))) else {
            panic!("it is whole")
        };
        assert_eq!((answer.title.as_deref(), answer.why.as_str()), (Some("t"), "w"));
        let whole = read(&("=== title: t\n=== why: w\n".to_owned() + &file("a", "1") + &file("b", "3")));
        assert_eq!(Reading::Whole(answer), whole);
    }

    #[test]
    fn a_block_for_a_kept_file_replaces_it() {
        let Ok(Reading::Whole(answer)) = kept(&["b"]).with(read(&(file("b", "3") + &file("a", "9")))) else {
            panic!("it is whole")
        };
        let Reading::Whole(both) = read(&(file("b", "3") + &file("a", "9"))) else { unreachable!() };
        assert_eq!(answer.intent, both.intent);
    }

    #[test]
    fn a_failed_block_that_does_not_come_again_is_still_missing() {
        let Ok(Reading::Part(part)) = kept(&["b", "c"]).with(read(&file("c", "3"))) else {
            panic!("b is missing")
        };
        assert_eq!(part.refused.len(), 1);
        assert!(part.refused[0].why.to_string().contains("the block of `b` is missing"));
        assert_eq!(part.blocks.len(), 2);
    }

    #[test]
    fn two_names_of_one_file_are_refused_together() {
        assert!(kept(&[]).with(read(&file("A", "3"))).is_err());
    }

    #[test]
    fn a_decline_and_questions_are_taken_as_they_are() {
        for text in ["=== decline: no", "=== ask: which?"] {
            assert_eq!(kept(&["b"]).with(read(text)), Ok(read(text)));
        }
    }

    #[test]
    fn what_was_said_counts() {
        assert_eq!(kept(&[]).as_said(&[]), Some(Kept::default()));
        assert_eq!(kept(&[]).as_said(&["a".to_owned()]), Some(kept(&[])));
        assert_eq!(kept(&[]).as_said(&["b".to_owned()]), None);
    }
}
