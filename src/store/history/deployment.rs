//! Deployments, as the forge announces them, and which runs' changes they contain.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::core::{
    deployment::{Deployment, News, Status},
    sha::Sha,
};
use crate::store::{Connection, Error, Pool, Result, repository};

/// What became of an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is stored.
    New,
    /// This delivery was stored before.
    Known,
    /// It is not stored, since no product has this repository.
    Foreign,
}

/// A deployment of which a worker has to find out which merged changes it contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The forge's number.
    pub id: i64,
    /// The repository, `owner/name`.
    pub repository: String,
    /// The commit.
    pub sha: String,
    /// When it came.
    pub received_at: DateTime<Utc>,
    /// How many looks there were, this one included.
    pub attempts: i32,
}

/// A deployment, with its statuses in the order in which they were set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The deployment.
    pub deployment: Deployment,
    /// Its statuses.
    pub statuses: Vec<Status>,
}

/// Stores what a webhook says of a deployment, once for each delivery. What is known of a deployment stays as it was first
/// announced; a status is stored once.
///
/// # Errors
/// When the database does not answer; the sender must then send again.
pub async fn record(
    connection: &mut Connection,
    delivery: &str,
    (name, id): (&str, Option<i64>),
    news: &News,
) -> Result<Recorded> {
    let names = repository::names(connection, id, name).await?;
    let Some(named) = names.into_iter().find(|it| it.is_of_product) else { return Ok(Recorded::Foreign) };
    let is_new = sqlx::query!(
        "insert into deployment_delivery (delivery) values ($1) on conflict (delivery) do nothing",
        delivery
    )
    .execute(&mut *connection)
    .await?;
    if is_new.rows_affected() == 0 {
        return Ok(Recorded::Known);
    }
    insert(connection, &named.name, &news.deployment).await?;
    if let Some(status) = &news.status {
        insert_status(connection, news.deployment.id, status).await?;
    }
    // Of a commit that is known to be a run's own, nobody has to ask.
    sqlx::query!(
        "insert into deployment_run (deployment_id, run_id)
         select d.id, m.run_id from deployment d join merged m on m.repository = d.repository and m.sha = d.sha
         where d.id = $1
         on conflict do nothing",
        news.deployment.id
    )
    .execute(connection)
    .await?;
    Ok(Recorded::New)
}

async fn insert(connection: &mut Connection, repository: &str, new: &Deployment) -> Result<()> {
    sqlx::query!(
        "insert into deployment (id, repository, sha, reference, task, environment, description, creator,
                                 is_production, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (id) do nothing",
        new.id,
        repository,
        new.sha.as_str(),
        new.reference,
        new.task,
        new.environment,
        new.description,
        new.creator,
        new.is_production,
        new.created_at
    )
    .execute(connection)
    .await
    .map(|_| ())
}

