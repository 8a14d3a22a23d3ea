//! Webhooks as GitHub sends them: every example that it publishes, both content types, and what is no webhook.

use std::collections::BTreeSet;

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use insta::assert_snapshot;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{HEAD, Reply, SECRET, World, is_problem, support::npm};

const ROUTE: &str = "/api/v1/webhooks/github";
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A delivery as GitHub sends it.
struct Sent<'a> {
    event: &'a str,
    id: &'a str,
    content: &'a str,
    body: Vec<u8>,
    secret: &'a str,
}

impl Sent<'_> {
    async fn to(self, world: &World) -> Reply {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).unwrap();
        mac.update(&self.body);
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        let request = Request::post(ROUTE)
            .header(header::CONTENT_TYPE, self.content)
            .header("x-hub-signature-256", signature)
            .header("x-github-event", self.event)
            .header("x-github-delivery", self.id);
        world.send(request.body(Body::from(self.body)).unwrap()).await
    }
}

pub(super) async fn deliver(world: &World, event: &str, body: &str, id: &str) -> Reply {
    let body = body.as_bytes().to_vec();
    Sent { event, id, content: JSON, body, secret: SECRET }.to(world).await
}

fn form(payload: &str) -> Vec<u8> {
    url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", payload).finish().into_bytes()
}

#[tokio::test]
async fn a_webhook_counts_once_and_only_if_it_is_signed() {
    let world = World::new().await;
    let (_, run) = world.submit("Portfolio risk").await;
    let body = json!({
        "repository": { "full_name": "Acme/wealth-product" },
        "ref": format!("refs/heads/aspora/wealth/{run}"), "after": HEAD,
    })
    .to_string();
    let guessed =
        Sent { event: "push", id: "d1", content: JSON, body: body.clone().into_bytes(), secret: "guess" };
    is_problem(&guessed.to(&world).await, 401, "bad-signature", "guessed");
    assert_eq!(world.count("signal").await, 0);
    let same = futures::future::join_all((0..10).map(|_| deliver(&world, "push", &body, "d1"))).await;
    assert!(same.iter().all(|reply| reply.status == StatusCode::OK));
    assert_eq!(same.iter().filter(|reply| reply.body["result"] == "stored").count(), 1);
    assert_eq!(same.iter().filter(|reply| reply.body["result"] == "known").count(), 9);
    assert_eq!(world.count("signal where run_id is not null").await, 1);
    assert_eq!(deliver(&world, "star", &body, "d2").await.body["result"], "ignored");
    is_problem(&deliver(&world, "push", "[]", "d4").await, 400, "bad-syntax", "no object");
    is_problem(&deliver(&world, "push", &body, "").await, 400, "bad-request", "no delivery");
    let no_payload = Sent { event: "push", id: "d6", content: FORM, body: b"x=1".to_vec(), secret: SECRET };
    is_problem(&no_payload.to(&world).await, 400, "bad-syntax", "no payload");
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(300 * 1024));
    assert_eq!(deliver(&world, "ping", &large, "d5").await.status, StatusCode::OK);
    assert_eq!(world.count("signal").await, 1);
}

#[tokio::test]
async fn what_its_headers_rule_out_is_refused_before_the_body_is_read() {
    let world = World::new().await;
    let zeros = format!("sha256={}", "0".repeat(64));
    let endless = || Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let request = |content: &str| Request::post(ROUTE).header(header::CONTENT_TYPE, content);
    for wrong in [None, Some("sha256=00"), Some("sha1=00")] {
        let request = request(JSON);
        let request = match wrong {
            Some(signature) => request.header("x-hub-signature-256", signature),
            None => request,
        };
        let reply = world.send(request.body(endless()).unwrap()).await;
        is_problem(&reply, 401, "bad-signature", "unsigned");
    }
    for other in ["", "text/plain", "multipart/form-data"] {
        let request = request(other).header("x-hub-signature-256", &zeros);
        let reply = world.send(request.body(endless()).unwrap()).await;
        is_problem(&reply, 415, "not-webhook", other);
        assert!(reply.body["detail"].as_str().unwrap().contains("choose application/json"), "{}", reply.body);
    }
    let long = request(JSON).header("x-hub-signature-256", &zeros).header(header::CONTENT_LENGTH, "26214401");
    is_problem(&world.send(long.body(endless()).unwrap()).await, 413, "too-large", "long");
}

