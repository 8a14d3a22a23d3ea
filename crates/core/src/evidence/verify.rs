//! Whether evidence holds: each fault is a sentence that names the flow and says what to do.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Assertion, Manifest, Picture, png};
use crate::{
    sha::Sha,
    words::{counted, one_line},
};

/// For how many minutes a capture of another commit is fresh; a capture of the very head is, however old.
pub const FRESH_MINUTES: i64 = 30;
/// By how many minutes the clock of a capture may be ahead of ours.
const AHEAD_MINUTES: i64 = 5;
/// How many entries of a list a fault quotes.
const QUOTED: usize = 3;
/// How many characters of an entry a fault quotes.
const QUOTED_CHARS: usize = 200;

/// What came, and when.
#[derive(Debug, Clone, Copy)]
pub struct Upload<'a> {
    /// The head that it must be of.
    pub head: &'a Sha,
    /// When it came.
    pub arrived_at: DateTime<Utc>,
    /// The manifests.
    pub manifests: &'a [Manifest],
    /// The pictures by their names.
    pub files: &'a BTreeMap<String, Vec<u8>>,
}

/// What a policy demands of evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand {
    /// The flows that must be there.
    pub required_flows: Vec<String>,
    /// The assertions that each flow must contain as passed.
    pub assertion_checks: Vec<String>,
}

/// What was found in an upload, whatever a policy demands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Each flow once, in the order of their names.
    pub flows: Vec<Flow>,
}

/// What was found in one flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Its name.
    pub flow: String,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
    /// What it asserts.
    pub assertions: Vec<Assertion>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What it is a fault of.
    pub of: FaultOf,
    /// One sentence, which names the flow.
    pub text: String,
}

/// What could end a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultOf {
    /// The product, or its tests: a change of code.
    Product,
    /// The capture: a new one.
    Capture,
}

/// Evidence under what a policy demands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Each flow that came.
    pub flows: Vec<CheckedFlow>,
    /// Flows that are demanded and did not come.
    pub missing: Vec<String>,
}

/// One flow under what a policy demands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedFlow {
    /// Its name.
    pub flow: String,
    /// What is wrong with it; nothing if it is verified.
    pub faults: Vec<Fault>,
}

impl Demand {
    /// Adds what another policy or product demands, each once.
    pub fn add(&mut self, flows: &[String], assertions: &[String]) {
        for (known, more) in [(&mut self.required_flows, flows), (&mut self.assertion_checks, assertions)] {
            for name in more {
                if !known.contains(name) {
                    known.push(name.clone());
                }
            }
        }
    }
}

