//! An assessment in plain English: one line, and the Markdown of the gate's check run.
//!
//! Paths, names and messages are foreign text. They are escaped, so that none of them can break a table, mention
//! a person or contain a link.

use std::fmt::Write;

use super::{
    Assessment, CheckRow, Classification, Decision, Node, PathVerdict, Phase, Status, Stop, Wait, checks,
};
use crate::words::counted;

/// Maximum size of a check run's summary, in bytes. (GitHub accepts 65,535 characters.)
const REPORT_LIMIT: usize = 65_000;
/// Maximum size of one foreign text, in bytes.
const TEXT_LIMIT: usize = 300;
/// Maximum number of sentences on the one line.
const LISTED: usize = 8;
/// Maximum number of dependencies that are listed.
const DEPENDENCIES: usize = 50;
/// The end of a truncated report.
const CUT: &str = "\n\n… the report is cut here; the run's record has all of it.\n";

impl Assessment {
    /// The decision in one line.
    #[must_use]
    pub fn sentence(&self) -> String {
        let (tier, head) = (self.tier(), self.head.short());
        match (&self.decision, self.phase) {
            (Decision::Clear, Phase::Preflight) => format!("{tier} change at {head} is ready for review"),
            (Decision::Clear, Phase::Verdict) => format!("{tier} change at {head} is cleared to merge"),
            (Decision::Waiting { on }, _) => format!("waiting for {}", self.waiting(on)),
            (Decision::Behind, _) => self.behind(),
            (Decision::Blocked { reasons, .. }, _) => {
                format!("blocked on {head}: {}", first_few(reasons, "; "))
            }
            (Decision::Stopped { reason }, _) => format!("stopped at {head}: {}", reason.sentence()),
        }
    }

    fn behind(&self) -> String {
        let (tier, head) = (self.tier(), self.head.short());
        if self.demands.as_ref().is_some_and(|demands| demands.up_to_date) {
            return format!("{head} is behind its base; a {tier} change must be updated first");
        }
        let part = self.tree.children.iter().find(|part| part.status == Status::Waiting);
        let why = part.map_or("", |part| part.sentence.as_str());
        format!("{head} is behind its base: {why}")
    }

    /// What the verdict waits for; `None` for any other decision.
    #[must_use]
    pub fn awaited(&self) -> Option<String> {
        match &self.decision {
            Decision::Waiting { on } => Some(self.waiting(on)),
            Decision::Clear | Decision::Behind | Decision::Blocked { .. } | Decision::Stopped { .. } => None,
        }
    }

    /// Whether it waits, and nothing but a person can end that.
    #[must_use]
    pub fn awaits_only_people(&self) -> bool {
        let is_by_people = |wait: &Wait| match wait {
            Wait::Approvals { human, .. } => *human,
            Wait::Refusal { .. }
            | Wait::Conversations { .. }
            | Wait::Draft
            | Wait::Dependencies { .. }
            | Wait::Policy { .. }
            | Wait::Sibling { .. } => true,
            Wait::Check { .. } | Wait::Unreadable { .. } | Wait::Unreviewed => false,
        };
        matches!(&self.decision, Decision::Waiting { on } if on.iter().all(is_by_people))
    }

    /// The summary of the gate's check run, at most 65,000 bytes of Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut report = format!("**{}**\n\n", escape(&self.sentence()));
        let digest = self.policy_digest.as_deref().map_or("none", |digest| digest);
        line(
            &mut report,
            format_args!("Tier **{}** · head `{}` · base `{}`", self.tier(), self.head, self.base),
        );
        line(&mut report, format_args!("Policy at the base `{digest}`"));
        if let Some(head) =
            self.head_policy_digest.as_ref().filter(|head| Some(*head) != self.policy_digest.as_ref())
        {
            line(
                &mut report,
                format_args!(
                    "Policy at the head `{head}`: it differs from the base, and the stricter rules apply"
                ),
            );
        }
        self.missing(&mut report);
        verdict(&mut report, &self.tree);
        check_matrix(&mut report, &self.checks);
        if let Some(classification) = &self.classification {
            dependencies(&mut report, classification);
            unmatched(&mut report, classification);
            paths(&mut report, classification);
        }
        truncate(report)
    }

    fn waiting(&self, on: &[Wait]) -> String {
        let required = self.checks.iter().filter(|row| checks::counts(row.state)).count();
        let head = self.head.short();
        let mut open = Vec::new();
        let mut parts = Vec::new();
        for wait in on {
            match wait {
                Wait::Check { name, progress } => open.push(format!("{name} ({progress})")),
                // An approval counts for one head only.
                Wait::Approvals { .. } => {
                    parts.push(format!("{} on {head}, reset by a new push", wait.sentence()));
                }
                Wait::Refusal { by } => parts.push(format!(
                    "{} to approve {head} or to withdraw the request for changes",
                    by.join(" and ")
                )),
                Wait::Conversations { .. } => parts.push(format!("people to resolve {}", wait.sentence())),
                Wait::Dependencies { awaited } => parts.push(awaited.clone()),
                Wait::Draft => parts.push("the pull request to leave draft state".to_owned()),
                Wait::Unreadable { name, why } => parts.push(format!("{name}, which cannot be read: {why}")),
                Wait::Unreviewed => parts.push(format!("a review of {head}")),
                Wait::Sibling { .. } => {
                    parts.push(format!("people to close all but one: {}", wait.sentence()));
                }
                Wait::Policy { .. } => {
                    parts.push(format!("people to repair the base's policy: {}", wait.sentence()))
                }
            }
        }
        if !open.is_empty() {
            let required = counted(required, "check");
            parts.push(format!("{} of {required} on {head}: {}", open.len(), first_few(&open, ", ")));
        }
        parts.join(", and ")
    }

    fn missing(&self, report: &mut String) {
        let missing = match &self.decision {
            Decision::Waiting { on } => on.iter().map(Wait::sentence).collect(),
            Decision::Blocked { reasons, .. } => reasons.clone(),
            Decision::Behind => vec!["the newest commit of the base".to_owned()],
            Decision::Stopped { reason } => vec![reason.sentence()],
            Decision::Clear => return,
        };
        report.push_str("\n### Still missing\n\n");
        for text in missing {
            line(report, format_args!("- {}", escape(&text)));
        }
    }
}

