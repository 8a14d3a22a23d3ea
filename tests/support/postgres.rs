//! A fresh database per test, copied from a template that is migrated once per version of the schema.
//!
//! The cluster is in `target/test-postgres`, is shared by all test processes of the checkout, and keeps running for
//! later ones. It is never the machine's own Postgres.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;

use aspora::dev::postgres::Cluster;
use sha2::{Digest, Sha256};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tokio::sync::OnceCell;

/// The advisory lock under which a template is created; any number that only we use.
const TEMPLATE_LOCK: i64 = 0x6173_706f_7261;
/// Connections of one test; the cluster has 100 and four tests run at a time (`./run test`).
const POOL_SIZE: u32 = 8;

/// The database of one test, dropped with this value.
pub(crate) struct TestDatabase {
    pub(crate) url: String,
    pub(crate) pool: PgPool,
    name: String,
}

/// A fresh database with the schema of `migrations/`.
pub(crate) async fn database() -> TestDatabase {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let cluster = tokio::task::spawn_blocking(cluster).await.expect("start the test cluster");
    let template = TEMPLATE.get_or_init(|| template(&cluster)).await;
    database_like(&cluster, template).await
}

/// A fresh, empty database.
pub(crate) async fn blank() -> TestDatabase {
    let cluster = tokio::task::spawn_blocking(cluster).await.expect("start the test cluster");
    database_like(&cluster, "template0").await
}

async fn database_like(cluster: &Cluster, template: &str) -> TestDatabase {
    let name = format!("test_{}_{}", std::process::id(), uuid::Uuid::new_v4().simple());
    let mut admin = connect(cluster, "postgres").await;
    execute(&mut admin, format!(r#"create database "{name}" template "{template}""#)).await;
    let url = cluster.url(&name);
    let pool =
        PgPoolOptions::new().max_connections(POOL_SIZE).connect(&url).await.expect("open the test database");
    TestDatabase { url, pool, name }
}

/// Applies the migrations from the folder as it is now, like the hash in the template's name.
pub(crate) async fn migrate(pool: &PgPool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let migrator = sqlx::migrate::Migrator::new(folder).await.expect("read migrations/");
    migrator.run(pool).await.expect("apply the migrations");
}

impl Drop for TestDatabase {
    /// Drops the database on a thread with its own runtime, as the test's runtime may be shutting down.
    fn drop(&mut self) {
        let name = self.name.clone();
        let dropped = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("make a runtime");
            runtime.block_on(async {
                let mut admin = connect(&cluster(), "postgres").await;
                execute(&mut admin, format!(r#"drop database if exists "{name}" with (force)"#)).await;
            });
        });
        if dropped.join().is_err() && !thread::panicking() {
            panic!("the test database {} was not dropped", self.name);
        }
    }
}

/// The cluster of this checkout, started by the first process that needs it.
fn cluster() -> Arc<Cluster> {
    static CLUSTER: OnceLock<Arc<Cluster>> = OnceLock::new();
    let start = || {
        let cluster = Cluster::start(&folder()).expect("start the test cluster in target/test-postgres");
        Arc::new(cluster.leave_running())
    };
    CLUSTER.get_or_init(start).clone()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder").join("test-postgres")
}

/// The name of the migrated template, created by the first test that needs this version of the schema.
async fn template(cluster: &Cluster) -> String {
    let name = format!("template_{}", &schema_version()[..16]);
    let mut admin = connect(cluster, "postgres").await;
    execute(&mut admin, format!("select pg_advisory_lock({TEMPLATE_LOCK})")).await;
    let made: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(&name)
        .fetch_one(&mut admin)
        .await
        .expect("look for the template");
    if !made {
        sweep(&mut admin).await;
        make_template(cluster, &mut admin, &name).await;
    }
    admin.close().await.expect("release the template's lock");
    name
}

/// Migrates under another name first, so that an interrupted migration leaves no incomplete template.
async fn make_template(cluster: &Cluster, admin: &mut PgConnection, name: &str) {
    execute(admin, "drop database if exists unfinished with (force)".to_owned()).await;
    execute(admin, "create database unfinished".to_owned()).await;
    let pool =
        PgPoolOptions::new().max_connections(1).connect(&cluster.url("unfinished")).await.expect("connect");
    migrate(&pool).await;
    super::people::seed(&pool).await;
    pool.close().await;
    execute(admin, format!(r#"alter database unfinished rename to "{name}""#)).await;
}

/// Drops the databases of test processes that were killed.
async fn sweep(admin: &mut PgConnection) {
    let names: Vec<String> =
        sqlx::query_scalar("select datname from pg_database where datname like 'test\\_%'")
            .fetch_all(&mut *admin)
            .await
            .expect("list the test databases");
    let abandoned = names.into_iter().filter(|name| {
        let owner = name.split('_').nth(1).unwrap_or_default();
        !Path::new("/proc").join(owner).exists()
    });
    for name in abandoned {
        execute(admin, format!(r#"drop database if exists "{name}" with (force)"#)).await;
    }
}

/// A hash over the migrations, so that a changed schema gets a new template.
fn schema_version() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("read migrations/")
        .map(|entry| entry.expect("read migrations/").path())
        .collect();
    files.sort();
    let mut hash = Sha256::new();
    hash.update("read from the folder, with a person");
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "sql")) {
        hash.update(file.file_name().expect("a file has a name").as_encoded_bytes());
        hash.update(std::fs::read(file).expect("read a migration"));
    }
    hex::encode(hash.finalize())
}

async fn connect(cluster: &Cluster, database: &str) -> PgConnection {
    PgConnection::connect(&cluster.url(database)).await.expect("connect to the test cluster")
}

async fn execute(connection: &mut PgConnection, sql: String) {
    sqlx::query(AssertSqlSafe(sql.clone()))
        .execute(connection)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}
