//! What a caller can do to a run now.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::core::{
    access::{Principal, Right},
    run::Offer,
    workflow::Outcome,
};

/// Something that this caller can do to the run as it is now, by `POST /api/v1/runs/{id}/<verb>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Action {
    /// `pause`, `resume`, `cancel`, `run-now`, `skip`, `retry`, `fork`, `approve`, `reject` or `withdraw`.
    pub verb: String,
    /// The steps that it can name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    /// The step that makes most sense, which is where the run ended if that is possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The outcomes that it can name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<String>,
}

impl Action {
    /// What of an offer this caller may do; `has_said`: whether there is something of theirs to withdraw.
    #[must_use]
    pub fn of(offer: &Offer, who: &Principal, has_said: bool) -> Vec<Self> {
        let can_judge = who.login.is_some();
        let plain = [
            ("pause", Right::Control, offer.pause),
            ("resume", Right::Control, offer.resume),
            ("cancel", Right::Control, offer.cancel),
            ("run-now", Right::Control, offer.run_now),
            ("approve", Right::Approve, offer.judge && can_judge),
            ("reject", Right::Approve, offer.judge && can_judge),
            ("withdraw", Right::Approve, offer.withdraw && can_judge && has_said),
        ];
        let named = |verb: &str| Self { verb: verb.to_owned(), ..Self::default() };
        let plain = plain.into_iter().filter(|(_, right, is_offered)| *is_offered && who.may(*right));
        let mut actions: Vec<Self> = plain.map(|(verb, ..)| named(verb)).collect();
        if !who.may(Right::Steer) {
            return actions;
        }
        if !offer.skip.is_empty() {
            let outcomes = offer.skip.iter().map(Outcome::to_string).collect();
            actions.push(Self { outcomes, ..named("skip") });
        }
        for (verb, steps, step) in
            [("retry", &offer.retry, &offer.retry_from), ("fork", &offer.fork, &offer.fork_from)]
        {
            if !steps.is_empty() {
                actions.push(Self { steps: steps.clone(), step: step.clone(), ..named(verb) });
            }
        }
        actions
    }
}
