//! What starts it elsewhere knows every setting, and the page about it every metric.

use aspora::{
    cli::settings::TABLE,
    metrics::{COUNTED, GAUGES},
};

const SETTINGS: &str = include_str!("../../deploy/aspora.env");
const PAGE: &str = include_str!("../../docs/DEPLOY.md");
/// Only commands that talk to a server read these.
const OF_CLIENTS: [&str; 2] = ["ASPORA_SERVER", "ASPORA_API_KEY"];

#[test]
fn the_file_of_settings_has_each_with_its_default() {
    let listed: Vec<&str> = SETTINGS
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| !line.starts_with(' '))
        .collect();
    let settings = TABLE.iter().filter(|(name, ..)| !OF_CLIENTS.contains(name));
    let expected: Vec<String> = settings.map(|(name, default, _)| format!("{name}={default}")).collect();
    assert_eq!(listed, expected);
}

#[test]
fn every_metric_is_described() {
    for (of, metrics) in [("the database, said by servers", &GAUGES[..]), ("the process", &COUNTED[..])] {
        for (name, meaning) in metrics {
            let row = format!("| `{name}` | {of} | {meaning} |");
            assert!(PAGE.contains(&row), "put this into docs/DEPLOY.md:\n{row}");
        }
    }
}
