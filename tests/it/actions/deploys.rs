//! `deploy.yml` of a new product: what is merged is tried, pushed, and shown as a deployment. There is no engine of
//! containers here: its command line is a stand-in, which refuses every other command than those.

use reqwest::Method;

use super::{
    machine::{REPO, token},
    product::Product,
};
use crate::support::webhooks::assert_conform;

/// Only what the workflow may ask, in an order that works: nothing is pushed before it was tried.
const DOCKER: &str = r#"#!/bin/sh
set -eu
state=$(dirname "$0")/docker-state
mkdir -p "$state"
echo "$*" >>"$state/log"
case "$*" in
"compose up --build --detach --wait --wait-timeout 180") test -f compose.yml; touch "$state/up" ;;
"compose down --volumes") rm "$state/up"; touch "$state/tried" ;;
"login ghcr.io --username noor --password-stdin") read -r token; test -n "$token"; touch "$state/in" ;;
"build --tag ghcr.io/acme/wealth-product:"*" .") test -f Dockerfile; test -e "$state/tried" ;;
"push ghcr.io/acme/wealth-product:"*) test -e "$state/in"; test ! -e "$state/refuses" ;;
*) echo "docker: unknown: $*" >&2; exit 125 ;;
esac
"#;
/// The product answers while its composition is up.
const CURL: &str = r#"#!/bin/sh
for url in "$@"; do :; done
if [ "$url" = http://127.0.0.1:8000/healthz ]; then exec test -e "$(dirname "$0")/docker-state/up"; fi
exec /usr/bin/curl "$@"
"#;

async fn merge(product: &Product, branch: &str) -> String {
    product.push(branch, &[(&format!("{branch}.md"), b"x")]).await;
    let twin = &product.actions.site.twin;
    let number = twin.open_pull_as("noor", REPO, branch, branch).await.unwrap();
    product.actions.settle().await;
    let sha = twin.merge_as("noor", REPO, number).await.unwrap();
    product.actions.settle().await;
    sha
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_merged_is_a_deployment_of_production_with_its_states() {
    let product = Product::quick().await;
    product.program("docker", DOCKER);
    product.program("curl", CURL);
    let sha = merge(&product, "first").await;
    product.assert_checks(&sha, &[("Deploy", "success")]);
    let twin = &product.actions.site.twin;
    let made = twin.deployments(REPO);
    let (deployment, statuses) = &made[0];
    assert_eq!((&deployment.sha, deployment.environment.as_str()), (&sha, "production"));
    let states: Vec<&str> = statuses.iter().map(|status| status.state.as_str()).collect();
    assert_eq!(states, ["in_progress", "success"]);
    let page = format!("{}/{REPO}/pkgs/container/wealth-product", twin.url());
    assert_eq!(statuses[1].environment_url, page);

    // One that fails says so, and production stays what it was.
    product.program("docker-state/refuses", "");
    let second = merge(&product, "second").await;
    product.assert_checks(&second, &[("Deploy", "failure")]);
    let states: Vec<String> = twin.deployments(REPO)[1].1.iter().map(|status| status.state.clone()).collect();
    assert_eq!(states, ["in_progress", "failure"]);

    let shown = product.actions.site.ask(Method::GET, "deployments?environment=production", None).await;
    assert_eq!((shown.as_array().unwrap().len(), &shown[0]["sha"]), (2, &second.into()));
    let sent = twin.webhooks().sent();
    let count = |event: &str| sent.iter().filter(|delivery| delivery.event == event).count();
    assert_eq!((count("deployment"), count("deployment_status")), (2, 4));
    assert_conform(&sent);
    let of_the_job = token(twin, REPO, Some("contents=read,packages=write"));
    let url = format!("{}/repos/{REPO}/deployments", twin.url());
    let answer = reqwest::Client::new().get(url).bearer_auth(of_the_job).send().await.unwrap();
    assert_eq!(answer.status(), 403, "the job's own token is not for deployments");
}
