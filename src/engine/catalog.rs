//! What people change about products and limits, each change in one transaction with its row of the audit log.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use super::{Engine, Error, judge};
use crate::{
    core::{
        aftermath::RevertOnRed,
        hold::Scope,
        judging::{Judging, Wanted},
        limit::Key,
        merge_method::MergeMethod,
        reason::Reason,
        requirement::{ProductName, RepoName},
        reviewer::Setting,
    },
    store::{
        self, Connection, Pool,
        audit::{Act, Author, append},
        hold::Placed,
        product::Product,
        retention::{self, Class},
    },
};

/// The settings of a product, checked.
#[derive(Debug, Clone)]
pub struct ProductSettings<'a> {
    /// Its name.
    pub name: &'a ProductName,
    /// The one repository that it may write to.
    pub repository: &'a RepoName,
    /// The forge's number of the repository, if the forge says it.
    pub repository_number: Option<i64>,
    /// The branch that changes are merged into.
    pub base_branch: &'a str,
    /// The command that runs its tests.
    pub test_command: &'a [String],
    /// The most open runs.
    pub backlog: Option<i32>,
    /// The most jobs at once.
    pub concurrency: Option<i32>,
    /// The app whose evidence counts.
    pub evidence_app: Option<&'a str>,
    /// After this many minutes without progress a check has failed.
    pub check_deadline_minutes: Option<i32>,
    /// How its pull requests are merged.
    pub merge_method: MergeMethod,
    /// After this many hours of a wait for people, they are notified again.
    pub answer_hours: Option<i16>,
    /// The objectives of its loop, in minutes: to the first pull request, and to the merge.
    pub objectives: (Option<i32>, Option<i32>),
    /// How many pull requests of ours may be open in its repository at once.
    pub open_pulls: Option<i32>,
    /// Who says whether its tests pass: `ours` or `forge`.
    pub tests: Option<&'a str>,
    /// Who reviews its pull requests.
    pub reviewers: &'a [Setting],
    /// Whether the pull requests of others are judged.
    pub judging: Judging,
    /// Whether theirs are merged by us once they are cleared.
    pub merges_theirs: bool,
    /// Whether its tests run here on their heads too.
    pub tests_theirs: bool,
    /// For how many minutes the base's own checks are watched after a merge.
    pub watch_minutes: Option<i16>,
    /// What follows when one of them has broken.
    pub revert_on_red: RevertOnRed,
}

/// What became of the settings of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// There was no such product.
    Added,
    /// The product has these settings now.
    Replaced,
    /// Nothing was written: its settings are no longer those that the caller has read.
    Changed,
}

