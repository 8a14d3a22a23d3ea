//! Lists the open pull requests of each repository whose product judges them. One call for a hundred of them makes up for
//! webhooks that were lost, where a look at each would cost a call for each.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::{
    core::{
        pull::{Description, Opened},
        requirement::RepoName,
        run::Topic,
    },
    engine::{Engine, Follows},
    github::{Forge, ListedPull},
    store::{
        conversation,
        listing::{self, Due},
        pull::{self, Live},
        signal::News,
    },
};

/// How often a repository is listed: about as long as people accept to wait for what a lost webhook would have said.
const PERIOD: Duration = Duration::from_secs(900);
/// How often a worker checks whether a listing is due.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);
/// How long one may take.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Lists what is open.
pub struct Lister {
    engine: Engine,
    forge: Arc<Forge>,
}

impl Lister {
    /// With this engine and forge.
    #[must_use]
    pub const fn new(engine: Engine, forge: Arc<Forge>) -> Self {
        Self { engine, forge }
    }

    /// Lists whenever a listing is due, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(CHECK_INTERVAL) => {}
            }
            loop {
                match tokio::time::timeout(TIMEOUT, self.list_if_due()).await {
                    Ok(Ok(Some(_))) => {}
                    Ok(Ok(None)) => break,
                    Ok(Err(error)) => {
                        tracing::warn!("could not list open pull requests: {error:?}");
                        break;
                    }
                    Err(_) => {
                        tracing::warn!("listing open pull requests took longer than {TIMEOUT:?}");
                        break;
                    }
                }
            }
        }
    }

    /// Lists the repository that is due longest, begins the runs that are missing, and wakes those whose pull request has
    /// changed since they looked; how many those are. `None` when none is due.
    ///
    /// # Errors
    /// When the database or the forge does not answer; the listing is made again when it is due again.
    pub async fn list_if_due(&self) -> Result<Option<usize>, Failure> {
        let pool = self.engine.pool();
        let Some(due) = listing::claim(pool, PERIOD).await? else { return Ok(None) };
        let repo: RepoName = due.repository.parse().map_err(Failure::last)?;
        let live = pull::live(pool, &due.repository).await?;
        let open = self.forge.open_pulls(&repo).await?;
        let mut changed = 0;
        for pull in &open {
            let known = live.iter().find(|live| u64::try_from(live.number) == Ok(pull.number));
            if known.is_none_or(|known| has_changed(known, pull)) {
                changed += usize::from(self.tell(&due, pull, known.is_some()).await?);
            }
        }
        let is_open = |live: &Live| open.iter().any(|pull| i64::try_from(pull.number) == Ok(live.number));
        for gone in live.iter().filter(|live| !is_open(live)) {
            let delivery = format!("listing {} {}", gone.run, due.began_at.timestamp());
            self.receive(&news(&due, gone.number, delivery), Follows::Nothing).await?;
            changed += 1;
        }
        listing::done(pool, &due).await?;
        Ok(Some(changed))
    }

    /// Tells of a pull request once for each of its changes.
    async fn tell(&self, due: &Due, pull: &ListedPull, is_judged: bool) -> Result<bool, Failure> {
        let Ok(number) = i64::try_from(pull.number) else { return Ok(false) };
        let delivery = format!("listing {}#{number} {}", due.repository, pull.updated_at.timestamp());
        let news = News { sha: Some(pull.head.to_string()), ..news(due, number, delivery) };
        let is_new = self.receive(&news, Follows::Judgement(&opened(pull))).await?;
        if is_new && is_judged {
            let mut connection = self.engine.pool().acquire().await.map_err(Failure::from)?;
            conversation::wake(&mut connection, std::slice::from_ref(&due.repository), number).await?;
        }
        Ok(is_new)
    }

    async fn receive(&self, news: &News, follows: Follows<'_>) -> Result<bool, Failure> {
        let received = self.engine.receive(news, follows).await;
        received
            .map(|received| matches!(received, crate::engine::Received::Stored { runs } if runs > 0))
            .map_err(|error| Failure::retry(format!("tell of a listed pull request: {error}")))
    }
}

/// Whether a pull request may be another than its run has seen.
fn has_changed(known: &Live, pull: &ListedPull) -> bool {
    known.head.as_deref() != Some(pull.head.as_str())
        || known.looked.is_none_or(|looked| looked != pull.updated_at)
}

fn news(due: &Due, number: i64, delivery: String) -> News {
    News {
        delivery,
        topic: Topic::Pull,
        repository: due.repository.clone(),
        repository_id: None,
        whole: false,
        branch: None,
        pull: Some(number),
        sha: None,
    }
}

fn opened(pull: &ListedPull) -> Opened {
    Opened {
        base_branch: pull.base_branch.clone(),
        head_branch: pull.head_branch.clone(),
        fork: pull.fork.clone(),
        head: pull.head.clone(),
        description: Description {
            title: pull.title.clone(),
            body: pull.body.clone(),
            author_login: pull.author.as_ref().map(|author| author.login.clone()),
            author_account: pull.author.as_ref().and_then(|author| i64::try_from(author.id).ok()),
        },
    }
}
