//! The three products of `aspora demo --all`: what is asked of each, what the scripted model answers, and what the merged
//! service is asked then.
//!
//! The products themselves are those of `aspora product init NAME --template fastapi`; the answers are files in this folder,
//! compiled in, that fit them.

use anyhow::Context as _;

use super::{ask::Exchange, model::Script};

/// A product, its requirement, and what its service is asked after the merge.
#[derive(Debug, Clone, Copy)]
pub struct Showcase {
    /// The product's name, by which `product init` chooses its policy.
    pub name: &'static str,
    requirement: &'static str,
    example: &'static str,
}

macro_rules! showcase {
    ($name:literal) => {
        Showcase {
            name: $name,
            requirement: include_str!(concat!($name, "/requirement.md")),
            example: include_str!(concat!($name, "/example.json")),
        }
    };
}

/// The risk checker, whose example is that of the requirement's document.
pub const WEALTH: Showcase = showcase!("wealth");
/// All of them.
pub const ALL: [Showcase; 3] = [WEALTH, showcase!("ecm"), showcase!("fincrime")];

macro_rules! answers {
    ($($name:literal)*) => { &[$(($name, include_str!($name))),*] };
}

const ANSWERS: &[(&str, &str)] = answers!(
    "ecm/rest.txt"
    "ecm/service.txt"
    "ecm/service_red.txt"
    "fincrime/generate.txt"
    "fincrime/remediate.txt"
    "wealth/generate.txt"
    "wealth/remediate.txt");

impl Showcase {
    /// The requirement's title, the heading of its file, and its body.
    #[must_use]
    pub fn requirement(&self) -> (&'static str, &'static str) {
        let (title, body) = self.requirement.split_once('\n').unwrap_or((self.requirement, ""));
        (title.trim_start_matches("# "), body.trim())
    }

    /// What the merged service is asked, in order, and what it must answer.
    ///
    /// # Errors
    /// When the file of the example is not such JSON.
    pub fn example(&self) -> anyhow::Result<Vec<Exchange>> {
        serde_json::from_str(self.example).with_context(|| format!("read the example of {}", self.name))
    }
}

/// The script for these requirements alone.
///
/// # Errors
/// When its listing cannot be read.
pub fn script() -> anyhow::Result<Script> {
    let file =
        |name: &str| ANSWERS.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
    Script::from_dir_text(include_str!("script.toml"), file).context("read the script of the three products")
}
