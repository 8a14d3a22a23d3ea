//! What each route demands of each kind of credential: GitHub's own permission data, as `permissions.tsv` has it.
//!
//! A cell whose value is unverified (`[u]`) with a permission counts with that permission. One without any is read
//! strictly: an installation needs `pull_requests`, any other credential is refused.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Serialize};

/// How much of a permission is given or needed; each level holds those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// To look.
    Read,
    /// To change.
    Write,
    /// To manage.
    Admin,
}

impl Level {
    /// As GitHub writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// Permissions by name, such as `pull_requests`.
pub type Permissions = BTreeMap<String, Level>;

/// A permission that a route needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) permission: &'static str,
    pub(crate) level: Level,
}

/// What a route needs of a credential with permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Needs {
    /// The route is not for this kind.
    Refused,
    /// All needs of one of these; one that is empty demands nothing.
    AnyOf(Vec<Vec<Need>>),
}

/// What a route needs of a classic token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scopes {
    /// The route is not for this kind.
    Refused,
    /// One of these; none at all demands nothing.
    AnyOf(Vec<&'static str>),
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) method: &'static str,
    /// A template such as `/repos/{owner}/{repo}`; for GraphQL `/graphql` and the field.
    pub(crate) path: &'static str,
    pub(crate) installation: Needs,
    pub(crate) fine_grained: Needs,
    pub(crate) classic: Scopes,
    /// Whether only the App itself may call it, by its JWT.
    pub(crate) app_only: bool,
    /// Whether a file below `.github/workflows` needs `workflows` too.
    pub(crate) workflows_too: bool,
}

const TEXT: &str = include_str!("permissions.tsv");

/// The columns of a line; further ones are for people.
const COLUMNS: usize = 7;

static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let lines = TEXT.lines().filter(|line| !line.starts_with('#')).skip(1);
    lines.filter_map(|line| row(&line.split('\t').collect::<Vec<_>>())).collect()
});

/// All rows, in the order of the file.
pub(crate) fn table() -> &'static [Row] {
    &TABLE
}

/// The row of a request; a fixed segment is preferred to a parameter.
pub(crate) fn row_of(method: &str, path: &str) -> Option<&'static Row> {
    let method = if method == "HEAD" { "GET" } else { method };
    let fitting = table().iter().filter(|row| row.method == method && fits(row.path, path));
    fitting.min_by_key(|row| {
        let swallows = row.path.split('/').count() != path.split('/').count();
        (swallows, row.path.matches('{').count())
    })
}

/// The row of a field of GraphQL's `Query` or `Mutation`.
pub(crate) fn graphql_row(field: &str) -> Option<&'static Row> {
    table().iter().find(|row| row.path.strip_prefix("/graphql ") == Some(field))
}

fn fits(template: &str, path: &str) -> bool {
    let (mut names, mut segments) = (template.split('/'), path.split('/'));
    loop {
        match (names.next(), segments.next()) {
            (None, None) => return true,
            // These may hold slashes, and are the template's last segment then.
            (Some("{ref}" | "{branch}" | "{path}" | "{basehead}"), Some(_))
                if names.clone().next().is_none() =>
            {
                return true;
            }
            (Some(name), Some(segment))
                if name == segment || (name.starts_with('{') && !segment.is_empty()) => {}
            _ => return false,
        }
    }
}

fn row(cells: &[&'static str]) -> Option<Row> {
    let [method, path, installation, fine_grained, classic, _, jwt, ..] = cells else { return None };
    debug_assert!(cells.len() >= COLUMNS);
    let own = needs(method, installation);
    let fine_grained =
        if fine_grained.contains("the same") { own.clone() } else { needs(method, fine_grained) };
    Some(Row {
        method,
        path,
        workflows_too: installation.contains("workflows:write"),
        installation: own,
        fine_grained,
        classic: scopes(classic),
        app_only: *jwt == "yes",
    })
}

fn needs(method: &str, cell: &'static str) -> Needs {
    let unverified = cell.contains("[u]");
    let plain = cell.split(['[', '(']).next().unwrap_or("").trim();
    if let Some(listed) = plain.strip_prefix("yes:") {
        let all: Vec<Vec<Need>> =
            listed.split(" or ").map(|all| all.split(" and ").filter_map(need).collect()).collect();
        let none = all.iter().all(Vec::is_empty);
        let level = if method == "GET" { Level::Read } else { Level::Write };
        return Needs::AnyOf(match none && unverified && listed.trim().is_empty() {
            true => vec![vec![Need { permission: "pull_requests", level }]],
            false => all,
        });
    }
    if plain == "yes" { Needs::AnyOf(vec![Vec::new()]) } else { Needs::Refused }
}

fn need(text: &'static str) -> Option<Need> {
    let (permission, level) = text.trim().split_once(':')?;
    let level = match level.trim() {
        "read" => Level::Read,
        "write" => Level::Write,
        "admin" => Level::Admin,
        _ => return None,
    };
    Some(Need { permission, level })
}

fn scopes(cell: &'static str) -> Scopes {
    let plain = cell.split(['[', '(', ';']).next().unwrap_or("").trim().trim_end_matches('*');
    match plain {
        "" | "no" => Scopes::Refused,
        "yes" => Scopes::AnyOf(Vec::new()),
        listed => Scopes::AnyOf(listed.split(" or ").collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_file_is_a_row() {
        let lines = TEXT.lines().filter(|line| !line.starts_with('#')).count() - 1;
        assert_eq!(table().len(), lines);
        for row in table() {
            assert!(row.app_only || row.installation != Needs::Refused || row.path == "/user", "{row:?}");
        }
    }

    #[test]
    fn cells_are_read_as_they_are_written() {
        let one = |permission, level| vec![Need { permission, level }];
        let any = |needs: Vec<Vec<Need>>| Needs::AnyOf(needs);
        let checks =
            row_of("POST", "/repos/a/b/check-runs").map(|row| (&row.installation, &row.fine_grained));
        assert_eq!(checks, Some((&any(vec![one("checks", Level::Write)]), &Needs::Refused)));
        let either = any(vec![one("pull_requests", Level::Read), one("contents", Level::Read)]);
        assert_eq!(row_of("GET", "/repos/a/b/pulls/7").map(|row| &row.fine_grained), Some(&either));
        let both = [one("pull_requests", Level::Write), one("contents", Level::Write)].concat();
        assert_eq!(
            graphql_row("enablePullRequestAutoMerge").map(|row| &row.fine_grained),
            Some(&any(vec![both]))
        );
        assert_eq!(row_of("GET", "/user").map(|row| &row.installation), Some(&Needs::Refused));
        assert_eq!(
            row_of("POST", "/repos/a/b/deployments").map(|row| &row.classic),
            Some(&Scopes::AnyOf(vec!["repo", "repo_deployment"]))
        );
    }

    #[test]
    fn a_path_finds_the_row_with_the_fewest_parameters() {
        let path = |method, path| row_of(method, path).map(|row| row.path);
        assert_eq!(path("GET", "/repos/a/b/branches/x/y"), Some("/repos/{owner}/{repo}/branches/{branch}"));
        assert_eq!(
            path("GET", "/repos/a/b/branches/x/protection"),
            Some("/repos/{owner}/{repo}/branches/{branch}/protection")
        );
        assert_eq!(
            path("GET", "/repos/a/b/issues/comments/1"),
            Some("/repos/{owner}/{repo}/issues/comments/{comment_id}")
        );
        assert_eq!(path("GET", "/repos/a/b/nothing"), None);
        assert_eq!(path("DELETE", "/repos/a/b"), None);
    }
}
