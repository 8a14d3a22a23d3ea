//! What happens outside of bubblewrap, before it: descriptors are closed, the run joins its control group and is the
//! first to be killed when memory is short, and in a mount namespace of its own gets the file system that it writes to.
//!
//! bubblewrap cannot limit how many files a tmpfs holds. So the tmpfs is mounted here, by root itself or by a first
//! bubblewrap that only makes the worker root of a user namespace. Folders that only root may enter (`/root/.cargo`) are
//! bound to a place of their own here too, because bubblewrap runs as a user without any rights.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use super::{layers::CACHES, tools::Tools};

/// As root, each run gets a user id of its own from here on, so that runs cannot signal each other or use up each
/// other's processes.
const FIRST_USER: u32 = 0x3000_0000;
const USERS: u32 = 1 << 20;
/// How many folders can be bound for one run.
const PLACES: usize = 200;
/// Ends set-up: what it wrote is readable for tests, which run as another user.
pub(super) const READABLE: &str = "chmod -R u+rwX,go+rX /deps /product 2>/dev/null || :";

/// bubblewrap passes open files on, so all are closed. The groups come in one word, a line each.
const JOIN: &str = r#"
for f in /proc/self/fd/*; do n=${f##*/}; if ((n > 2)); then eval "exec $n>&-"; fi; done
echo 1000 >/proc/self/oom_score_adj || exit 126
while IFS= read -r g; do [ -z "$g" ] || echo $$ >"$g/cgroup.procs" || exit 126; done <<<"$1"
shift; exec "$@""#;

/// Mounts what the run writes to, and binds folders; opens the filter of kernel calls as descriptor 3.
const MOUNT: &str = r#"
umask 022
place=$1 options=$2 user=$3 filter=$4 sources=$5 caches=$6; shift 6
mount -t tmpfs -o "$options" tmpfs "$place/disk" || exit 126
mkdir -m 1777 "$place/disk/tmp" && mkdir -m 0755 "$place/disk/product" "$place/disk/caches" || exit 126
for name in $caches; do mkdir -m 1777 "$place/disk/caches/$name" || exit 126; done
[ -z "$user" ] || chown "$user:$user" "$place/disk/product" || exit 126
n=0
while IFS= read -r s; do
    [ -z "$s" ] || mount --bind "$s" "$place/bound/$n" || exit 126
    n=$((n + 1))
done <<<"$sources"
exec 3<"$filter"
exec "$@""#;

/// The folder of a worker with what its sandboxes need from outside; the same for all of them, because what is mounted
/// in it is seen by one run alone.
#[derive(Debug)]
pub(super) struct Stage {
    place: tempfile::TempDir,
    filter: PathBuf,
    as_root: bool,
}

/// The user ids of one run outside of the sandbox.
#[derive(Debug, Clone, Copy)]
pub(super) struct User(pub(super) Option<u32>);

impl Stage {
    /// Makes the folder, in one that every user may enter if we are root.
    pub(super) fn make(filter: &[u8]) -> std::io::Result<Self> {
        let as_root = rustix::process::geteuid().is_root();
        let usual = std::env::temp_dir();
        let fallbacks = ["/tmp", "/var/tmp", "/run"].map(PathBuf::from);
        let open = [usual.clone()].into_iter().chain(fallbacks).find(|folder| !as_root || is_open(folder));
        let place = tempfile::Builder::new()
            .prefix("aspora-sandbox-")
            .permissions(fs::Permissions::from_mode(0o711))
            .tempdir_in(open.unwrap_or(usual))?;
        for folder in ["disk", "bound", "etc"] {
            fs::create_dir(place.path().join(folder))?;
        }
        for number in 0..PLACES {
            fs::create_dir(place.path().join("bound").join(number.to_string()))?;
        }
        let file = place.path().join("filter");
        fs::write(&file, filter)?;
        Ok(Self { place, filter: file, as_root })
    }

    /// A user id that no other run has, if we may choose.
    pub(super) fn user(&self) -> User {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = std::process::id().wrapping_mul(251).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        User(self.as_root.then(|| FIRST_USER + number % USERS))
    }

