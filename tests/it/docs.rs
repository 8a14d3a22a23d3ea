//! The documents say what the code says.

use aspora::{cli::settings, core::workflow::Workflow};

const README: &str = include_str!("../../README.md");

#[test]
fn the_diagram_of_the_readme_is_the_workflow() {
    let workflow = Workflow::parse(include_str!("../../workflows/requirement.toml")).unwrap();
    let diagram = workflow.diagram();
    assert!(README.contains(diagram.trim()), "put this into README.md:\n{diagram}");
}

#[test]
fn the_readme_lists_every_variable_that_is_read() {
    let row = |(name, default, meaning): &(&str, &str, &str)| {
        let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
        format!("| `{name}` | {default} | {meaning} |")
    };
    let table: Vec<String> = settings::TABLE.iter().map(row).collect();
    assert!(README.contains(&table.join("\n")), "put this into README.md:\n{}", table.join("\n"));
}