impl Engine {
    /// Adds a product or replaces its settings, unless they are no longer what the caller has read.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn put_product(
        &self,
        new: &ProductSettings<'_>,
        read: Option<&Product>,
        by: impl Into<Author<'_>>,
    ) -> Result<Put, Error> {
        let mut tx = self.pool.begin().await?;
        store::product::lock(&mut tx, new.name.as_str()).await?;
        let before = store::product::get(&mut *tx, new.name.as_str()).await?;
        if read.is_some() && read != before.as_ref() {
            return Ok(Put::Changed);
        }
        write(&mut tx, new, before.as_ref().map(|it| it.repository.as_str())).await?;
        let after = store::product::get(&mut *tx, new.name.as_str()).await?;
        if before.as_ref().map(theirs) != after.as_ref().map(theirs) {
            settings_moved(&mut tx, before.iter().chain(&after)).await?;
        }
        let act = Act {
            act: "product.put",
            subject: new.name.as_str(),
            product: Some(new.name.as_str()),
            before: before.as_ref().map(view),
            after: after.as_ref().map(view),
            ..Act::default()
        };
        append(&mut tx, by.into(), act).await?;
        tx.commit().await?;
        Ok(if before.is_none() { Put::Added } else { Put::Replaced })
    }

    /// Removes a product: no requirement is accepted for it any more. Its runs and what was recorded of them stay, and a
    /// product that is put under its name goes on with them.
    ///
    /// # Errors
    /// [`Error::NoProduct`]; [`Error::ProductInUse`] while runs of it are open or schedules submit for it.
    pub async fn remove_product(&self, name: &ProductName, by: impl Into<Author<'_>>) -> Result<(), Error> {
        let mut tx = self.pool.begin().await?;
        store::product::lock(&mut tx, name.as_str()).await?;
        let before = store::product::get(&mut *tx, name.as_str()).await?;
        let before = before.ok_or_else(|| Error::NoProduct(name.to_string()))?;
        let (runs, schedules) = store::product::in_use(&mut tx, name.as_str()).await?;
        if runs + schedules > 0 {
            return Err(Error::ProductInUse { product: before.name, runs, schedules });
        }
        store::product::remove(&mut *tx, name.as_str()).await?;
        store::limit::remove(&mut *tx, &Key::Product(name.clone())).await?;
        settings_moved(&mut tx, [&before]).await?;
        let (subject, product) = (name.as_str(), Some(name.as_str()));
        let act =
            Act { act: "product.remove", subject, product, before: Some(view(&before)), ..Act::default() };
        append(&mut tx, by.into(), act).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Records that a pull request was opened for what a product's repository lacks.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn proposed(
        &self,
        name: &ProductName,
        pull_url: Option<&str>,
        by: impl Into<Author<'_>>,
    ) -> Result<(), Error> {
        let mut tx = self.pool.begin().await?;
        let (subject, product) = (name.as_str(), Some(name.as_str()));
        let after = Some(json!({ "pull": pull_url }));
        append(&mut tx, by.into(), Act { act: "product.propose", subject, product, after, ..Act::default() })
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Limits how many jobs with a key may run at once.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn set_limit(&self, key: &Key, most: i32, by: impl Into<Author<'_>>) -> Result<(), Error> {
        let mut tx = self.pool.begin().await?;
        let before = store::limit::get(&mut tx, key).await?;
        store::limit::put(&mut tx, key, most).await?;
        limit_changed(&mut tx, by.into(), "limit.set", key, before, Some(most)).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Removes a limit; false if the key has none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remove_limit(&self, key: &Key, by: impl Into<Author<'_>>) -> Result<bool, Error> {
        let mut tx = self.pool.begin().await?;
        let before = store::limit::get(&mut tx, key).await?;
        if !store::limit::remove(&mut *tx, key).await? {
            return Ok(false);
        }
        limit_changed(&mut tx, by.into(), "limit.remove", key, before, None).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Holds a scope: once this returns, no job of it begins. One that is held already stays as it is.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn hold(
        &self,
        scope: &Scope,
        by: impl Into<Author<'_>>,
        reason: &Reason,
    ) -> Result<Placed, Error> {
        let by = by.into();
        let mut tx = self.pool.begin().await?;
        let placed = store::hold::put(&mut tx, scope, reason.as_str(), by.person).await?;
        if placed.is_new {
            let after = Some(json!({ "held": true, "running": placed.running }));
            let (subject, product, reason) = (scope.to_string(), product_of(scope), Some(reason.as_str()));
            let act = Act { act: "hold.put", subject: &subject, product, after, reason, ..Act::default() };
            append(&mut tx, by, act).await?;
        }
        tx.commit().await?;
        Ok(placed)
    }

    /// Releases a scope, all at once or so many jobs a minute; how many are due, or `None` if it is not held.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn release(
        &self,
        scope: &Scope,
        per_minute: Option<u32>,
        by: impl Into<Author<'_>>,
    ) -> Result<Option<u64>, Error> {
        let mut tx = self.pool.begin().await?;
        let Some(due) = store::hold::release(&mut tx, scope, per_minute).await? else { return Ok(None) };
        let before = Some(json!({ "held": true }));
        let after = Some(json!({ "held": false, "due": due, "per_minute": per_minute }));
        let (subject, product) = (scope.to_string(), product_of(scope));
        let act = Act { act: "hold.release", subject: &subject, product, before, after, ..Act::default() };
        append(&mut tx, by.into(), act).await?;
        tx.commit().await?;
        Ok(Some(due))
    }

    /// Asks the worker processes of this name to end their jobs and stop. How many were asked now, and how many had been
    /// before; only those count that were seen within `alive`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn drain(
        &self,
        name: &str,
        by: impl Into<Author<'_>>,
        reason: &Reason,
        alive: Duration,
    ) -> Result<(i64, i64), Error> {
        let by = by.into();
        let mut tx = self.pool.begin().await?;
        let (asked, before) = store::worker::drain(&mut tx, name, by.person, reason.as_str(), alive).await?;
        if asked > 0 {
            let (after, reason) = (Some(json!({ "processes": asked })), Some(reason.as_str()));
            append(&mut tx, by, Act { act: "worker.drain", subject: name, after, reason, ..Act::default() })
                .await?;
        }
        tx.commit().await?;
        Ok((asked, before))
    }
}

