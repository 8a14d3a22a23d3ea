//! Whether a change of the harness (`tests/harness/**`) may make one of its cases weaker.
//!
//! A case is there because something went wrong in production. So only what plainly keeps every case as strict as it
//! was passes: comments, more assertions, more cases, more values of a loop. Everything else is taken for weaker,
//! because a look at lines cannot show that it is not.

mod lines;
mod python;

/// Where the cases are.
pub const FOLDER: &str = "tests/harness";
/// Files that run before the cases beside and below them, and can empty them.
const LOADERS: [&str; 3] = ["conftest.py", "__init__.py", "__main__.py"];
/// What such a file uses to choose or stop cases.
const HOOKS: [&str; 12] = [
    "pytest_",
    "collect_ignore",
    "load_tests",
    "_exit",
    "exit(",
    "skip",
    "Skip",
    "xfail",
    "expectedFailure",
    "TestCase",
    "autouse",
    "sys.modules",
];
/// How many reasons are given for one file.
const MOST_REASONS: usize = 3;

/// Whether a path is one of the harness; letter case does not count.
#[must_use]
pub fn holds(path: &str) -> bool {
    is_inside(&crate::path::fold(path))
}

/// Whether the two sides of this file tell more than that it changed. `folded` is [folded](crate::path::fold).
#[must_use]
pub fn is_read(folded: &str) -> bool {
    is_inside(folded) || is_loader_above(folded)
}

/// Why a change of this file may make a case weaker; empty if it does not. A side is `None` where there is no file.
///
/// To delete a file is weaker by itself, and not asked here.
#[must_use]
pub fn weakenings(path: &str, before: Option<&str>, after: &str) -> Vec<String> {
    let folded = crate::path::fold(path);
    let mut reasons = if is_loader_above(&folded) {
        by_hooks(before.unwrap_or_default(), after)
    } else if is_loader(&folded) {
        by_code(before.unwrap_or_default(), after)
    } else if has_extension(&folded, &["md", "rst"]) {
        Vec::new()
    } else if !has_extension(&folded, &["py"]) {
        by_content(before, after)
    } else {
        python::weakenings(before, after)
    };
    if let Some(more) = reasons.len().checked_sub(MOST_REASONS).filter(|more| *more > 0) {
        reasons.truncate(MOST_REASONS);
        reasons.push(format!("and {more} more"));
    }
    reasons
}

fn is_inside(folded: &str) -> bool {
    folded.strip_prefix(FOLDER).is_some_and(|rest| rest.starts_with('/'))
}

fn is_loader(folded: &str) -> bool {
    LOADERS.contains(&folded.rsplit('/').next().unwrap_or(folded))
}

/// A file beside a folder that the harness is in.
fn is_loader_above(folded: &str) -> bool {
    let folder = folded.rsplit_once('/').map_or("", |(folder, _)| folder);
    is_loader(folded) && matches!(folder, "" | "tests")
}

fn has_extension(folded: &str, extensions: &[&str]) -> bool {
    let extension = std::path::Path::new(folded).extension();
    extension.is_some_and(|extension| extensions.iter().any(|known| extension == *known))
}

fn by_hooks(before: &str, after: &str) -> Vec<String> {
    let counted = |text: &str, hook: &str| text.matches(hook).count();
    let new = HOOKS.iter().find(|hook| counted(after, hook) > counted(before, hook));
    new.map(|hook| format!("it runs before the cases, and `{hook}` can empty them")).into_iter().collect()
}

fn by_code(before: &str, after: &str) -> Vec<String> {
    let code = |text: &str| lines::code(text).map(str::to_owned).collect::<Vec<_>>();
    let is_plain = lines::is_plain(after) && (code(after).is_empty() || code(after) == code(before));
    (!is_plain).then(|| "its code runs before the cases and can empty them".to_owned()).into_iter().collect()
}

fn by_content(before: Option<&str>, after: &str) -> Vec<String> {
    let changed = before.is_some_and(|before| before != after);
    changed.then(|| "it is not Python, so a change of it cannot be judged".to_owned()).into_iter().collect()
}

#[cfg(test)]
mod tests;
