//! `aspora evidence`: verifies browser evidence on this machine, and sends it. `aspora run evidence` lists what came.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Command as Process,
};

use anyhow::{Context as _, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::{Args, Subcommand};
use uuid::Uuid;

use super::{Client, Exit, Printer, plain};
use crate::{
    api::{self, EvidenceAnswer, FlowAnswer, NewEvidence, NewPicture},
    cli::text::short,
    core::{
        evidence::{FILE_LIMIT, MOST_FLOWS, Manifest, Upload, verify},
        policy::{self, POLICY_LIMIT, Policy},
        requirement::ProductName,
        sha::Sha,
    },
};

/// What the name of a manifest ends with.
const SUFFIX: &str = ".manifest.json";
/// The most bytes of a manifest (1 MiB).
const MANIFEST_LIMIT: usize = 1024 * 1024;

/// The subcommands of `aspora evidence`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Verify a folder of manifests and screenshots, as the server would.
    Verify(Verify),
    /// Send a folder of manifests and screenshots to the server; the key is in `ASPORA_API_KEY`.
    Send(Send),
}

/// The arguments of `verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The folder.
    #[arg(default_value = "tests/evidence")]
    dir: PathBuf,
    /// The policy's file.
    #[arg(long, value_name = "FILE", default_value = policy::POLICY_PATH)]
    policy: PathBuf,
    /// The product whose flows are required [default: every product of the policy].
    #[arg(long, value_name = "NAME")]
    product: Option<ProductName>,
    /// The commit that was captured [default: the one that is checked out].
    #[arg(long, value_name = "SHA")]
    head: Option<Sha>,
}

/// The arguments of `send`.
#[derive(Debug, Args)]
pub(crate) struct Send {
    /// The folder.
    #[arg(default_value = "tests/evidence")]
    dir: PathBuf,
    /// The repository.
    #[arg(long, value_name = "OWNER/NAME")]
    repository: String,
    /// The commit that was captured, all 40 digits.
    #[arg(long, value_name = "SHA")]
    head: Sha,
    /// The run [default: the open one whose head it is].
    #[arg(long, value_name = "ID")]
    run: Option<Uuid>,
}

/// A folder of evidence.
struct Folder {
    manifests: Vec<Manifest>,
    /// The files that the manifests name and that are there.
    files: BTreeMap<String, Vec<u8>>,
}

/// Runs a subcommand. Only `send` needs `client`.
///
/// # Errors
/// When the folder or the policy cannot be read, or the server refuses what is sent.
pub(crate) async fn run(
    client: impl FnOnce() -> anyhow::Result<Client>,
    printer: &Printer,
    command: Command,
) -> anyhow::Result<Exit> {
    match command {
        Command::Verify(command) => verified(printer, &command),
        Command::Send(command) => sent(&client()?, printer, command).await,
    }
}

fn verified(printer: &Printer, command: &Verify) -> anyhow::Result<Exit> {
    let text = bytes(&command.policy, POLICY_LIMIT)?;
    let policy = Policy::parse(&text).with_context(|| command.policy.display().to_string())?;
    if let Some(name) = command.product.as_ref().filter(|name| policy.products().all(|it| it != *name)) {
        bail!("{} has no product {name}", command.policy.display());
    }
    let head = match &command.head {
        Some(head) => head.clone(),
        None => checked_out()?,
    };
    let folder = Folder::read(&command.dir)?;
    let upload = Upload {
        head: &head,
        arrived_at: chrono::Utc::now(),
        manifests: &folder.manifests,
        files: &folder.files,
    };
    let verified = verify(&upload).under(&policy.evidence_demand(command.product.as_ref()));
    let flows: Vec<FlowAnswer> = verified.flows.iter().map(FlowAnswer::from).collect();
    let json =
        serde_json::json!({ "verified": verified.holds(), "flows": flows, "missing": verified.missing });
    printer.say(listed(&flows, &verified.missing).trim_end(), &json)?;
    Ok(if verified.holds() { Exit::Success } else { Exit::Refused })
}

