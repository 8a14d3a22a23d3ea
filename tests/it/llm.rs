//! The real async-openai client against the scripted model, over loopback.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aspora::{
    core::{
        edit::Answer,
        outage::{Held, Outage, Pass, Provider},
        rate::{Observed, Wait},
    },
    dev::model::{Fault, MODEL, Script, ScriptedModel},
    llm::{
        BadConfig, Bill, Config, Error, Generate, Model, Prompt, REPLY_LIMIT, Reply, Review, Said, Task,
        Throttle, read_review,
    },
};
use futures::{FutureExt as _, future::BoxFuture};

const KEY: &str = "sk-loopback-canary";
const ANSWER: &str =
    "=== title: feat: Add x\n=== why: Because.\n=== file: x.py\nprint('héllo — 世界 🚀')\n=== end: x.py\n";
const REVIEW: &str = r#"{"summary": "read", "findings": []}"#;

fn script() -> Script {
    Script::default().with(Task::Generate, &["Portfolio"], &[], ANSWER).with(
        Task::Review,
        &["Portfolio"],
        &["unknown to the script"],
        REVIEW,
    )
}

async fn scripted() -> ScriptedModel {
    ScriptedModel::start("127.0.0.1:0".parse().unwrap(), script(), Some(KEY.into())).await.unwrap()
}

fn config(server: &ScriptedModel) -> Config {
    Config { review_model: "reviewer".to_owned(), ..Config::new(&server.url(), KEY.into(), MODEL) }
}

fn generate(title: &str) -> Prompt {
    let (files, none, said) = (&[], &[], &Said::default());
    let (harness, tree, case, policy) = (none, none, none, "{}");
    Generate { product: "wealth", title, body: "b", said, spec: None, policy, files, harness, tree, case }
        .prompt()
}

fn review(body: &str) -> Prompt {
    let (title, tier, diff, said) = ("Portfolio", "high", "+x", &Said::default());
    Review { product: "wealth", title, body, said, spec: None, tier, diff, files: &[] }.prompt()
}

async fn ask(server: &ScriptedModel, prompt: &Prompt) -> Result<Reply, Error> {
    Model::new(config(server)).unwrap().ask(prompt).await
}

/// Calls the model once with a fault; the server must have received one request.
async fn ask_with(fault: Fault) -> Result<Reply, Error> {
    let server = scripted().await;
    server.fail_next(fault);
    let answered = ask(&server, &generate("Portfolio")).await;
    assert_eq!(server.ledger().len(), 1, "one call is one request");
    answered
}

#[tokio::test]
async fn an_answer_is_streamed_with_its_usage() {
    let server = scripted().await;
    let prompt = generate("Portfolio");
    let reply = ask(&server, &prompt).await.unwrap();
    assert_eq!(reply.text, ANSWER);
    assert_eq!(Answer::parse(&reply.text).unwrap().title.as_deref(), Some("feat: Add x"));
    assert_eq!((reply.model.as_str(), reply.finish_reason.as_str()), (MODEL, "stop"));
    assert!(!reply.usage.estimated && reply.usage.input_tokens > 100);
    assert_eq!(reply.usage.output_tokens, ANSWER.chars().count().div_ceil(4) as u64);
    let [entry] = &server.ledger()[..] else { panic!("one request") };
    assert_eq!((entry.task, entry.model.as_str(), entry.status), (Some(Task::Generate), MODEL, 200));
    let stored = serde_json::to_string(&reply).unwrap();
    assert_eq!(serde_json::from_str::<Reply>(&stored).unwrap(), reply);
}

#[tokio::test]
async fn a_review_goes_to_the_review_model_and_is_parsed() {
    let server = scripted().await;
    let reply = ask(&server, &review("b")).await.unwrap();
    assert_eq!(read_review(&reply.text, |_, _| None), Ok(("read".to_owned(), vec![])));
    assert_eq!(server.ledger()[0].model, "reviewer");
}

#[tokio::test]
async fn equal_prompts_get_equal_answers() {
    let server = scripted().await;
    let prompt = generate("Portfolio");
    let (one, other) = (ask(&server, &prompt).await, ask(&server, &prompt).await);
    assert_eq!(one, other);
    let ledger = server.ledger();
    assert_eq!(ledger[0].digest, ledger[1].digest);
}

