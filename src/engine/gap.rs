//! Harness gaps: how they are opened, timed, converted and dismissed. Each opens with a run about it, in one transaction.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Engine, Error, accept::Beginning, gap_clock::owe_due, record};
use crate::{
    core::{
        gap::{DEFAULT_KIND, DEFAULT_LABEL, DEFAULT_LIMIT_MINUTES},
        incident::Report,
        reason::Reason,
        run::Progress,
        subject::Subject,
        words::counted,
    },
    store::{
        self, Connection,
        audit::Author,
        gap::{self, Rule},
        incident, product,
    },
};

/// The priority of a run about a gap: something is broken in production.
const PRIORITY: i16 = 1;

/// An incident that opens a gap.
#[derive(Debug, Clone, Copy)]
pub struct NewGap<'a> {
    /// The product that it happened to.
    pub product: &'a str,
    /// Who reported it: `person`, `issue`, `sentry`, `sender` or `checks`.
    pub source: &'a str,
    /// What was reported; [checked](Report::checked) or [fitted](Report::fitted).
    pub reported: &'a Report,
    /// The issue of the forge that reported it, with when it was opened.
    pub issue: Option<(i64, DateTime<Utc>)>,
    /// Who opens it, as histories name them.
    pub by: &'a str,
}

/// A gap that was opened, or that the incident had already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GapOpened {
    /// The gap.
    pub gap: Uuid,
    /// Whether it is new.
    pub is_new: bool,
}

/// Why a gap is not dismissed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDismissed {
    /// There is none of this id.
    #[error("there is no harness gap {0}")]
    NoGap(Uuid),
    /// Its clock was stopped before.
    #[error("the gap is {0} already")]
    Over(String),
}

impl Engine {
    /// Opens a gap with its run inside the caller's transaction, unless the incident is known. The limit of open runs does
    /// not hold it back: an incident is never lost.
    ///
    /// # Errors
    /// [`Error::NoProduct`] for an unknown product.
    pub async fn open_gap_in(&self, tx: &mut Connection, new: NewGap<'_>) -> Result<GapOpened, Error> {
        let held = product::hold(tx, new.product).await?;
        let found = if held { product::get(&mut *tx, new.product).await? } else { None };
        let product = found.ok_or_else(|| Error::NoProduct(new.product.to_owned()))?;
        let reported = new.reported;
        let (incident, _) = incident::record(
            tx,
            incident::New {
                product: new.product,
                source: new.source,
                key: &reported.key,
                title: &reported.title,
                body: &reported.body,
                url: reported.url.as_deref(),
                happened_at: reported.happened_at,
                blame: None,
            },
        )
        .await?;
        let now = store::now(tx).await?;
        let opened_at = new.issue.map_or(now, |(_, at)| at.min(now));
        let started_at = reported.happened_at.unwrap_or(opened_at);
        let rule = gap::rule(tx, new.product).await?.unwrap_or_else(usual_rule);
        let (id, is_new) = gap::insert(
            tx,
            gap::New {
                incident,
                product: new.product,
                repository: &product.repository,
                started_at,
                issue: new.issue.map(|(number, _)| number),
                opened_by: new.by,
                rule: &rule,
            },
        )
        .await?;
        if !is_new {
            return Ok(GapOpened { gap: id, is_new });
        }
        let limit = limit_in_words(rule.limit_minutes);
        let note = format!("opened: {}; a case is due within {limit}", reported.title);
        gap::append(tx, id, new.by, ("opened", &note), None).await?;
        if new.issue.is_some() {
            owe_due(tx, id).await?;
        }
        let (subject, progress) = (Subject::Gap(id), Progress::default());
        let beginning = Beginning { subject, priority: PRIORITY, branch: None, progress, parent: None };
        self.begin(tx, beginning, product, new.by).await?;
        Ok(GapOpened { gap: id, is_new })
    }

    /// Opens a gap that a person asks for, as the audit log says.
    ///
    /// # Errors
    /// As [`Engine::open_gap_in`].
    pub async fn submit_gap_in(
        &self,
        tx: &mut Connection,
        (product, reported): (&str, &Report),
        by: Author<'_>,
    ) -> Result<GapOpened, Error> {
        let new = NewGap { product, source: "person", reported, issue: None, by: by.person };
        let opened = self.open_gap_in(tx, new).await?;
        if opened.is_new {
            record::gap_opened(tx, by, product, opened.gap, &reported.title).await?;
        }
        Ok(opened)
    }

    /// A person says that there is no gap: the clock is stopped, and the issue will be closed with the reason. Its run is
    /// left to people.
    ///
    /// # Errors
    /// When the database does not answer; [`NotDismissed`] inside.
    pub async fn dismiss_gap_in(
        &self,
        tx: &mut Connection,
        id: Uuid,
        reason: &Reason,
        by: Author<'_>,
    ) -> Result<Result<(), NotDismissed>, Error> {
        let Some(row) = gap::get(&mut *tx, id).await? else { return Ok(Err(NotDismissed::NoGap(id))) };
        if !gap::dismiss(tx, id, by.person, reason.as_str()).await? {
            return Ok(Err(NotDismissed::Over(row.state)));
        }
        let note = format!("no gap: {}", reason.as_str());
        gap::append(tx, id, by.person, ("dismissed", &note), None).await?;
        record::gap_dismissed(tx, by, &row, reason).await?;
        Ok(Ok(()))
    }
}

/// The rule where the policy was not read yet, or has none.
#[must_use]
pub fn usual_rule() -> Rule {
    Rule {
        kind: DEFAULT_KIND.to_owned(),
        label: DEFAULT_LABEL.to_owned(),
        limit_minutes: i32::try_from(DEFAULT_LIMIT_MINUTES).unwrap_or(i32::MAX),
        policy_digest: None,
    }
}

/// As the contract says it: 48 hours.
pub(super) fn limit_in_words(minutes: i32) -> String {
    match (minutes / 60, minutes % 60) {
        (hours @ 1.., 0) => counted(hours, "hour"),
        _ => counted(minutes, "minute"),
    }
}
