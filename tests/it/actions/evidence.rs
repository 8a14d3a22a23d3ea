//! `browser-evidence.yml` of a new product: what it verifies, and by whose rules. The browser is a script here, which leaves
//! files as the flow does; `./run templates` has the real one.

use super::{
    product::Product,
    reviewer::{Answer, Reviewer},
};

/// Leaves a manifest and a screenshot of the head that the first argument names.
const BROWSER: &str = r#"
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
mkdirSync("tests/evidence", { recursive: true });
const image = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 1]);
writeFileSync("tests/evidence/overview.png", image);
const names = ["expected_entrypoint_exists", "expected_account_identity_present", "no_console_errors"];
const manifest = {
  version: 1, flow: "overview", entrypoint: "/", identity: "noor", head_sha: HEAD, captured_at: new Date().toISOString(),
  assertions: names.map((name) => ({ name, passed: true })), console_errors: [],
  screenshots: [{ path: "overview.png", sha256: createHash("sha256").update(image).digest("hex"), bytes: image.length }],
};
writeFileSync("tests/evidence/overview.manifest.json", JSON.stringify(manifest));
"#;

fn browser(head: &str) -> String {
    format!("const HEAD = {head};{BROWSER}")
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_counts_of_this_head_and_by_the_rules_of_the_base() {
    let product = Product::quick().await;
    let page: (&str, &[u8]) = ("frontend/app.js", b"// changed\n");
    let good = browser("process.env.HEAD_SHA");
    let api: (&str, &[u8]) = ("api/v1/limits.py", b"LIMIT = 7\n");
    let docs: (&str, &[u8]) = ("docs/API.md", b"# API\n\nLimits.\n");
    let (head, done) = product.pull("good", &[page, api, docs, ("browser.mjs", good.as_bytes())]).await;
    product.assert_checks(&head, &[("Browser Evidence", "success"), ("risk-policy-gate", "success")]);
    let ran = done.iter().find(|done| done.workflow == "Browser Evidence").unwrap().ran.as_ref().unwrap();
    let kept = ran.folder.path().join("artifacts/browser-evidence");
    assert!(kept.join("overview.manifest.json").exists() && kept.join("overview.png").exists());

    let other = browser("\"0123456789012345678901234567890123456789\"");
    let (head, _) = product.pull("other", &[page, ("browser.mjs", other.as_bytes())]).await;
    product.assert_checks(&head, &[("Browser Evidence", "failure")]);
    let run = product.checks(&head).into_iter().find(|run| run.name == "Browser Evidence").unwrap();
    let said = format!("it is of 0123456789012345678901234567890123456789, not of {head}");
    assert!(run.log.as_deref().unwrap().contains(&said), "{:?}", run.log);

    // A change cannot bring a verifier of its own.
    let lenient: (&str, &[u8]) = ("scripts/verify-evidence.mjs", b"console.log('fine');\n");
    let (head, _) = product.pull("lenient", &[page, lenient, ("browser.mjs", other.as_bytes())]).await;
    product.assert_checks(&head, &[("Browser Evidence", "failure")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_is_sent_by_a_job_that_runs_the_code_of_the_base() {
    let product = Product::quick().await;
    let said =
        r#"{"conclusion": "success", "flows": [{"flow": "overview", "verified": true, "faults": []}]}"#;
    let server =
        Reviewer::start(vec![Answer(201, &[("content-type", "application/json")], said.to_owned())]).await;
    {
        let mut machine = product.actions.machine.lock().unwrap();
        machine.vars.insert("EVIDENCE_URL".to_owned(), server.url.clone());
        machine.secrets.insert("EVIDENCE_KEY".to_owned(), "the-key-of-the-evidence".to_owned());
    }
    let page: (&str, &[u8]) = ("frontend/app.js", b"// changed\n");
    let good = browser("process.env.HEAD_SHA");
    // Packs nothing, and would send nothing.
    let thief = b"import { writeFileSync } from 'node:fs';\nif (process.argv[2] === 'pack') writeFileSync(process.argv[3], '{}');\n";
    let thief: (&str, &[u8]) = ("tools/browser-evidence/bin/browser-evidence.js", thief);
    let (head, _) = product.pull("sent", &[page, ("browser.mjs", good.as_bytes())]).await;
    product.assert_checks(&head, &[("Browser Evidence", "success"), ("Send the evidence", "success")]);
    let sent = ("/api/v1/evidence".to_owned(), "Bearer the-key-of-the-evidence".to_owned());
    assert_eq!(server.seen(), std::slice::from_ref(&sent), "{:?}", product.checks(&head));

    let (head, _) = product.pull("thief", &[page, thief, ("browser.mjs", good.as_bytes())]).await;
    product.assert_checks(&head, &[("Send the evidence", "success")]);
    assert_eq!(server.seen(), [sent.clone(), sent], "the code of the base sent it");
}
