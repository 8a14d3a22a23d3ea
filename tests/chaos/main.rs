//! Everything at once: workers killed, stopped and sent away, Postgres killed, its sessions ended, its wire cut,
//! silent or deaf, while runs go the whole way to their merge beside a stream of light ones. Whatever was
//! accepted must come to its end, once.
//!
//! `cargo test --test chaos -- --minutes 20 --seed 7` prints one line of JSON; without words it is a short one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "../faults/crew.rs"]
mod crew;
mod dice;
#[path = "../faults/floor.rs"]
mod floor;
#[path = "../faults/invariants.rs"]
mod invariants;
#[path = "../faults/light.rs"]
mod light;
mod nemesis;
#[path = "../faults/product.rs"]
mod product;
#[path = "../faults/proxy.rs"]
mod proxy;
#[path = "../support/mod.rs"]
mod support;

use std::{collections::BTreeMap, process::ExitCode, sync::Arc, time::Duration};

use aspora::{
    core::{run::State, workflow::End},
    store::Pool,
};
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::{
    crew::Crew,
    dice::Dice,
    floor::{Begun, Floor, Ground, LEASE},
    light::Light,
    nemesis::{CREW, Nemesis},
    proxy::Proxy,
};

/// Light runs that are under way at any time.
const FLOW: usize = 48;
/// The steps of a light run.
const STEPS: usize = 8;
/// The longest moment that a light step takes.
const MOMENT: &str = "60";
/// Once nothing is broken any more, all must be over within this.
const PATIENCE: Duration = Duration::from_secs(180);
/// The least share of the undisturbed rate, where faults go on for so long that the share means something.
const PROGRESS: f64 = 0.5;
const MEANINGFUL: Duration = Duration::from_secs(300);

struct Wish {
    lasts: Duration,
    seed: u64,
}

impl Wish {
    /// `--minutes` and `--seed`; whatever else the test runner is called with is not for us.
    fn read() -> Self {
        let words: Vec<String> = std::env::args().collect();
        let after = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
        let number = |name: &str| {
            after(name).map(|word| word.parse::<f64>().unwrap_or_else(|_| panic!("{name} {word}")))
        };
        let drawn = uuid::Uuid::new_v4().as_u128() as u64 % 1_000_000;
        Self {
            lasts: Duration::from_secs_f64(number("--minutes").unwrap_or(0.5) * 60.0),
            seed: number("--seed").map_or(drawn, |seed| seed as u64),
        }
    }
}

