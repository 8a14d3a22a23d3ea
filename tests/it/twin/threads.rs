//! Threads of comments on lines, over GraphQL.

use aspora::dev::github::{Level, LineReview};
use serde_json::json;

use super::{
    REPO, World,
    credentials::{everything, permissions},
};

#[tokio::test]
async fn threads_are_read_page_by_page_and_resolved_by_who_may_write() {
    let world = World::new().await;
    world.open_pull().await;
    let comments = [("risk.py", 2, "one"), ("risk.py", 2, "two")];
    let review = LineReview { commit: "", event: "COMMENT", body: "", comments: &comments };
    world.twin.review_lines_as("greptile-apps[bot]", REPO, 1, review).await.unwrap();
    let query = |arguments: &str, fields: &str| {
        format!(
            "query {{ repository(owner: \"acme\", name: \"wealth-product\") {{ pullRequest(number: 1) {{ \
             reviewThreads{arguments} {{ {fields} }} }} }} }}"
        )
    };
    let (.., reader) = world.installed(&permissions(&[("pull_requests", Level::Read)])).await;
    let unpaged = world.graphql(&reader, &query("", "nodes { id }")).await.1;
    let words = unpaged["errors"][0]["message"].as_str().unwrap();
    assert!(words.contains("provide a `first` or `last`"), "{words}");
    let fields = "pageInfo { hasNextPage endCursor } nodes { id isResolved comments(first: 1) { nodes { \
                  body author { __typename login } } } }";
    let page = async |arguments: &str| {
        let answer = world.graphql(&reader, &query(arguments, fields)).await.1;
        answer.pointer("/data/repository/pullRequest/reviewThreads").cloned().unwrap()
    };
    let first = page("(first: 1)").await;
    let author = json!({"__typename": "Bot", "login": "greptile-apps"});
    assert_eq!(first["nodes"][0]["comments"]["nodes"][0], json!({"body": "one", "author": author}));
    assert_eq!(first["pageInfo"], json!({"hasNextPage": true, "endCursor": "1"}));
    let second = page("(first: 1, after: \"1\")").await;
    assert_eq!(second["nodes"][0]["comments"]["nodes"][0]["body"], "two");
    let unknown = world.graphql(&reader, &query("(first: 1)", "nodes { shoeSize }")).await.1;
    assert_eq!(unknown["errors"][0]["extensions"]["code"], "undefinedField");
    let id = first["nodes"][0]["id"].as_str().unwrap();
    let mutation = "mutation($input: ResolveReviewThreadInput!) { resolveReviewThread(input: $input) { \
                    thread { isResolved } } }";
    let input = json!({"input": {"threadId": id}});
    let refused = world.graphql_with(&reader, mutation, &input).await.1;
    assert_eq!(refused["errors"][0]["type"], "FORBIDDEN", "{refused}");
    let writer = world.fine_grained(everything());
    for _ in 0..2 {
        let done = world.graphql_with(&writer, mutation, &input).await.1;
        assert_eq!(done["data"]["resolveReviewThread"]["thread"]["isResolved"], true, "{done}");
    }
    assert_eq!(page("(first: 1)").await["nodes"][0]["isResolved"], true);
    let none = json!({"input": {"threadId": "PRRT_twin1"}});
    assert_eq!(world.graphql_with(&writer, mutation, &none).await.1["errors"][0]["type"], "NOT_FOUND");
}
