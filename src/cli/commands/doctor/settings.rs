//! Every setting as this process sees it, the clock, and the disk.

use std::{fmt::Write as _, path::Path};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use crate::cli::{
    settings::{self, SECRETS, TABLE},
    text::plain,
};

/// A clock that is further away from the database's than this is remarked on: what people read in logs and on pages
/// would not fit together. Leases and timers go by the database's clock alone.
const MOST_SKEW: TimeDelta = TimeDelta::seconds(2);
/// Bytes that should be free where the mirrors are.
const LEAST_FREE: u64 = 2 << 30;

/// Lists every variable with its value, where it comes from, and no secret.
pub(super) fn list(get: impl Fn(&str) -> Option<String>, text: &mut String) -> Value {
    text.push_str("\nsettings:\n");
    let mut all = Map::new();
    for (name, default, _) in TABLE {
        let file = format!("{name}_FILE");
        let is_secret = SECRETS.contains(name);
        let (value, from) = match (get(name), get(&file).filter(|_| is_secret)) {
            (Some(_), Some(_)) => (format!("set twice, here and by {file}"), "both"),
            (Some(_), None) if is_secret => ("set, and not shown".to_owned(), "environment"),
            (Some(value), None) => (value, "environment"),
            (None, Some(path)) => (format!("in {path}"), "file"),
            (None, None) if default.is_empty() => ("not set".to_owned(), "default"),
            (None, None) => ((*default).to_owned(), "default"),
        };
        let mark = if from == "default" { "     " } else { "set  " };
        let _ = writeln!(text, "{mark}{name:<32} {}", plain(&value));
        all.insert((*name).to_owned(), json!({ "value": value, "from": from }));
    }
    Value::Object(all)
}

/// Compares this machine's clock with the database's.
pub(super) fn clock(here: DateTime<Utc>, there: DateTime<Utc>, text: &mut String) -> Value {
    let skew = here - there;
    let ms = skew.num_milliseconds();
    let _ = match skew.abs() > MOST_SKEW {
        true => writeln!(
            text,
            "note this machine's clock is {ms} ms off the database's: set both by NTP. Leases and timers go by the database's"
        ),
        false => writeln!(text, "ok   this machine's clock and the database's agree"),
    };
    json!({ "skew_ms": ms })
}

/// Looks how much is free where the mirrors are, or would be.
pub(super) fn disk(data: &Path, text: &mut String) -> Value {
    let existing = data.ancestors().find(|folder| folder.exists()).unwrap_or(data);
    let shown = plain(&data.display().to_string());
    let free = match rustix::fs::statvfs(existing) {
        Ok(found) => found.f_bavail.saturating_mul(found.f_frsize),
        Err(error) => {
            let _ = writeln!(text, "note the disk of {shown} (ASPORA_DATA) cannot be looked at: {error}");
            return Value::Null;
        }
    };
    let mib = free >> 20;
    let _ = match free < LEAST_FREE {
        true => writeln!(
            text,
            "note {mib} MiB are free for {shown} (ASPORA_DATA): mirrors and layers of set-up need more"
        ),
        false => writeln!(text, "ok   {mib} MiB are free for {shown} (ASPORA_DATA)"),
    };
    json!({ "folder": data, "free_bytes": free })
}

/// Lists the settings of this process' environment.
pub(super) fn list_own(text: &mut String) -> Value {
    list(settings::variable, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_listed_and_no_secret() {
        let get = |name: &str| match name {
            "OPENAI_API_KEY" => Some("sk-canary".to_owned()),
            "DATABASE_URL_FILE" => Some("/run/secrets/database".to_owned()),
            "ASPORA_LISTEN" => Some("0.0.0.0:80".to_owned()),
            _ => None,
        };
        let mut text = String::new();
        let all = list(get, &mut text);
        assert!(!text.contains("canary") && !all.to_string().contains("canary"), "{text}");
        assert_eq!(all.as_object().unwrap().len(), TABLE.len());
        let check = |name: &str, value: &str, from: &str| {
            assert_eq!(all[name], json!({ "value": value, "from": from }), "{name}");
            assert!(text.contains(value), "{text}");
        };
        check("OPENAI_API_KEY", "set, and not shown", "environment");
        check("DATABASE_URL", "in /run/secrets/database", "file");
        check("ASPORA_LISTEN", "0.0.0.0:80", "environment");
        check("GITHUB_TOKEN", "not set", "default");
        check("ASPORA_LEASE_MS", "30000", "default");
    }

    #[test]
    fn a_clock_that_is_off_is_remarked_on() {
        let check = |ms: i64, words: &str| {
            let (there, mut text) = (DateTime::UNIX_EPOCH, String::new());
            clock(there + TimeDelta::milliseconds(ms), there, &mut text);
            assert!(text.starts_with(words), "{text}");
        };
        check(0, "ok   ");
        check(2_000, "ok   ");
        check(-2_001, "note this machine's clock is -2001 ms off");
    }
}
