//! Ruby: the `gem` lines of a Gemfile, if it has nothing that would have to be run, and `Gemfile.lock`.

use super::{Declared, declare};

pub(super) fn manifest(text: &str) -> Result<Declared, String> {
    let mut declared = Declared::new();
    for line in text.lines().map(|line| line.split(" #").next().unwrap_or_default().trim()) {
        let (word, rest) = line.split_once([' ', '(']).unwrap_or((line, ""));
        match word {
            "" | "end" | "group" | "platforms" | "ruby" => {}
            _ if word.starts_with('#') => {}
            "gem" => {
                let name = rest.trim_start().strip_prefix(['"', '\'']);
                let (name, rest) = name
                    .and_then(|rest| rest.split_once(['"', '\'']))
                    .ok_or_else(|| format!("{line:?} must be run to be known"))?;
                let rest = rest.trim_matches([',', ' ', ')']);
                declare(&mut declared, name, if rest.is_empty() { "any" } else { rest });
            }
            "source" | "git_source" | "gemspec" | "path" | "git" => declare(&mut declared, word, rest.trim()),
            _ => return Err(format!("{line:?} must be run to be known")),
        }
    }
    Ok(declared)
}

/// Under `specs:` each gem is indented by four spaces, and what it needs by six.
pub(super) fn lock(text: &str) -> Result<Declared, String> {
    let mut declared = Declared::new();
    for line in text.lines() {
        if let Some(remote) = line.strip_prefix("  remote: ") {
            declare(&mut declared, "remote", remote);
        }
        let Some(gem) = line.strip_prefix("    ").filter(|gem| !gem.starts_with(' ')) else { continue };
        let Some((name, version)) = gem.split_once(" (") else { continue };
        declare(&mut declared, name, version.trim_end_matches(')'));
    }
    Ok(declared)
}
