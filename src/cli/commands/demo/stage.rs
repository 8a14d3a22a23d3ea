//! Takes the requirements and the incident of one product to their merges, and looks at its main branch then.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use backon::{ConstantBuilder, Retryable as _};
use tokio::sync::mpsc::unbounded_channel;
use uuid::Uuid;

use super::{
    super::Client,
    approve::{Approvals, approve},
    outcome::{Conversion, Outcome, Product},
    progress,
};
use crate::{
    api::{Assessment, Fact, NewGap, NewRequirement, Run},
    cli::{board::Board, client::Failure, dev_server::DevServer},
    core::words::counted,
    dev::{
        Exchange,
        showcase::{self, Showcase},
    },
    workspace::Sandbox,
};

/// How often, and for how long, a busy machine's server is asked again: five seconds in all.
const PATIENCE: ConstantBuilder =
    ConstantBuilder::new().with_delay(Duration::from_millis(500)).with_max_times(10);
/// The branch of a new product.
const MAIN: &str = "main";

/// What all products share.
pub(super) struct Stage<'a> {
    pub(super) server: &'a DevServer,
    pub(super) sandbox: Sandbox,
    pub(super) client: Client,
    pub(super) board: Board,
}

/// A requirement, the row of the board that shows it, and its idempotency key.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) row: usize,
    pub(super) of: Showcase,
    pub(super) key: Uuid,
}

/// The row and the key of an incident.
#[derive(Clone, Copy)]
pub(super) struct Incident {
    pub(super) row: usize,
    pub(super) key: Uuid,
}