/// Sets for how many days a class of data is kept; `None`: for ever.
///
/// # Errors
/// When the database does not answer.
pub async fn keep(
    pool: &Pool,
    class: Class,
    days: Option<u32>,
    by: impl Into<Author<'_>>,
) -> store::Result<()> {
    let mut tx = pool.begin().await?;
    let rules = retention::rules(&mut *tx).await?;
    let before = rules.into_iter().find(|rule| rule.class == class.as_str()).map(|rule| rule.days);
    retention::set(&mut *tx, class, days).await?;
    let (before, after) = (before.map(|days| json!({ "days": days })), Some(json!({ "days": days })));
    let act = Act { act: "retention.set", subject: class.as_str(), before, after, ..Act::default() };
    append(&mut tx, by.into(), act).await?;
    tx.commit().await
}

/// Lets the pull requests of others be judged again where these products are, or were.
async fn settings_moved<'p>(
    tx: &mut Connection,
    products: impl IntoIterator<Item = &'p Product>,
) -> Result<(), Error> {
    let places: BTreeSet<(String, &str)> = products.into_iter().map(place).collect();
    for (repository, base_branch) in places {
        judge::settings_moved(tx, &repository, base_branch).await?;
    }
    Ok(())
}

/// What a product wants of the pull requests of others, and where.
fn theirs(product: &Product) -> (&[Setting], Wanted, (String, &str)) {
    (&product.reviewers.0, product.wanted(), place(product))
}

/// The repository, of whose name letter case does not count, and the branch.
fn place(product: &Product) -> (String, &str) {
    (product.repository.to_ascii_lowercase(), &product.base_branch)
}

/// Writes the settings; `former` is the repository that the product had.
async fn write(tx: &mut Connection, new: &ProductSettings<'_>, former: Option<&str>) -> store::Result<()> {
    let (name, repository) = (new.name, new.repository);
    store::product::put(&mut *tx, name, repository, new.base_branch, new.test_command).await?;
    if let Some(number) = new.repository_number {
        store::repository::identify(&mut *tx, name, number).await?;
    }
    let now = repository.to_string();
    if let Some(former) = former.filter(|former| **former != now && former.eq_ignore_ascii_case(&now)) {
        store::repository::rename(tx, former, &now).await?;
    }
    store::product::cap(&mut *tx, name, new.backlog).await?;
    store::product::set_checks(&mut *tx, name, new.evidence_app, new.check_deadline_minutes).await?;
    store::product::merge_by(&mut *tx, name, new.merge_method).await?;
    store::product::remind_after(&mut *tx, name, new.answer_hours).await?;
    store::product::aim(&mut *tx, name, new.objectives).await?;
    store::product::cap_pulls(&mut *tx, name, new.open_pulls).await?;
    store::product::review_by(&mut *tx, name, new.reviewers).await?;
    let ours = (new.merges_theirs, new.tests_theirs);
    store::product::judge_theirs(&mut *tx, name, new.judging, ours).await?;
    store::product::test_by(&mut *tx, name, new.tests).await?;
    store::product::watch(&mut *tx, name, new.watch_minutes, new.revert_on_red).await?;
    let key = Key::Product(name.clone());
    match new.concurrency {
        Some(most) => store::limit::put(tx, &key, most).await,
        None => store::limit::remove(&mut *tx, &key).await.map(|_| ()),
    }
}

fn product_of(scope: &Scope) -> Option<&str> {
    match scope {
        Scope::Product(name) => Some(name.as_str()),
        Scope::All | Scope::Queue(_) | Scope::Worker(_) => None,
    }
}

fn view(product: &Product) -> Value {
    json!({
        "repository": product.repository, "base_branch": product.base_branch,
        "test_command": product.test_command, "backlog": product.backlog, "concurrency": product.concurrency,
        "evidence_app": product.evidence_app, "check_deadline_minutes": product.check_deadline_minutes,
        "merge_method": product.merge_method, "open_pulls": product.open_pulls,
        "answer_hours": product.answer_hours, "first_pull_minutes": product.first_pull_minutes,
        "loop_minutes": product.loop_minutes, "reviewers": product.reviewers.0, "judging": product.judging,
        "merges_theirs": product.merges_theirs, "tests_theirs": product.tests_theirs, "tests": product.tests,
        "watch_minutes": product.watch_minutes, "revert_on_red": product.revert_on_red,
    })
}

async fn limit_changed(
    tx: &mut Connection,
    by: Author<'_>,
    act: &str,
    key: &Key,
    before: Option<i32>,
    after: Option<i32>,
) -> store::Result<()> {
    let subject = key.to_string();
    let most = |most: Option<i32>| most.map(|most| json!({ "most": most }));
    let (before, after) = (most(before), most(after));
    append(tx, by, Act { act, subject: &subject, before, after, ..Act::default() }).await
}
