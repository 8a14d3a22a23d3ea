//! Golden cases of a policy, `.aspora/policy-tests.json`: changes, and what the policy must say of them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    Error, Outlook, Tier, Trial,
    json::{At, Value},
    locate::line_of,
};
use crate::{
    change::{Change, ChangeKind, FileChange},
    requirement::{Invalid, ProductName},
};

/// The path of the cases in a repository.
pub const CASES_PATH: &str = ".aspora/policy-tests.json";
/// The most bytes of a file of cases (256 KiB).
const LIMIT: usize = 256 * 1024;
/// The most cases of a file.
const MOST_CASES: usize = 1_000;
/// The most paths of a case.
const MOST_PATHS: usize = 1_000;
/// The longest name of a case and the longest path, in bytes.
const LONGEST: usize = 4_096;
/// The mode of a plain file.
const PLAIN: u32 = 0o100_644;

/// The cases of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cases(Vec<Case>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Case {
    name: String,
    line: usize,
    product: ProductName,
    change: Change,
    expected: Expected,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Expected {
    tier: Option<Tier>,
    checks: Option<BTreeSet<String>>,
    approvals: Option<u32>,
    people: Option<u32>,
    blocked: Option<bool>,
}

/// What came of one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// The line of the file on which it begins.
    pub line: usize,
    /// How what the policy says differs from what is expected, one sentence each; empty if it does not.
    pub differences: Vec<String>,
    /// What the policy says.
    pub said: Outlook,
}

impl Cases {
    /// Reads a file of cases.
    ///
    /// # Errors
    /// The first [`Error`], with the JSON pointer of what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > LIMIT {
            return Err(Error::new("", format!("has {} bytes; the limit is {LIMIT}", bytes.len())));
        }
        let text =
            std::str::from_utf8(bytes).map_err(|_| Error::new("", "is not UTF-8; save it as UTF-8"))?;
        let document = Value::parse(bytes)?;
        let root = document.root();
        let (mut version, mut product, mut cases) = (false, None, None);
        for (key, at) in root.members()? {
            match key {
                "version" if at.text()? == "1" => version = true,
                "version" => return Err(at.refuse("must be \"1\", the only version there is")),
                "product" => product = Some(named_product(&at)?),
                "cases" => cases = Some(at),
                "$schema" => drop(at.text()?),
                _ => return Err(at.refuse("is no key of the file: `version`, `product`, `cases`")),
            }
        }
        if !version {
            return Err(root.refuse("has no `version`; write \"version\": \"1\""));
        }
        let items = cases.ok_or_else(|| root.refuse("has no `cases`"))?.items()?;
        if items.is_empty() || items.len() > MOST_CASES {
            let what = format!("holds {} cases; 1 to {MOST_CASES} are needed", items.len());
            return Err(Error::new("/cases", what));
        }
        let mut names = BTreeSet::new();
        let read = |item: &At<'_>| {
            let case = case(item, product.as_ref(), text)?;
            let is_new = names.insert(case.name.clone());
            if is_new {
                Ok(case)
            } else {
                Err(item.refuse(format!("has the name {:?} of another case", case.name)))
            }
        };
        items.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The products that the cases are about, each once.
    #[must_use]
    pub fn products(&self) -> Vec<ProductName> {
        let names: BTreeSet<&ProductName> = self.0.iter().map(|case| &case.product).collect();
        names.into_iter().cloned().collect()
    }

    /// Runs the cases against a policy, each under its product alone.
    ///
    /// # Errors
    /// The first fault of the policy, or a product that it does not know.
    pub fn run(&self, policy: &str) -> Result<Vec<CaseResult>, Error> {
        let mut results = Vec::new();
        for case in &self.0 {
            let trial = Trial::new(Some(policy), std::slice::from_ref(&case.product))?;
            let knows = |policy: &super::Policy| policy.products().any(|name| *name == case.product);
            if !trial.policy().is_some_and(knows) {
                let product = &case.product;
                return Err(Error::new(
                    "/products",
                    format!("has no {product}, which the case {:?} is of", case.name),
                ));
            }
            let said = trial.say(&case.change, &trial.classify(&case.change, None, None));
            results.push(CaseResult {
                name: case.name.clone(),
                line: case.line,
                differences: case.expected.differences(&said),
                said,
            });
        }
        Ok(results)
    }
}

