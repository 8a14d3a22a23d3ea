//! `aspora demo --all`: three new products, each from `product init` through a requirement to its merge, side by side.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use futures::future::try_join_all;
use serde::Serialize;
use tokio::sync::mpsc::unbounded_channel;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    super::{Client, Exit, Printer, init, plain},
    Marker,
    approve::{Approvals, approve},
    progress,
};
use crate::{
    api::{Fact, NewRequirement, Run},
    cli::{after_merge::Asked, board::Board, dev_server::DevServer},
    core::words::counted,
    dev::{
        MainTests, set_up,
        showcase::{ALL, Showcase},
        templates::Template,
    },
    workspace::{Sandbox, Unavailable},
};

/// What can be done where set-up fails.
const WITHOUT_SET_UP: &str = "set-up needs a registry of Python packages: PyPI, or the one that PIP_INDEX_URL or \
                              pip.conf names. `aspora demo`, without --all, needs none";

const INTERRUPTED: &str = "interrupted; run it again to continue";

/// The result, as JSON.
#[derive(Debug, Serialize)]
struct Summary {
    products: Vec<Outcome>,
    /// What the set-up of the three took; next to nothing where their layer was there.
    set_up_ms: u128,
    /// From the start of the demo to its end.
    wall_ms: u128,
}

/// What became of one product.
#[derive(Debug, Serialize)]
struct Outcome {
    product: String,
    run_id: Uuid,
    /// How the run ended: `succeeded`, `failed`, `blocked`, `cancelled`.
    end: String,
    tier: Option<String>,
    /// What went back to the model, a sentence each.
    sent_back: Vec<String>,
    /// The people of the twin who approved the head that was merged.
    approved_by: Vec<String>,
    pull_url: Option<String>,
    merged_sha: Option<String>,
    /// The tests of the base branch after the merge.
    main: Option<MainTests>,
    /// What the merged service answered.
    answers: Vec<Asked>,
    /// What went wrong.
    fault: Option<String>,
    /// From the submission to the last answer.
    wall_ms: u128,
}

/// The products before their requirements.
pub(super) struct Prepared {
    folders: Vec<PathBuf>,
    sandbox: Sandbox,
    set_up: Duration,
}

/// What all products share.
struct Stage<'a> {
    server: &'a DevServer,
    sandbox: Sandbox,
    client: Client,
    board: Board,
}

/// Makes the products and their set-up.
///
/// # Errors
/// When there is no sandbox or set-up fails, with the way out, or it is interrupted.
pub(super) async fn prepare(
    folder: &Path,
    sandbox: &Result<Sandbox, Unavailable>,
    printer: &Printer,
    stop: &CancellationToken,
) -> anyhow::Result<Prepared> {
    let sandbox = match sandbox {
        Ok(sandbox) => sandbox.clone(),
        Err(unavailable) => bail!(
            "--all runs the products' own tests and services in the sandbox. {unavailable}. \
             `aspora demo`, without --all, does without"
        ),
    };
    let folders = ALL.iter().map(|it| make(folder, it)).collect::<anyhow::Result<Vec<_>>>()?;
    let place = folder.join("products");
    printer.aside(&format!(
        "`product init --template fastapi` made the three products in {}",
        place.display()
    ))?;
    printer.aside("set-up: pip installs what their tests need into one layer of the sandbox, by the same dependency files")?;
    let began = Instant::now();
    let work = async {
        for (folder, it) in folders.iter().zip(&ALL) {
            if let Err(said) = set_up(&sandbox, folder).await {
                bail!("{}: {said}\n{WITHOUT_SET_UP}", it.name);
            }
        }
        Ok(())
    };
    tokio::select! {
        done = work => done?,
        () = stop.cancelled() => bail!("{INTERRUPTED}"),
    }
    let set_up = began.elapsed();
    printer.aside(&format!("set-up took {}", seconds(set_up)))?;
    Ok(Prepared { folders, sandbox, set_up })
}

