//! Reading a product file, and naming the line of what is wrong with it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Build, CASE_PATH, Coverage, DependencyRule, FILE_LIMIT, LINE_LIMIT, LINES_LIMIT, Limits, ProductFile,
    Service, TestsBy, Toolchain,
};
use crate::{glob, path::RepoPath, requirement::ProductName};

/// How often a red run goes back to the model where the file does not say.
pub(super) const ROUNDS: u32 = 2;
/// The most rounds that a file may ask for.
const MOST_ROUNDS: u32 = 10;
/// The most products of one repository.
const MOST_PRODUCTS: usize = 200;
/// The most patterns of `inputs`.
const MOST_INPUTS: usize = 100;

/// What is wrong with a product file, and where; the message says the limit and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {message}", super::PATH, at(*line, key))]
pub struct Error {
    /// The line, from 1; 0 where no line can be named.
    pub line: usize,
    /// The key, such as `product.wealth.root`; empty for the whole file.
    pub key: String,
    /// What is wrong there.
    pub message: String,
}

fn at(line: usize, key: &str) -> String {
    let line = if line == 0 { String::new() } else { format!(":{line}") };
    if key.is_empty() { line } else { format!("{line}, `{key}`") }
}

/// A file of several products.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Several {
    product: BTreeMap<String, Section>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Section {
    #[serde(default)]
    root: String,
    #[serde(default)]
    setup: Lines,
    #[serde(default)]
    inputs: Vec<String>,
    #[serde(default)]
    test: Lines,
    #[serde(default)]
    lint: Lines,
    coverage: Option<RawCoverage>,
    case: Option<String>,
    #[serde(default)]
    services: Vec<Service>,
    #[serde(default)]
    dependencies: DependencyRule,
    #[serde(default)]
    tests: TestsBy,
    #[serde(default)]
    toolchains: Vec<Toolchain>,
    image: Option<String>,
    #[serde(default)]
    history: bool,
    #[serde(default)]
    limits: RawLimits,
    rounds: Option<u32>,
}

/// One command line, or several.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a command line in quotes, or a list of them")]
enum Lines {
    One(String),
    Many(Vec<String>),
}

