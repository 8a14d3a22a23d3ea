//! The GitHub twin of a story, and its CI.

use std::{path::Path, sync::Arc, time::Duration};

use aspora::{
    activities::Polling,
    cli::dev_server,
    dev::{
        Acting, EvidenceInbox,
        ci::{CheckResult, Ci, CiJob, Names, checks_of, product_ci},
        github::{Twin, TwinConfig, Webhook},
        give,
    },
    github::Credential,
    workspace::{Sandbox, Unavailable},
};
use futures::FutureExt as _;

use super::{
    support::openapi::SpecChecker,
    world::{REPO, SECRET, Setup},
};

/// The checks that the CI reports.
pub(super) const CHECKS: [&str; 3] = ["CI Pipeline", "harness-smoke", "Browser Evidence"];

/// How often a waiting run polls the forge, unless a story says otherwise.
pub(super) const POLLING: Polling = Polling {
    least: Duration::from_millis(200),
    moving: Duration::from_millis(500),
    people: Duration::from_millis(500),
    still: Duration::from_secs(120),
};

const EVIDENCE: &str = "Browser Evidence";
const CAPTURE: &str = "capture-evidence";

fn passed(name: &str) -> CheckResult {
    CheckResult {
        name: name.to_owned(),
        conclusion: "success".to_owned(),
        title: "passed".to_owned(),
        summary: "passed".to_owned(),
        text: None,
    }
}

/// The tests of the product as it has them, but for its flows: they need no browser in a story, whose product counts the
/// evidence of the CI itself.
pub(super) fn tested_ci(sandbox: Result<Sandbox, Unavailable>) -> Ci {
    fn names(paths: &[String]) -> Vec<String> {
        let renamed = |name: String| if name == CAPTURE { EVIDENCE.to_owned() } else { name };
        checks_of(paths).into_iter().map(renamed).collect()
    }
    let ci = product_ci(sandbox, EvidenceInbox::default());
    let run = move |job: CiJob| {
        let (evidence, checks) = job.checks.into_iter().partition::<Vec<_>, _>(|name| name == EVIDENCE);
        let tested = (ci.run)(CiJob { checks, ..job });
        async move { evidence.iter().map(|name| passed(name)).chain(tested.await).collect() }.boxed()
    };
    Ci { names: Names::ByFiles(names), run: Arc::new(run) }
}

/// A CI that runs nothing and passes every check at once.
pub(crate) fn passing_ci() -> Ci {
    let run = move |_| async move { CHECKS.map(passed).to_vec() }.boxed();
    Ci { names: CHECKS.map(str::to_owned).to_vec().into(), run: Arc::new(run) }
}

/// A twin that holds the product's repository and sends its webhooks to the server at `url`.
pub(super) async fn twin(folder: &Path, url: &str, setup: &Setup, spec: &Arc<SpecChecker>) -> Arc<Twin> {
    let receiver = format!("{url}/api/v1/webhooks/github");
    let config = TwinConfig {
        data_dir: folder.join("forge"),
        addr: ([127, 0, 0, 1], 0).into(),
        public_url: None,
        webhook: Some(Webhook { url: receiver, secret: SECRET.to_owned() }),
        ci: setup.ci.clone(),
    };
    let twin = Twin::start(config).await.unwrap();
    twin.observe(spec.observer());
    // No story starts it again.
    twin.forget();
    let files: Vec<(&str, &[u8])> =
        setup.files.iter().map(|(path, bytes)| (*path, bytes.as_slice())).collect();
    twin.create_repository(REPO, &files).await.unwrap();
    if acting() == Acting::FineGrained {
        // Its check runs are readable without the permission that these tokens cannot have.
        twin.set_private(REPO, false).unwrap();
    }
    Arc::new(twin)
}

/// As what stories act that do not say: as the App, or as `ASPORA_STORIES_AS` says.
pub(super) fn acting() -> Acting {
    match std::env::var("ASPORA_STORIES_AS").as_deref() {
        Err(_) | Ok("app") => Acting::App,
        Ok("fine-grained") => Acting::FineGrained,
        Ok("classic") => Acting::Classic,
        Ok(other) => panic!("ASPORA_STORIES_AS is `{other}`, not app, fine-grained or classic"),
    }
}

/// A credential of the forge for the product's repository.
pub(super) fn credential(twin: &Twin, acting: Acting) -> Credential {
    dev_server::credential(give(twin, acting, REPO).unwrap()).unwrap()
}

/// Asserts that there are no duplicates.
#[track_caller]
pub(super) fn assert_unique(mut names: Vec<String>) {
    names.sort();
    let all = names.clone();
    names.dedup();
    assert_eq!(names, all, "something was created twice");
}