async fn insert_status(connection: &mut Connection, deployment: i64, new: &Status) -> Result<()> {
    sqlx::query!(
        "insert into deployment_status (deployment_id, id, state, description, environment, creator, log_url,
                                        environment_url, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (deployment_id, id) do nothing",
        deployment,
        new.id,
        new.state,
        new.description,
        new.environment,
        new.creator,
        new.log_url,
        new.environment_url,
        new.created_at
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Claims the deployment that is due longest. It is due again after two minutes, unless it is done by then.
///
/// # Errors
/// When the database does not answer.
pub async fn claim(pool: &Pool) -> Result<Option<Due>> {
    sqlx::query_as!(
        Due,
        "update deployment set attempts = attempts + 1, look_at = now() + interval '2 minutes'
         where id = (select id from deployment
                     where look_at <= now() and look_at < 'infinity'
                       and not exists (select from hold where scope = 'all')
                     order by look_at limit 1
                     for update skip locked)
         returning id, repository, sha, received_at, attempts"
    )
    .fetch_optional(pool)
    .await
}

/// Records which runs' changes a deployment contains, of those that no older deployment had brought to the same place;
/// the deployment is then not looked at again, unless it became due meanwhile.
///
/// # Errors
/// When the database does not answer; it is then claimed again.
pub async fn done(pool: &Pool, due: &Due, runs: &[Uuid]) -> Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query!(
        "insert into deployment_run (deployment_id, run_id)
         select new.id, run.id
         from deployment new cross join unnest($2::uuid[]) as run (id)
         where new.id = $1 and not exists (
             select from deployment_run known join deployment old on old.id = known.deployment_id
             join deployment_status status on status.deployment_id = old.id and status.state = 'success'
             where known.run_id = run.id and old.environment = new.environment
               and (old.created_at, old.id) < (new.created_at, new.id))
         on conflict do nothing",
        due.id,
        runs
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "update deployment set look_at = 'infinity', error = null where id = $1 and attempts = $2",
        due.id,
        due.attempts
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Records why a look failed, and when the next one is due; `None`: there is none.
///
/// # Errors
/// When the database does not answer; it is then claimed again.
pub async fn postpone(pool: &Pool, due: &Due, wait: Option<Duration>, error: &str) -> Result<()> {
    sqlx::query!(
        "update deployment set look_at = coalesce(now() + make_interval(secs => $3), 'infinity'), error = $4
         where id = $1 and attempts = $2",
        due.id,
        due.attempts,
        wait.map(|wait| wait.as_secs_f64()),
        error
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// The newest deployments that contain a run's change, the newest one first, at most 50.
///
/// # Errors
/// When the database does not answer.
pub async fn of_run(pool: &Pool, run: Uuid) -> Result<Vec<Row>> {
    let rows = sqlx::query!(
        "select d.id, d.sha, d.reference, d.task, d.environment, d.description, d.creator, d.is_production,
                d.created_at
         from deployment_run r join deployment d on d.id = r.deployment_id
         where r.run_id = $1 order by d.created_at desc, d.id desc limit 50",
        run
    )
    .fetch_all(pool)
    .await?;
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let mut statuses = statuses(pool, &ids).await?;
    let mut all = Vec::new();
    for row in rows {
        let sha: Sha = row.sha.parse().map_err(|error| Error::Decode(Box::new(error)))?;
        let (own, rest): (Vec<_>, Vec<_>) = statuses.into_iter().partition(|(of, _)| *of == row.id);
        statuses = rest;
        all.push(Row {
            deployment: Deployment {
                id: row.id,
                sha,
                reference: row.reference,
                task: row.task,
                environment: row.environment,
                description: row.description,
                creator: row.creator,
                is_production: row.is_production,
                created_at: row.created_at,
            },
            statuses: own.into_iter().map(|(_, status)| status).collect(),
        });
    }
    Ok(all)
}

/// The statuses of deployments, each with the number of its deployment, in the order in which they were set.
async fn statuses(pool: &Pool, deployments: &[i64]) -> Result<Vec<(i64, Status)>> {
    sqlx::query!(
        "select * from deployment_status where deployment_id = any($1) order by created_at, id",
        deployments
    )
    .map(|row| {
        let status = Status {
            id: row.id,
            state: row.state,
            description: row.description,
            environment: row.environment,
            creator: row.creator,
            log_url: row.log_url,
            environment_url: row.environment_url,
            created_at: row.created_at,
        };
        (row.deployment_id, status)
    })
    .fetch_all(pool)
    .await
}

/// Deletes deployments that came so many days ago and contain no run's change any more, with their deliveries; how many.
///
/// # Errors
/// When the database does not answer.
pub async fn sweep(connection: &mut Connection, days: f64) -> Result<u64> {
    sqlx::query!(
        "delete from deployment_delivery where received_at < now() - make_interval(secs => $1::float8 * 86400)",
        days
    )
    .execute(&mut *connection)
    .await?;
    let done = sqlx::query!(
        "delete from deployment d
         where received_at < now() - make_interval(secs => $1::float8 * 86400)
           and not exists (select from deployment_run r where r.deployment_id = d.id)",
        days
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