impl Default for Lines {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl From<Lines> for Vec<String> {
    fn from(lines: Lines) -> Self {
        match lines {
            Lines::One(line) => vec![line],
            Lines::Many(lines) => lines,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCoverage {
    run: Lines,
    report: String,
    floor: Option<f64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawLimits {
    seconds: Option<u32>,
    memory_mib: Option<u32>,
    processes: Option<u32>,
    file_mib: Option<u32>,
}

impl ProductFile {
    /// Reads and checks a product file.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and key.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let whole = |message: String| Error { line: 0, key: String::new(), message };
        if text.len() > FILE_LIMIT {
            return Err(whole(format!("has {} bytes; the limit is {FILE_LIMIT}", text.len())));
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let table: toml::Table = toml::from_str(text).map_err(|error| syntax(text, &error))?;
        if !table.contains_key("product") {
            let section: Section = toml::from_str(text).map_err(|error| syntax(text, &error))?;
            return Ok(Self {
                builds: BTreeMap::from([(None, Reader { text, product: None }.build(section)?)]),
            });
        }
        if let Some(key) = table.keys().find(|key| *key != "product") {
            let message = "stands beside `[product.NAME]` tables: give each product its own".to_owned();
            return Err(Error { line: line_of(text, None, key), key: key.clone(), message });
        }
        let several: Several = toml::from_str(text).map_err(|error| syntax(text, &error))?;
        let count = several.product.len();
        if count == 0 || count > MOST_PRODUCTS {
            return Err(whole(format!("names {count} products; it may name 1 to {MOST_PRODUCTS}")));
        }
        let mut builds = BTreeMap::new();
        for (name, section) in several.product {
            let reader = Reader { text, product: Some(&name) };
            let product = name.parse::<ProductName>().map_err(|error| reader.wrong("", error.message))?;
            builds.insert(Some(product), reader.build(section)?);
        }
        let file = Self { builds };
        file.check_folders(text)?;
        Ok(file)
    }

    /// Two products may not have one folder: which of them would a change belong to?
    fn check_folders(&self, text: &str) -> Result<(), Error> {
        let mut seen: BTreeMap<&str, &ProductName> = BTreeMap::new();
        for (name, build) in &self.builds {
            let Some(name) = name else { continue };
            if let Some(other) = seen.insert(&build.root, name) {
                let message = format!("is the folder of `{other}` too: give each product its own");
                return Err(Reader { text, product: Some(name.as_str()) }.wrong("root", message));
            }
        }
        Ok(())
    }
}

fn syntax(text: &str, error: &toml::de::Error) -> Error {
    let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    Error { line, key: String::new(), message: error.message().trim().replace('\n', " ") }
}

/// The line of a key in a product's table, from 1; 0 if it is not written there as `key = …` or `[…key]`.
fn line_of(text: &str, product: Option<&str>, key: &str) -> usize {
    let table = product.map(|name| format!("product.{name}")).unwrap_or_default();
    let mut current = String::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if let Some(header) = line.strip_prefix('[') {
            current = header.split(']').next().unwrap_or_default().trim().to_owned();
        }
        let name = line.split(['=', ' ']).next().unwrap_or_default();
        let full = if current.is_empty() { name.to_owned() } else { format!("{current}.{name}") };
        let wanted =
            [table.as_str(), key].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>();
        let wanted = wanted.join(".");
        if full == wanted || (current == wanted && line.starts_with('[')) {
            return index + 1;
        }
    }
    0
}

/// Checks the values of one product.
struct Reader<'a> {
    text: &'a str,
    product: Option<&'a str>,
}

impl Reader<'_> {
    fn wrong(&self, key: &str, message: impl Into<String>) -> Error {
        let full = [self.product.map(|name| format!("product.{name}")), Some(key.to_owned())];
        let full: Vec<String> = full.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        Error { line: line_of(self.text, self.product, key), key: full.join("."), message: message.into() }
    }

    fn build(&self, section: Section) -> Result<Build, Error> {
        let test = self.lines("test", section.test.into())?;
        let tests = section.tests;
        if test.is_empty() && tests == TestsBy::Ours {
            let message = "is missing: write the command line that runs the tests, or `tests = \"forge\"` if only the \
                           forge's checks are to decide";
            return Err(self.wrong("test", message));
        }
        if section.image.is_some() && !section.toolchains.is_empty() {
            let message = "stand beside an `image`, which brings its own tools: leave one of the two out";
            return Err(self.wrong("toolchains", message));
        }
        Ok(Build {
            root: self.root(&section.root)?,
            setup: self.lines("setup", section.setup.into())?,
            inputs: self.inputs(section.inputs)?,
            test,
            lint: self.lines("lint", section.lint.into())?,
            coverage: section.coverage.map(|coverage| self.coverage(coverage)).transpose()?,
            case: section.case.map(|case| self.case(case)).transpose()?,
            services: self.once("services", section.services, Service::as_str)?,
            dependencies: section.dependencies,
            tests,
            toolchains: self.once("toolchains", section.toolchains, Toolchain::as_str)?,
            image: section.image.map(|image| self.image(image)).transpose()?,
            history: section.history,
            limits: self.limits(&section.limits)?,
            rounds: self.number("rounds", section.rounds, (0, MOST_ROUNDS), ROUNDS)?,
        })
    }

    fn lines(&self, key: &str, lines: Vec<String>) -> Result<Vec<String>, Error> {
        if lines.len() > LINES_LIMIT {
            return Err(
                self.wrong(key, format!("has {} command lines; the limit is {LINES_LIMIT}", lines.len()))
            );
        }
        lines.iter().try_for_each(|line| self.line(key, line))?;
        Ok(lines)
    }

    fn line(&self, key: &str, line: &str) -> Result<(), Error> {
        let message = match line {
            line if line.trim().is_empty() => "has an empty command line: leave it out".to_owned(),
            line if line.len() > LINE_LIMIT => {
                format!("has a command line of {} bytes; the limit is {LINE_LIMIT}", line.len())
            }
            line if line.chars().any(|c| c.is_control() && c != '\n' && c != '\t') => {
                "has a command line with a control character".to_owned()
            }
            _ => return Ok(()),
        };
        Err(self.wrong(key, message))
    }

    fn root(&self, root: &str) -> Result<String, Error> {
        if root.is_empty() || root == "." {
            return Ok(String::new());
        }
        match root.parse::<RepoPath>() {
            Ok(path) => Ok(path.as_str().to_owned()),
            Err(rejected) => {
                Err(self.wrong("root", format!("is no folder of the repository: {}", rejected.reason)))
            }
        }
    }

    fn inputs(&self, inputs: Vec<String>) -> Result<Vec<String>, Error> {
        if inputs.len() > MOST_INPUTS {
            return Err(
                self.wrong("inputs", format!("has {} patterns; the limit is {MOST_INPUTS}", inputs.len()))
            );
        }
        for pattern in &inputs {
            if let Some(reason) = glob::refusal(pattern) {
                return Err(self.wrong("inputs", format!("has the pattern {pattern:?}: {reason}")));
            }
        }
        Ok(inputs)
    }

    fn coverage(&self, coverage: RawCoverage) -> Result<Coverage, Error> {
        let run = self.lines("coverage.run", coverage.run.into())?;
        if run.is_empty() {
            return Err(self.wrong("coverage.run", "is empty: write the command line that measures coverage"));
        }
        if let Err(rejected) = coverage.report.parse::<RepoPath>() {
            return Err(
                self.wrong("coverage.report", format!("is no path below the folder: {}", rejected.reason))
            );
        }
        if let Some(floor) = coverage.floor.filter(|floor| !(0.0..=100.0).contains(floor)) {
            return Err(
                self.wrong("coverage.floor", format!("is {floor}; it is a share in percent, 0 to 100"))
            );
        }
        Ok(Coverage { run, report: coverage.report, floor: coverage.floor })
    }

    fn case(&self, case: String) -> Result<String, Error> {
        self.line("case", &case)?;
        if case.contains(CASE_PATH) {
            return Ok(case);
        }
        Err(self.wrong("case", format!("lacks `{CASE_PATH}`, the place of the case's path")))
    }

    fn once<T: Copy + PartialEq>(
        &self,
        key: &str,
        list: Vec<T>,
        name: impl Fn(T) -> &'static str,
    ) -> Result<Vec<T>, Error> {
        let twice = list.iter().enumerate().find(|(index, item)| list[..*index].contains(item));
        match twice {
            Some((_, item)) => Err(self.wrong(key, format!("names `{}` twice", name(*item)))),
            None => Ok(list),
        }
    }

    fn image(&self, image: String) -> Result<String, Error> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
        let is_reference =
            (1..=512).contains(&image.len()) && image.chars().all(plain) && !image.starts_with('-');
        if is_reference {
            Ok(image)
        } else {
            Err(self.wrong("image", format!("{image:?} is no name of an image")))
        }
    }

    fn limits(&self, raw: &RawLimits) -> Result<Limits, Error> {
        let usual = Limits::default();
        Ok(Limits {
            seconds: self.number("limits.seconds", raw.seconds, (1, 7_200), usual.seconds)?,
            memory_mib: self.number("limits.memory_mib", raw.memory_mib, (64, 65_536), usual.memory_mib)?,
            processes: self.number("limits.processes", raw.processes, (8, 32_768), usual.processes)?,
            file_mib: self.number("limits.file_mib", raw.file_mib, (1, 65_536), usual.file_mib)?,
        })
    }

    fn number(
        &self,
        key: &str,
        given: Option<u32>,
        (least, most): (u32, u32),
        usual: u32,
    ) -> Result<u32, Error> {
        match given.unwrap_or(usual) {
            number if (least..=most).contains(&number) => Ok(number),
            number => Err(self.wrong(key, format!("is {number}; it may be {least} to {most}"))),
        }
    }
}