impl Stage<'_> {
    /// A product with one requirement.
    pub(super) async fn one(&self, part: Part) -> anyhow::Result<Product> {
        let began = Instant::now();
        let runs = vec![self.requirement(part).await?];
        self.finish(began, &[part], runs, Ok(None)).await
    }

    /// The product with three requirements and the incident. The first two must hold the newest commit of the base when they
    /// merge, so that the third, which need not, begins once they have: each merge before would let them run all their
    /// checks again. The incident is of the second.
    pub(super) async fn wealth(
        &self,
        (risk, trading, goals): (Part, Part, Part),
        incident: Incident,
    ) -> anyhow::Result<Product> {
        let began = Instant::now();
        let (first, second) = tokio::try_join!(self.requirement(risk), self.requirement(trading))?;
        let gap = async {
            match first.is_good() && second.is_good() {
                true => Ok(Ok(Some(self.incident(incident, second.run_id).await?))),
                false => anyhow::Ok(Err("no incident is reported: what it needs is not merged".to_owned())),
            }
        };
        let (third, gap) = tokio::try_join!(self.requirement(goals), gap)?;
        self.finish(began, &[risk, trading, goals], vec![first, second, third], gap).await
    }

    /// One requirement, from its submission to the end of its run.
    async fn requirement(&self, Part { row, of, key }: Part) -> anyhow::Result<Outcome> {
        let (title, body) = of.requirement();
        let new = NewRequirement {
            budget: None,
            product: of.name.to_owned(),
            title: title.to_owned(),
            body: body.to_owned(),
            priority: 3,
            requested_by: None,
            supersedes: None,
        };
        let accepted = self.client.submit_once(&new, key).await?;
        self.board.say(&format!("{:<9} “{title}”: {}", of.label, accepted.page_url))?;
        self.outcome(row, of.label, title, accepted.run_id).await
    }

    /// The incident, from its report to the end of its run.
    async fn incident(&self, Incident { row, key }: Incident, guilty: Uuid) -> anyhow::Result<Conversion> {
        let (title, body) = showcase::incident();
        let new = NewGap {
            product: showcase::TRADING.name.to_owned(),
            title: title.to_owned(),
            body: body.to_owned(),
            url: None,
            happened_at: None,
            key: Some(key.to_string()),
        };
        let opened = self.client.open_gap(&new).await?;
        let run = opened.run_id.context("the harness gap has no run")?;
        let page = format!("{}/harness-gaps/{}", self.server.url, opened.gap_id);
        let due = opened.due_at.format("%F at %R UTC");
        self.board.say(&format!("{:<9} “{title}”; its case is due on {due}: {page}", "incident"))?;
        let run = self.outcome(row, "incident", title, run).await?;
        Ok(Conversion { gap: self.client.gap(opened.gap_id).await?, guilty, run })
    }

    /// Follows a run to its end; what became of it.
    async fn outcome(&self, row: usize, label: &str, title: &str, run: Uuid) -> anyhow::Result<Outcome> {
        let (run, mut sent_back) = self.watch(row, label, run).await?;
        let head = run.progress.head.as_deref().unwrap_or_default();
        let approved_by = Approvals::of(&self.assessments(run.id).await?, head).by();
        let tests = self.client.tests(run.id).await?;
        sent_back.splice(0..0, progress::red_drafts(tests.iter().filter(|it| it.purpose == "draft").count()));
        Ok(Outcome::new(title, &run, sent_back, approved_by))
    }

    /// Follows a run to its end, and lets people approve where it waits for them; also what was sent back.
    async fn watch(&self, row: usize, label: &str, run: Uuid) -> anyhow::Result<(Run, Vec<String>)> {
        let (events, mut arrived) = unbounded_channel();
        let following = self.client.follow(run, move |event| Ok(events.send(event.clone())?));
        let acting = async {
            let mut sent_back = Vec::new();
            while let Some(event) = arrived.recv().await {
                sent_back.extend(progress::sent_back(&event));
                let run = self.run(run).await?;
                self.board.set(row, &progress::line(&run))?;
                if matches!(event.fact, Fact::Parked { .. }) && run.state == "waiting" {
                    self.let_approve(label, &run).await?;
                }
            }
            Ok(sent_back)
        };
        tokio::try_join!(following, acting)
    }

    async fn run(&self, run: Uuid) -> anyhow::Result<Run> {
        let ask = async || self.client.run(run).await;
        Ok(ask.retry(PATIENCE).when(Failure::is_transient).await?)
    }

    async fn assessments(&self, run: Uuid) -> anyhow::Result<Vec<Assessment>> {
        let ask = async || self.client.assessments(run).await;
        Ok(ask.retry(PATIENCE).when(Failure::is_transient).await?)
    }

    /// Lets people approve what a run waits with, and says so.
    async fn let_approve(&self, label: &str, run: &Run) -> anyhow::Result<()> {
        let Some(head) = &run.progress.head else { return Ok(()) };
        let approvals = Approvals::of(&self.assessments(run.id).await?, head);
        let who = approve(self.server, run, &approvals).await?;
        if who.is_empty() {
            return Ok(());
        }
        let tier = run.progress.tier.as_deref().unwrap_or("unknown");
        let (asks, who) = (counted(approvals.needed, "approval"), who.join(" and "));
        self.board
            .say(&format!("{label:<9} the tier is {tier} and asks for {asks} by people: {who} approved"))
    }

    /// The product, once its main branch is tested and its service is asked, provided that all is merged.
    async fn finish(
        &self,
        began: Instant,
        parts: &[Part],
        runs: Vec<Outcome>,
        gap: Result<Option<Conversion>, String>,
    ) -> anyhow::Result<Product> {
        let Some(Part { row, of, .. }) = parts.first().copied() else { bail!("a product has a requirement") };
        let (gap, fault) = match gap {
            Ok(gap) => (gap, None),
            Err(fault) => (None, Some(fault)),
        };
        let (product, answers) = (of.name.to_owned(), Vec::new());
        let mut product = Product { product, runs, gap, main: None, answers, fault, wall_ms: 0 };
        if product.runs.iter().all(Outcome::is_good)
            && let Err(error) = self.look_at_main(row, parts, &mut product).await
        {
            product.fault = Some(format!("{error:#}"));
        }
        product.wall_ms = began.elapsed().as_millis();
        let done = if product.is_good() { "done: merged, tested and asked" } else { "NOT as it should be" };
        self.board.set(row, done)?;
        Ok(product)
    }

    /// Tests the merged product and asks its service.
    async fn look_at_main(&self, row: usize, parts: &[Part], to: &mut Product) -> anyhow::Result<()> {
        let merged = self.server.merged(&self.sandbox, &format!("local/{}", to.product), MAIN).await?;
        let doing = format!(
            "merged    on {MAIN} at {} all its tests run, its service is started and asked",
            merged.head
        );
        self.board.set(row, &doing)?;
        let examples = parts.iter().map(|it| it.of.example()).collect::<anyhow::Result<Vec<_>>>()?;
        let examples: Vec<Exchange> = examples.into_iter().flatten().collect();
        let (main, answers) = tokio::join!(merged.test(), merged.ask(&examples));
        to.main = Some(main?);
        to.answers = answers?;
        Ok(())
    }
}
