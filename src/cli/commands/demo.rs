//! `aspora demo`: one requirement from its submission to the merge, printed as it happens; or those of three
//! products side by side.
//!
//! It talks to its own server over REST, like any client. An interrupted demo continues where it stopped; after
//! a complete one, the next starts in an empty directory.

mod all;
mod approve;
mod figures;
mod outcome;
mod progress;
mod stage;

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Client, Exit, Printer, options::ActAs, plain};
use crate::{
    api::{Assessment, Fact, Finding, NewRequirement, Run},
    cli::{app::stop_on_signal, dev_server::DevServer, settings::Settings, text::short},
    core::words::counted,
    dev::showcase,
    workspace::Sandbox,
};

/// The requirement that the scripted model knows how to implement.
const TITLE: &str = "Portfolio risk checker";
const BODY: &str = "We need a portfolio risk checker for Wealth product";

/// The arguments of `aspora demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Data directory, by default below the temporary directory. An interrupted demo there continues.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Port of the server; 0 picks a free port.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Take three new products, wealth, ecm and fincrime, through their requirements to the merges, side by side, and an
    /// incident to its merged case.
    #[arg(long, conflicts_with = "credential")]
    all: bool,
    /// What to act as at the GitHub twin.
    #[arg(long, value_enum, default_value_t = ActAs::App)]
    credential: ActAs,
    /// Keep serving the pages after the end, until interrupted.
    #[arg(long)]
    keep: bool,
}

/// The progress of a demo, kept in its directory.
#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    /// The idempotency key of each requirement, and the key of the incident.
    keys: Vec<Uuid>,
    ended: bool,
}

/// The last line of `-o json`.
#[derive(Debug, Serialize)]
struct Summary {
    run_id: Uuid,
    /// How the run ended: `succeeded`, `failed`, `blocked`, `cancelled`.
    end: String,
    tier: Option<String>,
    /// Remediation rounds.
    rounds: u32,
    findings: usize,
    merged_sha: Option<String>,
    /// What the merged service answered; nothing without a sandbox.
    risk_check: Option<Value>,
    /// Steps that returned an outcome.
    steps: usize,
    /// From the start of the demo to the end of the run.
    wall_ms: u128,
}

/// Runs the demo; [`Exit::Success`] only if every change was merged, and with `--all` is as it should be.
///
/// # Errors
/// When a part cannot start or the server stops.
pub(crate) async fn run(options: Demo, printer: &Printer) -> anyhow::Result<Exit> {
    let (began, settings, stop) = (Instant::now(), Settings::from_env()?, stop_on_signal()?);
    let folder = options.data.clone().unwrap_or_else(|| default_folder(options.all));
    let keys = if options.all { all::KEYS } else { 1 };
    let marker = prepare(&folder, options.data.is_some(), keys)?;
    let listen = SocketAddr::from(([127, 0, 0, 1], options.port));
    let sandbox = Sandbox::find().await;
    let acting = (options.credential.into(), 0);
    let opening = DevServer::open(&settings, &folder, listen, acting, (sandbox.clone(), stop.clone()));
    // Set-up takes long, and needs nothing of the server.
    let preparing = async {
        if options.all { all::prepare(&folder, &sandbox, printer, &stop).await.map(Some) } else { Ok(None) }
    };
    let (server, prepared) = tokio::join!(opening, preparing);
    let server = server?;
    printer.aside(&format!("Aspora runs on {} ({})", server.url, server.describe_parts()))?;
    let followed = match prepared {
        Ok(Some(prepared)) => Box::pin(all::follow(&server, prepared, &marker, (printer, began), stop)).await,
        Ok(None) => follow(&server, &marker, printer, began, stop).await,
        Err(error) => Err(error),
    };
    let Ok((exit, page)) = followed else {
        server.close().await?;
        return followed.map(|(exit, _)| exit);
    };
    save(&folder, &Marker { ended: true, ..marker })?;
    if options.keep {
        if let Some(people) = server.describe_people()? {
            printer.aside(&people)?;
        }
        printer.aside("The server keeps running; press Ctrl-C to stop it.")?;
        server.run().await?;
    } else {
        server.close().await?;
        let program = std::env::args().next().unwrap_or_else(|| "aspora".to_owned());
        let page = format!("http://127.0.0.1:8080{page}");
        printer.aside(&format!("To look around: {program} dev --data {}, then {page}", folder.display()))?;
    }
    Ok(exit)
}

/// Submits the requirement, follows its run to the end and prints the results; also the path of its page.
async fn follow(
    server: &DevServer,
    marker: &Marker,
    printer: &Printer,
    began: Instant,
    stop: CancellationToken,
) -> anyhow::Result<(Exit, String)> {
    server.add_wealth().await?;
    printer.aside(&server.describe_credential().await?)?;
    let client = Client::new(&server.url.parse()?, Some(server.key.reveal()))?;
    let new = NewRequirement {
        budget: None,
        product: "wealth".to_owned(),
        title: TITLE.to_owned(),
        body: BODY.to_owned(),
        priority: 3,
        requested_by: None,
        supersedes: None,
    };
    let accepted = client.submit_once(&new, marker.keys[0]).await?;
    printer.aside(&format!("“{BODY}”\n{}\n", accepted.page_url))?;
    let mut steps = 0;
    let following = client.follow(accepted.run_id, |event| {
        steps += usize::from(matches!(event.fact, Fact::Answered { .. }));
        printer.aside_event(event)
    });
    let run = tokio::select! {
        run = following => run?,
        () = stop.cancelled() => bail!("interrupted; run it again to continue"),
    };
    let wall_ms = began.elapsed().as_millis();
    let findings = client.findings(run.id).await?;
    let verdict = client.assessments(run.id).await?.into_iter().find(|it| it.stage == "verdict");
    printer.aside(&results(&run, &findings, verdict.as_ref()))?;
    let mut risk_check = None;
    if run.progress.merged.is_some() {
        risk_check = look_at_main(server, &run, printer).await?;
    }
    let summary = Summary {
        run_id: run.id,
        end: run.ended_as.clone().unwrap_or_default(),
        tier: run.progress.tier.clone(),
        rounds: run.visits.get("remediate").copied().unwrap_or(0),
        findings: findings.len(),
        merged_sha: run.progress.merged.clone(),
        risk_check,
        steps,
        wall_ms,
    };
    let merged = summary.end == "succeeded" && summary.merged_sha.is_some();
    printer.result(&summary)?;
    Ok((if merged { Exit::Success } else { Exit::RunNotSucceeded }, format!("/runs/{}", run.id)))
}

