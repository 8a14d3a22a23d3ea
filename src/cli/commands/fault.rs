//! `aspora fault`: disturbs the GitHub twin of a running `aspora dev`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Exit, Printer};
use crate::cli::settings::Settings;

/// The arguments of `aspora fault`.
#[derive(Debug, Args)]
pub(crate) struct Fault {
    /// Data directory of the running `aspora dev` [default: `dev` in ASPORA_DATA].
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

/// The subcommands of `aspora fault`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a request fail.
    Add(Add),
    /// Remove all faults.
    Clear,
    /// Set a switch, such as `page_size 1`, `rate_limit '[3,60]'`, `token_seconds 5` or `long_tokens true`.
    Set {
        /// `page_size`, `rate_limit`, `rate_limit_status`, `token_seconds`, `token_delay_seconds`, `long_tokens` or
        /// `webhook_content_type` (`json`, `form`).
        name: String,
        /// A JSON value.
        value: String,
    },
}

/// A fault to add.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Method of the request, in upper case; `*` means any.
    method: String,
    /// A glob over the path, such as `/repos/*/*/pulls`.
    path: String,
    /// `error_before=STATUS`, `apply_then_error=STATUS`, `apply_then_cut`, `delay=MILLIS`, `secondary_limit=SECONDS`,
    /// `too_many=SECONDS` or `stale_list`.
    fault: String,
    /// Which matching request fails, counted from 1; 0 means every one.
    #[arg(long, default_value_t = 1)]
    nth: u32,
}

/// Runs a subcommand.
///
/// # Errors
/// When no twin runs there, or it refuses the fault.
pub(crate) async fn run(fault: Fault, printer: &Printer) -> anyhow::Result<Exit> {
    let folder = match fault.data {
        Some(folder) => folder,
        None => Settings::from_env()?.data.join("dev"),
    };
    let (method, path, body) = match fault.command {
        Command::Add(add) => (Method::POST, "faults", rule(&add)?),
        Command::Clear => (Method::DELETE, "faults", Value::Null),
        Command::Set { name, value } => {
            let value: Value =
                serde_json::from_str(&value).with_context(|| format!("read `{value}` as JSON"))?;
            (Method::PUT, "switches", json!({ name: value }))
        }
    };
    send(&folder, method, path, &body).await?;
    printer.say("Done.", &json!({"done": true}))?;
    Ok(Exit::Success)
}

fn rule(add: &Add) -> anyhow::Result<Value> {
    let (kind, number) = match add.fault.split_once('=') {
        Some((kind, number)) => {
            let number: u32 =
                number.parse().with_context(|| format!("read the number in `{}`", add.fault))?;
            (kind, Some(number))
        }
        None => (&*add.fault, None),
    };
    let fault = match (kind, number) {
        ("error_before" | "apply_then_error", Some(status)) => json!({"kind": kind, "status": status}),
        ("delay", Some(millis)) => json!({"kind": kind, "millis": millis}),
        ("secondary_limit" | "too_many", Some(seconds)) => json!({"kind": kind, "seconds": seconds}),
        ("apply_then_cut" | "stale_list", None) => json!({ "kind": kind }),
        _ => bail!("`{}` is no fault; `aspora fault add --help` lists them", add.fault),
    };
    Ok(json!({"method": add.method, "path": add.path, "nth": add.nth, "fault": fault}))
}

/// Sends a request to the twin, whose address and secret are in the file `forge/control`.
async fn send(folder: &Path, method: Method, path: &str, body: &Value) -> anyhow::Result<()> {
    let file = folder.join("forge").join("control");
    let text = std::fs::read_to_string(&file).with_context(|| {
        format!("read {}: is `aspora dev` running with this data directory?", file.display())
    })?;
    let (url, secret) = text.trim().split_once('\n').context("the file has no address and secret")?;
    let client = reqwest::Client::builder().no_proxy().build().context("build the client")?;
    let request = client.request(method, format!("{url}/_twin/{path}")).bearer_auth(secret).json(body);
    let answer = request.send().await.with_context(|| format!("reach the GitHub twin at {url}"))?;
    let status = answer.status();
    if !status.is_success() {
        bail!("the GitHub twin refused it ({status}): {}", answer.text().await.unwrap_or_default());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_a_name_and_a_number_where_it_has_one() {
        let of = |fault: &str| {
            let add = Add { method: "GET".into(), path: "/user".into(), fault: fault.into(), nth: 1 };
            rule(&add).ok().map(|rule| rule["fault"].clone())
        };
        assert_eq!(of("error_before=502"), Some(json!({"kind": "error_before", "status": 502})));
        assert_eq!(of("stale_list"), Some(json!({"kind": "stale_list"})));
        assert_eq!(of("delay"), None);
        assert_eq!(of("delay=soon"), None);
        assert_eq!(of("nothing=1"), None);
    }
}