/// Follows the requirements of the products; also the path of the page to look at.
///
/// # Errors
/// When the parts that it needs are not there, or it is interrupted.
pub(super) async fn follow(
    server: &DevServer,
    prepared: Prepared,
    marker: &Marker,
    (printer, began): (&Printer, Instant),
    stop: CancellationToken,
) -> anyhow::Result<(Exit, String)> {
    let Prepared { folders, sandbox, set_up } = prepared;
    let stage = Stage {
        server,
        sandbox,
        client: Client::new(&server.url.parse()?, Some(server.key.reveal()))?,
        board: Board::new(*printer, &ALL.map(|it| it.name)),
    };
    stage.add(&folders).await?;
    let all = ALL.iter().zip(&marker.keys).enumerate();
    let work = try_join_all(all.map(|(row, (it, key))| stage.one(row, it, *key)));
    let products = tokio::select! {
        products = work => products?,
        Err(error) = stage.board.redraw() => return Err(error),
        () = stop.cancelled() => bail!("{INTERRUPTED}"),
    };
    let wall = began.elapsed();
    let summary = Summary { products, set_up_ms: set_up.as_millis(), wall_ms: wall.as_millis() };
    for outcome in &summary.products {
        printer.aside(&outcome.text())?;
    }
    let (three, wall) = (counted(ALL.len(), "product"), seconds(wall));
    printer.aside(&format!("\n{three} in {wall}, set-up {}", seconds(set_up)))?;
    printer.result(&summary)?;
    let is_good = summary.products.iter().all(Outcome::is_good);
    Ok((if is_good { Exit::Success } else { Exit::RunNotSucceeded }, "/".to_owned()))
}

impl Stage<'_> {
    /// Adds the products, as `dev --product` does.
    async fn add(&self, folders: &[PathBuf]) -> anyhow::Result<()> {
        if self.server.stand_ins.twin().is_none() {
            bail!("--all needs the GitHub twin, whose people approve: unset GITHUB_APP_ID and GITHUB_TOKEN");
        }
        for (it, folder) in ALL.iter().zip(folders) {
            self.server.add_local(&it.name.parse()?, folder, false).await?;
            let repository = self.client.product(it.name).await?.product.repository;
            if repository != format!("local/{}", it.name) {
                bail!("the database has a product `{}` in {repository}: unset DATABASE_URL", it.name);
            }
        }
        Ok(())
    }

    /// One product, from its requirement to the answers of its merged service.
    async fn one(&self, row: usize, it: &Showcase, key: Uuid) -> anyhow::Result<Outcome> {
        let began = Instant::now();
        let (title, body) = it.requirement();
        let new = NewRequirement {
            budget: None,
            product: it.name.to_owned(),
            title: title.to_owned(),
            body: body.to_owned(),
            priority: 3,
            requested_by: None,
            supersedes: None,
        };
        let accepted = self.client.submit_once(&new, key).await?;
        self.board.say(&format!("{:<9} “{title}”: {}", it.name, accepted.page_url))?;
        let (run, mut sent_back) = self.watch(row, accepted.run_id).await?;
        let head = run.progress.head.as_deref().unwrap_or_default();
        let approved_by = Approvals::of(&self.client.assessments(run.id).await?, head).by();
        let tests = self.client.tests(run.id).await?;
        sent_back.splice(0..0, progress::red_drafts(tests.iter().filter(|it| it.purpose == "draft").count()));
        let mut outcome = Outcome {
            product: it.name.to_owned(),
            run_id: run.id,
            end: run.ended_as.clone().unwrap_or_default(),
            tier: run.progress.tier.clone(),
            sent_back,
            approved_by,
            pull_url: run.pull_url.clone(),
            merged_sha: run.progress.merged.clone(),
            main: None,
            answers: Vec::new(),
            fault: run.reason.clone().filter(|_| run.progress.merged.is_none()),
            wall_ms: 0,
        };
        if run.progress.merged.is_some()
            && let Err(error) = self.look_at_main(row, it, &run, &mut outcome).await
        {
            outcome.fault = Some(format!("{error:#}"));
        }
        outcome.wall_ms = began.elapsed().as_millis();
        let done = if outcome.is_good() { "done: merged, tested and asked" } else { "NOT as it should be" };
        self.board.set(row, done)?;
        Ok(outcome)
    }

    /// Follows a run to its end, and lets people approve where it waits for them; also what was sent back.
    async fn watch(&self, row: usize, run: Uuid) -> anyhow::Result<(Run, Vec<String>)> {
        let (events, mut arrived) = unbounded_channel();
        let following = self.client.follow(run, move |event| Ok(events.send(event.clone())?));
        let acting = async {
            let mut sent_back = Vec::new();
            while let Some(event) = arrived.recv().await {
                sent_back.extend(progress::sent_back(&event));
                let run = self.client.run(run).await?;
                self.board.set(row, &progress::line(&run))?;
                if matches!(event.fact, Fact::Parked { .. }) && run.state == "waiting" {
                    self.let_approve(&run).await?;
                }
            }
            Ok(sent_back)
        };
        tokio::try_join!(following, acting)
    }

    /// Lets people approve what a run waits with, and says so.
    async fn let_approve(&self, run: &Run) -> anyhow::Result<()> {
        let Some(head) = &run.progress.head else { return Ok(()) };
        let approvals = Approvals::of(&self.client.assessments(run.id).await?, head);
        let who = approve(self.server, run, &approvals).await?;
        if who.is_empty() {
            return Ok(());
        }
        let (name, tier) = (&run.product, run.progress.tier.as_deref().unwrap_or("unknown"));
        let (asks, who) = (counted(approvals.needed, "approval"), who.join(" and "));
        self.board.say(&format!("{name:<9} the tier is {tier} and asks for {asks} by people: {who} approved"))
    }

    /// Tests the merged product and asks its service.
    async fn look_at_main(
        &self,
        row: usize,
        it: &Showcase,
        run: &Run,
        to: &mut Outcome,
    ) -> anyhow::Result<()> {
        let merged = self.server.merged(&self.sandbox, &run.repository, &run.base_branch).await?;
        let (name, head) = (&run.base_branch, &merged.head);
        let doing =
            format!("merged    on {name} at {head} all its tests run, its service is started and asked");
        self.board.set(row, &doing)?;
        let example = it.example()?;
        let (main, answers) = tokio::join!(merged.test(), merged.ask(&example));
        to.main = Some(main?);
        to.answers = answers?;
        Ok(())
    }
}

