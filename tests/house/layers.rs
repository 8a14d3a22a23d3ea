//! The rooms of the crate, lowest first: a room uses the layers below it, never its siblings or those above.
//! And what only some rooms may name: SQL, octocrab, async-openai, apalis; and what `core` may not name at all.

use super::files;

const LAYERS: &[&[&str]] = &[
    &["core"],
    &["store", "github", "llm", "workspace", "notify", "metrics"],
    &["engine", "queue", "dev"],
    &["activities", "api"],
    &["worker", "http"],
    &["bench", "cli", "main"],
];

/// A name, and the rooms that may use it. `bench` has SQL of its own for what production code never does: rows in
/// bulk, throwaway databases, and the plain statements that it is compared with.
const OWNED: &[(&str, &[&str])] = &[
    ("sqlx::query", &["store", "bench"]),
    ("query!(", &["store", "bench"]),
    ("query_as!(", &["store", "bench"]),
    ("query_scalar!(", &["store", "bench"]),
    ("query_file!(", &["store", "bench"]),
    ("query_file_as!(", &["store", "bench"]),
    ("QueryBuilder", &["store", "bench"]),
    ("raw_sql(", &["store", "bench"]),
    ("AssertSqlSafe", &["store"]),
    ("octocrab::", &["github"]),
    ("async_openai::", &["llm"]),
    ("lettre::", &["notify"]),
    ("prometheus_client::", &["metrics"]),
    ("utoipa::", &["api", "http"]),
    ("axum::", &["http", "dev", "github"]),
    ("apalis::", &["queue", "worker"]),
    ("apalis_core::", &["queue", "worker"]),
];

/// What would make `core` impure.
const IMPURE: &[&str] = &[
    "tokio",
    "sqlx",
    "octocrab",
    "async_openai",
    "apalis",
    "axum",
    "reqwest",
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "Utc::now",
    "Local::now",
    "Instant::now",
    "SystemTime::now",
    "rand::",
    "new_v4(",
    "now_v7(",
];

struct Source {
    room: String,
    file: String,
    /// The code, without comments, so that a doc may name another room.
    code: String,
}

#[test]
fn a_room_uses_only_the_layers_below_it() {
    let mut upward = Vec::new();
    for source in sources() {
        let here = level(&source.room).unwrap_or_else(|| panic!("give `{}` a layer", source.room));
        for used in rooms_named(&source.code) {
            let there = level(&used).unwrap_or_else(|| panic!("{}: `{used}` is no room", source.file));
            if used != source.room && there >= here && here + 1 != LAYERS.len() {
                upward.push(format!("{}: `{}` reaches for `{used}`", source.file, source.room));
            }
        }
    }
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn what_has_one_home_is_named_nowhere_else() {
    let strays: Vec<String> = sources()
        .iter()
        .flat_map(|source| {
            let foreign = OWNED.iter().filter(|(_, homes)| !homes.contains(&source.room.as_str()));
            foreign
                .filter(|(name, _)| source.code.contains(name))
                .map(|(name, homes)| format!("{}: `{name}` belongs to {homes:?}", source.file))
        })
        .collect();
    assert!(strays.is_empty(), "{strays:#?}");
}

#[test]
fn core_is_pure() {
    let strays: Vec<String> = sources()
        .iter()
        .filter(|source| source.room == "core")
        .flat_map(|source| {
            IMPURE
                .iter()
                .filter(|name| source.code.contains(**name))
                .map(|name| format!("{}: `{name}`", source.file))
        })
        .collect();
    assert!(strays.is_empty(), "{strays:#?}");
}

#[test]
fn the_reader_of_rooms_finds_paths_and_groups() {
    let check = |code: &str, rooms: &[&str]| assert_eq!(rooms_named(code), rooms, "{code}");
    check("use crate::store::Run;", &["store"]);
    check("use crate::{core::run, github};", &["core", "github"]);
    check("use crate::{core::{run, policy::{self, Tier}}, llm::Model};", &["core", "llm"]);
    check("aspora::engine::apply()", &["engine"]);
    check("pub(crate) struct Plain;", &[]);
    check(&code("// crate::store\nuse crate::core; // crate::http\n//! crate::dev"), &["core"]);
    assert!(code("let url = \"http://x\"; call()").contains("call()"));
}

fn level(room: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&room))
}

/// The rooms after each `crate::` and `aspora::`, also those of a group in braces.
fn rooms_named(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for prefix in ["crate::", "aspora::"] {
        for path in code.split(prefix).skip(1) {
            match path.strip_prefix('{') {
                Some(group) => found.extend(members(group)),
                None => found.extend(first_word(path)),
            }
        }
    }
    found
}

/// The first words of a group's members, which end at the brace that closes it.
fn members(group: &str) -> Vec<String> {
    let (mut depth, mut member, mut found) = (0, String::new(), Vec::new());
    for character in group.chars() {
        match character {
            '}' if depth == 0 => break,
            ',' if depth == 0 => found.extend(first_word(&std::mem::take(&mut member))),
            '{' => depth += 1,
            '}' => depth -= 1,
            other => member.push(other),
        }
    }
    found.extend(first_word(&member));
    found
}

fn first_word(path: &str) -> Option<String> {
    let word: String = path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    // A macro or an item of the root begins otherwise than a room.
    word.starts_with(|c: char| c.is_lowercase()).then_some(word)
}

fn code(text: &str) -> String {
    let bare = |line: &str| match line.find("//") {
        Some(at) if !line[..at].ends_with(':') => line[..at].to_owned(),
        Some(_) | None => line.to_owned(),
    };
    text.lines().map(bare).collect::<Vec<_>>().join("\n")
}

/// The files of all rooms. The map in `lib.rs` and the small programs in `bin/` are no rooms, and what a crate of
/// its own may name, Cargo watches over.
fn sources() -> Vec<Source> {
    let src = files("src").into_iter().filter_map(|(file, text)| {
        let room = file.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        (!matches!(room.as_str(), "lib" | "bin")).then(|| Source { room, file, code: code(&text) })
    });
    let core = files("crates/core/src").into_iter().map(|(file, text)| {
        // Its own modules are no rooms.
        let code = code(&text).replace("crate::", "self::");
        Source { room: "core".to_owned(), file: format!("core/{file}"), code }
    });
    let found: Vec<Source> = src.chain(core).collect();
    assert!(found.len() > 10, "the sources are found");
    found
}