#[tokio::test]
async fn a_product_that_is_spelled_differently_keeps_hearing_of_its_runs() {
    let world = World::new().await;
    let (_, run) = world.submit("Portfolio risk").await;
    let product = json!({"name": "wealth", "repository": "Acme/Wealth-Product"}).to_string();
    let put = super::post("/api/v1/products").body(Body::from(product)).unwrap();
    assert_eq!(world.send(put).await.status, StatusCode::OK);
    let push = json!({
        "repository": {"full_name": "ACME/wealth-product", "id": 5},
        "ref": format!("refs/heads/aspora/wealth/{run}"), "after": HEAD,
    });
    let reply = deliver(&world, "push", &push.to_string(), "d1").await;
    assert_eq!(reply.body["reason"], "news of `push` for 1 live run");
}

/// GitHub's examples: event, payload.
fn examples() -> Vec<(String, Value)> {
    let file = npm::file("webhooks", "@octokit/webhooks-examples", "api.github.com/index.json").unwrap();
    let events: Vec<Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let payloads = |event: &Value| event["examples"].as_array().unwrap().clone();
    let name = |event: &Value| event["name"].as_str().unwrap().to_owned();
    events
        .iter()
        .flat_map(|event| payloads(event).into_iter().map(|payload| (name(event), payload)))
        .collect()
}