async fn sent(client: &Client, printer: &Printer, command: Send) -> anyhow::Result<Exit> {
    let Folder { manifests, files } = Folder::read(&command.dir)?;
    let picture = |(path, bytes): (String, Vec<u8>)| NewPicture { path, content: STANDARD.encode(bytes) };
    let new = NewEvidence {
        repository: command.repository,
        head_sha: command.head.to_string(),
        run: command.run,
        manifests,
        files: files.into_iter().map(picture).collect(),
    };
    let answer: EvidenceAnswer = client.send_evidence(&new).await?;
    let text = format!(
        "{}run {}: {}",
        listed(&answer.flows, &answer.missing),
        answer.run,
        plain(&answer.conclusion)
    );
    printer.say(&text, &answer)?;
    Ok(if answer.conclusion == "success" { Exit::Success } else { Exit::Refused })
}

/// A line for each flow.
fn listed(flows: &[FlowAnswer], missing: &[String]) -> String {
    let mut text = String::new();
    for flow in flows {
        // Each fault begins with the name of its flow.
        let faults: Vec<String> = flow.faults.iter().map(|fault| plain(fault)).collect();
        let _ = match flow.verified {
            true => writeln!(text, "{}: verified", plain(&flow.flow)),
            false => writeln!(text, "{}", faults.join("; ")),
        };
    }
    for flow in missing {
        let _ = writeln!(
            text,
            "{}: is required by the policy and is not there; capture this flow too",
            plain(flow)
        );
    }
    text
}

/// What came for a run, newest first.
pub(super) fn of_run(all: &[api::Evidence]) -> String {
    if all.is_empty() {
        return "No evidence came for it.".to_owned();
    }
    let mut text = String::new();
    for evidence in all {
        let (head, by, at) =
            (short(&evidence.head), plain(&evidence.by), evidence.arrived_at.format("%F %T"));
        let _ = writeln!(text, "{head}  {}, sent by {by} at {at} UTC", plain(&evidence.conclusion));
        for line in listed(&evidence.flows, &evidence.missing).lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
    text
}

impl Folder {
    fn read(dir: &Path) -> anyhow::Result<Self> {
        let mut names: Vec<String> = std::fs::read_dir(dir)
            .with_context(|| format!("open the folder {}", dir.display()))?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.ends_with(SUFFIX))
            .collect();
        names.sort_unstable();
        if names.is_empty() || names.len() > MOST_FLOWS {
            let (dir, count) = (dir.display(), names.len());
            bail!("{dir} has {count} files *{SUFFIX}; evidence has 1 to {MOST_FLOWS}, one each flow");
        }
        let mut folder = Self { manifests: Vec::new(), files: BTreeMap::new() };
        for name in names {
            let path = dir.join(name);
            let manifest = Manifest::parse(&bytes(&path, MANIFEST_LIMIT)?);
            let manifest = manifest.with_context(|| path.display().to_string())?;
            for picture in &manifest.screenshots {
                let path = dir.join(&picture.path);
                if path.is_file() {
                    folder.files.insert(picture.path.clone(), bytes(&path, FILE_LIMIT)?);
                }
            }
            folder.manifests.push(manifest);
        }
        Ok(folder)
    }
}

/// The bytes of a file of at most so many.
fn bytes(path: &Path, most: usize) -> anyhow::Result<Vec<u8>> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).with_context(|| format!("open {}", path.display()))?;
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes).with_context(|| format!("read {}", path.display()))?;
    if bytes.len() > most {
        bail!("{} has over {most} bytes", path.display());
    }
    Ok(bytes)
}

/// The commit that is checked out here.
fn checked_out() -> anyhow::Result<Sha> {
    let asked = Process::new("git").args(["rev-parse", "HEAD"]).output().context("run git")?;
    let text = String::from_utf8_lossy(&asked.stdout);
    text.trim()
        .parse()
        .context("this is no repository with a commit; name the one that was captured with --head")
}