impl Wait {
    /// What is missing, in a few words.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Check { name, progress } => format!("check {name}: {progress}"),
            Self::Unreadable { name, why } => format!("check {name}: cannot be read: {why}"),
            Self::Approvals { missing, needed, human } => {
                let who = if *human { " by people" } else { "" };
                format!("{missing} of {}{who}", counted(needed, "approval"))
            }
            Self::Refusal { by } => format!("{} asked for changes", by.join(" and ")),
            Self::Conversations { urls } => {
                let count = counted(u32::try_from(urls.len()).unwrap_or(u32::MAX), "open conversation");
                format!("{count} ({})", first_few(urls, ", "))
            }
            Self::Dependencies { awaited } => awaited.clone(),
            Self::Draft => "the pull request is a draft".to_owned(),
            Self::Unreviewed => "a complete review of this head".to_owned(),
            Self::Sibling { pulls } => {
                let pulls: Vec<String> = pulls.iter().map(|number| format!("#{number}")).collect();
                format!("{} has the same head, for which a success would count too", pulls.join(", "))
            }
            Self::Policy { pointer, message } => invalid_policy(pointer, message),
        }
    }
}

impl Stop {
    /// The reason in one line.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Closed => "the pull request was closed".to_owned(),
            Self::Merged => "the pull request was merged".to_owned(),
            Self::Retargeted { expected, actual } => {
                format!("the pull request is pointed at `{actual}`, and the run is for `{expected}`")
            }
            Self::HumanTakeover { commits } => {
                let commits: Vec<&str> = commits.iter().map(crate::sha::Sha::short).collect();
                format!("another author pushed {} to the branch", first_few(&commits, ", "))
            }
            Self::PolicyBroken { pointer, message } => invalid_policy(pointer, message),
        }
    }
}

fn invalid_policy(pointer: &str, message: &str) -> String {
    let pointer = if pointer.is_empty() { "/" } else { pointer };
    format!("the policy is invalid at {pointer}: {message}")
}

fn verdict(report: &mut String, tree: &Node) {
    report.push_str("\n### Verdict\n\n");
    for part in &tree.children {
        branch(report, part, 0);
    }
}

fn branch(report: &mut String, node: &Node, depth: usize) {
    let sentence = escape(&node.sentence);
    line(report, format_args!("{:depth$}- {} {}: {sentence}", "", mark(node.status), escape(&node.name)));
    // The checks have a table of their own.
    if node.name != "checks" {
        node.children.iter().for_each(|child| branch(report, child, depth + 2));
    }
}

fn check_matrix(report: &mut String, rows: &[CheckRow]) {
    if rows.is_empty() {
        return;
    }
    report.push_str("\n### Checks\n\n| | check | state | commit |\n|---|---|---|---|\n");
    for row in rows {
        let (mark, name, detail) = (mark(row.state.status()), escape(&row.name), escape(&row.detail));
        let name =
            row.url.as_deref().and_then(safe_url).map_or(name.clone(), |url| format!("[{name}]({url})"));
        line(report, format_args!("| {mark} | {name} | {detail} | `{}` |", row.sha.short()));
    }
    unbound(report, rows);
}

/// Says which checks anybody's app could report.
fn unbound(report: &mut String, rows: &[CheckRow]) {
    let names: Vec<String> = rows.iter().filter(|row| row.unbound).map(|row| escape(&row.name)).collect();
    if !names.is_empty() {
        let names = names.join(", ");
        let why =
            "unbound: neither the policy nor the base says which app reports it, so that of any app counts";
        line(report, format_args!("\n{names}: {why}"));
    }
}