impl CheckedFlow {
    /// Whether nothing is wrong with it.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Compares manifests with the pictures that came with them, the head and the clock.
#[must_use]
pub fn verify(upload: &Upload<'_>) -> Evidence {
    let mut by_name: BTreeMap<&str, Vec<&Manifest>> = BTreeMap::new();
    for manifest in upload.manifests {
        by_name.entry(&manifest.flow).or_default().push(manifest);
    }
    let declared = declared(upload.manifests);
    let flows = by_name.into_iter().map(|(name, manifests)| {
        let mut faults = Faults { flow: name, found: Vec::new() };
        if manifests.len() > 1 {
            let came = counted(manifests.len(), "manifest");
            faults.capture(format!("came in {came}; write one for each flow"));
        }
        for manifest in &manifests {
            identity(manifest, upload, &mut faults);
            product(manifest, &mut faults);
            pictures(manifest, upload, &declared, &mut faults);
        }
        let assertions = manifests.iter().flat_map(|it| it.assertions.iter().cloned()).collect();
        Flow { flow: name.to_owned(), faults: faults.found, assertions }
    });
    Evidence { flows: flows.collect() }
}

/// Whether it is of this head, of this time, and of the page and the account that it declares.
fn identity(manifest: &Manifest, upload: &Upload<'_>, faults: &mut Faults<'_>) {
    let (theirs, ours) = (&manifest.head_sha, upload.head);
    if theirs != ours {
        faults.capture(format!(
            "is of {}, not of the head {}; capture the head",
            theirs.short(),
            ours.short()
        ));
    }
    let age = upload.arrived_at - manifest.captured_at;
    if age < -Duration::minutes(AHEAD_MINUTES) {
        let ahead = -age.num_minutes();
        faults.capture(format!("was captured {ahead} minutes in the future; set the clock of the machine"));
    }
    if theirs != ours && age > Duration::minutes(FRESH_MINUTES) {
        let minutes = age.num_minutes();
        faults
            .capture(format!("was captured {minutes} minutes before it came; the limit is {FRESH_MINUTES}"));
    }
    let (declared, seen) = (cut(&manifest.entrypoint), manifest.observed.entrypoint.as_deref().map(cut));
    match seen {
        None => faults.product(format!("reached no page; it is declared to begin at {declared}")),
        Some(seen) if manifest.observed.entrypoint.as_ref() != Some(&manifest.entrypoint) => {
            faults.product(format!(
                "began at {seen}, not at {declared} as declared; begin there or declare it"
            ));
        }
        Some(_) => {}
    }
    match (&manifest.identity, manifest.observed.identity) {
        (Some(_), Some(true)) | (None, None) => {}
        (Some(identity), _) => {
            let identity = cut(identity);
            faults.product(format!(
                "did not show {identity} on the page; sign in as it, and show who is signed in"
            ));
        }
        (None, Some(_)) => {
            faults.capture("observed an identity and declares none; declare who is signed in");
        }
    }
}

/// What the page and its tests did.
fn product(manifest: &Manifest, faults: &mut Faults<'_>) {
    if manifest.assertions.is_empty() {
        faults.product("asserts nothing; name in its test what must be seen");
    }
    for assertion in manifest.assertions.iter().filter(|it| !it.passed) {
        let name = cut(&assertion.name);
        faults.product(format!("the assertion {name} did not pass; make the page do what it says"));
    }
    if !manifest.console_errors.is_empty() {
        let quoted = quoted(&manifest.console_errors);
        faults.product(format!("the console has errors: {quoted}; repair what causes them"));
    }
    if !manifest.observed.failed_requests.is_empty() {
        let quoted = quoted(&manifest.observed.failed_requests);
        faults.product(format!("requests failed: {quoted}; make them succeed"));
    }
    if manifest.tests.is_empty() {
        faults.product("no test added to it; capture it in a test");
    }
    for test in manifest.tests.iter().filter(|it| !it.passed) {
        faults.product(format!("the test {:?} failed; make it pass", cut(&test.title)));
    }
}

/// Whether each picture is there, and is the one that was taken.
fn pictures(manifest: &Manifest, upload: &Upload<'_>, declared: &Declared<'_>, faults: &mut Faults<'_>) {
    if manifest.screenshots.is_empty() {
        faults.capture("has no screenshot; take one at least");
    }
    for picture in &manifest.screenshots {
        if let Some(fault) = fault_of(picture, upload.files.get(&picture.path)) {
            faults.capture(format!("the screenshot {} {fault}; capture it again", picture.path));
        }
        // Two flows may end on one page; of two pages one picture is a copy.
        let of = declared.get(picture.sha256.as_str()).into_iter().flatten();
        let mut elsewhere = of.filter(|(flow, at)| **flow != faults.flow && **at != manifest.entrypoint);
        if let Some((other, _)) = elsewhere.next() {
            let path = &picture.path;
            faults.capture(format!("the screenshot {path} is the same as one of {other}; capture each flow"));
        }
    }
}

fn fault_of(picture: &Picture, file: Option<&Vec<u8>>) -> Option<String> {
    let Some(bytes) = file else { return Some("did not come with the manifest".to_owned()) };
    if bytes.len() as u64 != picture.bytes {
        return Some(format!("has {} bytes, not {} as declared", bytes.len(), picture.bytes));
    }
    if hex::encode(Sha256::digest(bytes)) != picture.sha256 {
        return Some("has another SHA-256 than declared".to_owned());
    }
    png::read(bytes).err()
}

/// Each picture, with the flows that declare it and the entrypoint of each.
type Declared<'a> = BTreeMap<&'a str, BTreeMap<&'a str, &'a str>>;

fn declared(manifests: &[Manifest]) -> Declared<'_> {
    let mut by_hash = Declared::new();
    for manifest in manifests {
        for picture in &manifest.screenshots {
            by_hash.entry(&picture.sha256).or_default().insert(&manifest.flow, &manifest.entrypoint);
        }
    }
    by_hash
}

