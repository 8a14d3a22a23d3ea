//! The checks of the embedded product on its commits.

use aspora::dev::EvidenceInbox;

use super::*;

const CHECKS: [&str; 5] =
    ["CI Pipeline", "harness-smoke", "capture-evidence", "harness-integration", "Security Scan"];

const WITHOUT_BROWSER: [&str; 4] = ["CI Pipeline", "harness-smoke", "harness-integration", "Security Scan"];

fn product(world: &World, greet: &str) -> Sha {
    world.write("app.py", greet);
    world.write("tests/__init__.py", "");
    world.write("tests/harness/__init__.py", "");
    let case = "import unittest\nfrom app import greet\nclass Case(unittest.TestCase):\n    def test_greet(self):\n        self.assertEqual(greet('x'), 'hello x')\n";
    world.write("tests/test_app.py", case);
    world.write(
        "tests/harness/test_smoke.py",
        "import unittest\nclass Case(unittest.TestCase):\n    def test_import(self):\n        import app\n",
    );
    world.write(
        "tests/harness/integration_app.py",
        "import unittest\nclass Case(unittest.TestCase):\n    def test_greet(self):\n        import app\n        self.assertTrue(app.greet('x'))\n",
    );
    world.publish("main")
}

#[tokio::test]
async fn the_checks_of_the_product_pass_and_fail_with_it() {
    let world = World::new();
    let ci = product_ci(crate::support::sandbox().await, EvidenceInbox::default());
    let job = |sha: &Sha| CiJob {
        repository: world.remote(),
        name: "acme/wealth".to_owned(),
        sha: sha.clone(),
        changed: vec!["app.py".to_owned()],
        checks: WITHOUT_BROWSER.map(str::to_owned).to_vec(),
    };
    let good = product(&world, "def greet(name):\n    return f'hello {name}'\n");
    let results = (ci.run)(job(&good)).await;
    let all: Vec<_> =
        results.iter().map(|r| (r.name.as_str(), r.conclusion.as_str(), r.title.as_str())).collect();
    assert_eq!(
        all,
        [
            ("CI Pipeline", "success", "2 tests passed"),
            ("harness-smoke", "success", "1 test passed"),
            ("harness-integration", "success", "1 test passed"),
            ("Security Scan", "success", "No finding"),
        ],
        "{results:#?}"
    );
    let bad = product(&world, "def greet(name):\n    return f'goodbye {name[0]}'\n");
    let results = (ci.run)(job(&bad)).await;
    let all: Vec<_> = results.iter().map(|r| r.conclusion.as_str()).collect();
    assert_eq!(all, ["failure", "success", "success", "success"], "{results:#?}");
    assert!(results[0].text.as_deref().unwrap().contains("AssertionError"));

    let leaky = product(&world, "def greet(name):\n    return eval(f'\"hello {name}\"')\n");
    let scan = (ci.run)(job(&leaky)).await.pop().unwrap();
    assert_eq!((scan.conclusion.as_str(), scan.title.as_str()), ("failure", "1 finding"));
    assert!(scan.summary.ends_with("- `app.py:2`: `eval` runs a text as a program"), "{}", scan.summary);

    fs::remove_dir_all(world.people().join("tests")).unwrap();
    let empty = world.publish("main");
    let results = (ci.run)(job(&empty)).await;
    let tests = results.iter().filter(|result| result.name != "Security Scan");
    assert!(
        tests.map(|result| &result.conclusion).all(|conclusion| conclusion == "failure"),
        "a run without tests is not a success: {results:#?}"
    );
    let unknown = "0".repeat(40).parse().unwrap();
    assert!((ci.run)(job(&unknown)).await.iter().all(|result| result.conclusion == "failure"));
}

#[tokio::test]
#[ignore = "sets a new product up from the registries of packages: ./run templates"]
async fn the_checks_of_a_new_product_pass_as_its_product_file_says() {
    let world = World::new();
    let files = new_product(&"shop".parse().unwrap(), Template::FastApi);
    for file in &files {
        world.write(file.path, std::str::from_utf8(&file.content).unwrap());
        if file.is_program {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(world.people().join(file.path), mode).unwrap();
        }
    }
    let sha = world.publish("main");
    let paths: Vec<String> = files.iter().map(|file| file.path.to_owned()).collect();
    let checks = checks_of(&paths);
    assert_eq!(checks, CHECKS, "each check that its policy names is reported");
    let name = "acme/wealth".to_owned();
    let job = CiJob { repository: world.remote(), name, sha, changed: paths, checks };
    let (inbox, _received) = evidence::server().await;
    for result in (product_ci(crate::support::sandbox().await, inbox).run)(job).await {
        let shown = (&result.name, &result.title, &result.summary, &result.text);
        assert_eq!(result.conclusion, "success", "{shown:#?}");
    }
}