/// The dependencies that came, went or changed, by name and version.
fn dependencies(report: &mut String, classification: &Classification) {
    let files = &classification.dependency_changes;
    if files.is_empty() {
        return;
    }
    report.push_str("\n### Dependencies\n\n| file | dependency | before | after |\n|---|---|---|---|\n");
    let rows = files.iter().flat_map(|file| file.changes.iter().map(move |change| (file, change)));
    for (file, change) in rows.take(DEPENDENCIES) {
        let versions = |versions: &[String]| match versions {
            [] => "–".to_owned(),
            versions => escape(&versions.join(", ")),
        };
        let (path, name) = (escape(&file.path), escape(&change.name));
        let (from, to) = (versions(&change.from), versions(&change.to));
        line(report, format_args!("| {path} | {name} | {from} | {to} |"));
    }
    report.push('\n');
    let all: usize = files.iter().map(|file| file.changes.len() + file.more as usize).sum();
    if let Some(more) = all.checked_sub(DEPENDENCIES).filter(|more| *more > 0) {
        line(report, format_args!("- and {more} more, which the files' diff shows"));
    }
    for file in files.iter().take(DEPENDENCIES) {
        match &file.unreadable {
            Some(why) => {
                line(report, format_args!("- {} cannot be read: {}", escape(&file.path), escape(why)))
            }
            None if file.changes.is_empty() => {
                line(report, format_args!("- {}: no name and no version changed", escape(&file.path)));
            }
            None => {}
        }
    }
}

/// Patterns that decide nothing here, which their authors may not know.
fn unmatched(report: &mut String, classification: &Classification) {
    if classification.unmatched.is_empty() {
        return;
    }
    report.push_str("\n### Patterns of the policy without a file\n\n");
    for text in &classification.unmatched {
        line(report, format_args!("- {}", escape(text)));
    }
}

fn paths(report: &mut String, classification: &Classification) {
    report.push_str("\n### Why this tier\n\n");
    for reason in &classification.whole {
        line(report, format_args!("- **{}**: {}", reason.tier, escape(&reason.rule)));
    }
    // Where the files were read, they have a section of their own.
    let unread =
        if classification.dependency_changes.is_empty() { &classification.dependencies[..] } else { &[] };
    for (title, texts) in [("Dependencies", unread), ("Warning", &classification.warnings)] {
        for text in texts.iter().take(100) {
            line(report, format_args!("- {title}: {}", escape(text)));
        }
    }
    report.push_str("\n| tier | path | decided by |\n|---|---|---|\n");
    let mut strictest: Vec<&PathVerdict> = classification.paths.iter().collect();
    strictest.sort_by_key(|path| std::cmp::Reverse(path.tier));
    for path in strictest {
        let reason = &path.reasons[0];
        let product = reason.product.as_ref().map_or("floor", |product| product.as_str());
        let (tier, name, rule) = (path.tier, escape(&path.path), escape(&reason.rule));
        let by_merge = if path.by_merge { " (changed by the merge alone)" } else { "" };
        line(report, format_args!("| {tier} | {name}{by_merge} | {product}: {rule} |"));
        if report.len() > REPORT_LIMIT {
            return;
        }
    }
}

const fn mark(status: Status) -> &'static str {
    match status {
        Status::NotApplicable => "–",
        Status::Satisfied => "✅",
        Status::Waiting => "⏳",
        Status::Failed => "❌",
    }
}

/// Foreign text as Markdown that renders as plain text on one line.
fn escape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' => plain.extend(['\\', character]),
            '<' => plain.push_str("&lt;"),
            '>' => plain.push_str("&gt;"),
            '&' => plain.push_str("&amp;"),
            // The zero-width space breaks up mentions and bare URLs.
            '@' | ':' => plain.extend([character, '\u{200b}']),
            _ if character.is_control() || is_invisible(character) => {
                plain.extend(character.escape_unicode())
            }
            _ => plain.push(character),
        }
        if plain.len() > TEXT_LIMIT * 4 {
            plain.push('…');
            break;
        }
    }
    plain
}

/// Whether a character is invisible or reorders text.
const fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The URL, if it is safe in a Markdown link.
fn safe_url(url: &str) -> Option<&str> {
    let plain = url.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>[]|\\`\"".contains(&byte));
    let web = url.starts_with("https://") || url.starts_with("http://");
    (plain && web && url.len() <= 2_000).then_some(url)
}

fn first_few<T: AsRef<str>>(texts: &[T], between: &str) -> String {
    let shown: Vec<&str> = texts.iter().take(LISTED).map(AsRef::as_ref).collect();
    match texts.len().saturating_sub(LISTED) {
        0 => shown.join(between),
        more => format!("{}{between}and {more} more", shown.join(between)),
    }
}

fn line(report: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(report, "{text}");
}

fn truncate(mut report: String) -> String {
    if report.len() > REPORT_LIMIT {
        let end = report.floor_char_boundary(REPORT_LIMIT - CUT.len());
        report.truncate(report[..end].rfind('\n').unwrap_or(end));
        report.push_str(CUT);
    }
    report
}