/// Tests the merged product and asks its service; what it answered, nothing without a sandbox.
async fn look_at_main(server: &DevServer, run: &Run, printer: &Printer) -> anyhow::Result<Option<Value>> {
    let sandbox = match &server.sandbox {
        Ok(sandbox) => sandbox,
        Err(unavailable) => {
            printer.aside(&unavailable.to_string())?;
            return Ok(None);
        }
    };
    let branch = &run.base_branch;
    let merged = server.merged(sandbox, &run.repository, branch).await?;
    let tests = merged.test().await?;
    let (result, head) = (if tests.passed { "pass" } else { "FAIL" }, &merged.head);
    printer.aside(&format!("the product's tests {result} on {branch} at {head} ({})", tests.said))?;
    let asked = merged.ask(&showcase::WEALTH.example()?).await?;
    for it in &asked {
        printer.aside(&format!("on {branch} at {head}: {}", it.sentence()))?;
        if !it.fits() {
            bail!("the merged service answers otherwise than its requirement's document: {}", it.answer);
        }
    }
    Ok(asked.into_iter().next().map(|it| it.answer))
}

/// The findings, the checks and the commits, as text.
fn results(run: &Run, findings: &[Finding], verdict: Option<&Assessment>) -> String {
    let mut lines = vec![String::new()];
    for finding in findings {
        let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
        let fixed = finding.state_sha.as_deref().map(|sha| format!(" at {}", short(sha))).unwrap_or_default();
        let (severity, state) = (finding.severity.to_uppercase(), &finding.state);
        let place = plain(&format!("{}{line}", finding.path));
        lines.push(format!("  {severity:<8} {place}  {}  [{state}{fixed}]", plain(&finding.message)));
    }
    let rows = verdict.and_then(|it| it.report.get("checks")?.as_array().cloned()).unwrap_or_default();
    let head = verdict.map(|it| short(&it.head_sha).to_owned()).unwrap_or_default();
    for row in rows {
        let text = |key: &str| row.get(key).and_then(|value| value.as_str()).unwrap_or("?").to_owned();
        lines.push(format!("  {:<20} {:<16} {head}", plain(&text("name")), plain(&text("state"))));
    }
    let progress = &run.progress;
    let commit = |sha: &Option<String>| sha.as_deref().map_or("none", short).to_owned();
    lines.push(format!(
        "\n{}: base {}, head {}, merged as {}; tier {}; {}, {}",
        run.ended_as.as_deref().unwrap_or(&run.state),
        commit(&progress.base),
        commit(&progress.head),
        commit(&progress.merged),
        progress.tier.as_deref().unwrap_or("unknown"),
        counted(run.spent.calls, "model call"),
        counted(run.spent.input_tokens + run.spent.output_tokens, "token"),
    ));
    if let Some(reason) = run.reason.as_deref().filter(|_| progress.merged.is_none()) {
        lines.push(plain(reason));
    }
    lines.extend(run.pull_url.as_deref().map(plain));
    lines.join("\n")
}

/// Prepares the directory: an empty one, or that of an interrupted demo of as many keys with its progress.
fn prepare(folder: &Path, named: bool, count: usize) -> anyhow::Result<Marker> {
    let file = folder.join("demo.json");
    let former: Option<Marker> = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
    if let Some(marker) = former {
        let shown = folder.display();
        if marker.keys.len() != count {
            bail!("{shown} has another demo (with or without --all); choose another directory with --data");
        }
        if marker.ended && named && count > 1 {
            bail!("the demo in {shown} has ended; choose another directory with --data");
        }
        if !marker.ended {
            return Ok(marker);
        }
        if !named {
            fs::remove_dir_all(folder)
                .with_context(|| format!("delete {} of the previous demo", folder.display()))?;
        }
    }
    fs::create_dir_all(folder).with_context(|| format!("create directory {}", folder.display()))?;
    let (owner, user) = (fs::metadata(folder)?.uid(), rustix::process::geteuid().as_raw());
    if owner != user {
        bail!("{} belongs to another user; choose another directory with --data", folder.display());
    }
    let keys = std::iter::repeat_with(Uuid::new_v4).take(count).collect();
    let marker = Marker { keys, ended: false };
    save(folder, &marker)?;
    Ok(marker)
}

fn save(folder: &Path, marker: &Marker) -> anyhow::Result<()> {
    let text = serde_json::to_vec(marker)?;
    fs::write(folder.join("demo.json"), text).context("save the progress of the demo")
}

/// Below the temporary directory, which the account that Postgres runs under can access.
fn default_folder(all: bool) -> PathBuf {
    let (user, name) =
        (rustix::process::geteuid().as_raw(), if all { "aspora-demo-all" } else { "aspora-demo" });
    std::env::temp_dir().join(format!("{name}-{user}"))
}
