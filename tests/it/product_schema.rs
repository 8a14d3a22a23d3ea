//! The schema of product files says what their reader says.

use aspora::core::product_file::ProductFile;
use serde_json::Value;

#[track_caller]
fn check(text: &str, is_read: bool) {
    let schema: Value = serde_json::from_str(include_str!("../../docs/product.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let read = ProductFile::parse(text);
    assert_eq!(read.is_ok(), is_read, "the reader: {text}: {read:?}");
    let file: Value = serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
    assert_eq!(schema.is_valid(&file), is_read, "the schema: {text}");
}

#[test]
fn the_schema_of_a_product_file_agrees_with_its_reader() {
    for good in [
        "test = 'pytest'",
        "test = ['a', 'b']\nsetup = []\nroot = 'x/y'",
        "tests = 'forge'",
        "test = 'x'\ncase = 'x {path}'\nservices = ['redis', 'postgres']\ntoolchains = ['go']\ndependencies = 'ask'",
        "test = 'x'\nhistory = true",
        "test = 'x'\nhistory = false\nimage = 'a/b:1'\nrounds = 0\ninputs = ['*.whl']\nlint = 'y'",
        "test = 'x'\n[coverage]\nrun = 'y'\nreport = 'z.xml'\nfloor = 99.5\n[limits]\nseconds = 7200\nmemory_mib = 64\nprocesses = 8\nfile_mib = 1",
        "[product.a]\ntest = 'x'\n[product.b]\nroot = 'b'\ntests = 'forge'",
    ] {
        check(good, true);
    }
    for bad in [
        "",
        "lint = 'x'",
        "test = ''",
        "test = 'x'\nunknown = 1",
        "test = 'x'\nservices = ['mysql']",
        "test = 'x'\nservices = ['redis', 'redis']",
        "test = 'x'\ncase = 'no place'",
        "test = 'x'\nrounds = 11",
        "test = 'x'\n[limits]\nseconds = 0",
        "test = 'x'\n[limits]\nprocesses = 7",
        "test = 'x'\n[coverage]\nrun = 'y'",
        "test = 'x'\n[coverage]\nrun = 'y'\nreport = 'z'\nfloor = 101",
        "test = 'x'\nimage = '--privileged'",
        "test = 'x'\nhistory = 'yes'",
        "test = 'x'\nhistory = 1",
        "test = 'x'\n[product.a]\ntest = 'y'",
        "[product.A]\ntest = 'x'",
        "[product]",
    ] {
        check(bad, false);
    }
}

#[test]
fn the_example_in_the_documentation_is_a_product_file() {
    let text = include_str!("../../docs/PRODUCT_FILE.md");
    let examples: Vec<&str> =
        text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(examples.len(), 2);
    examples.into_iter().for_each(|example| check(example, true));
}
