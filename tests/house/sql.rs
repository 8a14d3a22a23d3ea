//! SQL is static text with parameters. The few statements with names that are only known at run time are put
//! together by `store/dynamic.rs`, from static text and checked identifiers.

use super::files;

/// What only the one file that makes statements may name.
const UNCHECKED: &[&str] = &["AssertSqlSafe", "QueryBuilder"];
/// The one file.
const HOME: &str = "store/dynamic.rs";

/// How statements begin.
const STATEMENTS: &[&str] = &[
    "insert into ",
    "delete from ",
    "truncate ",
    "lock table ",
    "create table ",
    "create database ",
    "drop table ",
    "drop database ",
    "alter table ",
    "alter database ",
    "vacuum ",
    "analyze ",
];
/// How statements begin that only a clause tells from prose, and such clauses.
const QUERIES: &[&str] = &["select ", "update ", "with "];
const CLAUSES: &[&str] = &[" from ", " where ", " set ", " as ("];

#[test]
fn no_statement_is_made_by_format() {
    let made: Vec<String> = files("src")
        .iter()
        .flat_map(|(file, text)| {
            formats(text).into_iter().filter(|text| is_sql(text)).map(move |sql| format!("{file}: {sql}"))
        })
        .collect();
    assert!(made.is_empty(), "pass values as parameters, and names through `{HOME}`: {made:#?}");
}

#[test]
fn only_one_file_makes_statements_at_run_time() {
    let strays: Vec<String> = files("src")
        .into_iter()
        .filter(|(file, _)| file != HOME)
        .flat_map(|(file, text)| {
            let named = UNCHECKED.iter().filter(move |name| text.contains(**name));
            named.map(move |name| format!("{file}: `{name}`")).collect::<Vec<_>>()
        })
        .collect();
    assert!(strays.is_empty(), "{strays:#?}");
}

#[test]
fn the_reader_of_formats_knows_sql_from_prose() {
    let check = |code: &str, sql: bool| assert_eq!(formats(code).iter().any(|it| is_sql(it)), sql, "{code}");
    check(r#"format!("select {column} from run")"#, true);
    check(r#"format!("delete from {table} where id = $1")"#, true);
    check("format!(\n    \"drop table if exists {table}\"\n)", true);
    check(r##"format!(r#"create database "{name}""#)"##, true);
    check(r#"format!("(select {column} from run where id between $1 and $2)")"#, true);
    check(r#"format!("create the database `{name}`")"#, false);
    check(r#"format!("listen on {address} for the model")"#, false);
    check(r#"query("select from run where id = $1")"#, false);
}

/// The first literals of every `format!`, `write!` and the like.
fn formats(text: &str) -> Vec<String> {
    let calls = ["format!(", "format_args!(", "write!(", "writeln!("];
    let after = calls.iter().flat_map(|call| text.split(call).skip(1));
    after.filter_map(first_literal).collect()
}

/// The first literal of a call, unless another call comes before it.
fn first_literal(arguments: &str) -> Option<String> {
    let (before, literal) = arguments.split_once('"')?;
    if before.contains([';', ')']) {
        return None;
    }
    // A raw literal may have quotes in it; what follows them does not matter here.
    let end = if before.ends_with("r#") { "\"#" } else { "\"" };
    literal.split(end).next().map(str::to_owned)
}

fn is_sql(text: &str) -> bool {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    let spaced = format!("{text} ").replace('\n', " ");
    let begins = |starts: &[&str]| starts.iter().any(|start| text.starts_with(start));
    begins(STATEMENTS) || (begins(QUERIES) && CLAUSES.iter().any(|clause| spaced.contains(clause)))
}
