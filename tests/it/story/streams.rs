//! Whatever becomes of a stream of webhooks, the run ends alike: streams in which they come late, several times, in
//! another order or not at all.
//!
//! The stream is one that the twin sent in a story. It is sent to many runs of an engine at once, which look at the
//! truth as activities look at the forge, some of them slowly. `ASPORA_STREAMS` sets how many streams there are,
//! `ASPORA_SEED` the numbers that decide about them.

use std::collections::{BTreeMap, BTreeSet};

use aspora::{
    core::{
        run::{Park, Progress, State, Topic},
        workflow::{Outcome::Cleared, Queue},
    },
    dev::github::Delivery,
    engine::{Ack, Engine},
    github::webhook::{self, Hint, Meaning},
    store::{self, job::Lease, run::StoredRun, signal::News},
};
use chrono::{TimeDelta, Utc};
use futures::{StreamExt as _, TryStreamExt as _};
use uuid::Uuid;

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    support::{accept, advance, answer, assert_sound, claim, database},
    world::{REPO, World},
};
use crate::simulation::{Dice, number};

/// How many streams there are unless `ASPORA_STREAMS` says otherwise; ten thousand take some minutes.
const STREAMS: u64 = 400;
/// In how many rounds the events happen.
const HAPPEN: usize = 4;
/// After how many all deliveries are made.
const ROUNDS: usize = 7;
/// How much is done at once.
const AT_ONCE: usize = 8;
const LEASE: std::time::Duration = std::time::Duration::from_secs(3600);
const TOPICS: [Topic; 4] = [Topic::Checks, Topic::Reviews, Topic::Pull, Topic::Push];
/// One step, which waits until everything has happened.
const WORKFLOW: &str = r#"
name = "requirement"
start = "verdict"
exhausted = "needs_human"

[step.verdict]
run = "verdict"
queue = "github"
retry = { attempts = 5, first = "1s", most = "1m" }
timeout = "5m"
on = { cleared = "done", closed = "closed", blocked = "needs_human", stopped = "needs_human", moved = "needs_human", behind = "needs_human" }

[end]
done = "succeeded"
closed = "cancelled"
needs_human = "blocked"
"#;

/// What becomes of one stream: the deliveries of each round.
struct Fate {
    run: Uuid,
    rounds: Vec<Vec<News>>,
}

/// An attempt, and whether everything had happened when it looked.
struct Begun {
    lease: Lease,
    is_complete: bool,
}

