//! A workflow as a picture, for people.

use std::fmt::Write as _;

use super::Workflow;

impl Workflow {
    /// The workflow as a Mermaid state diagram.
    #[must_use]
    pub fn diagram(&self) -> String {
        let mut out = format!("stateDiagram-v2\n    [*] --> {}\n", self.start);
        for (name, step) in &self.steps {
            for (outcome, to) in &step.on {
                let _ = writeln!(out, "    {name} --> {to}: {outcome}");
            }
            if let (Some(to), Some(visits)) = (&step.spent, step.visits) {
                let _ = writeln!(out, "    {name} --> {to}: after {visits} visits");
            }
        }
        for (name, end) in &self.ends {
            let _ = writeln!(out, "    {name} --> [*]: {end}");
        }
        out
    }
}
