//! What a pattern may be, and what its author may believe of it that is not so.
//!
//! A pattern that guards nothing, or less than it seems to, is worse than none. What can mean nothing else is
//! refused; what works but may surprise is warned of; both say what to write instead.

use super::{PATTERN_LIMIT, braces, compile, nfc};
use crate::path::is_invisible;

/// Files without an extension; any other such name is more likely a folder's.
const FILES: [&str; 32] = [
    "makefile",
    "gnumakefile",
    "dockerfile",
    "containerfile",
    "jenkinsfile",
    "vagrantfile",
    "procfile",
    "gemfile",
    "rakefile",
    "pipfile",
    "podfile",
    "brewfile",
    "fastfile",
    "justfile",
    "tiltfile",
    "earthfile",
    "license",
    "licence",
    "copying",
    "notice",
    "readme",
    "changelog",
    "authors",
    "contributing",
    "codeowners",
    "version",
    "owners",
    "gradlew",
    "mvnw",
    "configure",
    "cname",
    "build",
];
/// Folders whose names begin with a dot; any other such name is more likely a file's.
const DOT_FOLDERS: [&str; 16] = [
    ".aspora",
    ".github",
    ".gitlab",
    ".circleci",
    ".buildkite",
    ".vscode",
    ".idea",
    ".husky",
    ".claude",
    ".cursor",
    ".devcontainer",
    ".cargo",
    ".config",
    ".storybook",
    ".yarn",
    ".mvn",
];

/// Why a pattern is refused, if it is.
pub(crate) fn refusal(pattern: &str) -> Option<String> {
    if pattern.is_empty() {
        return Some("is empty; write `**` for every path".to_owned());
    }
    if pattern.len() > PATTERN_LIMIT {
        return Some("has over 256 bytes; shorten it".to_owned());
    }
    if let Some(foreign) = foreign(pattern) {
        return Some(foreign);
    }
    let alternatives = match braces::expand(pattern) {
        Ok(alternatives) => alternatives,
        Err(why) => return Some(why.to_owned()),
    };
    alternatives.iter().find_map(|alternative| {
        let wrong = misplaced(alternative).or_else(|| {
            let error = compile(&nfc(alternative)).err()?;
            Some(format!("is not a glob: {}", error.kind()))
        })?;
        Some(if alternative == pattern {
            wrong
        } else {
            format!("stands for `{alternative}`, which {wrong}")
        })
    })
}

/// Signs of another dialect, of a list, or of a typing error.
fn foreign(pattern: &str) -> Option<String> {
    let holds_group = ["+(", "@(", "?(", "*(", "!("].iter().any(|open| pattern.contains(open));
    let quoted = |quote: char| pattern.len() > 1 && pattern.starts_with(quote) && pattern.ends_with(quote);
    let fixed = if pattern.contains('\\') {
        "holds a backslash; write `[*]` for a literal star"
    } else if pattern.chars().any(|c| c.is_control() || is_invisible(c)) {
        "holds a control or invisible character; type it anew"
    } else if pattern.starts_with('!') {
        "begins with `!`; a pattern cannot exclude paths"
    } else if pattern.starts_with(":(") || pattern.starts_with(":!") || pattern.starts_with(":/") {
        "begins with `:`, a sign of git's pathspecs; write the path alone"
    } else if pattern.starts_with('^') || pattern.ends_with('$') {
        "holds `^` or `$` of regular expressions; a pattern is anchored at both ends already"
    } else if holds_group && pattern.contains(')') {
        "holds a group of another dialect, such as `@(a|b)`; write `{a,b}`"
    } else if pattern.contains('|') {
        "holds `|`; write `{a,b}` for either"
    } else if quoted('\'') || quoted('"') || quoted('`') {
        "is quoted inside of its quotes; leave the inner ones out"
    } else if pattern.contains(" #") || pattern.contains(" @") {
        "holds more than a path; a pattern has no comment and no owner"
    } else if outside_of_braces(pattern).contains(", ") {
        "looks like several patterns in one text; write each as a text of its own"
    } else {
        return range(pattern);
    };
    Some(fixed.to_owned())
}

/// The pattern without what is in its braces.
fn outside_of_braces(pattern: &str) -> String {
    let mut depth = 0_usize;
    let outside = pattern.chars().filter(|c| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    });
    outside.collect()
}

/// `{1..3}` is a range in shells alone.
fn range(pattern: &str) -> Option<String> {
    let groups = pattern.match_indices('{').filter_map(|(at, _)| pattern[at + 1..].split_once('}'));
    let inner =
        groups.map(|(inner, _)| inner).find(|inner| inner.contains("..") && !inner.contains([',', '/']))?;
    let (first, last) = inner.split_once("..")?;
    let written = match (first.parse::<u32>(), last.parse::<u32>()) {
        (Ok(first), Ok(last)) if first <= last && last - first < 20 => {
            (first..=last).map(|number| number.to_string()).collect::<Vec<_>>().join(",")
        }
        _ => format!("{first},…,{last}"),
    };
    Some(format!("holds the range `{{{inner}}}`, which stands for itself here; write `{{{written}}}`"))
}

