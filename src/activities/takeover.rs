//! A person's commit on the run's branch is law: nothing of ours is pushed after it until a person gives the run back.
//! From then on it belongs to the change, and who wrote it is one of its authors.

use super::{
    Failure, Reply,
    attempt::Attempt,
    ledger::{Observed, Pushed},
};
use crate::{
    core::{
        policy::{Assessment, Decision, Facts, Person, Stop},
        run::Progress,
        sha::Sha,
        workflow::Outcome,
    },
    engine::Answer,
    github::{Account, PullCommit},
    workspace::{self, Mirror},
};

/// The account of GitHub itself, which commits what people write on its pages.
const WEB_FLOW: &str = "web-flow";
/// Who is named where GitHub knows no account.
const NOBODY: &str = "an account that GitHub does not name";

/// The commits of a pull request that are not ours.
pub(super) struct Others {
    /// Those that no person has given to the run.
    pub(super) foreign: Vec<Sha>,
    /// All accounts that wrote a commit, ours included.
    pub(super) committers: Vec<Person>,
}

impl Attempt<'_> {
    /// The commits that were pushed neither by this run nor by one that it was forked from, whatever author they name.
    pub(super) async fn others(
        &self,
        mirror: &Mirror,
        (base, head): (&Sha, &Sha),
        pushes: &[Observed<Pushed>],
        pull: u64,
    ) -> Result<Others, Failure> {
        let is_ours = |sha: &Sha| pushes.iter().any(|push| push.observation.sha == *sha);
        let commits = mirror.commits(base, head).await?.into_iter().map(|commit| commit.sha);
        let others: Vec<Sha> = commits.filter(|sha| !is_ours(sha)).collect();
        let mut committers = vec![person(&self.factory.forge.identity().await?)];
        if others.is_empty() {
            return Ok(Others { foreign: others, committers });
        }
        let accepted = self.accepted(mirror, base, head).await?;
        for commit in self.factory.forge.pull_commits(&self.repo, pull).await? {
            if others.contains(&commit.sha) {
                committers.extend(commit.author.iter().chain(&commit.committer).map(person));
            }
        }
        // A pull request of others is theirs to push to.
        let is_foreign = |sha: &Sha| self.brief.theirs().is_none() && !accepted.contains(sha);
        let foreign = others.into_iter().filter(is_foreign).collect();
        Ok(Others { foreign, committers })
    }

    /// The commits up to the head at which a person gave the run back. What the branch held at the first look after that
    /// is accepted as a whole.
    async fn accepted(&self, mirror: &Mirror, base: &Sha, head: &Sha) -> Result<Vec<Sha>, Failure> {
        let accepted = match (self.run().given_back, &self.progress().accepted) {
            (true, _) => head,
            (false, Some(accepted)) => accepted,
            (false, None) => return Ok(Vec::new()),
        };
        match mirror.commits(base, accepted).await {
            Ok(commits) => Ok(commits.into_iter().map(|commit| commit.sha).collect()),
            // A forced push has removed it, and with it what was accepted.
            Err(workspace::Error::Missing(_)) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// The failure that leaves the branch to a person, if the assessment found a commit of theirs.
    pub(super) async fn left_to_people(&self, assessment: &Assessment, pull: u64) -> Result<(), Failure> {
        let Decision::Stopped { reason: Stop::HumanTakeover { commits } } = assessment.decision() else {
            return Ok(());
        };
        let listed = self.factory.forge.pull_commits(&self.repo, pull).await?;
        let foreign = |commit: &&PullCommit| commits.contains(&commit.sha);
        let last = listed.iter().rev().find(foreign).and_then(by);
        let by = last.unwrap_or_else(|| NOBODY.to_owned());
        let shas: Vec<&str> = commits.iter().map(Sha::short).take(5).collect();
        let reason = format!("pushed {} to the branch; nothing of ours is pushed after it", shas.join(", "));
        Err(Failure::TakenOver { by, reason })
    }

    /// The reply, which accepts the head if a person gave the run back; a head that moved is not accepted here.
    pub(super) fn accepting(&self, reply: Reply, facts: &Facts) -> Reply {
        if !self.run().given_back {
            return reply;
        }
        let accepted = |progress: Progress| Progress { accepted: Some(facts.head.clone()), ..progress };
        match reply {
            Reply::Answer(answer) if answer.outcome == Outcome::Moved => Reply::Answer(answer),
            Reply::Answer(answer) => {
                let progress = accepted(answer.progress);
                Reply::Answer(Answer { progress, ..answer })
            }
            Reply::Park(park, progress) => Reply::Park(park, accepted(progress)),
            // Who asks has judged no head.
            reply @ (Reply::Ask(_) | Reply::Consent(_)) => reply,
        }
    }
}

/// Who made a commit, by the forge's account: the committer, or for a commit made on GitHub's pages the author.
fn by(commit: &PullCommit) -> Option<String> {
    let is_person = |account: &&Account| account.login != WEB_FLOW;
    let committer = commit.committer.as_ref().filter(is_person);
    committer.or(commit.author.as_ref()).map(|account| account.login.clone())
}

fn person(account: &Account) -> Person {
    Person { id: Some(account.id), login: account.login.clone() }
}
