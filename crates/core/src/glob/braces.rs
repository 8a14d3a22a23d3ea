//! Braces: `a{b,c}` stands for `ab` and `ac`, and an alternative may be empty.

use std::str::Chars;

/// The deepest that braces may nest.
const DEPTH_LIMIT: usize = 3;
/// The most patterns that one may stand for.
const COUNT_LIMIT: usize = 100;

/// Every pattern that this one stands for, without braces; one inside of `[…]` is a character like any other.
///
/// # Errors
/// Why it cannot be expanded, for people.
pub(super) fn expand(pattern: &str) -> Result<Vec<String>, &'static str> {
    sequence(&mut pattern.chars(), 0).map(|(expanded, _)| expanded)
}

/// Up to the end, or inside of braces up to the comma or brace that ends an alternative.
fn sequence(chars: &mut Chars<'_>, depth: usize) -> Result<(Vec<String>, Option<char>), &'static str> {
    let mut expanded = vec![String::new()];
    loop {
        let next = match chars.next() {
            None if depth == 0 => return Ok((expanded, None)),
            None => return Err("has a `{` that is not closed; write `[{]` for a literal one"),
            Some(end @ (',' | '}')) if depth > 0 => return Ok((expanded, Some(end))),
            Some('}') => return Err("has a `}` without a `{`; write `[}]` for a literal one"),
            Some('{') if depth == DEPTH_LIMIT => {
                return Err("nests braces over 3 deep; write it as several patterns");
            }
            Some('{') => alternatives(chars, depth + 1)?,
            Some('[') => vec![set(chars)?],
            Some(other) => vec![other.to_string()],
        };
        if expanded.len() * next.len() > COUNT_LIMIT {
            return Err("stands for over 100 patterns; write it as several");
        }
        expanded =
            expanded.iter().flat_map(|stem| next.iter().map(move |end| format!("{stem}{end}"))).collect();
    }
}

fn alternatives(chars: &mut Chars<'_>, depth: usize) -> Result<Vec<String>, &'static str> {
    let mut all = Vec::new();
    loop {
        let (some, end) = sequence(chars, depth)?;
        all.extend(some);
        if end == Some('}') {
            return Ok(all);
        }
    }
}

/// The rest of `[…]`, in which a first `]` is a member.
fn set(chars: &mut Chars<'_>) -> Result<String, &'static str> {
    let mut set = String::from("[");
    loop {
        let next = chars.next().ok_or("has a `[` that is not closed; write `[[]` for a literal one")?;
        let is_first = matches!(set.as_str(), "[" | "[!" | "[^");
        set.push(next);
        if next == ']' && !is_first {
            return Ok(set);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_stand_for_each_alternative() {
        let check =
            |pattern: &str, expected: &[&str]| assert_eq!(expand(pattern).unwrap(), expected, "{pattern}");
        check("a", &["a"]);
        check("a{,b}c", &["ac", "abc"]);
        check("{a,b}{c,d}", &["ac", "ad", "bc", "bd"]);
        check("{a,{b,c}/d}", &["a", "b/d", "c/d"]);
        check("[{,}]", &["[{,}]"]);
        check("[]}]", &["[]}]"]);
        check("a,b", &["a,b"]);
    }

    #[test]
    fn what_cannot_be_expanded_says_why() {
        for (pattern, why) in [
            ("a{b", "not closed"),
            ("a}b", "without a `{`"),
            ("[a", "not closed"),
            ("{{{{a}}}}", "over 3 deep"),
            ("{a,b,c,d,e}{a,b,c,d,e}{a,b,c,d,e}", "over 100"),
        ] {
            assert!(expand(pattern).unwrap_err().contains(why), "{pattern}");
        }
    }
}
