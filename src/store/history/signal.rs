//! Signals from outside, stored before anything else, so that none is lost.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::core::run::Topic;
use crate::store::{Connection, Pool, Result, base_watch, epilogue, repository};

/// A signal to be stored: what is needed to find the runs that it is about, and nothing else of what was sent.
#[derive(Debug, Clone)]
pub struct News {
    /// The sender's id of the delivery.
    pub delivery: String,
    /// What it is about.
    pub topic: Topic,
    /// The repository, as the sender calls it.
    pub repository: String,
    /// The sender's number of the repository, if it is known.
    pub repository_id: Option<i64>,
    /// Whether it is about every run in the repository.
    pub whole: bool,
    /// The branch, if there is one.
    pub branch: Option<String>,
    /// The pull request, if there is one.
    pub pull: Option<i64>,
    /// The commit, if there is one.
    pub sha: Option<String>,
}

/// A stored signal.
#[derive(Debug, Clone)]
pub struct Row {
    /// What it is about.
    pub topic: String,
    /// The sender's id of the delivery.
    pub delivery: String,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// When a step took it.
    pub taken_at: Option<DateTime<Utc>>,
}

/// What became of a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// It is stored, once for each of these live runs, in order.
    New(Vec<Uuid>),
    /// This delivery was stored before.
    Known,
    /// It is not stored, since no product and no live run has this repository.
    Foreign,
}

/// A live run, and its repository as it is spelled there.
struct Concerned {
    id: Uuid,
    repository: String,
}

/// Stores a signal, once for each live run that it concerns.
///
/// # Errors
/// When the database does not answer; the sender must then retry.
pub async fn insert(connection: &mut Connection, news: &News) -> Result<Inserted> {
    let known = repository::names(connection, news.repository_id, &news.repository).await?;
    let of_product = known.iter().find(|it| it.is_of_product).map(|it| it.name.clone());
    let names: Vec<String> = known.into_iter().map(|it| it.name).collect();
    let runs = concerned(connection, news, &names).await?;
    if let (Topic::Pull, Some(pull), true) = (news.topic, news.pull, runs.is_empty()) {
        epilogue::look_again(connection, &names, pull).await?;
    }
    if let (Topic::Checks, Some(sha)) = (news.topic, &news.sha) {
        base_watch::wake(connection, &names, sha).await?;
    }
    let Some(repository) = runs.first().map(|run| run.repository.clone()).or(of_product) else {
        return Ok(Inserted::Foreign);
    };
    if !insert_for(connection, news, &news.delivery, &repository, runs.first()).await? {
        return Ok(Inserted::Known);
    }
    for run in runs.iter().skip(1) {
        let delivery = format!("{}#{}", news.delivery, run.id);
        insert_for(connection, news, &delivery, &run.repository, Some(run)).await?;
    }
    Ok(Inserted::New(runs.into_iter().map(|run| run.id).collect()))
}

/// The live runs that a signal is about: by branch or pull request, and otherwise by the commit, which news about
/// checks name alone when no branch or more than one holds it.
async fn concerned(connection: &mut Connection, news: &News, names: &[String]) -> Result<Vec<Concerned>> {
    let named = sqlx::query_as!(
        Concerned,
        "select id, repository from run
         where repository = any($1) and status <> 'ended' and ($2 or branch = $3 or pull = $4)
         order by id",
        names,
        news.whole,
        news.branch,
        news.pull
    )
    .fetch_all(&mut *connection)
    .await?;
    let Some(sha) = news.sha.as_ref().filter(|_| named.is_empty()) else { return Ok(named) };
    sqlx::query_as!(
        Concerned,
        "select id, repository from run
         where repository = any($1) and status <> 'ended' and state->'progress'->>'head' = $2
         order by id",
        names,
        sha
    )
    .fetch_all(connection)
    .await
}

async fn insert_for(
    connection: &mut Connection,
    news: &News,
    delivery: &str,
    repository: &str,
    run: Option<&Concerned>,
) -> Result<bool> {
    let stored = sqlx::query!(
        "insert into signal (delivery, topic, repository, branch, pull, sha, run_id)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (delivery) do nothing",
        delivery,
        news.topic.as_str(),
        repository,
        news.branch,
        news.pull,
        news.sha,
        run.map(|run| run.id)
    )
    .execute(connection)
    .await?;
    Ok(stored.rows_affected() == 1)
}

/// Records the delivery of a person's order to a run, which nothing has to take; false if it is recorded already.
///
/// # Errors
/// When the database does not answer.
pub async fn note(connection: &mut Connection, delivery: &str, repository: &str, run: Uuid) -> Result<bool> {
    let noted = sqlx::query!(
        "insert into signal (delivery, topic, repository, run_id, taken_at)
         values ($1, $2, $3, $4, clock_timestamp())
         on conflict (delivery) do nothing",
        delivery,
        Topic::Checks.as_str(),
        repository,
        run
    )
    .execute(connection)
    .await?;
    Ok(noted.rows_affected() == 1)
}

/// Leaves a signal of our own for a run, which the step that is under way takes before it waits.
///
/// # Errors
/// When the database does not answer.
pub async fn leave(
    connection: &mut Connection,
    delivery: &str,
    topic: Topic,
    repository: &str,
    run: Uuid,
) -> Result<()> {
    sqlx::query!(
        "insert into signal (delivery, topic, repository, run_id) values ($1, $2, $3, $4)
         on conflict (delivery) do nothing",
        delivery,
        topic.as_str(),
        repository,
        run
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Takes all signals of a run about these topics; the topic of one that was not taken before.
///
/// # Errors
/// When the database does not answer.
pub async fn take(connection: &mut Connection, run_id: Uuid, topics: &[Topic]) -> Result<Option<Topic>> {
    let names: Vec<String> = topics.iter().map(|topic| topic.as_str().to_owned()).collect();
    let taken = sqlx::query_scalar!(
        "update signal set taken_at = clock_timestamp()
         where run_id = $1 and taken_at is null and topic = any($2)
         returning topic",
        run_id,
        &names
    )
    .fetch_all(connection)
    .await?;
    Ok(topics.iter().copied().find(|topic| taken.iter().any(|name| name == topic.as_str())))
}

/// The pushes to a branch that were announced, in the order of their arrival, at most the newest 1,000.
///
/// # Errors
/// When the database does not answer.
pub async fn pushes(pool: &Pool, repository: &str, branch: &str) -> Result<Vec<(String, DateTime<Utc>)>> {
    let mut rows = sqlx::query!(
        r#"select sha as "sha!", received_at from signal
           where repository = $1 and branch = $2 and topic = 'push' and sha is not null
           order by id desc limit 1000"#,
        repository,
        branch
    )
    .fetch_all(pool)
    .await?;
    rows.reverse();
    Ok(rows.into_iter().map(|row| (row.sha, row.received_at)).collect())
}

/// The signals of a run, oldest first, at most 1,000.
///
/// # Errors
/// When the database does not answer.
pub async fn of_run(pool: &Pool, run_id: Uuid) -> Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        "select topic, delivery, received_at, taken_at from signal where run_id = $1 order by id limit 1000",
        run_id
    )
    .fetch_all(pool)
    .await
}