impl Expected {
    fn differences(&self, said: &Outlook) -> Vec<String> {
        let mut all = Vec::new();
        if let Some(tier) = self.tier.filter(|tier| *tier != said.tier) {
            let ground =
                said.ground.as_ref().map_or(String::new(), |ground| format!(", {}", ground.sentence()));
            all.push(format!("tier: expected {tier}, is {}{ground}", said.tier));
        }
        if let Some(expected) = &self.checks {
            let is: BTreeSet<String> = said.checks.iter().cloned().collect();
            let list = |checks: &BTreeSet<String>, others: &BTreeSet<String>| {
                let names = checks.difference(others).map(|name| format!("`{name}`"));
                names.collect::<Vec<_>>().join(", ")
            };
            let (missing, more) = (list(expected, &is), list(&is, expected));
            if !missing.is_empty() {
                all.push(format!("checks: expected {missing}, which it does not need"));
            }
            if !more.is_empty() {
                all.push(format!("checks: needs {more}, which is not expected"));
            }
        }
        for (what, expected, is) in
            [("approvals", self.approvals, said.approvals), ("people", self.people, said.people)]
        {
            if let Some(expected) = expected.filter(|expected| *expected != is) {
                all.push(format!("{what}: expected {expected}, is {is}"));
            }
        }
        match (self.blocked, &said.blocked) {
            (Some(false), Some(why)) => all.push(format!("blocked: expected not, is: {why}")),
            (Some(true), None) => all.push("blocked: expected, is not".to_owned()),
            _ => {}
        }
        all
    }
}

fn case(at: &At<'_>, product: Option<&ProductName>, text: &str) -> Result<Case, Error> {
    let (mut name, mut own, mut change, mut expected) = (None, None, None, None);
    for (key, at) in at.members()? {
        match key {
            "name" => name = Some(worded(&at)?),
            "product" => own = Some(named_product(&at)?),
            "paths" | "change" if change.is_some() => {
                return Err(at.refuse("stands beside another: a case has either `paths` or `change`"));
            }
            "paths" => change = Some(paths(&at)?),
            "change" => change = Some(files(&at)?),
            "expect" => expected = Some(expect(&at)?),
            _ => return Err(at.refuse("is no key of a case: `name`, `product`, `paths`, `change`, `expect`")),
        }
    }
    Ok(Case {
        name: name.ok_or_else(|| at.refuse("has no `name`"))?,
        line: line_of(text, at.pointer()),
        product: own
            .or_else(|| product.cloned())
            .ok_or_else(|| at.refuse("has no `product`, and neither has the file"))?,
        change: change.ok_or_else(|| at.refuse("has neither `paths` nor `change`"))?,
        expected: expected.ok_or_else(|| at.refuse("has no `expect`"))?,
    })
}

fn named_product(at: &At<'_>) -> Result<ProductName, Error> {
    at.text()?.parse().map_err(|invalid: Invalid| at.refuse(invalid.message))
}

fn worded(at: &At<'_>) -> Result<String, Error> {
    let text = at.text()?;
    if !text.is_empty() && text.len() <= LONGEST && !text.contains('\0') {
        return Ok(text.to_owned());
    }
    Err(at.refuse(format!("must have 1 to {LONGEST} bytes and no NUL")))
}

/// A path as git lists one: relative to the root of the repository.
fn path(at: &At<'_>) -> Result<String, Error> {
    let path = worded(at)?;
    let is_odd = |part: &str| part.is_empty() || part == "." || part == "..";
    if path.split('/').any(is_odd) {
        return Err(
            at.refuse(format!("{path:?} is no path as git lists one, relative to the repository's root"))
        );
    }
    Ok(path)
}

fn paths(at: &At<'_>) -> Result<Change, Error> {
    let modified = |item: &At<'_>| Ok(file(path(item)?, ChangeKind::Modified, PLAIN, PLAIN));
    Ok(Change { files: listed(at)?.iter().map(modified).collect::<Result<_, Error>>()? })
}

