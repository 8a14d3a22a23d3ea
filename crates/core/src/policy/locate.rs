//! On which line of a JSON text a JSON pointer (RFC 6901) points.

/// The line, counted from 1, of the member or item that a pointer names; of several members of one name the last. A
/// pointer to nothing gives the line of the nearest value above it.
#[must_use]
pub fn line_of(text: &str, pointer: &str) -> usize {
    let tokens: Vec<String> =
        pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect();
    let mut scan = Scan { text: text.as_bytes(), at: 0, found: 0, depth: 0 };
    scan.white();
    scan.found = scan.at;
    scan.value(Some(&tokens), 0);
    1 + text.as_bytes()[..scan.found.min(text.len())].iter().filter(|&&byte| byte == b'\n').count()
}

/// A walk through a text that is JSON; through any other it ends early.
struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    found: usize,
    /// How many tokens of the pointer were found.
    depth: usize,
}

impl Scan<'_> {
    fn white(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Skips a value; `rest` are the tokens that lead on from it, if it is on the way.
    fn value(&mut self, rest: Option<&[String]>, depth: usize) {
        self.white();
        match self.peek() {
            Some(b'{') => self.members(rest, depth),
            Some(b'[') => self.items(rest, depth),
            Some(b'"') => drop(self.string()),
            _ => {
                while self.peek().is_some_and(|byte| !matches!(byte, b',' | b'}' | b']')) {
                    self.at += 1;
                }
            }
        }
    }

    fn members(&mut self, rest: Option<&[String]>, depth: usize) {
        self.at += 1;
        loop {
            self.white();
            let start = self.at;
            let Some(b'"') = self.peek() else { break };
            let key = self.string();
            self.white();
            self.at += usize::from(self.peek() == Some(b':'));
            let next = rest.and_then(|rest| rest.split_first()).filter(|(token, _)| **token == key);
            self.part(start, next.map(|(_, rest)| rest), depth);
            if !self.comma() {
                break;
            }
        }
        self.at += usize::from(self.peek() == Some(b'}'));
    }

    fn items(&mut self, rest: Option<&[String]>, depth: usize) {
        self.at += 1;
        for index in 0_usize.. {
            self.white();
            let start = self.at;
            if matches!(self.peek(), Some(b']') | None) {
                break;
            }
            let is_it = |token: &String| *token == index.to_string();
            let next = rest.and_then(|rest| rest.split_first()).filter(|(token, _)| is_it(token));
            self.part(start, next.map(|(_, rest)| rest), depth);
            if !self.comma() {
                break;
            }
        }
        self.at += usize::from(self.peek() == Some(b']'));
    }

    fn part(&mut self, start: usize, rest: Option<&[String]>, depth: usize) {
        if rest.is_some() && depth + 1 >= self.depth {
            (self.found, self.depth) = (start, depth + 1);
        }
        self.value(rest, depth + 1);
    }

    fn comma(&mut self) -> bool {
        self.white();
        let is = self.peek() == Some(b',');
        self.at += usize::from(is);
        is
    }

    fn string(&mut self) -> String {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek().filter(|byte| *byte != b'"') {
            self.at += if byte == b'\\' { 2 } else { 1 };
        }
        self.at = (self.at + 1).min(self.text.len());
        serde_json::from_slice(&self.text[start..self.at]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{\n  \"a\": {\n    \"b/c\": [1,\n      {\"d\": \"x\\\"}\"}],\n    \"~\": 2\n  },\n  \"e\": 1,\n  \"e\": 2\n}\n";

    #[track_caller]
    fn check(pointer: &str, line: usize) {
        assert_eq!(line_of(TEXT, pointer), line, "{pointer}");
    }

    #[test]
    fn a_pointer_has_the_line_of_what_it_names() {
        check("", 1);
        check("/a", 2);
        check("/a/b~1c", 3);
        check("/a/b~1c/0", 3);
        check("/a/b~1c/1", 4);
        check("/a/b~1c/1/d", 4);
        check("/a/~0", 5);
    }

    #[test]
    fn of_two_members_of_one_name_it_is_the_last() {
        check("/e", 8);
    }

    #[test]
    fn a_pointer_to_nothing_has_the_line_above_it() {
        check("/a/none", 2);
        check("/none/b", 1);
        assert_eq!(line_of("", "/a"), 1);
        assert_eq!(line_of("{\"a", "/a"), 1);
    }
}
