//! Container images by podman: `./run sandbox` makes them from Debian's packages, since none can be pulled everywhere.

use std::{fs, path::Path, process::Command};

use aspora::{
    core::product_file::Service,
    workspace::{Commands, Error, Layers, Prepared, Recipe, Sandbox, TestRun},
};

/// A root file system of Debian with `curl`, `redis-server` and no Python, and the file `/usr/share/in-the-image`.
const BASE: &str = "localhost/aspora-base:1";

fn podman(words: &[&str]) {
    let output = Command::new("podman").args(words).output().expect("podman is installed");
    assert!(output.status.success(), "podman {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An image of these files.
fn image(name: &str, make: impl FnOnce(&Path)) {
    let root = tempfile::tempdir().unwrap();
    make(root.path());
    let tar = root.path().join("image.tar");
    let all = "find . -mindepth 1 ! -name image.tar | tar --no-recursion -cf image.tar -T -";
    assert!(Command::new("sh").args(["-c", all]).current_dir(root.path()).status().unwrap().success());
    podman(&["import", "--quiet", tar.to_str().unwrap(), name]);
}

/// The index of packages that pip uses on this machine.
fn index() -> String {
    let ask = "echo \"${PIP_INDEX_URL:-$(python3 -m pip config get global.index-url 2>/dev/null || \
               python3 -c 'from pip._internal.models.index import PyPI; print(PyPI.simple_url)')}\"";
    let said = Command::new("sh").args(["-c", ask]).output().unwrap();
    let index = String::from_utf8(said.stdout).unwrap().trim().trim_end_matches('/').to_owned();
    assert!(index.starts_with("http"), "pip is installed: {index}");
    index
}

struct Place {
    sandbox: Sandbox,
    tree: tempfile::TempDir,
    recipe: Recipe,
    _layers: tempfile::TempDir,
}

impl Place {
    async fn of(image: &str) -> Self {
        let layers = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::find().await.unwrap().with_layers(Layers::at(layers.path().to_owned()));
        let recipe = Recipe { image: Some(image.to_owned()), ..Recipe::default() };
        Self { sandbox, tree: tempfile::tempdir().unwrap(), recipe, _layers: layers }
    }

    async fn try_test(&self, lines: &[&str]) -> Result<TestRun, Error> {
        let layer = match self.sandbox.prepare(self.tree.path(), &self.recipe).await? {
            Prepared::Ready(layer) => layer,
            Prepared::Failed(run) => panic!("set-up failed: {}", run.output),
        };
        let lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
        self.sandbox.test(self.tree.path(), &self.recipe, layer.as_ref(), Commands::Lines(&lines)).await
    }

    async fn test(&self, lines: &[&str]) -> TestRun {
        self.try_test(lines).await.unwrap()
    }

    async fn is_refused(&self) -> String {
        self.try_test(&["true"]).await.expect_err("it is refused").to_string()
    }
}

#[tokio::test]
#[ignore = "needs podman and an image: ./run sandbox"]
async fn a_run_sees_the_image_and_nothing_of_this_machine() {
    let place = Place::of(BASE).await;
    fs::write(place.tree.path().join("own.txt"), "the product's own\n").unwrap();
    let run = place
        .test(&[
            "cat own.txt /usr/share/in-the-image",
            "echo \"variable: $SAID_BY_THE_IMAGE, user: $(id -un), path: $PATH\"",
            "command -v python3 || echo 'no python'",
            "wc -l </etc/passwd; cat /etc/hostname",
            "for place in /usr/x /etc/x /opt/x /x; do touch $place 2>/dev/null && echo \"wrote $place\"; done; :",
            "find /usr /etc /var -perm /6000 2>/dev/null | wc -l",
            "curl -sS --max-time 5 http://1.1.1.1/ || echo 'no network'",
            "grep Seccomp: /proc/self/status",
        ])
        .await;
    let said = &run.output;
    assert!(run.passed, "{said}");
    for expected in [
        "the product's own\nfrom the image\n",
        "variable: a word = another, user: sandbox, path: /deps/venv/bin:",
        ":/opt/tools:/usr/bin:/bin\n",
        "no python\n",
        "\n2\nsandbox\n",
        "| wc -l\n0\n",
        "no network\n",
        "Seccomp:\t2\n",
    ] {
        assert!(said.contains(expected), "{expected:?} in {said}");
    }
    assert!(!said.contains("\nwrote"), "{said}");
    assert_eq!(place.sandbox.layers().usage().layers, 1, "unpacked once");
    place.test(&["true"]).await;
    assert_eq!(place.sandbox.layers().usage().layers, 1);
}

#[tokio::test]
#[ignore = "needs podman, an image and the registries: ./run sandbox"]
async fn set_up_in_an_image_reaches_the_registries_by_what_the_image_has() {
    let mut place = Place::of(BASE).await;
    place.recipe.setup = vec![format!("curl -sSf --max-time 60 '{}/six/' -o /deps/six.html", index())];
    let run = place.test(&["grep -c six- /deps/six.html", "touch /deps/x 2>&1 || true"]).await;
    assert!(run.passed && run.output.contains("Read-only file system"), "{}", run.output);
    assert_eq!(place.sandbox.layers().usage().layers, 2, "the image, and its set-up");
    // Another image, another layer of set-up.
    podman(&["tag", BASE, "localhost/aspora-tagged:1"]);
    place.recipe.image = Some("localhost/aspora-tagged:1".to_owned());
    place.test(&["true"]).await;
    assert_eq!(place.sandbox.layers().usage().layers, 2, "an image is known by its id");
}

#[tokio::test]
#[ignore = "needs podman and an image: ./run sandbox"]
async fn services_are_those_of_the_image() {
    let mut place = Place::of(BASE).await;
    place.recipe.services = vec![Service::Redis];
    let run = place.test(&["redis-cli -u \"$REDIS_URL\" ping"]).await;
    assert!(run.passed && run.output.contains("PONG"), "{}", run.output);
    place.recipe.services = vec![Service::Postgres];
    let refused = place.is_refused().await;
    assert!(
        refused.contains("`postgres`, which its image has not: install the package `postgresql`"),
        "{refused}"
    );
}

#[tokio::test]
#[ignore = "needs podman: ./run sandbox"]
async fn what_cannot_be_used_says_why() {
    let none = Place::of("localhost/aspora-none:1").await.is_refused().await;
    assert!(
        none.contains("the image `localhost/aspora-none:1` cannot be used: `podman pull` says: "),
        "{none}"
    );
    image("localhost/aspora-bare:1", |root| {
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::copy("/bin/sh", root.join("bin/sh")).unwrap();
    });
    let bare = Place::of("localhost/aspora-bare:1").await.is_refused().await;
    assert!(
        bare.contains("it lacks `tar`, which the sandbox needs: install the package `tar` in it"),
        "{bare}"
    );
}

#[tokio::test]
#[ignore = "needs podman: ./run sandbox"]
async fn a_hostile_image_reaches_nothing_of_this_machine() {
    let canary = tempfile::tempdir().unwrap();
    fs::write(canary.path().join("canary"), "secret of this machine").unwrap();
    let at = canary.path().to_str().unwrap().to_owned();
    image("localhost/aspora-hostile:1", |root| {
        let script = format!(
            "mkdir -p usr/bin lib64 lib/x86_64-linux-gnu opt
             for tool in sh tar prlimit cat ls id; do cp -L $(command -v $tool) usr/bin/; done
             for library in $(ldd usr/bin/* | grep -o '/lib[^ ]*' | sort -u); do
                 mkdir -p .$(dirname $library); cp -L $library .$library
             done
             ln -s usr/bin bin
             ln -s {at} home; ln -s {at} var; ln -s /etc etc
             cp usr/bin/id opt/rootly; chmod 6755 opt/rootly"
        );
        let made = Command::new("sh").args(["-ec", &script]).current_dir(root).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    });
    let place = Place::of("localhost/aspora-hostile:1").await;
    let run = place
        .test(&[
            "cat /home/canary /var/canary 2>/dev/null || echo 'no canary'",
            "ls /etc",
            "ls -l /opt/rootly; /opt/rootly -u",
        ])
        .await;
    let said = &run.output;
    assert!(run.passed && said.contains("no canary\n") && !said.contains("secret of"), "{said}");
    assert!(said.contains("$ ls /etc\ngroup\nhostname\nhosts\nnsswitch.conf\npasswd\n"), "{said}");
    assert!(said.contains("-rwxr-xr-x") && said.ends_with("65534\n"), "{said}");
    assert_eq!(fs::read_dir(canary.path()).unwrap().count(), 1, "nothing was written there");
}
