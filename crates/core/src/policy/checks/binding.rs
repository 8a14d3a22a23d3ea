//! Who must report a check. A name alone proves nothing: any app may use any name, and anyone who may push may set
//! a status.

use crate::policy::{
    App, CheckDemand, CheckFact, CommitStatus, EVIDENCE_CHECK, Facts, ReportedBy, Reporter, StatusBy,
};

/// Who must report a check for it to be satisfied.
pub(super) enum Binding<'a> {
    /// This app; checks of the same name by others are not looked at.
    App(&'a App),
    /// A commit status, as the policy says.
    Status(&'a StatusBy),
    /// Each of those who report it on the base. A failure by another counts nevertheless.
    Base(Vec<&'a Reporter>),
    /// Any app, because neither the policy nor the base names one.
    Unbound,
    /// Nobody, because the product names no app for evidence, and the facts are of a release that took none.
    Nobody,
    /// Anybody, as release 0.1.0 judged.
    Anybody,
}

impl<'a> Binding<'a> {
    pub(super) fn of(facts: &'a Facts, check: &'a CheckDemand) -> Self {
        match (&check.app, &check.status, &facts.ci) {
            (Some(app), _, _) => Self::App(app),
            (None, Some(by), _) => Self::Status(by),
            (None, None, None) => Self::Anybody,
            (None, None, Some(ci)) if check.name == EVIDENCE_CHECK => {
                ci.evidence_app.as_ref().map_or(Self::Nobody, Self::App)
            }
            (None, None, Some(ci)) => {
                let on_base: Vec<_> =
                    ci.base.reporters.iter().filter(|reporter| reporter.name == check.name).collect();
                if on_base.is_empty() { Self::Unbound } else { Self::Base(on_base) }
            }
        }
    }

    /// Whether a check run is looked at.
    pub(super) fn admits(&self, run: &CheckFact) -> bool {
        match self {
            Self::App(app) => run.is_by(app),
            Self::Status(_) | Self::Base(_) | Self::Unbound | Self::Nobody | Self::Anybody => true,
        }
    }

    /// What is missing, if who must report has not reported.
    pub(super) fn missing(
        &self,
        facts: &Facts,
        runs: &[&CheckFact],
        statuses: &[&CommitStatus],
    ) -> Option<String> {
        let missing = self.absent(runs, statuses)?;
        let is_withheld = facts.edition < 2 && facts.ci.as_ref().is_some_and(|ci| ci.checks_are_withheld);
        let why = if is_withheld { ": our credential may not read check runs" } else { "" };
        Some(missing + why)
    }

    /// Why who must report cannot be seen, where that cannot be read. Facts of earlier editions do not say it.
    pub(super) fn unreadable(&self, facts: &Facts) -> Option<String> {
        let ci = facts.ci.as_ref()?;
        let (runs, statuses) = (ci.check_runs_unreadable.as_ref(), ci.statuses_unreadable.as_ref());
        let reported_by = |is: fn(&ReportedBy) -> bool, of: &[&Reporter]| of.iter().any(|it| is(&it.by));
        let is_app = |by: &ReportedBy| matches!(by, ReportedBy::App { .. });
        let is_status = |by: &ReportedBy| matches!(by, ReportedBy::Status(_));
        let why = match self {
            Self::App(_) => runs,
            Self::Status(_) => statuses,
            Self::Base(reporters) => runs
                .filter(|_| reported_by(is_app, reporters))
                .or_else(|| statuses.filter(|_| reported_by(is_status, reporters))),
            Self::Unbound | Self::Anybody => runs.or(statuses),
            Self::Nobody => None,
        };
        why.cloned()
    }

    fn absent(&self, runs: &[&CheckFact], statuses: &[&CommitStatus]) -> Option<String> {
        match self {
            Self::App(_) => runs.is_empty().then(|| "not reported by its app".to_owned()),
            Self::Status(by) => {
                let reported = statuses.iter().any(|status| by.admits(status.creator.as_ref()));
                (!reported).then(|| format!("not reported by {by}"))
            }
            Self::Base(reporters) => {
                let absent = reporters.iter().find(|reporter| !has_reported(&reporter.by, runs, statuses))?;
                Some(format!("not reported by {}, as on the base", named(&absent.by)))
            }
            Self::Unbound if runs.is_empty() && !statuses.is_empty() => {
                let detail = "reported only by a commit status, which counts only if the policy says so or the \
                              base has it by the same account";
                Some(detail.to_owned())
            }
            Self::Nobody => {
                Some("no app is named for it: name one with `aspora product put --evidence-app`".to_owned())
            }
            Self::Unbound | Self::Anybody => {
                (runs.is_empty() && statuses.is_empty()).then(|| "not reported".to_owned())
            }
        }
    }
}

fn has_reported(by: &ReportedBy, runs: &[&CheckFact], statuses: &[&CommitStatus]) -> bool {
    match by {
        ReportedBy::App { id, .. } => runs.iter().any(|run| run.app_id == *id),
        ReportedBy::Status(person) => {
            statuses.iter().any(|status| status.creator.as_ref().is_some_and(|creator| creator.is(person)))
        }
    }
}

fn named(by: &ReportedBy) -> String {
    match by {
        ReportedBy::App { slug, .. } => format!("the app {slug}"),
        ReportedBy::Status(person) => format!("a status of {}", person.login),
    }
}
