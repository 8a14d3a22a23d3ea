//! What `aspora doctor` and the putting of a product learn from GitHub.

use aspora::{
    cli::dev_server,
    core::{merge_method::MergeMethod, policy::POLICY_PATH},
    dev::{
        Acting,
        github::{Enforcement, Method, RequiredCheck, Rules, Twin, TwinConfig},
        give,
    },
    github::{Credential, Forge, Gravity, Remark, Setting},
};
use serde_json::{Value, json};

use super::stub::{Stub, json, repo};

const REPO: &str = "acme/wealth-product";

struct World {
    twin: Twin,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = TwinConfig {
            data_dir: folder.path().to_owned(),
            addr: ([127, 0, 0, 1], 0).into(),
            public_url: None,
            webhook: None,
            ci: None,
        };
        let twin = Twin::start(config).await.unwrap();
        twin.create_repository(REPO, &[("README.md", b"text")]).await.unwrap();
        Self { twin, _folder: folder }
    }

    fn forge(&self, acting: Acting) -> Forge {
        let credential = dev_server::credential(give(&self.twin, acting, REPO).unwrap()).unwrap();
        let timeouts = aspora::github::Timeouts::default();
        let api_url = self.twin.url().parse().unwrap();
        Forge::new(aspora::github::Config { api_url, credential, timeouts }).unwrap()
    }

    async fn remarks(&self, acting: Acting) -> Vec<Remark> {
        self.remarks_by(acting, MergeMethod::Merge).await
    }

    async fn remarks_by(&self, acting: Acting, method: MergeMethod) -> Vec<Remark> {
        self.forge(acting).inspect(&REPO.parse().unwrap(), "main", method).await
    }
}

