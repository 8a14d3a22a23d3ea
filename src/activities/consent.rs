//! Whether the dependencies of a commit may be installed: those of the base may, others where the product does not ask, or
//! after a person's yes to exactly these files.

use std::collections::BTreeSet;

use super::{
    Failure, Reply,
    attempt::Attempt,
    content_facts,
    test_plan::{Forked, Plan},
    wait::wait_for_consent,
};
use crate::{
    core::{
        consent::{Consent, Withheld, WithheldBecause},
        dependency::{self, DependencyList, Inputs, changed_paths},
        policy::{Facts, MOST_COMPARED, Permission, Side, dependency_file},
        run::Progress,
        sha::Sha,
    },
    engine::ConsentAsked,
    github::Kind,
    store::consent,
    workspace::Mirror,
};

/// Whether a plan may set up a commit.
pub(super) enum Permit {
    /// It may.
    Given(Permitted),
    /// It may not, and why.
    Withheld(Box<Withheld>),
}

/// A plan that may set up the commit which it was asked for, where that forked from the base, and the one's tests over the
/// other's code. Only [`Attempt::permit`] makes one, and nothing is set up without.
#[derive(Debug, Clone)]
pub(super) struct Permitted(Plan);

impl Permitted {
    pub(super) const fn plan(&self) -> &Plan {
        &self.0
    }

    /// The same without what the product file asks besides passing tests.
    pub(super) fn tests_alone(&self) -> Self {
        Self(self.0.tests_alone())
    }
}