#[tokio::test]
async fn an_unknown_requirement_is_declined_and_an_unknown_review_is_refused() {
    let server = scripted().await;
    let declined = ask(&server, &generate("Something else")).await.unwrap();
    assert!(declined.text.starts_with("=== decline: the scripted model knows only"), "{}", declined.text);
    let refused = ask(&server, &review("unknown to the script")).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Rejected(why) if why.contains("no answer to this `review`")),
        "{refused}"
    );
}

#[tokio::test]
async fn a_rate_limit_is_reported_with_its_wait_and_not_retried() {
    let error = ask_with(Fault::Status(429, Some(7))).await.unwrap_err();
    assert_eq!((error.is_transient(), error.retry_after()), (true, Some(Duration::from_secs(7))));
    for status in [408, 500, 502, 503, 504] {
        let error = ask_with(Fault::Status(status, None)).await.unwrap_err();
        assert_eq!((error.is_transient(), error.retry_after()), (true, None), "{status}");
    }
    for status in [302, 307, 400, 404, 422] {
        let error = ask_with(Fault::Status(status, None)).await.unwrap_err();
        assert!(matches!(error, Error::Rejected(_)), "{status}: {error}");
    }
}

#[tokio::test]
async fn a_cut_connection_is_transient_and_its_bill_unknown() {
    let error = ask_with(Fault::Cut).await.unwrap_err();
    assert_eq!((error.is_transient(), error.bill()), (true, Bill::Unknown), "the model has worked on it");
}

#[tokio::test]
async fn a_malformed_stream_is_transient() {
    let huge_id = format!("data: {{\"id\": \"{}\"}}\n\n", "x".repeat(9_000));
    for raw in [
        "",
        "<html>bad gateway</html>",
        "data: {\"choices\": 5}\n\n",
        "data: [DONE]\n\n",
        "data: {\"error\": {\"message\": \"overloaded\"}}\n\n",
        "\u{0}\u{1}\u{2}",
        huge_id.as_str(),
    ] {
        let error = ask_with(Fault::Raw(raw.to_owned())).await.unwrap_err();
        assert!(error.is_transient() && error.to_string().len() < 700, "{raw:?}: {error}");
    }
}

#[tokio::test]
async fn garbage_is_returned_as_text_that_the_parsers_refuse() {
    let reply = ask_with(Fault::Garbage("I am a teapot\0".to_owned())).await.unwrap();
    assert!(Answer::parse(&reply.text).is_err());
    assert!(read_review(&reply.text, |_, _| None).is_err());
}

#[tokio::test]
async fn unusable_answers_have_their_own_errors() {
    assert!(matches!(ask_with(Fault::Garbage(" \n".to_owned())).await, Err(Error::Empty(_))));
    let cut = ask_with(Fault::Length).await.unwrap_err();
    assert!(matches!(cut.bill(), Bill::Used(usage) if usage.output_tokens > 0));
    let refused = ask_with(Fault::Refusal("I would rather not".to_owned())).await.unwrap_err();
    assert!(matches!(&refused, Error::Refused(why, _) if why == "I would rather not"), "{refused}");
    let large = "x".repeat(REPLY_LIMIT + 1);
    let oversize = ask_with(Fault::Garbage(large)).await.unwrap_err();
    assert_eq!((oversize.bill(), oversize), (Bill::Unknown, Error::Oversize));
    let endless = format!("data: {}", "x".repeat(REPLY_LIMIT));
    assert_eq!(ask_with(Fault::Raw(endless)).await, Err(Error::Oversize));
}

#[tokio::test]
async fn a_wrong_key_has_its_own_error_and_is_never_quoted() {
    let server = scripted().await;
    let wrong = Config { api_key: "sk-wrong-canary".into(), ..config(&server) };
    let error = Model::new(wrong).unwrap().ask(&generate("Portfolio")).await.unwrap_err();
    assert!(matches!(error, Error::Auth(_)), "{error}");
    assert!(!format!("{error:?}").contains("canary"));
    assert_eq!(server.ledger()[0].status, 401);
    let odd = Config { api_key: "sk\n".into(), ..config(&server) };
    assert_eq!(Model::new(odd).err(), Some(BadConfig::ApiKey));
}

#[tokio::test]
async fn a_silent_model_times_out() {
    let server = scripted().await;
    for pick_idle in [true, false] {
        server.fail_next(Fault::Slow(Duration::from_secs(600)));
        let mut config = config(&server);
        let short = Duration::from_millis(50);
        *(if pick_idle { &mut config.timeouts.idle } else { &mut config.timeouts.total }) = short;
        let error = Model::new(config).unwrap().ask(&generate("Portfolio")).await.unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("did not come within 50ms"), "{error}");
        assert_eq!(error.bill(), Bill::Unknown, "the model may still work on it");
    }
}