/// The run works on the branch and the pull request that most of the examples are about.
#[tokio::test]
async fn every_example_that_github_publishes_is_stored_or_ignored_with_a_reason() {
    let world = World::new().await;
    for (name, repository) in [("wealth", "codertocat/hello-world"), ("other", "octocoders/hello-world")] {
        let (name, repository) = (name.parse().unwrap(), repository.parse().unwrap());
        aspora::store::product::put(&world.database.pool, &name, &repository, "main", &[]).await.unwrap();
    }
    world.submit("Hello").await;
    sqlx::query("update run set branch = 'changes', pull = 2").execute(&world.database.pool).await.unwrap();
    let (examples, mut meanings) = (examples(), BTreeSet::new());
    assert_eq!(examples.len(), 329, "GitHub published other examples: read what is new");
    for (number, (event, payload)) in examples.iter().enumerate() {
        let text = payload.to_string();
        for (content, body) in [(JSON, text.clone().into_bytes()), (FORM, form(&text))] {
            let id = format!("{content}-{number}").replace('/', ".");
            let reply = Sent { event, id: &id, content, body, secret: SECRET }.to(&world).await;
            assert_eq!(reply.status, StatusCode::OK, "{event} as {content}: {}", reply.body);
            let action = payload["action"].as_str().map(|action| format!(".{action}")).unwrap_or_default();
            let (result, reason) = (&reply.body["result"], &reply.body["reason"]);
            let meaning =
                format!("{event}{action}: {}: {}", result.as_str().unwrap(), reason.as_str().unwrap());
            meanings.insert(meaning);
        }
    }
    assert_snapshot!(meanings.into_iter().collect::<Vec<_>>().join("\n"), @r"
    branch_protection_rule.created: ignored: no run depends on `branch_protection_rule`
    branch_protection_rule.deleted: ignored: no run depends on `branch_protection_rule`
    branch_protection_rule.edited: ignored: no run depends on `branch_protection_rule`
    check_run.completed: stored: news of `checks` for 1 live run
    check_run.created: stored: news of `checks` for 1 live run
    check_run.requested_action: ignored: our check runs have no such button
    check_run.rerequested: ignored: no product has the repository github/hello-world (number 526)
    check_suite.completed: stored: news of `checks` for 0 live runs
    check_suite.completed: stored: news of `checks` for 1 live run
    check_suite.requested: stored: news of `checks` for 0 live runs
    check_suite.rerequested: stored: news of `checks` for 1 live run
    code_scanning_alert.closed_by_user: ignored: no run depends on `code_scanning_alert`
    code_scanning_alert.created: ignored: no run depends on `code_scanning_alert`
    code_scanning_alert.fixed: ignored: no run depends on `code_scanning_alert`
    code_scanning_alert.reopened: ignored: no run depends on `code_scanning_alert`
    commit_comment.created: ignored: no run depends on `commit_comment`
    create: ignored: it is not about a branch
    delete: ignored: it is not about a branch
    dependabot_alert.created: ignored: no run depends on `dependabot_alert`
    dependabot_alert.fixed: ignored: no run depends on `dependabot_alert`
    deploy_key.created: ignored: no run depends on `deploy_key`
    deployment.created: stored: deployment of f95f852 to `github-pages`: made
    deployment.created: stored: deployment of f95f852 to `production`: made
    deployment_review.requested: ignored: no run depends on `deployment_review`
    deployment_status.created: stored: deployment of f95f852 to `github-pages`: in_progress
    deployment_status.created: stored: deployment of f95f852 to `production`: success
    discussion.answered: ignored: no run depends on `discussion`
    discussion.category_changed: ignored: no run depends on `discussion`
    discussion.created: ignored: no run depends on `discussion`
    discussion.edited: ignored: no run depends on `discussion`
    discussion.labeled: ignored: no run depends on `discussion`
    discussion.locked: ignored: no run depends on `discussion`
    discussion.pinned: ignored: no run depends on `discussion`
    discussion.transferred: ignored: no run depends on `discussion`
    discussion.unanswered: ignored: no run depends on `discussion`
    discussion.unlabeled: ignored: no run depends on `discussion`
    discussion.unlocked: ignored: no run depends on `discussion`
    discussion_comment.created: ignored: no run depends on `discussion_comment`
    discussion_comment.deleted: ignored: no run depends on `discussion_comment`
    discussion_comment.edited: ignored: no run depends on `discussion_comment`
    fork: ignored: no run depends on `fork`
    github_app_authorization.revoked: ignored: no run depends on `github_app_authorization`
    gollum: ignored: no run depends on `gollum`
    installation.created: stored: news for every live run in codertocat/hello-world
    installation.deleted: ignored: no product has a repository there
    installation.new_permissions_accepted: stored: news for every live run in codertocat/hello-world
    installation.suspend: stored: news for every live run in codertocat/hello-world
    installation.unsuspend: stored: news for every live run in codertocat/hello-world
    installation_repositories.added: ignored: no product has a repository there
    installation_repositories.removed: ignored: no product has a repository there
    issue_comment.created: ignored: the comment is on an issue, not on a pull request
    issue_comment.deleted: ignored: the comment is on an issue, not on a pull request
    issue_comment.edited: ignored: the comment is on an issue, not on a pull request
    issues.assigned: ignored: it says nothing of a harness gap
    issues.deleted: ignored: issue #1 is of no harness gap
    issues.demilestoned: ignored: it says nothing of a harness gap
    issues.edited: ignored: issue #1 is of no harness gap
    issues.labeled: ignored: issue #1 has no label that opens a harness gap
    issues.locked: ignored: it says nothing of a harness gap
    issues.milestoned: ignored: it says nothing of a harness gap
    issues.opened: ignored: issue #1 has no label that opens a harness gap
    issues.pinned: ignored: it says nothing of a harness gap
    issues.reopened: ignored: issue #1 has no label that opens a harness gap
    issues.transferred: ignored: issue #1 is of no harness gap
    issues.unassigned: ignored: it says nothing of a harness gap
    issues.unlabeled: ignored: issue #1 is of no harness gap
    issues.unlocked: ignored: it says nothing of a harness gap
    issues.unpinned: ignored: it says nothing of a harness gap
    label.created: ignored: no run depends on `label`
    label.deleted: ignored: no run depends on `label`
    label.edited: ignored: no run depends on `label`
    marketplace_purchase.cancelled: ignored: no run depends on `marketplace_purchase`
    marketplace_purchase.changed: ignored: no run depends on `marketplace_purchase`
    marketplace_purchase.purchased: ignored: no run depends on `marketplace_purchase`
    member.added: ignored: no run depends on `member`
    member.edited: ignored: no run depends on `member`
    membership.added: ignored: no run depends on `membership`
    membership.removed: ignored: no run depends on `membership`
    merge_group.checks_requested: ignored: no product has the repository octo-org/octo-repo (number 17273051)
    meta.deleted: ignored: no run depends on `meta`
    milestone.closed: ignored: no run depends on `milestone`
    milestone.created: ignored: no run depends on `milestone`
    milestone.deleted: ignored: no run depends on `milestone`
    org_block.blocked: ignored: no run depends on `org_block`
    org_block.unblocked: ignored: no run depends on `org_block`
    organization.member_added: ignored: no run depends on `organization`
    organization.member_invited: ignored: no run depends on `organization`
    organization.renamed: ignored: no run depends on `organization`
    package.published: ignored: no run depends on `package`
    page_build: ignored: no run depends on `page_build`
    ping: ignored: it only tests the webhook, which works
    project.created: ignored: no run depends on `project`
    project_card.created: ignored: no run depends on `project_card`
    project_card.deleted: ignored: no run depends on `project_card`
    project_card.moved: ignored: no run depends on `project_card`
    project_column.created: ignored: no run depends on `project_column`
    project_column.edited: ignored: no run depends on `project_column`
    projects_v2_item.archived: ignored: no run depends on `projects_v2_item`
    projects_v2_item.converted: ignored: no run depends on `projects_v2_item`
    projects_v2_item.created: ignored: no run depends on `projects_v2_item`
    projects_v2_item.edited: ignored: no run depends on `projects_v2_item`
    projects_v2_item.reordered: ignored: no run depends on `projects_v2_item`
    projects_v2_item.restored: ignored: no run depends on `projects_v2_item`
    public: ignored: no run depends on `public`
    pull_request.assigned: ignored: no run depends on `pull_request.assigned`
    pull_request.closed: stored: news of `pull` for 1 live run
    pull_request.converted_to_draft: stored: news of `pull` for 1 live run
    pull_request.labeled: ignored: no run depends on `pull_request.labeled`
    pull_request.locked: ignored: no run depends on `pull_request.locked`
    pull_request.opened: stored: news of `pull` for 1 live run
    pull_request.ready_for_review: stored: news of `pull` for 1 live run
    pull_request.reopened: stored: news of `pull` for 1 live run
    pull_request.review_request_removed: ignored: no run depends on `pull_request.review_request_removed`
    pull_request.review_requested: ignored: no run depends on `pull_request.review_requested`
    pull_request.synchronize: stored: news of `pull` for 1 live run
    pull_request.unassigned: ignored: no run depends on `pull_request.unassigned`
    pull_request.unlabeled: ignored: no run depends on `pull_request.unlabeled`
    pull_request.unlocked: ignored: no run depends on `pull_request.unlocked`
    pull_request_review.dismissed: stored: news of `reviews` for 1 live run
    pull_request_review.submitted: stored: news of `reviews` for 1 live run
    pull_request_review_comment.created: stored: news of `reviews` for 1 live run
    pull_request_review_comment.deleted: stored: news of `reviews` for 1 live run
    pull_request_review_comment.edited: stored: news of `reviews` for 1 live run
    pull_request_review_thread.resolved: ignored: no product has the repository octo-org/octo-repo (number 280886604)
    pull_request_review_thread.resolved: stored: news of `reviews` for 1 live run
    pull_request_review_thread.unresolved: stored: news of `reviews` for 1 live run
    push: ignored: it is not about a branch
    push: stored: news of `push` for 0 live runs
    release.created: ignored: no run depends on `release`
    release.deleted: ignored: no run depends on `release`
    release.edited: ignored: no run depends on `release`
    release.prereleased: ignored: no run depends on `release`
    release.published: ignored: no run depends on `release`
    release.released: ignored: no run depends on `release`
    repository.created: ignored: no run depends on `repository.created`
    repository.edited: ignored: no run depends on `repository.edited`
    repository.privatized: ignored: no run depends on `repository.privatized`
    repository.publicized: ignored: no run depends on `repository.publicized`
    repository.renamed: stored: news of `pull` for 0 live runs
    repository.transferred: stored: news of `pull` for 0 live runs
    repository_dispatch.on-demand-test: ignored: no run depends on `repository_dispatch`
    repository_import: ignored: no run depends on `repository_import`
    repository_vulnerability_alert.create: ignored: no run depends on `repository_vulnerability_alert`
    repository_vulnerability_alert.dismiss: ignored: no run depends on `repository_vulnerability_alert`
    security_advisory.published: ignored: no run depends on `security_advisory`
    security_advisory.updated: ignored: no run depends on `security_advisory`
    security_advisory.withdrawn: ignored: no run depends on `security_advisory`
    sponsorship.created: ignored: no run depends on `sponsorship`
    sponsorship.pending_tier_change: ignored: no run depends on `sponsorship`
    star.created: ignored: no run depends on `star`
    star.deleted: ignored: no run depends on `star`
    status: stored: news of `checks` for 0 live runs
    team.added_to_repository: ignored: no run depends on `team`
    team.created: ignored: no run depends on `team`
    team.deleted: ignored: no run depends on `team`
    team.edited: ignored: no run depends on `team`
    team.removed_from_repository: ignored: no run depends on `team`
    team_add: ignored: no run depends on `team_add`
    watch.started: ignored: no run depends on `watch`
    workflow_dispatch: ignored: no run depends on `workflow_dispatch`
    workflow_job.completed: stored: news of `checks` for 0 live runs
    workflow_job.in_progress: ignored: no product has the repository octo-org/example-workflow (number 376034443)
    workflow_job.in_progress: ignored: no product has the repository wolfy1339/github-events-schemas (number 445650657)
    workflow_job.in_progress: stored: news of `checks` for 0 live runs
    workflow_job.queued: ignored: no product has the repository lineville/elastic-machines-testing (number 591427149)
    workflow_job.queued: stored: news of `checks` for 0 live runs
    workflow_job.waiting: ignored: no product has the repository lineville/elastic-machines-testing (number 591427149)
    workflow_run.completed: ignored: no product has the repository octo-org/octo-repo (number 300029405)
    workflow_run.completed: stored: news of `checks` for 0 live runs
    workflow_run.requested: ignored: no product has the repository octo-org/octo-repo (number 300029405)
    ");
}
