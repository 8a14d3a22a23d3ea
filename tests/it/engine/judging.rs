//! How the pull requests of others come to have a run each.

use aspora::{
    core::{
        judging::Judging,
        pull::{Description, Opened},
        run::Topic,
    },
    engine::{Follows, Received},
    store::{judged_by, product, signal::News},
};

use super::support::{TestEngine, assert_sound};

impl TestEngine {
    async fn product(&self, name: &str, repository: &str, judging: Judging) {
        let (name, repository) = (name.parse().unwrap(), repository.parse().unwrap());
        product::put(self.pool(), &name, &repository, "main", &[]).await.unwrap();
        product::judge_theirs(self.pool(), &name, judging, (false, false)).await.unwrap();
    }

    /// News of an open pull request, as the forge spells its repository.
    async fn opens(&self, delivery: &str, repository: &str) -> Received {
        let opened = Opened {
            base_branch: "main".to_owned(),
            head_branch: "change".to_owned(),
            fork: None,
            head: "a".repeat(40).parse().unwrap(),
            description: Description::default(),
        };
        let news = News {
            delivery: delivery.to_owned(),
            topic: Topic::Pull,
            repository: repository.to_owned(),
            repository_id: None,
            whole: false,
            branch: None,
            pull: Some(7),
            sha: None,
        };
        self.engine.receive(&news, Follows::Judgement(&opened)).await.unwrap()
    }
}

#[tokio::test]
async fn however_products_spell_a_repository_a_pull_request_has_one_run() {
    let test = TestEngine::new().await;
    test.product("api", "Acme/Mono", Judging::On).await;
    test.product("web", "acme/mono", Judging::On).await;
    test.opens("1", "acme/Mono").await;
    let run = "select product || ' ' || repository from run where subject_kind = 'pull'";
    assert_eq!(test.query::<String>(run).await, "api Acme/Mono", "of the first product by name");
    // The other product would be the first now.
    test.product("api", "Acme/Mono", Judging::Off).await;
    test.opens("2", "acme/Mono").await;
    test.opens("3", "acme/mono").await;
    let count =
        "select (select count(*) from run where subject_kind = 'pull') * 10 + (select count(*) from pull)";
    assert_eq!(test.query::<i64>(count).await, 11, "one run and one row");
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn all_products_of_a_base_count_until_a_look_says_which_are_touched() {
    let test = TestEngine::new().await;
    test.product("api", "Acme/Mono", Judging::Shadow).await;
    test.product("docs", "acme/mono", Judging::Off).await;
    test.product("else", "acme/other", Judging::On).await;
    test.product("web", "acme/mono", Judging::On).await;
    let check = async |touched: Option<&[&str]>, names: &[&str], judging| {
        let touched: Option<Vec<String>> = touched.map(|all| all.iter().map(ToString::to_string).collect());
        let by = judged_by::read(test.pool(), "ACME/mono", "main", touched.as_deref()).await.unwrap();
        assert_eq!((by.names(), by.wanted.judging), (names.to_vec(), judging));
        assert_eq!((by.registered.len(), by.anywhere), (3, Judging::On));
    };
    check(None, &["api", "web"], Judging::On).await;
    check(Some(&["api"]), &["api"], Judging::Shadow).await;
    check(Some(&["docs"]), &[], Judging::Off).await;
    check(Some(&["api", "docs"]), &["api"], Judging::Shadow).await;
    check(Some(&["api", "else", "web"]), &["api", "web"], Judging::On).await;
    let elsewhere = judged_by::read(test.pool(), "acme/mono", "next", None).await.unwrap();
    assert_eq!((elsewhere.names().len(), elsewhere.anywhere), (0, Judging::Off), "another base");
}
