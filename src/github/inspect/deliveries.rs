//! Whether GitHub's webhooks arrive, as GitHub itself recorded it.

use http::Method;
use serde::Deserialize;

use super::{Remark, reason};
use crate::{
    core::words::counted,
    github::{Credential, Forge},
};

/// How many of the last deliveries are looked at.
const RECENT: usize = 30;

#[derive(Deserialize)]
struct Delivery {
    /// 0 when nothing answered.
    status_code: u16,
    #[serde(default)]
    status: String,
}

impl Forge {
    /// Whether the App's webhooks were answered with success; a token cannot see those of a repository without
    /// administering it.
    pub(super) async fn inspect_deliveries(&self) -> Option<Remark> {
        let Credential::App(_) = &self.credentials.credential else {
            return Some(Remark::note(
                "with a token it cannot be seen whether webhooks arrive; without them runs poll GitHub",
            ));
        };
        let route = format!("/app/hook/deliveries?per_page={RECENT}");
        let answer = match self.call(Method::GET, &route, None::<&()>).await {
            Ok(answer) => answer.json::<Vec<Delivery>>(),
            Err(error) => Err(error),
        };
        Some(match answer {
            Err(error) => Remark::note(format!("the webhook deliveries cannot be read: {}", reason(&error))),
            Ok(deliveries) => of(&deliveries),
        })
    }
}

fn of(deliveries: &[Delivery]) -> Remark {
    let failed: Vec<&Delivery> =
        deliveries.iter().filter(|it| !(200..300).contains(&it.status_code)).collect();
    match (deliveries.len(), failed.first()) {
        (0, _) => Remark::note(
            "GitHub has sent no webhook in the last days: set the App's webhook URL to <ASPORA_PUBLIC_URL>/api/v1/webhooks/github; \
             until then runs poll GitHub",
        ),
        (all, None) => Remark::fine(format!("the last {} arrived", counted(all, "webhook"))),
        (all, Some(last)) => Remark::bad(format!(
            "{} of the last {} failed, the newest with {} {}: is the webhook URL right, and GITHUB_WEBHOOK_SECRET the \
             App's secret?",
            failed.len(),
            counted(all, "webhook"),
            last.status_code,
            last.status
        )),
    }
}