impl Outcome {
    /// Whether it was merged, its tests pass, and its service answers as expected.
    fn is_good(&self) -> bool {
        let is_tested = self.main.as_ref().is_some_and(|main| main.passed);
        let is_answered = !self.answers.is_empty() && self.answers.iter().all(Asked::fits);
        self.fault.is_none() && self.merged_sha.is_some() && is_tested && is_answered
    }

    /// All of it, a line each.
    fn text(&self) -> String {
        let tier = self.tier.as_deref().unwrap_or("unknown");
        let mut lines = vec![format!("\n{}: {}, tier {tier}", self.product, self.end)];
        lines.extend(self.sent_back.iter().map(|it| plain(it)));
        lines.push(match self.approved_by.as_slice() {
            [] => "approved by no person: the policy asks for none".to_owned(),
            people => format!("approved by {}, of the GitHub twin", people.join(" and ")),
        });
        lines.extend(self.pull_url.as_deref().map(plain));
        if let Some(main) = &self.main {
            let result = if main.passed { "pass" } else { "FAIL" };
            lines.push(format!("on main {}: {result} ({})", main.commands.join(", "), main.said));
        }
        lines.extend(self.answers.iter().map(|it| plain(&it.sentence())));
        lines.extend(self.fault.as_ref().map(|fault| format!("FAULT: {fault}")));
        lines.join("\n  ")
    }
}

/// As people read it: `12.3 s`.
fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// The folder of a product, made unless an interrupted demo made it.
fn make(folder: &Path, it: &Showcase) -> anyhow::Result<PathBuf> {
    let products = folder.join("products");
    let (made, begun) = (products.join(it.name), products.join(format!("{}.begun", it.name)));
    if !made.exists() {
        // Under its own name only once it has its commit.
        if begun.exists() {
            fs::remove_dir_all(&begun).with_context(|| format!("delete {}", begun.display()))?;
        }
        init::make(&it.name.parse()?, Template::FastApi, begun.clone())?;
        fs::rename(&begun, &made).with_context(|| format!("name the folder {}", made.display()))?;
    }
    Ok(made)
}
