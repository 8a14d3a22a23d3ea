//! The permission table, row by row: whom each route admits, and what it says to the others.

use aspora::dev::github::{Level, Permissions};

use super::{
    credentials::{Asked, everything, jwt},
    *,
};

/// The twin's table, read a second time and in its own way, so that a slip of the twin's reader is found.
const TABLE: &str = include_str!("../../../src/dev/github/permissions.tsv");

/// A row of the table: method, path with its parameters filled, the cells of the kinds.
struct Row {
    method: &'static str,
    path: String,
    installation: &'static str,
    fine_grained: &'static str,
    classic: &'static str,
    jwt: bool,
}

fn rows() -> Vec<Row> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#')).skip(1);
    let rows = lines.map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        let filled = |segment: &str| match segment {
            "{owner}" => "acme".to_owned(),
            "{repo}" => "wealth-product".to_owned(),
            "{ref}" if cells[1].contains("/git/ref") => "heads/topic".to_owned(),
            "{branch}" | "{ref}" => "topic".to_owned(),
            "{username}" => "ada".to_owned(),
            "{app_slug}" => "aspora-dev".to_owned(),
            segment if segment.starts_with('{') => "1".to_owned(),
            segment => segment.to_owned(),
        };
        let path = cells[1].split('/').map(filled).collect::<Vec<_>>().join("/");
        Row {
            method: cells[0],
            path,
            installation: cells[2],
            fine_grained: cells[3],
            classic: cells[4],
            jwt: cells[6] == "yes",
        }
    });
    // GraphQL answers 200 and has tests of its own.
    rows.filter(|row| !row.path.starts_with("/graphql")).collect()
}

/// The permissions that a cell names, each alternative apart.
fn alternatives(cell: &str) -> Vec<Permissions> {
    let listed = cell.split(['(', '[']).next().unwrap().trim_start_matches("yes").trim_start_matches(':');
    let all = |text: &str| {
        let pairs = text.split(" and ").filter_map(|pair| pair.trim().split_once(':'));
        pairs
            .map(|(name, level)| {
                let level = if level.trim() == "read" { Level::Read } else { Level::Write };
                (name.to_owned(), level)
            })
            .collect()
    };
    listed.split(" or ").map(all).collect()
}

const REFUSALS: [&str; 5] = [
    "Resource not accessible by integration",
    "Resource not accessible by personal access token",
    "You must authenticate via a GitHub App.",
    "A JSON web token could not be decoded",
    "Bad credentials",
];

/// Asserts that the credential was not what a call failed by, if it failed.
fn assert_admitted(asked: &Asked, row: &Row, kind: &str) {
    let refused = REFUSALS.contains(&asked.message());
    assert!(!refused, "{kind} at {} {}: {} {}", row.method, row.path, asked.status, asked.body);
}

#[tokio::test]
async fn every_row_admits_the_kinds_that_it_names_and_refuses_the_others() {
    let world = World::new().await;
    let (app, ..) = world.installed(&everything()).await;
    let fine_grained = world.fine_grained(everything());
    let classic = world.classic(&["repo", "workflow"]);
    for row in rows() {
        // A revoked token is of no use to the rows after it.
        let (.., installation) = world.installed(&everything()).await;
        let ask = async |credential: &str| world.ask_as(Some(credential), row.method, &row.path, None).await;
        if row.jwt {
            assert_admitted(&ask(&jwt(&app)).await, &row, "the App");
            for credential in [&installation, &fine_grained, &classic] {
                let asked = ask(credential).await;
                assert_eq!(
                    (asked.status, asked.message()),
                    (401, REFUSALS[3]),
                    "{} {}",
                    row.method,
                    row.path
                );
            }
            continue;
        }
        let asked = ask(&jwt(&app)).await;
        assert_eq!((asked.status, asked.message()), (401, REFUSALS[4]), "{} {}", row.method, row.path);
        let kinds = [
            ("an installation", row.installation, &installation),
            ("a fine-grained token", row.fine_grained, &fine_grained),
            ("a classic token", row.classic, &classic),
        ];
        for (kind, cell, credential) in kinds {
            let asked = ask(credential).await;
            if cell.starts_with("no") || cell == "[u]" {
                assert_eq!(asked.status, 403, "{kind} at {} {}", row.method, row.path);
            } else {
                assert_admitted(&asked, &row, kind);
            }
        }
    }
}

#[tokio::test]
async fn every_row_without_its_permission_is_403_and_names_the_permission() {
    let world = World::new().await;
    for row in rows().iter().filter(|row| !row.jwt && row.path.starts_with("/repos/")) {
        let demanded = alternatives(row.installation);
        let named: Vec<&String> = demanded.iter().flat_map(Permissions::keys).collect();
        if demanded.iter().any(|all| all.keys().all(|name| name == "metadata")) {
            continue;
        }
        let mut less = everything();
        less.retain(|name, _| !named.contains(&name));
        let (.., installation) = world.installed(&less).await;
        let fine_grained = world.fine_grained(less);
        for (cell, credential) in [(row.installation, installation), (row.fine_grained, fine_grained)] {
            let asked = world.ask_as(Some(&credential), row.method, &row.path, None).await;
            assert_eq!(asked.status, 403, "{} {}: {}", row.method, row.path, asked.body);
            if cell.starts_with("yes") {
                let header = asked.headers["x-accepted-github-permissions"].to_str().unwrap();
                let first = named[0];
                assert!(header.contains(&format!("{first}=")), "{} {}: {header}", row.method, row.path);
            }
        }
        // Any one of the alternatives is enough.
        for enough in &demanded {
            let mut more = enough.clone();
            if row.path.ends_with("/update-branch") {
                more.insert("contents".to_owned(), Level::Write);
            }
            let (.., installation) = world.installed(&more).await;
            let asked = world.ask_as(Some(&installation), row.method, &row.path, None).await;
            assert_admitted(&asked, row, "an installation with just enough");
        }
    }
}
