//! The settings that the Postgres server needs, so that commits are durable.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use crate::store::{Pool, Result};

/// A Postgres server and its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its version, as `15.20`.
    pub version: String,
    /// The encoding of the database, as `UTF8`.
    pub encoding: String,
    /// The role that is connected.
    pub role: String,
    /// The schema in which it creates tables.
    pub schema: String,
    /// Whether it may.
    pub may_create: bool,
    /// Whether it is a standby, which accepts no writes.
    pub is_standby: bool,
    /// `default_transaction_read_only`.
    pub is_read_only: bool,
    /// `fsync`: commits survive a crash of the machine.
    pub fsync: bool,
    /// `full_page_writes`: a partially written page is restored after a crash.
    pub full_page_writes: bool,
    /// `synchronous_commit`: a commit is acknowledged once it is on disk.
    pub synchronous_commit: bool,
    /// How many worker processes are connected.
    pub workers: i64,
    /// Its clock.
    pub now: DateTime<Utc>,
}

/// A problem with a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthIssue {
    /// What is wrong and how to fix it.
    pub what: Cow<'static, str>,
    /// Whether nothing works on such a server; otherwise commits may be lost.
    pub is_fatal: bool,
}

/// Reads the settings of the server.
///
/// # Errors
/// When the database does not answer.
pub async fn read(pool: &Pool) -> Result<Server> {
    sqlx::query_as!(
        Server,
        r#"select current_setting('server_version') as "version!",
                  current_setting('server_encoding') as "encoding!", current_user::text as "role!",
                  coalesce(current_schema()::text, 'public') as "schema!",
                  coalesce(has_schema_privilege(current_schema(), 'create'), false) as "may_create!",
                  pg_is_in_recovery() as "is_standby!",
                  current_setting('default_transaction_read_only') = 'on' as "is_read_only!",
                  current_setting('fsync') = 'on' as "fsync!",
                  current_setting('full_page_writes') = 'on' as "full_page_writes!",
                  current_setting('synchronous_commit') <> 'off' as "synchronous_commit!",
                  (select count(*) from pg_stat_activity
                   where datname = current_database() and application_name like 'aspora worker %') as "workers!",
                  clock_timestamp() as "now!""#
    )
    .fetch_one(pool)
    .await
}

impl Server {
    /// That the database cannot hold every text, if so.
    pub(in crate::store) fn wrong_encoding(&self) -> Option<String> {
        let encoding = &self.encoding;
        (encoding != "UTF8").then(|| {
            format!(
                "the database is encoded in {encoding}, which cannot hold every text: create another with `create \
                 database NAME encoding 'UTF8' template template0` and set DATABASE_URL to it"
            )
        })
    }

    /// That the role may not create the tables of migrations and of coming months, if so.
    pub(in crate::store) fn may_not_create(&self) -> Option<String> {
        let Self { role, schema, .. } = self;
        (!self.may_create).then(|| {
            format!(
                "the role {role} may not create tables in the schema {schema}, as migrations and the months to come \
                 need: run `grant create on schema {schema} to {role}` as the schema's owner"
            )
        })
    }

    /// All problems; none where commits are durable.
    #[must_use]
    pub fn health_issues(&self) -> Vec<HealthIssue> {
        let mut health_issues = Vec::new();
        health_issues
            .extend(self.wrong_encoding().map(|what| HealthIssue { what: what.into(), is_fatal: true }));
        let may_not = self.may_not_create();
        health_issues.extend(may_not.map(|what| HealthIssue { what: what.into(), is_fatal: false }));
        let mut check = |is_issue: bool, is_fatal: bool, what: &'static str| {
            if is_issue {
                health_issues.push(HealthIssue { what: what.into(), is_fatal });
            }
        };
        check(
            self.is_standby,
            true,
            "the server is a standby and accepts no writes: set DATABASE_URL to the primary",
        );
        check(
            self.is_read_only,
            true,
            "default_transaction_read_only is on, so nothing can be written: turn it off for this role or database",
        );
        check(!self.fsync, false, "fsync is off: a crash of the machine may destroy the database");
        check(!self.full_page_writes, false, "full_page_writes is off: a crash may leave torn pages");
        check(
            !self.synchronous_commit,
            false,
            "synchronous_commit is off: what was answered with 201 may be lost in a crash",
        );
        health_issues
    }
}
