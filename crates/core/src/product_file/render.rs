//! A product file as text, for a proposal.

use std::fmt::{Display, Write as _};

use super::{Build, DependencyRule, Limits, ProductFile, TestsBy, parse::ROUNDS};

impl Display for ProductFile {
    /// The file's text, which [`ProductFile::parse`] reads back to the same value. What is as usual is left out.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (name, build)) in self.builds().enumerate() {
            let prefix = match name {
                None => String::new(),
                Some(name) => {
                    let gap = if index == 0 { "" } else { "\n" };
                    writeln!(out, "{gap}[product.{name}]")?;
                    format!("product.{name}.")
                }
            };
            out.write_str(&text(build, &prefix))?;
        }
        Ok(())
    }
}

fn text(build: &Build, prefix: &str) -> String {
    let mut out = String::new();
    let mut pair = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(out, "{key} = {value}");
        }
    };
    pair("root", (!build.root.is_empty()).then(|| quoted(&build.root)));
    pair("setup", lines(&build.setup));
    pair("inputs", list(&build.inputs));
    pair("test", lines(&build.test));
    pair("lint", lines(&build.lint));
    pair("case", build.case.as_deref().map(quoted));
    pair("services", list(&build.services.iter().map(|service| service.as_str()).collect::<Vec<_>>()));
    pair("toolchains", list(&build.toolchains.iter().map(|chain| chain.as_str()).collect::<Vec<_>>()));
    pair("dependencies", (build.dependencies == DependencyRule::Ask).then(|| quoted("ask")));
    pair("tests", (build.tests == TestsBy::Forge).then(|| quoted("forge")));
    pair("image", build.image.as_deref().map(quoted));
    pair("history", build.history.then(|| true.to_string()));
    pair("rounds", (build.rounds != ROUNDS).then(|| build.rounds.to_string()));
    if let Some(coverage) = &build.coverage {
        let _ = writeln!(out, "\n[{prefix}coverage]");
        let run = lines(&coverage.run).unwrap_or_default();
        let _ = writeln!(out, "run = {run}\nreport = {}", quoted(&coverage.report));
        if let Some(floor) = coverage.floor {
            let _ = writeln!(out, "floor = {floor:?}");
        }
    }
    out.push_str(&limits(build.limits, prefix));
    out
}

fn limits(limits: Limits, prefix: &str) -> String {
    let usual = Limits::default();
    let changed: Vec<String> = [
        ("seconds", limits.seconds, usual.seconds),
        ("memory_mib", limits.memory_mib, usual.memory_mib),
        ("processes", limits.processes, usual.processes),
        ("file_mib", limits.file_mib, usual.file_mib),
    ]
    .iter()
    .filter(|(_, value, usual)| value != usual)
    .map(|(key, value, _)| format!("{key} = {value}\n"))
    .collect();
    if changed.is_empty() { String::new() } else { format!("\n[{prefix}limits]\n{}", changed.concat()) }
}

/// One command line as a text, several as a list with a line each.
fn lines(lines: &[String]) -> Option<String> {
    match lines {
        [] => None,
        [line] => Some(quoted(line)),
        lines => {
            let inner: String = lines.iter().map(|line| format!("    {},\n", quoted(line))).collect();
            Some(format!("[\n{inner}]"))
        }
    }
}

fn list(items: &[impl AsRef<str>]) -> Option<String> {
    let quoted: Vec<String> = items.iter().map(|item| quoted(item.as_ref())).collect();
    (!quoted.is_empty()).then(|| format!("[{}]", quoted.join(", ")))
}

/// A TOML string: as it stands where that is possible, so that a command's own quotes stay legible.
fn quoted(text: &str) -> String {
    let is_literal =
        !text.contains('\'') && text.contains(['"', '\\']) && !text.chars().any(char::is_control);
    if is_literal {
        return format!("'{text}'");
    }
    // The escapes of JSON are escapes of TOML's basic strings too.
    serde_json::Value::from(text).to_string()
}
