//! Whether GitHub's webhooks arrive, as GitHub itself recorded it.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Remark, reason};
use crate::{
    core::{redelivery::Received, words::counted},
    github::{Delivery, Forge},
};

/// How many of the last deliveries are looked at.
const RECENT: usize = 30;
/// How much older than our last push the newest delivery may be: GitHub announces a push within seconds, and its clock is
/// not ours.
const SILENCE: TimeDelta = TimeDelta::minutes(10);

impl Forge {
    /// Whether the App's webhooks were received; a token cannot see those of a repository without administering it.
    pub(super) async fn inspect_deliveries(&self) -> Remark {
        if !self.lists_deliveries() {
            return Remark::note(
                "with a token it cannot be seen whether webhooks arrive; without them runs poll GitHub",
            );
        }
        match self.newest_deliveries(RECENT).await {
            Err(error) => Remark::note(format!("the webhook deliveries cannot be read: {}", reason(&error))),
            Ok(deliveries) => of(&deliveries),
        }
    }

    /// Whether GitHub has announced our last push to a repository: without a webhook since then, none is sent at all.
    /// Nothing is said where the list of deliveries cannot be read, or is empty, which [`Forge::inspect`] tells.
    pub async fn inspect_silence(&self, pushed_at: DateTime<Utc>) -> Option<Remark> {
        if !self.lists_deliveries() {
            return None;
        }
        let newest = self.newest_deliveries(1).await.ok()?.first()?.delivered_at;
        let (newest_at, pushed) = (moment(newest), moment(pushed_at));
        (newest < pushed_at - SILENCE).then(|| {
            Remark::bad(format!(
                "the newest webhook is of {newest_at}, though we pushed at {pushed}: is the App's webhook active, and has \
                 the App subscribed to the events of deploy/github-app-manifest.json? Until then runs poll GitHub"
            ))
        })
    }
}

fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

fn of(deliveries: &[Delivery]) -> Remark {
    let is_received = |it: &&Delivery| Received::of(it.status_code) == Received::Yes;
    let failed: Vec<&Delivery> = deliveries.iter().filter(|it| !is_received(it)).collect();
    match (deliveries.len(), failed.first()) {
        (0, _) => Remark::note(
            "GitHub has sent no webhook in the last days: set the App's webhook URL to <ASPORA_PUBLIC_URL>/api/v1/webhooks/github; \
             until then runs poll GitHub",
        ),
        (all, None) => Remark::fine(format!("the last {} arrived", counted(all, "webhook"))),
        (all, Some(last)) => Remark::bad(format!(
            "{} of the last {} failed, the newest with {} {}: {}",
            failed.len(),
            counted(all, "webhook"),
            last.status_code,
            last.status,
            remedy(last.status_code)
        )),
    }
}

/// What to do about what a delivery met.
fn remedy(status: u16) -> &'static str {
    match (status, Received::of(status)) {
        (401, _) => "is GITHUB_WEBHOOK_SECRET the App's webhook secret? These are not asked for again",
        (300..=399, _) => {
            "GitHub follows no redirect: set the App's webhook URL to where it leads. These are not asked for again"
        }
        (_, Received::Refused) => {
            "is the App's webhook URL <ASPORA_PUBLIC_URL>/api/v1/webhooks/github? These are not asked for again"
        }
        (_, Received::Failed | Received::Yes) => {
            "can GitHub reach the App's webhook URL, and is the server up? Workers ask GitHub to deliver these again"
        }
    }
}