impl Attempt<'_> {
    /// Whether a plan may set up a commit whose change forked from the base there.
    pub(super) async fn permit(
        &self,
        mirror: &Mirror,
        plan: Plan,
        (base, forked): (&Sha, Option<&Forked>),
        commit: &Sha,
    ) -> Result<Permit, Failure> {
        let inputs = plan.asked_inputs(mirror, commit).await?;
        if inputs.is_empty() {
            return Ok(Permit::Given(Permitted(plan)));
        }
        let of_base = plan.asked_inputs(mirror, base).await?;
        if inputs == of_base {
            return Ok(Permit::Given(Permitted(plan)));
        }
        let (mut before, mut since) = (of_base, base);
        if let Some(Forked { fork, .. }) = forked.filter(|forked| forked.fork != *base) {
            (before, since) = (plan.asked_inputs(mirror, fork).await?, fork);
            if inputs == before {
                return Ok(Permit::Given(Permitted(plan)));
            }
        }
        let digest = dependency::digest(&inputs);
        let said = consent::newest_of_set(&self.factory.pool, self.lease.run, &digest).await?;
        let why = match said.as_ref().and_then(|row| Some((row, row.answer()?))) {
            None => WithheldBecause::Unanswered,
            Some((row, Consent::No)) => WithheldBecause::Refused {
                by: row.answered_by.clone().unwrap_or_default(),
                reason: row.reason.clone().unwrap_or_default(),
            },
            Some((row, Consent::Yes)) => match self.doubt(row).await? {
                None => return Ok(Permit::Given(Permitted(plan))),
                Some(doubt) => WithheldBecause::Doubted { doubt, consent: row.id },
            },
        };
        let list = list(mirror, (since, &before), (commit, &inputs)).await?;
        Ok(Permit::Withheld(Box::new(Withheld { digest, list, why })))
    }

    /// Why a yes does not count: the same people may give it as may approve a head.
    async fn doubt(&self, row: &consent::Row) -> Result<Option<String>, Failure> {
        let login = row.forge_login.as_deref().unwrap_or_default();
        if row.is_revoked {
            return Ok(Some(format!("the key with which {login} said yes was revoked")));
        }
        let account = row.forge_account.and_then(|account| u64::try_from(account).ok());
        match self.factory.forge.permission_of(&self.repo, login, account).await {
            Ok(Permission::Write | Permission::Maintain | Permission::Admin) => Ok(None),
            Ok(Permission::None | Permission::Read | Permission::Triage) => {
                Ok(Some(format!("{login} said yes and may not write to {}", self.repo)))
            }
            Err(error) if error.kind() == Kind::Forbidden => {
                Ok(Some(format!("{login} said yes, and our token may not read what {login} may do")))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The reply that asks people about the dependencies of a change that nobody has pushed. The model's answer is kept by its
    /// call, so that the change is the same when the step runs again.
    pub(super) fn asks_consent(&self, withheld: Withheld) -> Reply {
        let awaited = self.with_command(&withheld.awaited().unwrap_or_default());
        let park = wait_for_consent(self, awaited);
        let (edition, progress) = (self.brief.edition(), Progress::default());
        Reply::Consent(Box::new(ConsentAsked { withheld, head: None, edition, park, progress }))
    }

    /// The same wait, which asks people about the dependencies of the judged head where those are what is missing.
    pub(super) fn asking(&self, reply: Reply, facts: &Facts) -> Reply {
        let withheld = facts.tests.as_ref().and_then(|tests| tests.withheld.as_ref());
        match (reply, withheld) {
            (Reply::Park(mut park, progress), Some(withheld)) if withheld.awaited().is_some() => {
                let awaited = withheld.awaited().unwrap_or_default();
                let is_said = park.reason.contains(&awaited);
                let reason = if is_said { park.reason } else { format!("{}; and {awaited}", park.reason) };
                park.reason = self.with_command(&reason);
                let (withheld, head) = (withheld.clone(), Some(facts.head.clone()));
                // The question is open while this is the head of the run.
                let progress = Progress { head: head.clone(), ..progress };
                let edition = self.brief.edition();
                Reply::Consent(Box::new(ConsentAsked { withheld, head, edition, park, progress }))
            }
            (reply, _) => reply,
        }
    }

    fn with_command(&self, awaited: &str) -> String {
        format!("{awaited} (aspora run dependencies {})", self.lease.run)
    }
}

impl Plan {
    /// The files of a commit that set-up reads, of the products that ask before others are installed.
    async fn asked_inputs(&self, mirror: &Mirror, commit: &Sha) -> Result<Inputs, Failure> {
        let mut inputs = Inputs::new();
        let mut asking = self.asking().peekable();
        if asking.peek().is_none() {
            return Ok(inputs);
        }
        let files = mirror.objects(commit).await?;
        for (name, build) in asking {
            let paths: BTreeSet<&str> =
                build.setup_files(files.iter().map(|file| file.path.as_str())).into_iter().collect();
            let read = files.iter().filter(|file| paths.contains(file.path.as_str())).cloned();
            inputs.insert(name.to_owned(), read.collect());
        }
        Ok(inputs)
    }
}

/// What the files of set-up change from one commit to another, as far as they can be read.
async fn list(
    mirror: &Mirror,
    (since, before): (&Sha, &Inputs),
    (commit, after): (&Sha, &Inputs),
) -> Result<DependencyList, Failure> {
    let has = |inputs: &Inputs, path: &str| inputs.values().flatten().any(|file| file.path == path);
    let read = async |commit: &Sha, inputs: &Inputs, path: &str| match has(inputs, path) {
        true => content_facts::side(mirror, commit, path).await,
        false => Ok(Side::Absent),
    };
    let mut files = Vec::new();
    for (place, path) in changed_paths(before, after).iter().enumerate() {
        let sides = if place < MOST_COMPARED {
            (read(since, before, path).await?, read(commit, after, path).await?)
        } else {
            let unread = Side::Unread("there are too many such files to read".to_owned());
            (unread.clone(), unread)
        };
        files.push(dependency_file(path, &sides.0, &sides.1));
    }
    let mut texts = Vec::new();
    let paths: BTreeSet<&str> = after.values().flatten().map(|file| file.path.as_str()).collect();
    for path in paths.into_iter().take(MOST_COMPARED) {
        if let Side::Text(text) = content_facts::side(mirror, commit, path).await? {
            texts.push((path, text));
        }
    }
    Ok(DependencyList::new(files, texts.iter().map(|(path, text)| (*path, text.as_str()))))
}
