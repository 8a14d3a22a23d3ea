//! What a coverage report says, in the formats that the tools of the languages write.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How much of a product's code its tests reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Lines that ran; statements where the tool counts those.
    pub covered: u64,
    /// All of them.
    pub total: u64,
}

impl Coverage {
    /// The share in percent; all of nothing is 100.
    #[must_use]
    pub fn percent(self) -> f64 {
        if self.total == 0 {
            return 100.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "no report counts 2^52 lines")]
        let share = self.covered as f64 / self.total as f64;
        share * 100.0
    }

    /// Whether it is at least this share in percent. One line of a million less is less: nothing is rounded up.
    #[must_use]
    pub fn reaches(self, floor: f64) -> bool {
        self.percent() >= floor
    }

    /// Reads a report: Cobertura or `JaCoCo` XML, LCOV, Go's cover profile, or the JSON of coverage.py, Istanbul (`json-summary`)
    /// and llvm-cov.
    ///
    /// # Errors
    /// What is wrong with it, as a phrase about the report: `is in no known format`.
    pub fn read(report: &str) -> Result<Self, String> {
        let text = report.trim_start_matches('\u{feff}').trim_start();
        let read = if text.starts_with('{') {
            json(text)
        } else if text.starts_with("mode:") {
            go(text)
        } else if text.starts_with('<') {
            cobertura(text).or_else(|| jacoco(text))
        } else {
            lcov(text)
        };
        let coverage = read.ok_or("is in no known format")?;
        if coverage.covered > coverage.total {
            let Self { covered, total } = coverage;
            return Err(format!("says that {covered} of {total} lines ran"));
        }
        Ok(coverage)
    }
}

/// `97.31 % (470 of 483 lines)`, rounded down, so that only a whole coverage is called 100 %.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { covered, total } = self;
        let hundredths =
            if *total == 0 { 10_000 } else { u128::from(*covered) * 10_000 / u128::from(*total) };
        let (whole, rest) = (hundredths / 100, hundredths % 100);
        match rest {
            0 => write!(f, "{whole} %")?,
            rest if rest % 10 == 0 => write!(f, "{whole}.{} %", rest / 10)?,
            rest => write!(f, "{whole}.{rest:02} %")?,
        }
        write!(f, " ({covered} of {total} lines)")
    }
}

fn json(text: &str) -> Option<Coverage> {
    let report: Value = serde_json::from_str(text).ok()?;
    let counts = |node: &Value, covered: &str, total: &str| {
        Some(Coverage { covered: node.get(covered)?.as_u64()?, total: node.get(total)?.as_u64()? })
    };
    // coverage.py, Istanbul, llvm-cov.
    counts(&report["totals"], "covered_lines", "num_statements")
        .or_else(|| counts(&report["total"]["lines"], "covered", "total"))
        .or_else(|| counts(&report["data"][0]["totals"]["lines"], "covered", "count"))
}

/// Each line is `file:from,to statements runs`. A block that several test programs count is there several times.
fn go(text: &str) -> Option<Coverage> {
    let mut blocks: BTreeMap<&str, (u64, bool)> = BTreeMap::new();
    for line in text.lines().skip(1).filter(|line| !line.trim().is_empty() && !line.starts_with("mode:")) {
        let mut fields = line.rsplitn(3, ' ');
        let (runs, statements, block) = (fields.next()?, fields.next()?, fields.next()?);
        let ran = runs.parse::<u64>().ok()? > 0;
        let entry = blocks.entry(block).or_insert((statements.parse().ok()?, false));
        entry.1 |= ran;
    }
    let total = blocks.values().map(|(statements, _)| statements).sum();
    let covered = blocks.values().filter(|(_, ran)| *ran).map(|(statements, _)| statements).sum();
    Some(Coverage { covered, total })
}

/// `LF` lines found and `LH` lines hit, of each file.
fn lcov(text: &str) -> Option<Coverage> {
    let sum = |key: &str| {
        let mut counts = text.lines().filter_map(|line| line.trim().strip_prefix(key)).peekable();
        counts.peek()?;
        counts.map(|count| count.trim().parse::<u64>().ok()).sum::<Option<u64>>()
    };
    Some(Coverage { covered: sum("LH:")?, total: sum("LF:")? })
}

