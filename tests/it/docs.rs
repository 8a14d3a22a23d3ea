//! The README says what the code says.

use aspora::{
    cli::{Arguments, settings},
    core::workflow::Workflow,
};
use clap::{Command, CommandFactory as _};

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
