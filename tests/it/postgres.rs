//! The embedded Postgres: it keeps its data over kills, and processes that use the same folder share it.

use aspora::dev::postgres::Cluster;
use sqlx::{Connection, PgConnection};

use crate::support;

/// A folder that the account of Postgres can reach, as on most machines.
fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("aspora-").tempdir().unwrap()
}

async fn connect(cluster: &Cluster) -> PgConnection {
    PgConnection::connect(&cluster.url("notes")).await.unwrap()
}

async fn write(cluster: &Cluster, text: &str) {
    let mut notes = connect(cluster).await;
    sqlx::query("create table if not exists note (text text not null)").execute(&mut notes).await.unwrap();
    sqlx::query("insert into note values ($1)").bind(text).execute(&mut notes).await.unwrap();
}

async fn read(cluster: &Cluster) -> Vec<String> {
    let mut notes = connect(cluster).await;
    sqlx::query_scalar("select text from note order by text").fetch_all(&mut notes).await.unwrap()
}

#[tokio::test]
async fn a_killed_server_comes_back_with_what_was_committed() {
    let folder = folder();
    let cluster = Cluster::start(folder.path()).unwrap();
    cluster.create_database("notes").unwrap();
    write(&cluster, "before the kill").await;

    let first = cluster.pid().unwrap();
    cluster.kill().unwrap();
    assert_eq!(cluster.pid(), None);
    assert!(PgConnection::connect(&cluster.url("notes")).await.is_err());

    cluster.restart().unwrap();
    assert_ne!(cluster.pid().unwrap(), first);
    assert_eq!(read(&cluster).await, ["before the kill"]);
}

#[tokio::test]
async fn a_stopped_server_starts_again_at_the_same_address() {
    let folder = folder();
    let cluster = Cluster::start(folder.path()).unwrap();
    cluster.create_database("notes").unwrap();
    cluster.create_database("notes").expect("creating an existing database changes nothing");
    write(&cluster, "kept").await;
    let url = cluster.url("notes");

    cluster.stop().unwrap();
    assert_eq!(cluster.pid(), None);
    cluster.stop().expect("stopping a stopped server is not an error");

    cluster.restart().unwrap();
    assert_eq!(cluster.url("notes"), url);
    assert_eq!(read(&cluster).await, ["kept"]);
}

#[tokio::test]
async fn users_of_a_folder_share_one_server_and_the_last_stops_it() {
    let folder = folder();
    let starters: Vec<_> = (0..3)
        .map(|_| {
            let path = folder.path().to_owned();
            std::thread::spawn(move || Cluster::start(&path).unwrap())
        })
        .collect();
    let mut clusters: Vec<Cluster> = starters.into_iter().map(|starter| starter.join().unwrap()).collect();
    let pid = clusters[0].pid().unwrap();
    assert!(clusters.iter().all(|cluster| cluster.pid() == Some(pid)));
    clusters[0].create_database("notes").unwrap();

    let last = clusters.pop().unwrap();
    drop(clusters);
    write(&last, "still running").await;
    assert_eq!(read(&last).await, ["still running"]);

    drop(last);
    assert!(!folder.path().join("data/postmaster.pid").exists(), "the server {pid} was not stopped");
}

#[tokio::test]
async fn a_server_that_was_left_running_is_joined() {
    let folder = folder();
    let pid = Cluster::start(folder.path()).unwrap().leave_running().pid().unwrap();
    let cluster = Cluster::start(folder.path()).unwrap();
    assert_eq!(cluster.pid(), Some(pid));
}

/// This is the state of a folder that was copied while its server ran.
#[tokio::test]
async fn the_server_of_another_folder_is_not_mistaken_for_its_own() {
    let (here, there) = (folder(), folder());
    let (ours, theirs) = (Cluster::start(here.path()).unwrap(), Cluster::start(there.path()).unwrap());
    let path = |folder: &tempfile::TempDir| folder.path().join("data/postmaster.pid");
    let own = std::fs::read(path(&here)).unwrap();
    std::fs::copy(path(&there), path(&here)).unwrap();
    assert_eq!(ours.pid(), None);
    std::fs::write(path(&here), own).unwrap();
    assert!(ours.pid().is_some() && ours.pid() != theirs.pid());
    ours.stop().unwrap();
    std::fs::copy(path(&there), path(&here)).unwrap();
    let lock = |folder: &tempfile::TempDir| folder.path().join(".s.PGSQL.5432.lock");
    std::fs::copy(lock(&there), lock(&here)).unwrap();
    drop(ours);
    let ours = Cluster::start(here.path()).unwrap();
    assert!(ours.pid().is_some() && ours.pid() != theirs.pid(), "it starts its own server");
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_gets_a_port() {
    let folder = folder();
    let cluster = Cluster::start(&folder.path().join("d".repeat(120))).unwrap();
    assert!(cluster.url("x").contains("@127.0.0.1:"));
    cluster.create_database("notes").unwrap();
    write(&cluster, "by port").await;

    cluster.kill().unwrap();
    cluster.restart().unwrap();
    assert_eq!(read(&cluster).await, ["by port"]);
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let folder = folder();
    let cluster = Cluster::start(folder.path()).unwrap();
    cluster.create_database("notes").unwrap();
    let (head, tail) =
        cluster.url("notes").split_once('@').map(|(h, t)| (h.to_owned(), t.to_owned())).unwrap();
    let guess = format!("{}:guess@{tail}", head.rsplit_once(':').unwrap().0);
    let refused = PgConnection::connect(&guess).await.unwrap_err();
    assert!(refused.to_string().contains("password authentication failed"), "{refused}");
}

#[tokio::test]
async fn it_syncs_to_disk_and_listens_on_a_socket_alone() {
    let folder = folder();
    let cluster = Cluster::start(folder.path()).unwrap();
    cluster.create_database("notes").unwrap();
    let mut notes = connect(&cluster).await;
    let setting = async |notes: &mut PgConnection, name: &str| -> String {
        sqlx::query_scalar("select current_setting($1)").bind(name).fetch_one(notes).await.unwrap()
    };
    assert_eq!(setting(&mut notes, "fsync").await, "on");
    assert_eq!(setting(&mut notes, "listen_addresses").await, "");
    assert_eq!(setting(&mut notes, "TimeZone").await, "UTC");
}

#[test]
fn a_failed_start_quotes_the_log() {
    let folder = folder();
    drop(Cluster::start(folder.path()).unwrap());
    let place = std::fs::canonicalize(folder.path().join("cluster")).unwrap_or(folder.path().to_owned());
    std::fs::write(place.join("data/postgresql.conf"), "no_such_setting = 1\n").unwrap();
    let error = format!("{:#}", Cluster::start(folder.path()).unwrap_err());
    assert!(error.contains("no_such_setting"), "{error}");
}

#[tokio::test]
async fn each_test_gets_an_empty_database_of_its_own() {
    let (one, two) = (support::database().await, support::database().await);
    sqlx::query("create table only_here (id int)").execute(&one.pool).await.unwrap();
    assert_ne!(one.url, two.url);
    let found: Option<String> =
        sqlx::query_scalar("select to_regclass('only_here')::text").fetch_one(&two.pool).await.unwrap();
    assert_eq!(found, None);
}

#[tokio::test]
async fn a_test_database_is_dropped_after_the_test() {
    let gone = support::database().await;
    let url = gone.url.clone();
    drop(gone);
    let refused = PgConnection::connect(&url).await.unwrap_err();
    assert!(refused.to_string().contains("does not exist"), "{refused}");
}
