//! What a product's repository lacks is proposed by one pull request.

use serde_json::json;

use super::world::{REPO, World};

async fn pulls(world: &World) -> usize {
    world.applied("POST", &format!("/repos/{REPO}/pulls"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_repository_lacks_is_proposed_once() {
    let world = World::new().await;
    let path = "products/wealth/proposal";
    let (status, looked) = world.call("POST", path, Some(json!({}))).await;
    assert_eq!(status, 200, "{looked}");
    assert_eq!(looked.get("pull_url"), None);
    assert_eq!(looked.get("policy"), None, "it has one");
    let file = looked["product_file"].as_str().unwrap();
    assert!(file.contains("test = \"python3 -m unittest discover -s tests -t .\""), "{file}");
    assert_eq!(pulls(&world).await, 0);

    let (status, opened) = world.call("POST", path, Some(json!({ "open": true }))).await;
    assert_eq!(status, 200, "{opened}");
    assert_eq!(opened["product_file"], looked["product_file"]);
    let url = opened["pull_url"].as_str().unwrap().to_owned();
    assert!(url.ends_with("/pull/1"), "{url}");
    let (_, again) = world.call("POST", path, Some(json!({ "open": true }))).await;
    assert_eq!((again["pull_url"].as_str(), pulls(&world).await), (Some(url.as_str()), 1));

    let (_, all) = world.call("GET", "audit?limit=2", None).await;
    assert_eq!(all["items"][0]["act"], "product.propose", "{all}");
    let (status, wrong) = world.call("POST", path, Some(json!({ "root": "nowhere" }))).await;
    assert_eq!((status, wrong["errors"][0]["pointer"].as_str()), (422, Some("/root")), "{wrong}");
}
