//! `aspora demo`: the seed's requirement on its whole way to the merge, told as it happens.
//!
//! It talks to its own factory over REST like anybody else. A demo that was cut off goes on where it
//! stopped; one that has ended begins anew in a clean folder.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Client, Exit,
    app::stop_on_signal,
    args::Demo,
    home::DevServer,
    print::Printer,
    settings::Settings,
    story::{plain, short},
};
use crate::api::{Assessment, Fact, Finding, NewRequirement, Run};

/// The seed's requirement, in the seed's words.
const TITLE: &str = "Portfolio risk checker";
const BODY: &str = "We need a portfolio risk checker for Wealth product";

/// How far a demo got, kept in its folder.
#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    /// The key under which the requirement is handed in, once.
    key: Uuid,
    ended: bool,
}

/// The last line of `-o json`.
#[derive(Debug, Serialize)]
struct Summary {
    run_id: Uuid,
    /// How the run ended: `succeeded`, `failed`, `blocked`, `cancelled`.
    end: String,
    tier: Option<String>,
    /// Rounds of remediation.
    rounds: u32,
    findings: usize,
    merged_sha: Option<String>,
    /// Steps that answered.
    steps: usize,
    /// From the start of the demo to the end of the run.
    wall_ms: u128,
}

/// Runs the demo; [`Exit::Done`] only if the change was merged.
///
/// # Errors
/// When a part cannot start, or the factory goes away.
pub(super) async fn run(options: Demo, printer: &Printer) -> anyhow::Result<Exit> {
    let (began, settings, stop) = (Instant::now(), Settings::from_env()?, stop_on_signal()?);
    let folder = options.data.clone().unwrap_or_else(own_folder);
    let marker = prepare(&folder, options.data.is_some())?;
    let listen = SocketAddr::from(([127, 0, 0, 1], options.port));
    let home = DevServer::open(&settings, &folder, listen, stop.clone()).await?;
    home.add_wealth().await?;
    printer.aside(&format!("Aspora runs on {} ({})", home.url, home.stand_ins()))?;
    let told = tell(&home, &marker, printer, began, stop).await;
    let Ok((exit, run)) = told else {
        home.close().await?;
        return told.map(|(exit, _)| exit);
    };
    mark(&folder, &Marker { ended: true, ..marker })?;
    if options.keep {
        printer.aside("Staying for a look around; Ctrl-C ends it.")?;
        home.run().await?;
    } else {
        home.close().await?;
        let program = std::env::args().next().unwrap_or_else(|| "aspora".to_owned());
        let page = format!("http://127.0.0.1:8080/runs/{run}");
        printer.aside(&format!("Look around: {program} dev --data {}, then {page}", folder.display()))?;
    }
    Ok(exit)
}

/// Hands the requirement in, follows it to its end and shows what came of it.
async fn tell(
    home: &DevServer,
    marker: &Marker,
    printer: &Printer,
    began: Instant,
    stop: CancellationToken,
) -> anyhow::Result<(Exit, Uuid)> {
    let client = Client::new(&home.url.parse()?)?;
    let new = NewRequirement {
        budget: None,
        product: "wealth".to_owned(),
        title: TITLE.to_owned(),
        body: BODY.to_owned(),
        priority: 3,
    };
    let accepted = client.submit_once(&new, marker.key).await?;
    printer.aside(&format!("“{BODY}”\n{}\n", accepted.page_url))?;
    let mut steps = 0;
    let following = client.follow(accepted.run_id, |event| {
        steps += usize::from(matches!(event.fact, Fact::Answered { .. }));
        printer.told(event)
    });
    let run = tokio::select! {
        run = following => run?,
        () = stop.cancelled() => bail!("stopped; run it again to go on"),
    };
    let wall_ms = began.elapsed().as_millis();
    let findings = client.findings(run.id).await?;
    let verdict = client.assessments(run.id).await?.into_iter().find(|it| it.stage == "verdict");
    printer.aside(&outcome(&run, &findings, verdict.as_ref()))?;
    if run.progress.merged.is_some() {
        printer.aside(&home.test_main(&run.repository, &run.base_branch).await?)?;
    }
    let summary = Summary {
        run_id: run.id,
        end: run.ended_as.clone().unwrap_or_default(),
        tier: run.progress.tier.clone(),
        rounds: run.visits.get("remediate").copied().unwrap_or(0),
        findings: findings.len(),
        merged_sha: run.progress.merged.clone(),
        steps,
        wall_ms,
    };
    let merged = summary.end == "succeeded" && summary.merged_sha.is_some();
    printer.result(&summary)?;
    Ok((if merged { Exit::Done } else { Exit::NotSucceeded }, run.id))
}

/// Findings, commits and the check matrix, for people.
fn outcome(run: &Run, findings: &[Finding], verdict: Option<&Assessment>) -> String {
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
        "\n{}: base {}, head {}, merged as {}; tier {}; {} model calls, {} tokens",
        run.ended_as.as_deref().unwrap_or(&run.state),
        commit(&progress.base),
        commit(&progress.head),
        commit(&progress.merged),
        progress.tier.as_deref().unwrap_or("unknown"),
        run.spent.calls,
        run.spent.input_tokens + run.spent.output_tokens,
    ));
    if let Some(reason) = run.reason.as_deref().filter(|_| progress.merged.is_none()) {
        lines.push(plain(reason));
    }
    lines.extend(run.pull_url.as_deref().map(plain));
    lines.join("\n")
}

/// A clean folder, or the one of a demo that was cut off, and the key of its requirement.
fn prepare(folder: &Path, named: bool) -> anyhow::Result<Marker> {
    let file = folder.join("demo.json");
    let former: Option<Marker> = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
    if let Some(marker) = former {
        if !marker.ended {
            return Ok(marker);
        }
        if !named {
            fs::remove_dir_all(folder)
                .with_context(|| format!("clear the last demo's {}", folder.display()))?;
        }
    }
    fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
    let (owner, we) = (fs::metadata(folder)?.uid(), rustix::process::geteuid().as_raw());
    if owner != we {
        bail!("{} belongs to somebody else; name another folder with --data", folder.display());
    }
    let marker = Marker { key: Uuid::new_v4(), ended: false };
    mark(folder, &marker)?;
    Ok(marker)
}

fn mark(folder: &Path, marker: &Marker) -> anyhow::Result<()> {
    let text = serde_json::to_vec(marker)?;
    fs::write(folder.join("demo.json"), text).context("note how far the demo is")
}

/// Below the temporary folder, which the account that Postgres runs under can enter.
fn own_folder() -> PathBuf {
    std::env::temp_dir().join(format!("aspora-demo-{}", rustix::process::geteuid().as_raw()))
}
