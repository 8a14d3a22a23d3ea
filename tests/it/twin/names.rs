//! Names that need escaping: in routes of the twin, and in git over HTTP.

use reqwest::Method;
use serde_json::json;

use super::{World, ask};

#[tokio::test]
async fn a_repository_with_a_dot_and_branches_with_signs_are_reached_by_escaped_routes() {
    let world = World::new().await;
    let repo = "acme/.github";
    world.twin.create_repository(repo, &[("README.md", b"one\n")]).await.unwrap();
    for branch in ["fix#1", "größe/中文", "100%", "a+b c".replace(' ', "_").as_str()] {
        let head = world.twin.push_as("ada", repo, branch, &[("a.txt", branch.as_bytes())]).await.unwrap();
        let escaped: String = url::form_urlencoded::byte_serialize(branch.as_bytes()).collect();
        for path in [format!("branches/{escaped}"), format!("branches/{}", escaped.replace("%2F", "/"))] {
            let answer = ask(&world.twin, &world.token, Method::GET, &format!("/repos/{repo}/{path}"), None)
                .await
                .unwrap();
            let shown: serde_json::Value = answer.json().await.unwrap();
            assert_eq!(shown["commit"]["sha"], json!(head), "{path}: {shown}");
        }
    }
    world.spec.assert_conforms();
}