#[track_caller]
fn assert_says(remarks: &[Remark], gravity: Gravity, what: &str) {
    let found = remarks.iter().any(|it| it.gravity == gravity && it.what.contains(what));
    assert!(found, "{gravity:?} `{what}` is not in {remarks:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_credential_is_named_with_what_it_costs() {
    let world = World::new().await;
    let app = world.remarks(Acting::App).await;
    assert_says(&app, Gravity::Fine, "we are aspora-coding-agent[bot], by a GitHub App");
    assert_says(&app, Gravity::Fine, "granted: metadata: read, contents: write");
    assert_says(&app, Gravity::Note, "`workflows: write` is not granted: ");
    assert!(app.iter().all(|remark| remark.gravity <= Gravity::Note), "{app:#?}");
    let fine_grained = world.remarks(Acting::FineGrained).await;
    assert_says(&fine_grained, Gravity::Fine, "we are ada, by a fine-grained personal access token");
    assert_says(&fine_grained, Gravity::Note, "the gate is the commit status `risk-policy-gate`");
    assert_says(
        &fine_grained,
        Gravity::Note,
        "check runs cannot be read (403: Resource not accessible by personal",
    );
    let classic = world.remarks(Acting::Classic).await;
    assert_says(&classic, Gravity::Fine, "by a classic personal access token");
    let actions = world.remarks(Acting::Actions).await;
    assert_says(
        &actions,
        Gravity::Bad,
        "starts no workflow, and runs of its pull requests wait for approval",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_base_branch_demands_is_named_and_signed_commits_are_refused_where_we_cannot_make_them() {
    let world = World::new().await;
    let before = world.remarks(Acting::App).await;
    assert_says(&before, Gravity::Note, "GitHub demands nothing of `main`");
    let rules = Rules {
        checks: vec![RequiredCheck::any("ci"), RequiredCheck::any("risk-policy-gate")],
        up_to_date: true,
        approvals: 2,
        ..Rules::default()
    };
    world.twin.add_ruleset(REPO, "main", Enforcement::Active, rules).unwrap();
    let demanded = "`main` demands `ci`, `risk-policy-gate`, 2 approvals, the newest commit of the base";
    assert_says(&world.remarks(Acting::App).await, Gravity::Fine, demanded);
    let signed = Rules { signatures: true, ..Rules::default() };
    world.twin.add_ruleset(REPO, "main", Enforcement::Active, signed).unwrap();
    for acting in [Acting::App, Acting::FineGrained, Acting::Classic, Acting::Actions] {
        let remarks = world.remarks(acting).await;
        assert_says(
            &remarks,
            Gravity::Fine,
            "`main` accepts signed commits only: GitHub makes and signs ours",
        );
    }
    // A server that has tokens of its own form.
    let stub = Stub::new(|seen| match seen.call.split('?').next().unwrap() {
        "GET /repos/acme/w/rules/branches/main" => {
            let rule = json!({"type": "required_signatures", "ruleset_id": 5, "ruleset_source": "acme"});
            Some(json(200, &json!([rule])))
        }
        "GET /user" => Some(json(200, &json!({"id": 5, "login": "ada", "type": "User"}))),
        "GET /repos/acme/w" => Some(json(200, &json!({"id": 1, "full_name": "acme/w"}))),
        _ => None,
    })
    .await;
    let forge = stub.with(Credential::Token("glpat-x".into()));
    let remarks = forge.inspect(&repo(), "main", MergeMethod::Merge).await;
    assert_says(
        &remarks,
        Gravity::Fatal,
        "`main` accepts signed commits only, and GitHub is not known to sign",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_method_that_is_not_allowed_is_fatal_and_those_that_are_are_named() {
    async fn said(world: &World, method: MergeMethod, gravity: Gravity, what: &str, setting: Setting) {
        let remarks = world.remarks_by(Acting::App, method).await;
        assert_says(&remarks, gravity, what);
        assert!(remarks.iter().any(|it| it.what.contains(what) && it.setting == setting), "{remarks:#?}");
    }
    let world = World::new().await;
    let rules = |rules: Rules| world.twin.add_ruleset(REPO, "main", Enforcement::Active, rules).unwrap();
    let of = Setting::MergeMethod;
    let any = "merge methods allowed: merge, squash, rebase";
    said(&world, MergeMethod::Rebase, Gravity::Fine, any, Setting::Repository).await;
    world.twin.set_merge_methods(REPO, &[Method::Squash, Method::Rebase]).unwrap();
    let not = "`main` cannot be merged into by `merge`; merge methods allowed: squash, rebase: choose one";
    said(&world, MergeMethod::Merge, Gravity::Fatal, not, of).await;
    world.twin.set_merge_methods(REPO, &[Method::Merge, Method::Squash]).unwrap();
    rules(Rules { linear_history: true, ..Rules::default() });
    let linear = "`main` cannot be merged into by `merge`; merge methods allowed: squash: choose one";
    said(&world, MergeMethod::Merge, Gravity::Fatal, linear, of).await;
    world.twin.set_merge_methods(REPO, &[Method::Rebase]).unwrap();
    rules(Rules { signatures: true, ..Rules::default() });
    let none = "no merge method is allowed: those of the repository";
    said(&world, MergeMethod::Rebase, Gravity::Fatal, none, Setting::Repository).await;
}

#[tokio::test]
async fn merge_methods_that_github_does_not_show_are_not_guessed() {
    let rules = json!([{"type": "pull_request", "parameters": {"allowed_merge_methods": ["squash"]}}]);
    let stub = Stub::new(move |seen| match seen.call.split('?').next().unwrap() {
        "GET /repos/acme/w" => Some(json(200, &json!({"id": 1, "full_name": "acme/w"}))),
        "GET /repos/acme/w/rules/branches/main" => Some(json(200, &rules)),
        _ => None,
    })
    .await;
    for (method, gravity) in [(MergeMethod::Squash, Gravity::Fine), (MergeMethod::Merge, Gravity::Fatal)] {
        let remarks = stub.app().inspect(&repo(), "main", method).await;
        assert_says(
            &remarks,
            Gravity::Note,
            "GitHub does not show us which merge methods the repository allows",
        );
        assert_says(&remarks, gravity, "merge methods allowed by the branch's rules: squash");
    }
}

#[tokio::test]
async fn rules_and_classic_protection_are_read_together() {
    let rules = json!([
        {"type": "required_status_checks", "ruleset_id": 5, "ruleset_source": "acme", "parameters": {
            "strict_required_status_checks_policy": false,
            "required_status_checks": [{"context": "ci", "integration_id": 15368}, {"context": "lint"}]}},
        {"type": "pull_request", "ruleset_id": 5, "ruleset_source": "acme", "parameters": {
            "required_approving_review_count": 1, "require_code_owner_review": true,
            "allowed_merge_methods": ["squash", "merge"]}},
        {"type": "pull_request", "ruleset_id": 6, "ruleset_source": "acme/w", "parameters": {
            "required_approving_review_count": 0, "allowed_merge_methods": ["squash"]}},
        {"type": "merge_queue", "ruleset_id": 6, "ruleset_source": "acme/w", "parameters": {}},
    ]);
    let classic = json!({
        "required_status_checks": {"strict": true, "checks": [{"context": "old", "app_id": -1}]},
        "required_pull_request_reviews": {"required_approving_review_count": 2},
        "enforce_admins": {"enabled": false}, "required_signatures": {"enabled": false},
    });
    let answer = move |call: &str| -> Option<Value> {
        Some(match call.split('?').next().unwrap() {
            "GET /repos/acme/w/rules/branches/release%2F1" => rules.clone(),
            "GET /repos/acme/w/branches/release%2F1/protection" => classic.clone(),
            "GET /repos/acme/w/rulesets/5" => json!({"name": "All", "current_user_can_bypass": "always"}),
            "GET /repos/acme/w/rulesets/6" => json!({"name": "Own", "current_user_can_bypass": "never"}),
            "GET /user" => json!({"id": 5, "login": "ada", "type": "User"}),
            "GET /repos/acme/w" => json!({"id": 1, "full_name": "acme/w", "allow_merge_commit": false,
                "allow_squash_merge": true, "allow_rebase_merge": false}),
            _ => json!([]),
        })
    };
    let stub = Stub::new(move |seen| answer(&seen.call).map(|body| json(200, &body))).await;
    let forge = stub.with(Credential::Token("ghp_x".into()));
    let remarks = forge.inspect(&repo(), "release/1", MergeMethod::Merge).await;
    assert_says(&remarks, Gravity::Fine, "merge methods allowed: squash");
    assert_says(&remarks, Gravity::Note, "the merge queue of `release/1` merges by its own method");
    let demanded = "`release/1` demands `ci` of App 15368, `lint`, `old`, 2 approvals, a code owner's approval, \
        the newest commit of the base, a merge queue, one of the merge methods squash";
    assert_says(&remarks, Gravity::Fine, demanded);
    assert_says(&remarks, Gravity::Note, "may bypass the ruleset `All` of acme (always)");
    assert_says(&remarks, Gravity::Note, "does not hold for administrators");
    assert_says(&remarks, Gravity::Note, "does not require the check `risk-policy-gate`");
    assert!(!remarks.iter().any(|remark| remark.what.contains("`Own`")), "{remarks:#?}");
}

/// A GitHub that lists these deliveries, each with its status and what is said of it, the newest a minute ago.
async fn listing(deliveries: &[(u16, &str)]) -> Stub {
    let at = chrono::Utc::now() - chrono::TimeDelta::minutes(1);
    let item = |&(code, status): &(u16, &str)| json!({"id": 1, "guid": "g", "delivered_at": at, "status_code": code, "status": status});
    let deliveries: Value = deliveries.iter().map(item).collect();
    Stub::new(move |seen| match seen.call.split('?').next().unwrap() {
        "GET /app/hook/deliveries" => Some(json(200, &deliveries)),
        "GET /repos/acme/w" => Some(json(200, &json!({"id": 1, "full_name": "acme/w"}))),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn webhooks_that_do_not_arrive_are_named_with_what_to_do() {
    async fn said(deliveries: &[(u16, &str)]) -> Vec<Remark> {
        listing(deliveries).await.app().inspect(&repo(), "main", MergeMethod::Merge).await
    }
    assert_says(&said(&[]).await, Gravity::Note, "has sent no webhook");
    assert_says(&said(&[(202, "OK")]).await, Gravity::Fine, "the last 1 webhook arrived");
    let failed = said(&[(502, "Bad Gateway"), (200, "OK")]).await;
    assert_says(
        &failed,
        Gravity::Bad,
        "1 of the last 2 webhooks failed, the newest with 502 Bad Gateway: can",
    );
    assert_says(&failed, Gravity::Bad, "Workers ask GitHub to deliver these again");
    let refused = said(&[(401, "Unauthorized")]).await;
    assert_says(
        &refused,
        Gravity::Bad,
        "is GITHUB_WEBHOOK_SECRET the App's webhook secret? These are not asked",
    );
    assert_says(&said(&[(301, "Moved")]).await, Gravity::Bad, "GitHub follows no redirect");
    assert_says(&said(&[(404, "Not Found")]).await, Gravity::Bad, "is the App's webhook URL");
}

#[tokio::test]
async fn a_push_that_no_webhook_followed_is_named() {
    let pushed = chrono::Utc::now();
    let later = pushed + chrono::TimeDelta::minutes(20);
    let stub = listing(&[(200, "OK")]).await;
    assert_eq!(stub.app().inspect_silence(pushed).await, None, "the newest webhook is as new as the push");
    let silence: Vec<_> = stub.app().inspect_silence(later).await.into_iter().collect();
    assert_says(&silence, Gravity::Bad, "the newest webhook is of");
    assert_eq!(
        listing(&[]).await.app().inspect_silence(later).await,
        None,
        "that none was sent is said elsewhere"
    );
    let token = stub.with(Credential::Token("ghp_x".into()));
    assert_eq!(token.inspect_silence(later).await, None, "a token cannot see them");
}

#[tokio::test]
async fn a_repository_that_cannot_be_read_ends_the_questions() {
    let stub = Stub::new(|seen| {
        (seen.call == "GET /user").then(|| json(200, &json!({"id": 5, "login": "ada", "type": "User"})))
    })
    .await;
    let forge = stub.with(Credential::Token("github_pat_x".into()));
    let remarks = forge.inspect(&"acme/none".parse().unwrap(), "main", MergeMethod::Merge).await;
    assert_says(&remarks, Gravity::Bad, "acme/none cannot be read");
}

#[tokio::test]
async fn the_merge_method_of_the_policy_is_held_against_what_the_repository_allows() {
    let world = World::new().await;
    let forge = world.forge(Acting::App);
    let (repo, product) = (REPO.parse().unwrap(), "wealth".parse().unwrap());
    let chosen = async || forge.inspect_policy(&repo, "main", &product, MergeMethod::Merge).await;
    let (remarks, method) = chosen().await;
    assert_says(&remarks, Gravity::Note, "has no .aspora/risk-policy.json: every change of it is critical");
    assert_eq!((method.method, method.by_policy), (MergeMethod::Merge, false));

    let policy = include_str!("../../../src/dev/product/wealth/.aspora/risk-policy.json");
    let push = async |text: &str| {
        world.twin.push_as("asha", REPO, "main", &[(POLICY_PATH, text.as_bytes())]).await.unwrap();
    };
    push(&policy.replacen("\"wealth\": {", "\"wealth\": {\"mergeMethod\": \"squash\",", 1)).await;
    let (remarks, method) = chosen().await;
    assert_says(&remarks, Gravity::Note, "merged by `squash`, which counts over the product's `merge`");
    world.twin.set_merge_methods(REPO, &[Method::Squash]).unwrap();
    assert_says(&forge.inspect(&repo, "main", method).await, Gravity::Fine, "merge methods allowed: squash");
    world.twin.set_merge_methods(REPO, &[Method::Merge]).unwrap();
    let refused = "cannot be merged into by `squash`, which its policy names";
    assert_says(&forge.inspect(&repo, "main", method).await, Gravity::Fatal, refused);

    world.twin.set_merge_methods(REPO, &[Method::Squash, Method::Merge]).unwrap();
    let rules = Rules { merge_methods: vec![Method::Merge], ..Rules::default() };
    world.twin.add_ruleset(REPO, "main", Enforcement::Active, rules).unwrap();
    assert_says(&forge.inspect(&repo, "main", method).await, Gravity::Fatal, refused);
    assert_says(&forge.inspect(&repo, "main", MergeMethod::Merge).await, Gravity::Fine, "allowed: merge");

    push(&policy.replacen("\"wealth\": {", "\"wealth\": {\"mergeMethod\": \"quick\",", 1)).await;
    assert_says(&chosen().await.0, Gravity::Bad, "/products/wealth/mergeMethod");
}
