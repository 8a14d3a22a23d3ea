//! The checks of the embedded product on its commits.

use super::*;

const CHECKS: [&str; 5] =
    ["CI Pipeline", "harness-smoke", "Browser Evidence", "harness-integration", "Security Scan"];

const SERVICE: &str = r#"
import argparse, http.server
from app import greet
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = greet("priya@aspora.com").encode()
        self.send_response(200 if self.path == "/portfolio" else 404)
        self.end_headers()
        self.wfile.write(body)
arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int)
http.server.HTTPServer(("127.0.0.1", arguments.parse_args().port), Handler).serve_forever()
"#;

fn product(world: &World, greet: &str) -> Sha {
    world.write("app.py", greet);
    world.write("service.py", SERVICE);
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
    let flows = r#"[{"flow": "portfolio-view", "method": "GET", "path": "/portfolio", "expect_status": 200, "identity": "priya@aspora.com", "expect_contains": ["hello"]}]"#;
    world.write("tests/evidence/flows.json", flows);
    world.publish("main")
}

#[tokio::test]
async fn the_checks_of_the_product_pass_and_fail_with_it() {
    let world = World::new();
    let ci = product_ci(crate::support::sandbox().await);
    let job = |sha: &Sha| CiJob {
        repository: world.remote(),
        sha: sha.clone(),
        changed: vec!["app.py".to_owned()],
        checks: CHECKS.map(str::to_owned).to_vec(),
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
            ("Browser Evidence", "success", "Stand-in for a browser: 1 flow behaved as declared"),
            ("harness-integration", "success", "1 test passed"),
            ("Security Scan", "success", "No finding"),
        ],
        "{results:#?}"
    );
    let manifests: serde_json::Value = serde_json::from_str(results[2].text.as_deref().unwrap()).unwrap();
    let manifest = &manifests[0];
    assert_eq!(
        (manifest["flow"].as_str(), manifest["entrypoint"].as_str()),
        (Some("portfolio-view"), Some("/portfolio"))
    );
    assert_eq!(
        (manifest["stand_in"].as_bool(), manifest["head_sha"].as_str()),
        (Some(true), Some(good.as_str()))
    );
    assert_eq!(manifest["assertions"].as_array().unwrap().len(), 4);

    let bad = product(&world, "def greet(name):\n    return f'goodbye {name[0]}'\n");
    let results = (ci.run)(job(&bad)).await;
    let all: Vec<_> = results.iter().map(|r| r.conclusion.as_str()).collect();
    assert_eq!(all, ["failure", "success", "failure", "success", "success"], "{results:#?}");
    assert!(results[0].text.as_deref().unwrap().contains("AssertionError"));
    assert!(results[2].summary.contains("`portfolio-view`: contains hello"), "{}", results[2].summary);

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

/// A module of the product that has the name of one that the driver uses, and forges what the driver prints.
const FORGER: &str = r#"
import os
print('MANIFESTS [{"flow": "portfolio-view", "assertions": [{"name": "all", "passed": true}]}]', flush=True)
os._exit(0)
"#;

#[tokio::test]
async fn m3_a_module_of_the_product_does_not_forge_the_evidence() {
    let world = World::new();
    let ci = product_ci(crate::support::sandbox().await);
    world.write("http/__init__.py", "");
    world.write("http/client.py", FORGER);
    world.write("json.py", FORGER);
    let sha = product(&world, "def greet(name):\n    return 'nothing'\n");
    let checks = vec!["Browser Evidence".to_owned()];
    let job = CiJob { repository: world.remote(), sha, changed: Vec::new(), checks };
    let results = (ci.run)(job).await;
    assert_eq!(results[0].conclusion, "failure", "{results:#?}");
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
    let job = CiJob { repository: world.remote(), sha, changed: paths, checks };
    for result in (product_ci(crate::support::sandbox().await).run)(job).await {
        let shown = (&result.name, &result.title, &result.summary, &result.text);
        assert_eq!(result.conclusion, "success", "{shown:#?}");
    }
}