/// The attributes of the element that all others are in.
fn cobertura(text: &str) -> Option<Coverage> {
    let element = elements(text, "coverage").next()?;
    let count = |name| attribute(element, name)?.parse().ok();
    Some(Coverage { covered: count("lines-covered")?, total: count("lines-valid")? })
}

/// The last counter of lines is that of the whole report.
fn jacoco(text: &str) -> Option<Coverage> {
    let counter = elements(text, "counter").filter(|it| attribute(it, "type") == Some("LINE")).last()?;
    let count = |name| attribute(counter, name)?.parse::<u64>().ok();
    let (covered, missed) = (count("covered")?, count("missed")?);
    Some(Coverage { covered, total: covered.checked_add(missed)? })
}

/// What stands between the name and the end of each start tag of this name.
fn elements<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    text.split('<').filter_map(move |part| {
        let rest = part.strip_prefix(name)?.split('>').next()?;
        rest.starts_with(char::is_whitespace).then_some(rest)
    })
}

fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let after = element.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
    after.trim_end_matches('/').strip_prefix(['"', '\''])?.strip_suffix(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(report: &str) -> Result<(u64, u64), String> {
        Coverage::read(report).map(|coverage| (coverage.covered, coverage.total))
    }

    #[test]
    fn reports_of_each_format_are_read() {
        let cobertura = "<?xml version=\"1.0\" ?>\n<!DOCTYPE coverage SYSTEM 'x'>\n<coverage version=\"7.6\" lines-valid=\"9\"\n \
                         lines-covered=\"7\" line-rate=\"0.7778\" branches-covered=\"0\">";
        assert_eq!(read(cobertura), Ok((7, 9)));
        let jacoco = "<report name='a'><counter type='LINE' missed='4' covered='1'/></package>\
                      <counter type='BRANCH' missed='9' covered='9'/><counter type='LINE' missed='5' covered='15'/></report>";
        assert_eq!(read(jacoco), Ok((15, 20)));
        assert_eq!(
            read("TN:\nSF:a.js\nLF:4\nLH:3\nend_of_record\nSF:b.js\nLF:1\nLH:1\nend_of_record\n"),
            Ok((4, 5))
        );
        let go =
            "mode: set\na/b.go:1.1,2.2 2 0\na/b.go:3.1,4.2 3 1\na/b.go:1.1,2.2 2 1\na/c.go:1.1,2.2 1 0\n";
        assert_eq!(read(go), Ok((5, 6)));
        assert_eq!(
            read(r#"{"meta":{},"files":{},"totals":{"covered_lines":8,"num_statements":8}}"#),
            Ok((8, 8))
        );
        assert_eq!(read(r#"{"total":{"lines":{"total":10,"covered":9,"pct":90}}}"#), Ok((9, 10)));
        assert_eq!(read(r#"{"data":[{"totals":{"lines":{"count":3,"covered":2}}}]}"#), Ok((2, 3)));
    }

    #[test]
    fn what_is_no_report_is_none() {
        for text in [
            "",
            "hello",
            "{}",
            "<html></html>",
            "mode: set\nnonsense",
            "LF:3",
            "LH:x\nLF:3",
            "<coverages lines-valid='1'>",
        ] {
            assert_eq!(read(text), Err("is in no known format".to_owned()), "{text}");
        }
        assert_eq!(read("LF:1\nLH:2"), Err("says that 2 of 1 lines ran".to_owned()));
    }

    #[test]
    fn a_share_is_never_rounded_up_to_the_floor() {
        let almost = Coverage { covered: 99_999, total: 100_000 };
        assert_eq!((almost.reaches(100.0), almost.reaches(99.999)), (false, true));
        let shown = |covered, total| Coverage { covered, total }.to_string();
        assert_eq!(shown(99_999, 100_000), "99.99 % (99999 of 100000 lines)");
        assert_eq!(shown(3, 3), "100 % (3 of 3 lines)");
        assert_eq!(shown(1, 2), "50 % (1 of 2 lines)");
        assert_eq!(shown(5, 8), "62.5 % (5 of 8 lines)");
        assert_eq!(shown(0, 0), "100 % (0 of 0 lines)");
    }
}
