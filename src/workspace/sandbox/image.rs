//! A container image in the place of this machine's programs and libraries: podman or Docker bring it, and its files are
//! unpacked into a layer. No container is started: what runs on these files runs in this sandbox, with all its limits.
//!
//! Who made an image is not known here. It is unpacked inside of the sandbox, so that no path, link or device in it reaches
//! this machine.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use super::{
    inside::Inside,
    layers::{Held, Layers, Making},
    recipe::Recipe,
    registries::{Operator, Registries},
    runner::{Files, Job, Runner, blocking},
    stage::{User, empty_deps},
    system::{ETC, MADE, Mount, Root},
};

/// How long an image may take to be pulled, and every other command to end.
const PULL: Duration = Duration::from_secs(600);
const COMMAND: Duration = Duration::from_secs(120);
/// Changes when what a layer holds of the same image changes.
const FORMAT: &str = "image 1";
/// What the sandbox runs of an image, and the package of Debian that has it.
const NEEDED: [(&str, &str); 3] = [("sh", "dash"), ("tar", "tar"), ("prlimit", "util-linux")];

/// Runs inside, on the unpacked files: makes the files and folders to which others are bound, names what the image lacks, and
/// lets the users of later runs read everything.
const FINISH: &str = r#"
cd /deps
[ ! -L etc ] || rm etc; mkdir -p etc
for place in $PLACES; do mkdir -p ".$place" || :; done
for name in $ETC; do rm -rf "etc/$name"; : >"etc/$name"; done
for tool in $NEEDED; do
    for folder in usr/bin bin usr/local/bin; do
        if [ -e "$folder/${tool%:*}" ] || [ -L "$folder/${tool%:*}" ]; then continue 2; fi
    done
    echo "it lacks \`${tool%:*}\`, which the sandbox needs: install the package \`${tool#*:}\` in it"; exit 1
done
chmod -R u+rwX,go+rX,a-st . 2>/dev/null || :
"#;

/// The program that brings images.
#[derive(Debug)]
struct Engine {
    program: PathBuf,
    name: &'static str,
}

/// What an engine says of an image that it has.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    id: String,
    environment: Vec<(String, String)>,
}

/// The files of an image, as it is on this machine; pulled when it is not.
///
/// # Errors
/// Why it cannot be had, with what to do.
pub(super) async fn root(runner: &Runner, layers: &Layers, name: &str) -> Result<Root, String> {
    let engine = Engine::find().ok_or_else(|| {
        format!("the product file names the image `{name}`, and this machine has neither podman nor Docker: install the package `podman`")
    })?;
    let wrong = |reason: String| format!("the image `{name}` cannot be used: {reason}");
    let known = engine.known(name).await.map_err(wrong)?;
    let places = places();
    let key = hex::encode(Sha256::digest(format!("{FORMAT}\0{}\0{places}", known.id)));
    loop {
        let held = layers.hold(&key).await.map_err(|error| wrong(error.to_string()))?;
        let making = match held {
            Held::Ready(layer) => {
                let root = Root::of(layer, known.id, known.environment);
                return root.map_err(|error| wrong(error.to_string()));
            }
            Held::ToMake(making) => making,
        };
        if let Err(reason) = unpack(runner, &engine, &making, (&known.id, &places)).await {
            making.give_up();
            return Err(wrong(reason));
        }
        let finished = tokio::task::spawn_blocking(|| making.finish()).await;
        finished.unwrap_or_else(|error| Err(error.into())).map_err(|error| wrong(error.to_string()))?;
    }
}

/// The folders of this machine that set-up sees where they are, because the operator's settings name them; in an image they
/// need a place.
fn places() -> String {
    let registries = Registries::of(&Operator::of_this_process());
    let targets: Vec<String> = registries.mounts.into_iter().map(|mount| mount.target).collect();
    targets.join(" ")
}

/// Unpacks an image into the layer that is made.
async fn unpack(
    runner: &Runner,
    engine: &Engine,
    making: &Making,
    (id, places): (&str, &str),
) -> Result<(), String> {
    let user = runner.user();
    let deps = empty_deps(&making.folder, user).map_err(|error| error.to_string())?;
    // The command is never run: it is there because Docker makes no container without one.
    let container = engine.said(&["create", "--pull=never", id, "/nothing"], COMMAND).await?;
    let container = container.trim();
    let unpacked = export(runner, engine, container, (&deps, user, places)).await;
    // What stays behind is a container that was never started.
    drop(engine.said(&["rm", container], COMMAND).await);
    unpacked
}