    /// A folder in which files for all runs are kept.
    pub(super) fn folder(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Where bubblewrap finds a folder of this machine: the nth of those that are given to [`Stage::command`].
    pub(super) fn bound(&self, number: usize, source: &Path) -> PathBuf {
        if self.as_root {
            self.place.path().join("bound").join(number.to_string())
        } else {
            source.to_owned()
        }
    }

    /// The words before `bwrap`'s own, for `bash`.
    pub(super) fn command(
        &self,
        tools: &Tools,
        groups: &[PathBuf],
        (bytes, files): (u64, u64),
        user: User,
        sources: &[PathBuf],
    ) -> Result<Vec<String>, String> {
        if sources.len() > PLACES {
            return Err(format!("more than {PLACES} folders would be mounted"));
        }
        let mut words: Vec<String> = ["--noprofile", "--norc", "-c", JOIN, "bash"].map(str::to_owned).into();
        words.push(lines(groups)?);
        let shown = |path: &Path| path.display().to_string();
        if self.as_root {
            words.push(shown(&tools.unshare));
            words.extend(["--mount", "--propagation", "private", "--"].map(str::to_owned));
        } else {
            words.push(shown(&tools.bwrap));
            words.extend(
                ["--dev-bind", "/", "/", "--unshare-user", "--uid", "0", "--gid", "0"].map(str::to_owned),
            );
            // Without CAP_SETFCAP the second one may not map a user to this root.
            words.extend(["--cap-add", "CAP_SYS_ADMIN", "--cap-add", "CAP_SETFCAP"].map(str::to_owned));
            words.extend(["--die-with-parent", "--"].map(str::to_owned));
        }
        words.push(shown(&tools.bash));
        words.extend(["--noprofile", "--norc", "-c", MOUNT, "bash"].map(str::to_owned));
        words.push(shown(self.place.path()));
        words.push(format!("size={bytes},nr_inodes={},mode=0755,nosuid,nodev", files.max(16)));
        words.push(user.0.map(|user| user.to_string()).unwrap_or_default());
        words.push(shown(&self.filter));
        words.push(if self.as_root { lines(sources)? } else { String::new() });
        words.push(CACHES.join(" "));
        if let User(Some(user)) = user {
            words.push(shown(&tools.setpriv));
            words.extend(["--reuid", &user.to_string(), "--regid", &user.to_string()].map(str::to_owned));
            words.extend(["--clear-groups", "--no-new-privs"].map(str::to_owned));
        }
        words.push(shown(&tools.bwrap));
        Ok(words)
    }
}

/// Whether every user may go through a folder.
fn is_open(folder: &Path) -> bool {
    folder.ancestors().all(|one| fs::metadata(one).is_ok_and(|data| data.permissions().mode() & 0o1 != 0))
}

fn lines(paths: &[PathBuf]) -> Result<String, String> {
    let text: Vec<&str> = paths.iter().filter_map(|path| path.to_str()).collect();
    if text.len() != paths.len() || text.iter().any(|path| path.contains('\n')) {
        return Err("a path to mount is not text of one line".to_owned());
    }
    Ok(text.join("\n"))
}

/// Makes the folder `deps` of a layer, for a run of this user to fill, beside no file of a product.
///
/// # Errors
/// When it cannot be made.
pub(super) fn empty_deps(layer: &Path, user: User) -> io::Result<PathBuf> {
    let deps = layer.join("deps");
    fs::create_dir_all(&deps)?;
    fs::create_dir_all(layer.join("product"))?;
    own(layer, user)?;
    Ok(deps)
}

/// Gives the folders `deps` and `product`, with all in them, to the user of a run.
pub(super) fn own(folder: &Path, user: User) -> io::Result<()> {
    let User(Some(user)) = user else { return Ok(()) };
    let mut todo: Vec<PathBuf> = ["deps", "product"].map(|name| folder.join(name)).to_vec();
    while let Some(path) = todo.pop() {
        std::os::unix::fs::lchown(&path, Some(user), Some(user))?;
        if fs::symlink_metadata(&path)?.is_dir() {
            for entry in fs::read_dir(&path)? {
                todo.push(entry?.path());
            }
        }
    }
    Ok(())
}
