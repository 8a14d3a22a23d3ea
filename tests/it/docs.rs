//! The README, the page about GitHub and the App's manifest say what the code says.

use aspora::{
    cli::{Arguments, settings},
    core::workflow::Workflow,
    github::{
        permissions::NEEDS,
        webhook::{self, Ignored, Meaning},
    },
};
use clap::{Command, CommandFactory as _};

const GITHUB: &str = include_str!("../../docs/GITHUB.md");
const MANIFEST: &str = include_str!("../../deploy/github-app-manifest.json");
const README: &str = include_str!("../../README.md");

#[track_caller]
fn assert_in_readme(text: &str) {
    assert!(README.contains(text), "put this into README.md:\n{text}");
}

#[test]
fn the_diagram_is_the_workflow() {
    let workflow = Workflow::parse(include_str!("../../workflows/requirement.toml")).unwrap();
    assert_in_readme(workflow.diagram().trim());
}

#[test]
fn every_command_is_listed() {
    let row = |command: &Command| {
        let subcommands: Vec<String> = visible(command).map(|it| format!("`{}`", it.get_name())).collect();
        let about = command.get_about().unwrap();
        format!("| `aspora {}` | {} | {about} |", command.get_name(), subcommands.join(", "))
    };
    let aspora = Arguments::command();
    assert_in_readme(&visible(&aspora).map(row).collect::<Vec<_>>().join("\n"));
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set())
}

#[test]
fn every_environment_variable_is_listed() {
    let row = |(name, default, meaning): &(&str, &str, &str)| {
        let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
        format!("| `{name}` | {default} | {meaning} |")
    };
    assert_in_readme(&settings::TABLE.iter().map(row).collect::<Vec<_>>().join("\n"));
}

#[test]
fn every_secret_that_may_be_in_a_file_is_listed() {
    let (_, said) = README.split_once("A secret can be in a file instead").unwrap();
    let (said, _) = said.split_once(". A process").unwrap();
    let listed: Vec<&str> = said.split('`').skip(3).step_by(2).collect();
    assert_eq!(listed, settings::SECRETS);
}

#[test]
fn every_permission_is_listed() {
    for need in NEEDS {
        let row = format!("| `{}` | {} | {} | {} |", need.permission, need.level, need.why, need.without);
        assert!(GITHUB.contains(&row), "put this into docs/GITHUB.md:\n{row}");
    }
}

#[test]
fn the_manifest_asks_for_what_our_calls_need_and_no_more() {
    let manifest: serde_json::Value = serde_json::from_str(MANIFEST).unwrap();
    // An owner grants these by hand, where the base's workflow files change often or classic protection is in use.
    let needed = NEEDS.iter().filter(|need| !["workflows", "administration"].contains(&need.permission));
    let needed: serde_json::Map<_, _> =
        needed.map(|need| (need.permission.to_owned(), need.level.to_string().into())).collect();
    assert_eq!(manifest["default_permissions"], serde_json::Value::Object(needed));
    for event in manifest["default_events"].as_array().unwrap() {
        let event = format!("`{}`", event.as_str().unwrap());
        assert!(GITHUB.contains(&event), "docs/GITHUB.md does not say what {event} is for");
    }
}

#[test]
fn the_manifest_asks_for_no_event_that_means_nothing() {
    let manifest: serde_json::Value = serde_json::from_str(MANIFEST).unwrap();
    for event in manifest["default_events"].as_array().unwrap() {
        let event = event.as_str().unwrap();
        let payload = serde_json::json!({"action": "renamed"});
        let meaning = webhook::read(Some(event), Some("d"), &payload).unwrap().meaning;
        let means_nothing = matches!(meaning, Meaning::Ignored(Ignored::Event(_) | Ignored::Action(..)));
        assert!(!means_nothing, "{event}");
    }
}