/// Unpacks a container's files into a folder, inside of the sandbox, as the user whose folder it is.
async fn export(
    runner: &Runner,
    engine: &Engine,
    container: &str,
    (folder, user, places): (&Path, User, &str),
) -> Result<(), String> {
    let mut export = engine.command(&["export", container]);
    let mut export = export.stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    let pipe = blocking(export.stdout.take()).map_err(|error| error.to_string())?;
    let argv = ["sh", "-e", "-c", FINISH].map(str::to_owned).to_vec();
    let (inside, limits) = (unpacking(folder, places), Recipe::default().setup_limits);
    let job = Job { files: Files::Pipe(pipe), inside, argv, user: Some(user), limits };
    let run = runner.run(job).await.map_err(|error| error.to_string())?;
    match export.wait().await {
        _ if !run.passed => Err(last_lines(&run.output)),
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!("`{} export` failed", engine.name)),
    }
}

/// What the run is given that unpacks an image into this folder.
fn unpacking(folder: &Path, places: &str) -> Inside {
    let excluded = MADE.map(|name| format!("--exclude={name}")).join(" ");
    let needed = NEEDED.map(|(tool, package)| format!("{tool}:{package}")).join(" ");
    let variables =
        [("PLACES", places.to_owned()), ("ETC", ETC.map(|(name, _)| name).join(" ")), ("NEEDED", needed)];
    Inside {
        mounts: vec![Mount { source: folder.to_owned(), target: "/deps".to_owned(), writable: true }],
        unpack: format!("tar -xf - -C /deps --anchored --no-same-owner --no-same-permissions {excluded}"),
        environment: variables.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        ..Inside::default()
    }
}

impl Engine {
    /// podman, else Docker.
    fn find() -> Option<Self> {
        let path = std::env::var_os("PATH")?;
        let program =
            |name| std::env::split_paths(&path).map(|folder| folder.join(name)).find(|it| it.is_file());
        ["podman", "docker"].into_iter().find_map(|name| Some(Self { program: program(name)?, name }))
    }

    /// An image that is here, or after it was pulled. A tag that was moved elsewhere is not asked for again.
    async fn known(&self, name: &str) -> Result<Known, String> {
        let inspect = ["image", "inspect", name];
        let said = match self.said(&inspect, COMMAND).await {
            Ok(said) => said,
            Err(_) => {
                self.said(&["pull", "--quiet", name], PULL).await?;
                self.said(&inspect, COMMAND).await?
            }
        };
        read(&said).ok_or_else(|| format!("`{} image inspect` names no image", self.name))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        command
    }

    /// What a command says; the end of its complaint where it fails.
    async fn said(&self, words: &[&str], most: Duration) -> Result<String, String> {
        let command = format!("`{} {}`", self.name, words[0]);
        let output = tokio::time::timeout(most, self.command(words).stderr(Stdio::piped()).output()).await;
        let Ok(output) = output else {
            return Err(format!("{command} took longer than {} s", most.as_secs()));
        };
        let output = output.map_err(|error| format!("{command}: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(format!("{command} says: {}", last_lines(&String::from_utf8_lossy(&output.stderr))))
    }
}

/// The answer of `image inspect`: the same keys from podman and from Docker, whose id begins with `sha256:`.
fn read(said: &str) -> Option<Known> {
    #[derive(Deserialize)]
    struct Inspected {
        #[serde(rename = "Id")]
        id: String,
        #[serde(rename = "Config")]
        config: Option<Config>,
    }
    #[derive(Deserialize)]
    struct Config {
        #[serde(rename = "Env")]
        environment: Option<Vec<String>>,
    }
    let Inspected { id, config } = serde_json::from_str::<Vec<Inspected>>(said).ok()?.pop()?;
    let variables = config.and_then(|config| config.environment).unwrap_or_default();
    let pair =
        |variable: &String| variable.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    Some(Known { id, environment: variables.iter().filter_map(pair).collect() })
}

/// The last three lines, in one.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_podman_and_docker_say_of_an_image_is_read() {
        let environment = vec![
            ("PATH".to_owned(), "/usr/local/go/bin:/bin".to_owned()),
            ("A".to_owned(), "b=c".to_owned()),
        ];
        let podman = r#"[{"Id": "0f3e", "Digest": "sha256:1", "Config": {"Env": ["PATH=/usr/local/go/bin:/bin", "A=b=c"]}}]"#;
        assert_eq!(read(podman), Some(Known { id: "0f3e".to_owned(), environment }));
        let docker = r#"[{"Id": "sha256:0f3e", "RepoTags": ["a:1"], "Config": {"Env": null}}]"#;
        assert_eq!(read(docker), Some(Known { id: "sha256:0f3e".to_owned(), environment: Vec::new() }));
        assert_eq!((read("[]"), read("Error: no such image")), (None, None));
    }

    #[test]
    fn the_end_of_a_complaint_is_kept() {
        assert_eq!(last_lines("Trying to pull\n\n a\nb\n c\n"), "a; b; c");
    }
}
