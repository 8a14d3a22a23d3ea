//! What the server must be like for a commit to be worth its name.

use crate::store::{Pool, Result};

/// A Postgres server, by its own word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its version, as `15.20`.
    pub version: String,
    /// It follows another server, which alone takes changes.
    pub is_standby: bool,
    /// Sessions may only read.
    pub is_read_only: bool,
    /// `fsync`: what is committed survives a crash of the machine.
    pub fsync: bool,
    /// `full_page_writes`: a page that was half written is mended after a crash.
    pub full_page_writes: bool,
    /// `synchronous_commit`: a commit is answered once it is on the disk.
    pub synchronous_commit: bool,
    /// Worker processes that are connected now.
    pub workers: i64,
}

/// Something about a server that must be mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthIssue {
    /// What is wrong and what to do.
    pub what: &'static str,
    /// Nothing can be done on such a server; otherwise it works, and may forget.
    pub is_fatal: bool,
}

/// Asks the server what it is like.
///
/// # Errors
/// When the database does not answer.
pub async fn ask(pool: &Pool) -> Result<Server> {
    sqlx::query_as!(
        Server,
        r#"select current_setting('server_version') as "version!", pg_is_in_recovery() as "is_standby!",
                  current_setting('default_transaction_read_only') = 'on' as "is_read_only!",
                  current_setting('fsync') = 'on' as "fsync!",
                  current_setting('full_page_writes') = 'on' as "full_page_writes!",
                  current_setting('synchronous_commit') <> 'off' as "synchronous_commit!",
                  (select count(*) from pg_stat_activity
                   where datname = current_database() and application_name like 'aspora worker %') as "workers!""#
    )
    .fetch_one(pool)
    .await
}

impl Server {
    /// All that is wrong with it; nothing where a commit is kept.
    #[must_use]
    pub fn health_issues(&self) -> Vec<HealthIssue> {
        let mut health_issues = Vec::new();
        let mut tell = |ails: bool, is_fatal: bool, what: &'static str| {
            if ails {
                health_issues.push(HealthIssue { what, is_fatal });
            }
        };
        tell(
            self.is_standby,
            true,
            "the server is a standby and takes no changes: name the primary in DATABASE_URL",
        );
        tell(
            self.is_read_only,
            true,
            "default_transaction_read_only is on, so nothing can be written: turn it off for this role or database",
        );
        tell(!self.fsync, false, "fsync is off: a crash of the machine may destroy the database");
        tell(!self.full_page_writes, false, "full_page_writes is off: a crash may leave torn pages");
        tell(
            !self.synchronous_commit,
            false,
            "synchronous_commit is off: what was answered with 201 may be lost in a crash",
        );
        health_issues
    }
}