/// The webhooks of one story, in order.
async fn recorded() -> Vec<Delivery> {
    let world = World::with(|setup| {
        setup.ci = Some(passing_ci());
        setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    world.twin.comment_as("asha", REPO, 1, "thank you").await.unwrap();
    world.twin.settled().await;
    world.twin.webhooks().sent()
}

/// What the receiver makes of the deliveries; ours are those about the branch or the pull request of the story.
fn read(deliveries: &[Delivery]) -> Vec<(News, bool)> {
    let story = deliveries.iter().find_map(|it| it.payload["pull_request"]["head"]["ref"].as_str());
    let news = |delivery: &Delivery| {
        let id = delivery.id.to_string();
        let read = webhook::read(Some(&delivery.event), Some(&id), &delivery.payload).ok()?;
        let Meaning::Changed(topic, Hint { whole, branch, pull, .. }) = read.meaning else { return None };
        let is_ours = branch.is_some() && branch.as_deref() == story || pull == Some(1);
        let repository = read.repository?.name.to_string();
        let (repository_id, pull, sha) = (None, None, None);
        Some((News { delivery: id, topic, repository, repository_id, whole, branch, pull, sha }, is_ours))
    };
    deliveries.iter().filter_map(news).collect()
}

/// The stream for a run, whose branch stands in for that of the story.
fn retargeted(stream: &[(News, bool)], run: Uuid) -> Vec<News> {
    let branch = || Some(format!("aspora/wealth/{run}"));
    let retarget = |(news, is_ours): &(News, bool)| News {
        delivery: format!("{}.{run}", news.delivery),
        branch: if *is_ours { branch() } else { news.branch.clone() },
        ..news.clone()
    };
    stream.iter().map(retarget).collect()
}

/// When an event has happened: the first round for the first, and so on.
fn round_of(event: usize, events: usize) -> usize {
    event * HAPPEN / events
}

/// Delays, repeats and drops deliveries; the first stream arrives in order.
fn fate(stream: &[News], run: Uuid, dice: Option<&mut Dice>) -> Fate {
    let mut rounds = vec![Vec::new(); ROUNDS];
    let Some(dice) = dice else {
        for (at, news) in stream.iter().enumerate() {
            rounds[round_of(at, stream.len())].push(news.clone());
        }
        return Fate { run, rounds };
    };
    let (drops, repeats) = (dice.below(101), dice.below(4));
    for (at, news) in stream.iter().enumerate() {
        let first = round_of(at, stream.len());
        for _ in 0..=dice.below(repeats + 1) {
            if dice.below(100) >= drops {
                rounds[first + dice.below(ROUNDS - first)].push(news.clone());
            }
        }
    }
    for round in &mut rounds {
        for at in (1..round.len()).rev() {
            round.swap(at, dice.below(at + 1));
        }
    }
    Fate { run, rounds }
}

impl Fate {
    /// Whether a webhook that its run waits for comes once everything has happened.
    fn arrives_in_time(&self) -> bool {
        let branch = format!("aspora/wealth/{}", self.run);
        let mut before = BTreeSet::new();
        self.rounds.iter().enumerate().any(|(round, deliveries)| {
            let mut is_news = |news: &News| before.insert(news.delivery.clone());
            let new: Vec<_> = deliveries.iter().filter(|news| is_news(news)).collect();
            round >= HAPPEN - 1 && new.iter().any(|news| news.branch.as_deref() == Some(&branch))
        })
    }
}

async fn deliver(engine: &Engine, fates: &[Fate], round: usize) {
    let delivered = futures::stream::iter(fates).map(Ok).try_for_each_concurrent(AT_ONCE, async |fate| {
        for news in &fate.rounds[round] {
            engine.receive_signal(news).await?;
        }
        Ok::<_, aspora::engine::Error>(())
    });
    delivered.await.unwrap();
}

/// Begins every attempt that is due.
async fn begin(engine: &Engine, is_complete: bool) -> Vec<Begun> {
    let leases = claim(engine.pool(), Queue::Github, "w", 100_000, LEASE).await;
    leases.into_iter().map(|lease| Begun { lease, is_complete }).collect()
}

/// Ends attempts by what they saw when they began.
async fn end(engine: &Engine, begun: Vec<Begun>) {
    let until = Utc::now() + TimeDelta::hours(1);
    let ended =
        futures::stream::iter(begun).for_each_concurrent(AT_ONCE, async |Begun { lease, is_complete }| {
            let park = Park::new("everything", TOPICS.to_vec(), until);
            let ack = match is_complete {
                true => engine.answer(&lease, "w", answer(Cleared)).await,
                false => engine.park(&lease, "w", park, Progress::default()).await,
            };
            assert_eq!(ack.unwrap(), Ack::Committed);
        });
    ended.await;
}

/// Works until nothing is due.
async fn drain(engine: &Engine) {
    loop {
        let due = begin(engine, true).await;
        if due.is_empty() {
            return;
        }
        end(engine, due).await;
    }
}

async fn stored(engine: &Engine, run: Uuid) -> StoredRun {
    store::run::get(engine.pool(), run).await.unwrap().unwrap()
}

/// All that must be alike in the end.
fn ending(stored: &StoredRun) -> (State, BTreeMap<String, u32>, Progress) {
    let run = &stored.run;
    (run.state.clone(), run.visits.clone().into_iter().collect(), run.progress.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_with_repeats_gaps_and_another_order_end_alike() {
    let (seed, count) = (number("ASPORA_SEED", 1), number("ASPORA_STREAMS", STREAMS));
    eprintln!("{count} streams: ASPORA_SEED={seed} ASPORA_STREAMS={count}");
    let stream = read(&recorded().await);
    assert!(stream.iter().filter(|(_, is_ours)| *is_ours).count() > 5, "{stream:?}");
    let database = database().await;
    let (product, repository) = ("wealth".parse().unwrap(), REPO.parse().unwrap());
    // Nothing of this outlives the test, so that no commit waits for the disk.
    let pool =
        store::connect(&format!("{}?options=-c synchronous_commit=off", database.url), 8).await.unwrap();
    store::product::put(&pool, &product, &repository, "main", &[]).await.unwrap();
    let engine = Engine::open_with(pool, &[WORKFLOW]).await.unwrap();
    let runs = futures::stream::iter(0..count).map(|_| accept(&engine, 3)).buffered(AT_ONCE);
    let runs: Vec<Uuid> = runs.collect().await;
    let mut dice = Dice(seed);
    let in_order = std::iter::once(fate(&retargeted(&stream, runs[0]), runs[0], None));
    let others = runs[1..].iter().map(|run| fate(&retargeted(&stream, *run), *run, Some(&mut dice)));
    let fates: Vec<Fate> = in_order.chain(others).collect();
    let mut slow = Vec::new();
    for round in 0..ROUNDS {
        let is_complete = round >= HAPPEN - 1;
        deliver(&engine, &fates, round).await;
        end(&engine, std::mem::take(&mut slow)).await;
        let (slower, now): (Vec<_>, Vec<_>) =
            begin(&engine, is_complete).await.into_iter().partition(|_| dice.below(3) == 0);
        end(&engine, now).await;
        slow = slower;
    }
    end(&engine, slow).await;
    drain(&engine).await;
    let expected = ending(&stored(&engine, fates[0].run).await);
    assert!(matches!(&expected.0, State::Ended { name, .. } if name == "done"), "{expected:?}");
    let mut waiting = 0;
    for fate in &fates {
        let found = ending(&stored(&engine, fate.run).await);
        waiting += u64::from(found != expected);
        assert!(found == expected || !fate.arrives_in_time(), "a webhook woke nothing: {found:?}");
    }
    assert!(0 < waiting && waiting < count / 2, "{waiting} of {count} streams leave it to the timer");
    advance(engine.pool(), std::time::Duration::from_secs(7200)).await;
    while engine.wake_due(1000).await.unwrap() > 0 {}
    drain(&engine).await;
    for fate in &fates {
        assert_eq!(ending(&stored(&engine, fate.run).await), expected, "{}", fate.run);
    }
    let kept: i64 = sqlx::query_scalar("select (select count(*) from job) + (select count(*) from timer)")
        .fetch_one(engine.pool())
        .await
        .unwrap();
    assert_eq!(kept, 0, "nothing is left to do");
    assert_sound(&engine).await;
}
