//! Postgres and Redis inside of the sandbox, from this machine's programs, as the user of the sandbox; dead with it.

use std::path::{Path, PathBuf};

use super::cluster;
use crate::core::product_file::Service;

/// Folders with Postgres' programs: that of its package on Debian and Ubuntu, one for each version, then others.
const POSTGRES: &str = "/usr/lib/postgresql";
const ELSEWHERE: [&str; 3] = ["/usr/bin", "/usr/pgsql/bin", "/usr/lib/postgresql/bin"];

/// `$B` is the folder of the programs, `PLACE` an empty cluster where one could be made, `MAKE` makes one. Durability is of no use to a database that lives as long as its tests.
const START_POSTGRES: &str = r#"
D=/tmp/.services/postgres; mkdir -p "$D"
{ if [ -d PLACE ]; then cp -r PLACE/data "$D/data" && chmod 700 "$D/data"
  else MAKE
  fi >"$D/log" 2>&1 &&
  { "$B/postgres" -D "$D/data" -c listen_addresses=127.0.0.1 -c port=5432 -c unix_socket_directories="$D" \
    -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=32MB </dev/null >>"$D/log" 2>&1 & } &&
  i=0 && while ! "$B/pg_isready" -q -h 127.0.0.1; do i=$((i + 1)); [ $i -lt 150 ] || break; sleep 0.1; done
} || { echo "the service postgres did not start:"; tail -n 20 "$D/log"; exit 125; }
"#;

const START_REDIS: &str = r#"
D=/tmp/.services/redis; mkdir -p "$D"
redis-server --bind 127.0.0.1 --port 6379 --dir "$D" --save "" --appendonly no --daemonize no </dev/null >"$D/log" 2>&1 &
i=0; while ! redis-cli -h 127.0.0.1 ping >/dev/null 2>&1; do
    i=$((i + 1)); [ $i -lt 150 ] || { echo "the service redis did not start:"; tail -n 20 "$D/log"; exit 125; }; sleep 0.1
done
"#;

/// What starts services, and how they are reached.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Started {
    pub(super) script: String,
    pub(super) environment: Vec<(String, String)>,
    /// The folder of Postgres' programs, if Postgres is among them.
    pub(super) postgres: Option<PathBuf>,
}

/// Finds the programs of services below `root`: of this machine, or of an image.
///
/// # Errors
/// Names the package of the first that is missing.
pub(super) fn start(services: &[Service], root: &Path) -> Result<Started, String> {
    let mut started = Started::default();
    let mut set = |name: &str, value: &str| started.environment.push((name.to_owned(), value.to_owned()));
    let (mut script, mut found) = (String::new(), None);
    for service in services {
        match service {
            Service::Postgres => {
                let programs = postgres(root).ok_or_else(|| missing(*service, "postgresql", root))?;
                let start =
                    START_POSTGRES.replace("PLACE", cluster::PLACE).replace("MAKE", cluster::MAKE.trim());
                script.push_str(&format!("B={}\n{start}", programs.display()));
                found = Some(programs);
                set("DATABASE_URL", "postgres://sandbox:sandbox@127.0.0.1:5432/sandbox");
                for (name, value) in [("HOST", "127.0.0.1"), ("PORT", "5432"), ("USER", "sandbox")] {
                    set(&format!("PG{name}"), value);
                }
                set("PGPASSWORD", "sandbox");
                set("PGDATABASE", "sandbox");
            }
            Service::Redis => {
                let server = root.join("usr/bin/redis-server");
                if !server.is_file() || !root.join("usr/bin/redis-cli").is_file() {
                    return Err(missing(*service, "redis", root));
                }
                script.push_str(START_REDIS);
                set("REDIS_URL", "redis://127.0.0.1:6379/0");
            }
        }
    }
    (started.script, started.postgres) = (script, found);
    Ok(started)
}

/// The folder of the newest version, as the sandbox sees it.
fn postgres(root: &Path) -> Option<PathBuf> {
    let below = |folder: &str| root.join(folder.trim_start_matches('/'));
    let versions = std::fs::read_dir(below(POSTGRES)).into_iter().flatten().flatten();
    let versions = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let newest = versions.max().map(|version| format!("{POSTGRES}/{version}/bin"));
    let elsewhere = ELSEWHERE.map(str::to_owned);
    let mut folders = newest.into_iter().chain(elsewhere);
    folders.find(|folder| below(folder).join("initdb").is_file()).map(PathBuf::from)
}

fn missing(service: Service, package: &str, root: &Path) -> String {
    let (name, place) = (service.as_str(), if root == Path::new("/") { "this machine" } else { "its image" });
    format!(
        "the product's tests need the service `{name}`, which {place} has not: install the package `{package}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_service_names_its_package() {
        let machine = tempfile::tempdir().unwrap();
        let check = |service, package: &str| {
            let error = start(&[service], machine.path()).unwrap_err();
            assert!(error.ends_with(&format!("install the package `{package}`")), "{error}");
        };
        check(Service::Postgres, "postgresql");
        check(Service::Redis, "redis");
        let of = |version: &str| machine.path().join("usr/lib/postgresql").join(version).join("bin");
        for version in ["9", "15", "14"] {
            std::fs::create_dir_all(of(version)).unwrap();
            std::fs::write(of(version).join("initdb"), "").unwrap();
        }
        assert_eq!(postgres(machine.path()), Some(PathBuf::from("/usr/lib/postgresql/15/bin")));
    }
}
