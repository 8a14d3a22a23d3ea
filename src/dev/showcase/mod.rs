//! The three products of `aspora demo --all`: what is asked of each, what the scripted model answers, what the merged
//! service is asked then, and the incident that one of the changes brings.
//!
//! The products themselves are those of `aspora product init NAME --template fastapi`; the answers are files in this folder,
//! compiled in, that fit them.

use anyhow::Context as _;

use super::{ask::Exchange, model::Script};

/// A requirement of a product, and what its service is asked after the merge.
#[derive(Debug, Clone, Copy)]
pub struct Showcase {
    /// The product's name, by which `product init` chooses its policy.
    pub name: &'static str,
    /// What its lines are called: the product's name, or a word for a further requirement.
    pub label: &'static str,
    requirement: &'static str,
    example: &'static str,
}

macro_rules! showcase {
    ($name:literal) => {
        showcase!($name, $name, $name)
    };
    ($name:literal, $label:literal, $folder:literal) => {
        Showcase {
            name: $name,
            label: $label,
            requirement: include_str!(concat!($folder, "/requirement.md")),
            example: include_str!(concat!($folder, "/example.json")),
        }
    };
}

/// The risk checker, whose example is that of the requirement's document.
pub const WEALTH: Showcase = showcase!("wealth");
/// The first requirement of each product.
pub const ALL: [Showcase; 3] = [WEALTH, showcase!("ecm"), showcase!("fincrime")];
/// The price of an order, below a path that wealth's policy calls critical. A small sale has a negative total, and nothing
/// tells so before the merge.
pub const TRADING: Showcase = showcase!("wealth", "trading", "wealth/trading");
/// The message about a savings goal.
pub const GOALS: Showcase = showcase!("wealth", "goals", "wealth/goals");

/// What is reported of the incident that [`TRADING`] brings.
const INCIDENT: &str = include_str!("wealth/gap/report.md");

macro_rules! answers {
    ($($name:literal)*) => { &[$(($name, include_str!($name))),*] };
}

const ANSWERS: &[(&str, &str)] = answers!(
    "ecm/rest.txt"
    "ecm/service.txt"
    "ecm/service_red.txt"
    "fincrime/generate.txt"
    "fincrime/remediate.txt"
    "wealth/gap/generate.txt"
    "wealth/gap/reproduce.txt"
    "wealth/generate.txt"
    "wealth/goals/generate.txt"
    "wealth/remediate.txt"
    "wealth/trading/generate.txt");

impl Showcase {
    /// The requirement's title, the heading of its file, and its body.
    #[must_use]
    pub fn requirement(&self) -> (&'static str, &'static str) {
        headed(self.requirement)
    }

    /// What the merged service is asked, in order, and what it must answer; nothing where no route leads to it.
    ///
    /// # Errors
    /// When the file of the example is not such JSON.
    pub fn example(&self) -> anyhow::Result<Vec<Exchange>> {
        serde_json::from_str(self.example).with_context(|| format!("read the example of {}", self.label))
    }
}

/// The incident's title and what is reported of it.
#[must_use]
pub fn incident() -> (&'static str, &'static str) {
    headed(INCIDENT)
}

/// The heading of a text, and the rest.
fn headed(text: &'static str) -> (&'static str, &'static str) {
    let (title, body) = text.split_once('\n').unwrap_or((text, ""));
    (title.trim_start_matches("# "), body.trim())
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
