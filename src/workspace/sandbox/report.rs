//! A report that a run writes: copied out of the sandbox, and read as what the product's code says of itself.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use super::super::error::Error;
use super::{
    layers::{Layer, Layers},
    limits::TestRun,
    recipe::{Commands, Recipe},
    runner::{Files, Job, Runner},
    setup::Given,
    stage::User,
    system::Mount,
};

/// Bytes of a report that are read; beyond it, it is refused. The Cobertura report of 100,000 lines has about 8 MiB.
const MOST: u64 = 32 << 20;
/// Where the sandbox puts it.
const FOLDER: &str = "/report";
const NAME: &str = "report";

/// A run that was to write a report.
#[derive(Debug, Clone)]
pub struct Reported {
    /// The run.
    pub run: TestRun,
    /// The report, or why there is none, as a phrase: it wrote none, or one that is too large.
    pub report: Result<String, String>,
}

/// Runs lines as tests are run, and reads the file at `path`, which is relative to the product's folder.
pub(super) async fn report(
    place @ (runner, _): (&Runner, &Layers),
    tree: &Path,
    recipe: &Recipe,
    layer: Option<&Layer>,
    (lines, path): (&[String], &str),
) -> Result<Reported, Error> {
    let (user, outside) = (runner.user(), tempfile::Builder::new().prefix("aspora-report-").tempdir());
    let outside = outside.map_err(Error::io("make a folder for a report"))?;
    let folder = outside.path().join(NAME);
    make_folder(&folder, user).map_err(Error::io("make a folder for a report"))?;
    let Given { mut inside, cluster: _held } = Given::to_tests(place, recipe, layer).await?;
    inside.mounts.push(Mount { source: folder.clone(), target: FOLDER.to_owned(), writable: true });
    let argv = copying(Commands::Lines(lines).argv(), path);
    let files = Files::Tree(tree, recipe.git_folder.as_deref());
    let job = Job { files, inside, argv, user: Some(user), limits: recipe.limits };
    let run = runner.run(job).await?;
    let report = read(&folder.join(NAME)).unwrap_or_else(|why| Err(why.to_string()));
    Ok(Reported { run, report: report.map_err(|why| format!("the report `{path}` {why}")) })
}

/// Runs a program and copies the file that it left, whether it succeeded or not.
fn copying(program: Vec<String>, path: &str) -> Vec<String> {
    let copy = r#"path=$1; shift; code=0; "$@" || code=$?; [ ! -f "$path" ] || cp -- "$path" FOLDER || code=$?; exit $code"#;
    let copy = copy.replace("FOLDER", &format!("{FOLDER}/{NAME}"));
    ["sh", "-c", &copy, "sh", path].map(str::to_owned).into_iter().chain(program).collect()
}

/// The folder is in one that only we enter, and is the run's user's.
fn make_folder(folder: &Path, User(user): User) -> io::Result<()> {
    fs::create_dir(folder)?;
    match user {
        Some(user) => std::os::unix::fs::chown(folder, Some(user), Some(user)),
        None => Ok(()),
    }
}

/// The run is over, so nothing changes under our hands; but what it left may be anything, a link to a file of this machine too.
fn read(path: &Path) -> io::Result<Result<String, String>> {
    let Ok(data) = fs::symlink_metadata(path) else { return Ok(Err("was not written".to_owned())) };
    if !data.is_file() {
        return Ok(Err("is no file".to_owned()));
    }
    if data.len() > MOST {
        return Ok(Err(format!("is larger than {} MiB", MOST >> 20)));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST).read_to_end(&mut bytes)?;
    Ok(Ok(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_is_read_and_never_what_a_link_points_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        assert_eq!(read(&path).unwrap(), Err("was not written".to_owned()));
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert_eq!(read(&path).unwrap(), Err("is no file".to_owned()));
        fs::remove_file(&path).unwrap();
        File::create(&path).unwrap().set_len(MOST + 1).unwrap();
        assert_eq!(read(&path).unwrap(), Err("is larger than 32 MiB".to_owned()));
        fs::write(&path, "LF:1\n").unwrap();
        assert_eq!(read(&path).unwrap(), Ok("LF:1\n".to_owned()));
    }
}