/// The faults of one flow.
struct Faults<'a> {
    flow: &'a str,
    found: Vec<Fault>,
}

impl Faults<'_> {
    fn product(&mut self, what: impl AsRef<str>) {
        self.found.push(fault(FaultOf::Product, self.flow, what.as_ref()));
    }

    fn capture(&mut self, what: impl AsRef<str>) {
        self.found.push(fault(FaultOf::Capture, self.flow, what.as_ref()));
    }
}

fn fault(of: FaultOf, flow: &str, what: &str) -> Fault {
    Fault { of, text: format!("{flow}: {what}") }
}

/// The first few of a list, and how many more there are.
fn quoted(texts: &[String]) -> String {
    let shown: Vec<String> = texts.iter().take(QUOTED).map(|text| format!("{:?}", cut(text))).collect();
    let more = texts.len().saturating_sub(QUOTED);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

/// A foreign text as a fault quotes it: one line, and not longer than it has to be.
fn cut(text: &str) -> String {
    one_line(text).chars().take(QUOTED_CHARS).collect()
}

impl Evidence {
    /// The evidence under what a policy demands.
    #[must_use]
    pub fn under(&self, demand: &Demand) -> Verified {
        let flows = self.flows.iter().map(|flow| {
            // One that did not pass is a fault already.
            let is_asserted = |name: &String| flow.assertions.iter().any(|it| it.name == *name);
            let lacking = demand.assertion_checks.iter().filter(|name| !is_asserted(name)).map(|name| {
                let what = format!("the policy demands the assertion {name}; assert it in the flow's test");
                fault(FaultOf::Product, &flow.flow, &what)
            });
            CheckedFlow {
                flow: flow.flow.clone(),
                faults: flow.faults.iter().cloned().chain(lacking).collect(),
            }
        });
        let came = |name: &String| self.flows.iter().any(|flow| flow.flow == **name);
        let missing = demand.required_flows.iter().filter(|name| !came(name)).cloned();
        Verified { flows: flows.collect(), missing: missing.collect() }
    }
}

impl Verified {
    /// Whether every flow that came or is demanded is verified.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.flows.is_empty() && self.missing.is_empty() && self.flows.iter().all(CheckedFlow::is_verified)
    }

    /// Everything that is wrong.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let missing = self.missing.iter().map(|name| {
            fault(FaultOf::Capture, name, "is required by the policy and did not come; capture this flow too")
        });
        let none = (self.flows.is_empty() && self.missing.is_empty())
            .then(|| Fault { of: FaultOf::Capture, text: "no flow came; capture one at least".to_owned() });
        self.flows.iter().flat_map(|flow| flow.faults.iter().cloned()).chain(missing).chain(none).collect()
    }

    /// Whether a change of code could end a fault.
    #[must_use]
    pub fn is_of_the_product(&self) -> bool {
        self.faults().iter().any(|fault| fault.of == FaultOf::Product)
    }

    /// What it came to, in one line.
    #[must_use]
    pub fn sentence(&self) -> String {
        let verified = self.flows.iter().filter(|flow| flow.is_verified()).count();
        let faults = self.faults();
        match faults.as_slice() {
            [] => format!("verified: {}", counted(self.flows.len(), "flow")),
            [only] => only.text.clone(),
            [first, more @ ..] => {
                let all = self.flows.len() + self.missing.len();
                format!(
                    "{verified} of {} verified: {}, and {} more",
                    counted(all, "flow"),
                    first.text,
                    more.len()
                )
            }
        }
    }
}
