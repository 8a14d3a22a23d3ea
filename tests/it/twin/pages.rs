//! The twin's pages, as a browser without a token requests them.

use super::*;

/// Requests a page like a browser, without a token: status, content security policy and text of the answer.
async fn page(world: &World, path: &str) -> (u16, String, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("{}{path}", world.twin.url())).send().await.unwrap();
    let header = |name: &str| answer.headers().get(name).map_or("", |it| it.to_str().unwrap()).to_owned();
    let (status, policy) = (answer.status().as_u16(), header("content-security-policy"));
    (status, policy, answer.text().await.unwrap())
}

/// Checks what a page must and must not contain.
async fn shows(world: &World, path: &str, expected: &[&str]) {
    let (status, policy, page) = page(world, path).await;
    assert_eq!(status, 200, "{path}");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(page.contains("This is the GitHub twin, a stand-in on this machine."), "{path}");
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("aspora:hidden"), "{page}");
    for text in expected {
        assert!(page.contains(text), "{path} does not show {text}: {page}");
    }
}

#[tokio::test]
async fn every_html_url_leads_to_a_page_that_escapes_text() {
    let world = World::new().await;
    let hostile = "<script>alert(1)</script><img src=x>";
    let new = json!({
        "title": hostile, "head": "topic", "base": "main", "body": format!("why {hostile}<!-- aspora:hidden -->"),
    });
    let pull = world.post("pulls", new).await.1;
    let comments =
        json!([{"path": "risk.py", "line": 2, "side": "RIGHT", "body": format!("why? {hostile}")}]);
    let review = json!({"event": "COMMENT", "body": "hm<!-- aspora:hidden -->", "comments": comments});
    world.post("pulls/1/reviews", review).await;
    world.post("issues/1/comments", json!({"body": hostile})).await;
    let output = json!({"title": "Clear", "summary": format!("all {hostile}"), "text": "the long part"});
    let run = json!({
        "name": "risk-policy-gate", "head_sha": world.head, "conclusion": "success", "output": output,
        "details_url": "javascript:alert(2)",
    });
    let run = world.post("check-runs", run).await.1;
    let path =
        |page: &Value| page["html_url"].as_str().unwrap().strip_prefix(&world.twin.url()).unwrap().to_owned();
    let escaped = "&lt;script&gt;alert(1)&lt;/script&gt;";
    let link = format!("href=\"{}\"", run["html_url"].as_str().unwrap());
    let lines =
        ["class=\"plus\">+2\n", "class=\"minus\">-two\n", "class=\"plus\">+b = 2\n", &world.head[..7]];
    shows(&world, &path(&pull), &[escaped, "why ", "topic", "risk.py:2", "commented", &link]).await;
    shows(&world, &path(&pull), &lines).await;
    shows(&world, &format!("/{REPO}/commit/{}", world.head), &lines).await;
    shows(&world, &format!("/{REPO}/commit/{}", pull["base"]["sha"].as_str().unwrap()), &["+three"]).await;
    let parts = ["success", "Clear", "the long part", escaped, "<code>javascript:alert(2)</code>"];
    shows(&world, &path(&run), &parts).await;
    shows(&world, &format!("/{REPO}"), &[escaped, "README.md", "/pull/1\""]).await;
    shows(&world, "/", &[REPO]).await;
    world.put("pulls/1/merge", json!({"sha": world.head})).await;
    shows(&world, &path(&pull), &["merged", "Merged by", "class=\"plus\">+2\n"]).await;
    world.spec.assert_conforms();
}

#[tokio::test]
async fn pages_expose_nothing_else() {
    let world = World::new().await;
    world.open_pull().await;
    for missing in ["pull/2", "pull/x", "commit/main", "commit/--help", "runs/1"] {
        let (status, _, text) = page(&world, &format!("/{REPO}/{missing}")).await;
        assert_eq!(status, 404, "{missing}");
        assert!(text.contains("The twin has nothing at this address."), "{missing}: {text}");
    }
    for closed in [format!("/repos/{REPO}"), format!("/repos/{REPO}/pulls/1"), "/acme/unknown".to_owned()] {
        let (status, _, text) = page(&world, &closed).await;
        assert_eq!(status, 404, "{closed}");
        assert!(text.contains("Not Found"), "{closed}: {text}");
    }
    let calls = world.twin.ledger().len();
    page(&world, &format!("/{REPO}/pull/1")).await;
    assert_eq!(world.twin.ledger().len(), calls, "pages are not counted as calls");
}