/// What no path can match, in a pattern without braces.
fn misplaced(pattern: &str) -> Option<String> {
    let mut segments = pattern.split('/');
    let fixed = if pattern.is_empty() {
        "is empty"
    } else if pattern.starts_with('/') {
        "begins with `/`; patterns are anchored at the root already"
    } else if pattern.starts_with("./") {
        "begins with `./`; patterns are anchored at the root already"
    } else if pattern.ends_with('/') {
        "ends with `/`; write `/**` for what is below"
    } else if pattern.contains("//") {
        "holds `//`; no path has an empty name in it"
    } else if segments.any(|segment| matches!(segment, "." | "..")) {
        "holds `.` or `..` as a name; write the path from the root"
    } else if let Some(segment) = pattern.split('/').find(|segment| segment.trim() != *segment) {
        return Some(format!("holds {segment:?}, a name with a space at its end; leave the space out"));
    } else if sets(pattern).iter().any(|set| set.contains('/') || set.contains("[:")) {
        "holds a set that no path matches; a set is of characters such as `[0-9]`"
    } else {
        return None;
    };
    Some(fixed.to_owned())
}

/// What is odd about a pattern that still works; `list` is what stands beside it. What is said of one pattern is
/// left out where the list has what would be written instead.
pub(crate) fn warnings(pattern: &str, list: &[String]) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(name) = single_alternative(pattern) {
        warnings.push(format!(
            "`{pattern}`: `{{{name}}}` has one alternative and matches `{name}`; write `[{{]{name}[}}]` for braces"
        ));
    }
    for alternative in braces::expand(pattern).unwrap_or_default() {
        let Some((why, instead)) = surprise(&alternative) else { continue };
        if !instead.as_ref().is_some_and(|instead| list.contains(instead)) {
            let of = if alternative == pattern { String::new() } else { format!(" (as `{alternative}`)") };
            let instead =
                instead.map_or_else(String::new, |instead| format!("; write `{instead}` {}", why.1));
            warnings.push(format!("`{pattern}`{of}: {}{instead}", why.0));
        }
    }
    warnings
}

type Why = (String, &'static str);

/// What a pattern without braces does not do although it seems to, and what would.
fn surprise(pattern: &str) -> Option<(Why, Option<String>)> {
    let segments: Vec<&str> = pattern.split('/').collect();
    let (last, above) = segments.split_last()?;
    let says = |why: &str, purpose| (why.to_owned(), purpose);
    if segments.iter().any(|part| part.contains("**") && *part != "**") {
        return Some((says("`**` next to other characters behaves like one star", ""), None));
    }
    if let Some(set) = segments.iter().find_map(|segment| odd_set(segment)) {
        let literal = pattern.replace(&set, &format!("[[]{}", &set[1..]));
        let why = format!("`{set}` is a set and matches one of its characters");
        return Some(((why, "for a name in brackets"), Some(literal)));
    }
    if *last == ".*" {
        let instead = segments.iter().map(|part| if *part == ".*" { "**" } else { part });
        let why = says("`.*` matches only names that begin with a dot", "for everything below");
        return Some((why, Some(instead.collect::<Vec<_>>().join("/"))));
    }
    let is_deep = segments.contains(&"**");
    let folder = above.join("/");
    match *last {
        "**" => None,
        "*" if is_deep => None,
        "*" if above.is_empty() => {
            Some((says("`*` matches in the root alone", "for every path"), Some("**".to_owned())))
        }
        "*" => {
            let why = says("it reaches only what is directly in the folder", "for everything below");
            Some((why, Some(format!("{folder}/**"))))
        }
        _ if last.starts_with("*.") && !is_deep && !above.is_empty() => {
            let why = says("it reaches only what is directly in the folder", "for all folders below too");
            Some((why, Some(format!("{folder}/**/{last}"))))
        }
        _ if above.is_empty() && last.contains(['*', '?', '[']) => {
            let why = says("it matches in the root alone", "for every folder");
            Some((why, Some(format!("**/{last}"))))
        }
        _ if is_like_a_folder(last) => {
            let why =
                says("it matches a file of that name and nothing below a folder", "for what is below too");
            Some((why, Some(format!("{pattern}/**"))))
        }
        _ => None,
    }
}

/// Whether a last name is more likely a folder's than a file's.
fn is_like_a_folder(name: &str) -> bool {
    let folded = name.to_lowercase();
    let bare = folded.trim_end_matches(['*', '?']);
    let dotted = folded.strip_prefix('.').unwrap_or(&folded);
    match folded.starts_with('.') {
        true => DOT_FOLDERS.contains(&folded.as_str()),
        false => !dotted.contains('.') && !FILES.contains(&bare),
    }
}

/// A set that was probably meant as a name: a whole name, or with a character twice.
fn odd_set(segment: &str) -> Option<String> {
    let whole = |set: &str| {
        segment.strip_prefix(set).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ']']))
    };
    sets(segment).into_iter().find(|set| {
        let inner = &set[1..set.len() - 1];
        let count = inner.chars().count();
        let mut members: Vec<char> = inner.chars().collect();
        members.sort_unstable();
        members.dedup();
        let ranged = inner.contains('-') || inner.starts_with(['!', '^']);
        count > 1 && !ranged && (whole(set) || members.len() < count)
    })
}