#[tokio::test]
async fn an_unreachable_server_is_transient() {
    let server = scripted().await;
    let gone = config(&server);
    drop(server);
    let model = Model::new(Config { base_url: "http://127.0.0.1:9/v1".to_owned(), ..gone }).unwrap();
    let error = model.ask(&generate("Portfolio")).await.unwrap_err();
    assert_eq!((error.is_transient(), error.bill()), (true, Bill::Nothing), "nothing was sent");
}

#[tokio::test]
async fn the_scripted_model_also_answers_without_a_stream_and_lists_its_model() {
    let server = scripted().await;
    let client = reqwest::Client::new();
    let url = server.url();
    let body = serde_json::json!({
        "model": MODEL,
        "messages": [{"role": "system", "content": "Task: generate"}, {"role": "user", "content": "Portfolio"}]
    });
    let asked =
        client.post(format!("{url}/chat/completions")).bearer_auth(KEY).json(&body).send().await.unwrap();
    let answer: serde_json::Value = asked.json().await.unwrap();
    assert_eq!(answer["choices"][0]["message"]["content"], ANSWER);
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    let listed = client.get(format!("{url}/models")).bearer_auth(KEY).send().await.unwrap();
    assert_eq!(listed.json::<serde_json::Value>().await.unwrap()["data"][0]["id"], MODEL);
    let barred = client.get(format!("{url}/models")).send().await.unwrap();
    assert_eq!(barred.status(), 401);
}

/// A throttle that holds back all calls after the first, and records what it observes.
#[derive(Default)]
struct TestThrottle {
    asked: Mutex<Vec<(String, u32)>>,
    observed: Mutex<Vec<Observed>>,
}

impl Throttle for TestThrottle {
    fn provider(&self, model: &str) -> Provider {
        Provider::model("x", model)
    }

    fn pass<'a>(&'a self, model: &'a str, tokens: u32) -> BoxFuture<'a, Result<Pass, Held>> {
        let mut asked = self.asked.lock().unwrap();
        asked.push((model.to_owned(), tokens));
        let (key, why) = ("model:x/y".to_owned(), "429".to_owned());
        let wait = Wait { key, wait: Duration::from_secs(40), is_penalty: true, why };
        let open = asked.len() == 1;
        async move { if open { Ok(Pass::default()) } else { Err(wait.into()) } }.boxed()
    }

    fn ended<'a>(&'a self, _: &'a str, _: Pass, failure: Option<String>) -> BoxFuture<'a, Option<Outage>> {
        assert_eq!(failure, None, "a server that asks to wait is there");
        async { None }.boxed()
    }

    fn observe<'a>(&'a self, model: &'a str, observed: Observed) -> BoxFuture<'a, ()> {
        assert_eq!(model, MODEL);
        self.observed.lock().unwrap().push(observed);
        async {}.boxed()
    }
}

#[tokio::test]
async fn a_rate_limit_is_observed_and_a_call_that_is_held_back_is_not_made() {
    let server = scripted().await;
    let throttle = Arc::new(TestThrottle::default());
    let model = Model::new(config(&server)).unwrap().behind(throttle.clone());
    server.fail_next(Fault::Status(429, Some(90)));
    let prompt = generate("Portfolio");
    let Err(Error::Down { outage, maybe_paid: false }) = model.ask(&prompt).await else {
        panic!("it is limited")
    };
    assert_eq!((outage.since, outage.wait, outage.was_made), (None, Duration::from_secs(90), true));
    let penalty = Some((Duration::from_secs(90), "429 Too Many Requests".to_owned()));
    assert_eq!(*throttle.observed.lock().unwrap(), [Observed { penalty, ..Observed::default() }]);

    let held = model.ask(&prompt).await.unwrap_err();
    assert!(matches!(&held, Error::Held(held) if held.key() == "model:x/y"), "{held}");
    assert_eq!((held.is_transient(), held.retry_after()), (true, Some(Duration::from_secs(40))));
    assert_eq!(server.ledger().len(), 1);
    let tokens = u32::try_from(prompt.size().div_ceil(4)).unwrap();
    assert_eq!(*throttle.asked.lock().unwrap(), [(MODEL.to_owned(), tokens), (MODEL.to_owned(), tokens)]);
}