fn main() -> ExitCode {
    // Runners ask what tests there are before they run any.
    if std::env::args().any(|word| word == "--list") {
        println!("everything_at_once: test");
        return ExitCode::SUCCESS;
    }
    if is_filtered_out() {
        println!(
            "\nrunning 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.00s\n"
        );
        return ExitCode::SUCCESS;
    }
    let (wish, began) = (Wish::read(), std::time::Instant::now());
    println!("\nrunning 1 test\nchaos: seed {}, {:?} of faults", wish.seed, wish.lasts);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let is_sound = runtime.block_on(Box::pin(everything_at_once(&wish)));
    let (word, passed) = if is_sound { ("ok", 1) } else { ("FAILED", 0) };
    println!(
        "\ntest result: {word}. {passed} passed; {} failed; 0 ignored; 0 measured; 0 filtered out; finished in {:.2}s\n",
        1 - passed,
        began.elapsed().as_secs_f64()
    );
    if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether the runner was asked for tests of other names.
fn is_filtered_out() -> bool {
    let (mut filters, mut words) = (Vec::new(), std::env::args().skip(1));
    while let Some(word) = words.next() {
        match word.as_str() {
            "--minutes" | "--seed" => drop(words.next()),
            word if word.starts_with('-') => {}
            _ => filters.push(word),
        }
    }
    !filters.is_empty() && !filters.iter().any(|filter| "everything_at_once".contains(filter.as_str()))
}

/// A stage on which all that happens.
struct Stage {
    ground: Ground,
    proxy: Arc<Proxy>,
    floor: Floor,
    light: Light,
    light_crew: Crew,
    light_url: String,
}

impl Stage {
    async fn build() -> Self {
        let ground = Ground::new();
        for name in ["heavy", "light"] {
            tokio::task::block_in_place(|| ground.cluster.create_database(name).unwrap());
        }
        let (heavy_url, light_url) = (ground.cluster.url("heavy"), ground.cluster.url("light"));
        let proxy = Arc::new(Proxy::start(&heavy_url).await);
        let floor = Floor::with_workers_at(&heavy_url, &proxy.url(&heavy_url)).await;
        let light = Light::open(&light_url, STEPS).await;
        let lease = LEASE.as_millis().to_string();
        let words =
            ["bench-worker", "--lease-ms", &lease, "--drain-ms", "5000", "--answers-within-ms", MOMENT];
        let light_crew =
            Crew::called_with(&words, vec![("DATABASE_URL", proxy.url(&light_url))], floor.folder.path());
        Self { ground, proxy, floor, light, light_crew, light_url }
    }
}

async fn everything_at_once(wish: &Wish) -> bool {
    let Stage { ground, proxy, floor, mut light, light_crew, light_url } = Stage::build().await;
    let crews = vec![floor.crew.clone(), light_crew.clone()];
    crews.iter().for_each(|crew| crew.fill_up(CREW));
    let (pool, floor) = (light.engine().pool().clone(), Arc::new(floor));
    let no_more = CancellationToken::new();
    let heavy = tokio::spawn(heavy(Arc::clone(&floor), no_more.clone()));
    let flow = tokio::spawn({
        let no_more = no_more.clone();
        async move {
            light.flow(FLOW, &no_more).await;
            light
        }
    });
    let calm = rate(&pool, (wish.lasts / 4).clamp(Duration::from_secs(8), Duration::from_secs(60))).await;
    let mut nemesis = Nemesis {
        crews: crews.clone(),
        cluster: Arc::clone(&ground.cluster),
        proxy: Arc::clone(&proxy),
        url: light_url,
        dice: Dice::new(wish.seed),
        counts: BTreeMap::new(),
        last_death: Instant::now(),
    };
    let before = steps(&pool).await;
    let began = Instant::now();
    nemesis.rage(began + wish.lasts).await;
    let stormy = (steps(&pool).await - before) as f64 / began.elapsed().as_secs_f64();
    no_more.cancel();
    crews.iter().for_each(|crew| crew.fill_up(CREW));
    let (begun, light) = (heavy.await.unwrap(), flow.await.unwrap());
    let open = drained(&floor, &pool, &begun).await;
    let connections = proxy.open();
    // They hold most of the connections that Postgres has to give.
    crews.iter().for_each(Crew::dismiss);
    let told = Told { wish, calm, stormy, counts: nemesis.counts, left_open: open, connections };
    told.judge(&floor, &light, &begun).await
}

/// Runs that go the whole way, two at a time.
async fn heavy(floor: Arc<Floor>, no_more: CancellationToken) -> Vec<Begun> {
    // A beginning that was not acknowledged may have begun: its name is not used again.
    let (mut begun, mut names) = (Vec::new(), 0..);
    while !no_more.is_cancelled() {
        let open = light::open_runs(floor.pool()).await;
        if open.is_ok_and(|open| open < 2)
            && let Some(name) = names.next()
            && let Some(one) = floor.try_begin(&format!("p{name}")).await
        {
            begun.push(one);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    begun
}

async fn steps(pool: &Pool) -> i64 {
    loop {
        match Light::steps(pool).await {
            Some(steps) => return steps,
            None => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Light steps a second over a while.
async fn rate(pool: &Pool, over: Duration) -> f64 {
    // The first workers are still finding their feet.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (before, began) = (steps(pool).await, Instant::now());
    tokio::time::sleep(over).await;
    (steps(pool).await - before) as f64 / began.elapsed().as_secs_f64()
}

/// Waits until every run is over; how many are not in the end.
async fn drained(floor: &Floor, light: &Pool, begun: &[Begun]) -> usize {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let open = match (light::open_runs(floor.pool()).await, light::open_runs(light).await) {
            (Ok(heavy), Ok(light)) => heavy + light,
            _ => usize::MAX,
        };
        if open == 0 || Instant::now() > deadline {
            return open.min(begun.len() + 1_000_000);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What is told in the end.
struct Told<'a> {
    wish: &'a Wish,
    calm: f64,
    stormy: f64,
    counts: BTreeMap<&'static str, usize>,
    left_open: usize,
    connections: usize,
}

impl Told<'_> {
    /// Looks at everything, prints the line, and says whether all is as it must be.
    async fn judge(self, floor: &Arc<Floor>, light: &Light, begun: &[Begun]) -> bool {
        let tally = light.tally().await;
        let (mut merged, mut given_up, mut heavy_lost, mut doubled) = (0, 0, 0, Vec::new());
        for one in begun {
            match heavy_end(floor, one).await {
                Outcome::Merged => merged += 1,
                Outcome::GivenUp => given_up += 1,
                Outcome::Open => {}
                Outcome::Gone => heavy_lost += 1,
                Outcome::Wrong(what) => doubled.push(what),
            }
        }
        let broken = [light::broken(&floor.engine).await, light::broken(light.engine()).await].concat();
        let (lost, stuck) = (tally.lost + heavy_lost, self.left_open.max(tally.unfinished));
        let duplicated = tally.uneven + doubled.len() + broken.len();
        let share = self.stormy / self.calm.max(1.0);
        let is_slow = self.wish.lasts >= MEANINGFUL && share < PROGRESS;
        doubled.iter().for_each(|what| eprintln!("chaos: {what}"));
        broken.iter().for_each(|verdict| eprintln!("chaos: {verdict:?}"));
        let line = json!({
            "seed": self.wish.seed, "minutes": self.wish.lasts.as_secs_f64() / 60.0, "faults": self.counts,
            "runs": light.begun.len() + begun.len(), "merged": merged,
            "steps": tally.steps, "steps_a_run": STEPS, "lost": lost, "duplicated": duplicated, "stuck": stuck,
            "given_up": { "heavy": given_up, "light": tally.given_up },
            "connections": self.connections,
            "steps_per_s": (self.stormy * 10.0).round() / 10.0,
            "calm_steps_per_s": (self.calm * 10.0).round() / 10.0,
            "rate": (share * 1000.0).round() / 1000.0,
        });
        println!("{line}");
        lost + duplicated + stuck == 0 && !is_slow && self.stormy > 0.0
    }
}

enum Outcome {
    Merged,
    /// A step used up its attempts, and a person is asked.
    GivenUp,
    Open,
    Gone,
    Wrong(String),
}

/// What became of a run that went the whole way: the forge must have what the history says, once.
async fn heavy_end(floor: &Arc<Floor>, begun: &Begun) -> Outcome {
    let Some(stored) = aspora::store::run::get(floor.pool(), begun.run).await.unwrap() else {
        return Outcome::Gone;
    };
    match stored.run.state {
        State::Ended { end: End::Succeeded, .. } => {}
        State::Ended { .. } => return Outcome::GivenUp,
        _ => return Outcome::Open,
    }
    let (floor, begun) = (Arc::clone(floor), begun.clone());
    match tokio::spawn(async move { invariants::hold(&floor, &begun, None).await }).await {
        Ok(()) => Outcome::Merged,
        Err(failed) => {
            let what = failed.into_panic();
            let text = what.downcast_ref::<String>().cloned();
            Outcome::Wrong(text.unwrap_or_else(|| "an invariant of the forge does not hold".to_owned()))
        }
    }
}