fn files(at: &At<'_>) -> Result<Change, Error> {
    let mut files = Vec::new();
    for item in listed(at)? {
        files.extend(changed(&item)?);
    }
    Ok(Change { files })
}

fn listed<'a>(at: &At<'a>) -> Result<Vec<At<'a>>, Error> {
    let items = at.items()?;
    if items.len() > MOST_PATHS {
        return Err(at.refuse(format!("holds {} paths; the limit is {MOST_PATHS}", items.len())));
    }
    Ok(items)
}

/// One entry of `change`; a rename is a deletion and an addition, as the policy judges it.
fn changed(at: &At<'_>) -> Result<Vec<FileChange>, Error> {
    let (mut name, mut from, mut status, mut mode, mut old_mode) = (None, None, "modified", PLAIN, None);
    for (key, at) in at.members()? {
        match key {
            "path" => name = Some(path(&at)?),
            "from" => from = Some((path(&at)?, at)),
            "status" => status = status_of(&at)?,
            "mode" => mode = mode_of(&at)?,
            "oldMode" => old_mode = Some(mode_of(&at)?),
            _ => return Err(at.refuse("is no key of a change: `path`, `from`, `status`, `mode`, `oldMode`")),
        }
    }
    let name = name.ok_or_else(|| at.refuse("has no `path`"))?;
    if let Some((_, at)) = from.as_ref().filter(|_| status != "renamed") {
        return Err(at.refuse("is only for the status `renamed`"));
    }
    let old = old_mode.unwrap_or(mode);
    Ok(match status {
        "added" => vec![file(name, ChangeKind::Added, 0, mode)],
        "deleted" => vec![file(name, ChangeKind::Deleted, old, 0)],
        "renamed" => {
            let from = from.ok_or_else(|| at.refuse("is renamed and has no `from`"))?.0;
            vec![file(from, ChangeKind::Deleted, old, 0), file(name, ChangeKind::Added, 0, mode)]
        }
        _ if old & 0o170_000 != mode & 0o170_000 => vec![file(name, ChangeKind::Retyped, old, mode)],
        _ => vec![file(name, ChangeKind::Modified, old, mode)],
    })
}

fn status_of(at: &At<'_>) -> Result<&'static str, Error> {
    let text = at.text()?;
    let known = ["added", "modified", "deleted", "renamed"].into_iter().find(|status| *status == text);
    known.ok_or_else(|| at.refuse("must be `added`, `modified`, `deleted` or `renamed`"))
}

fn mode_of(at: &At<'_>) -> Result<u32, Error> {
    match at.text()? {
        "100644" => Ok(PLAIN),
        "100755" => Ok(0o100_755),
        "120000" => Ok(0o120_000),
        "160000" => Ok(0o160_000),
        _ => {
            Err(at
                .refuse("must be \"100644\", \"100755\", \"120000\" (a symlink) or \"160000\" (a submodule)"))
        }
    }
}

const fn file(path: String, kind: ChangeKind, old_mode: u32, new_mode: u32) -> FileChange {
    FileChange { path, kind, old_mode, new_mode, odd: false, blank: false }
}

fn expect(at: &At<'_>) -> Result<Expected, Error> {
    let mut expected = Expected::default();
    for (key, at) in at.members()? {
        match key {
            "tier" => {
                let tier = at.text()?.parse();
                expected.tier =
                    Some(tier.map_err(|unknown: super::UnknownTier| at.refuse(unknown.to_string()))?);
            }
            "checks" => {
                let names = at.items()?.iter().map(worded).collect::<Result<_, _>>()?;
                expected.checks = Some(names);
            }
            "approvals" => expected.approvals = Some(at.number(100)?),
            "people" => expected.people = Some(at.number(100)?),
            "blocked" => expected.blocked = Some(at.truth()?),
            _ => {
                return Err(at.refuse(
                    "is nothing that can be expected: `tier`, `checks`, `approvals`, `people`, `blocked`",
                ));
            }
        }
    }
    if expected == Expected::default() {
        return Err(at.refuse("expects nothing; name the `tier` at least"));
    }
    Ok(expected)
}