/// Every `[…]` of a pattern.
fn sets(pattern: &str) -> Vec<String> {
    let (mut sets, mut rest) = (Vec::new(), pattern);
    while let Some(start) = rest.find('[') {
        let from = &rest[start..];
        let skipped = 1 + usize::from(from[1..].starts_with(['!', '^']));
        // A first `]` is a member of the set.
        let after = skipped + usize::from(from[skipped..].starts_with(']'));
        let Some(end) = from[after..].find(']').map(|end| after + end + 1) else { break };
        sets.push(from[..end].to_owned());
        rest = &from[end..];
    }
    sets
}

/// What stands alone in braces.
fn single_alternative(pattern: &str) -> Option<&str> {
    let groups = pattern.match_indices('{').filter_map(|(at, _)| pattern[at + 1..].split_once('}'));
    groups.map(|(inner, _)| inner).find(|inner| !inner.contains([',', '{', '[', ']']) && !inner.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_cannot_mean_what_it_says_is_refused() {
        for wrong in [
            "",
            "/a",
            "./a",
            "!a",
            "a/",
            r"a\b",
            "a[b",
            "a{b",
            "a\0b",
            "{{{{a}}}}",
            "a//b",
            "a/../b",
            "a/./b",
            "services/login/** ",
            " services/**",
            "services /**",
            "a/**\n",
            "svc\u{200b}/**",
            "{a, b}/**",
            "{a,}/b",
            "+(a|b)/**",
            "@(a|b)/**",
            "!(a)/**",
            "?(a)b",
            "a/*(b)/c",
            "svc{1..3}/**",
            "{a..c}/x",
            "^services/**",
            "services/.*$",
            "a|b",
            "'a/**'",
            "`a/**`",
            "a/** # payments",
            "a/** @team",
            "a/**, b/**",
            ":(glob)a/**",
            "[[:alpha:]]/x",
            "[a/b]/x",
            "[user-id]/page.tsx",
            "\u{feff}a/**",
            "a}",
        ] {
            assert!(refusal(wrong).is_some(), "{wrong:?}");
        }
        assert!(refusal(&"a".repeat(257)).is_some());
        assert_eq!(refusal(&"a".repeat(256)), None);
        for fine in [
            "a b/c d.md",
            "app/(auth)/page.tsx",
            "@scope/pkg/**",
            "a,b.md",
            "c++/**",
            "[!a]*.py",
            "a#b",
            "{a,b/c}/**",
        ] {
            assert_eq!(refusal(fine), None, "{fine}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_write() {
        let check = |pattern: &str, word: &str| {
            let said = refusal(pattern).unwrap();
            assert!(said.contains(word), "{pattern}: {said}");
        };
        check("svc{1..3}/**", "`{1,2,3}`");
        check("+(a|b)/**", "`{a,b}`");
        check("{a, b}/**", r#"stands for ` b/**`, which holds " b""#);
        check("services/login/** ", "space");
    }

    #[test]
    fn a_pattern_that_reaches_less_than_it_seems_to_is_warned_of() {
        let check = |pattern: &str, instead: &str| {
            let said = warnings(pattern, &[]);
            assert!(said.iter().any(|said| said.contains(instead)), "{pattern}: {said:?}");
            assert_eq!(refusal(pattern), None, "{pattern}");
        };
        check("services/login/*", "`services/login/**`");
        check("services/login", "`services/login/**`");
        check("services/pay*", "`services/pay*/**`");
        check(".github", "`.github/**`");
        check("*.tf", "`**/*.tf`");
        check("infra/*.tf", "`infra/**/*.tf`");
        check("*", "`**`");
        check("services/.*", "`services/**`");
        check("app/[slug]/page.tsx", "`app/[[]slug]/page.tsx`");
        check("app/[...slug]/**", "`app/[[]...slug]/**`");
        check("report[2024].md", "`report[[]2024].md`");
        check("users/{id}/x.py", "`[{]id[}]`");
        check("a**b", "one star");
        check("a/**b", "one star");
        check("{a,b}/*", "`a/**`");
    }

    #[test]
    fn a_pattern_that_does_what_it_says_is_not_warned_of() {
        for fine in [
            "a/**",
            "**",
            "**/b.py",
            "a/**/b.py",
            "{**/vault,vault}/**/*dev*.yaml",
            "services/risk_*.py",
            "**/*.tf",
            "**/*",
            "docs/API.md",
            "Makefile",
            "LICENSE",
            "**/Dockerfile*",
            "Jenkinsfile",
            ".gitignore",
            ".envrc",
            "db/[0-9][0-9]_*.sql",
            "**/*.[jt]s",
            "**/*.{ts,tsx}",
            "svc/pay{,ments}/**",
            "[!a]/x.py",
            "[*]/a.md",
        ] {
            assert_eq!(warnings(fine, &[]), Vec::<String>::new(), "{fine}");
        }
        assert_eq!(warnings("services/login", &["services/login/**".to_owned()]), Vec::<String>::new());
    }
}
