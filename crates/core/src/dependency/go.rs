//! Go: `go.mod` and `go.sum`.

use super::{Declared, declare};

pub(super) fn manifest(text: &str) -> Result<Declared, String> {
    let mut declared = Declared::new();
    let mut block: Option<&str> = None;
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default().trim();
        let words: Vec<&str> = line.split_whitespace().collect();
        match (block, words.as_slice()) {
            (_, []) => {}
            (Some(_), [")"]) => block = None,
            (None, [verb, "("]) => block = Some(verb),
            (Some(verb), words) => directive(&mut declared, verb, words)?,
            (None, [verb, words @ ..]) => directive(&mut declared, verb, words)?,
        }
    }
    Ok(declared)
}

fn directive(declared: &mut Declared, verb: &str, words: &[&str]) -> Result<(), String> {
    match (verb, words) {
        ("require" | "tool", [name, version @ ..]) => {
            declare(declared, *name, version.first().copied().unwrap_or("any"));
        }
        ("replace", [name, ..]) => {
            let with = words.iter().position(|word| *word == "=>").ok_or("a `replace` has no `=>`")?;
            declare(declared, *name, format!("replaced by {}", words[with + 1..].join(" ")));
        }
        ("go" | "toolchain", [version]) => declare(declared, verb, *version),
        ("module" | "exclude" | "retract" | "godebug" | "ignore", _) => {}
        _ => return Err(format!("`{verb}` is no directive that is known")),
    }
    Ok(())
}

pub(super) fn sums(text: &str) -> Result<Declared, String> {
    let mut declared = Declared::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let [name, version, _] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            return Err(format!("{line:?} is no sum"));
        };
        declare(&mut declared, name, version.trim_end_matches("/go.mod"));
    }
    Ok(declared)
}
