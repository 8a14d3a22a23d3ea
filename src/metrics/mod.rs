//! What a process counts of itself, and what the database says of all, as Prometheus reads it: the only room that names
//! `prometheus-client`. `docs/DEPLOY.md` lists every name.

mod serve;

use std::{sync::Mutex, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

pub use self::serve::{Read, serve};

/// Seconds of steps: a model may write for minutes.
const STEP_SECONDS: [f64; 10] = [0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 180.0, 600.0, 1800.0];
/// Seconds of requests.
const REQUEST_SECONDS: [f64; 8] = [0.002, 0.01, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepEnd {
    step: String,
    outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Step {
    step: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestEnd {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Fate {
    fate: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

type Labels = Vec<(String, String)>;
type Gauges = Family<Labels, Gauge<f64, std::sync::atomic::AtomicU64>>;

/// One figure of the database: the name of its metric, labels, and value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// One of [`GAUGES`].
    pub name: String,
    /// Names and values of labels.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: f64,
}

/// The figures of the database: name and meaning. Only servers report them, so that no sum counts them twice.
pub const GAUGES: [(&str, &str); 11] = [
    ("aspora_jobs", "Jobs by queue and state"),
    ("aspora_oldest_due_job_seconds", "How long the oldest job of a queue has been due"),
    ("aspora_runs", "Runs that have not ended, by state and by who can end the wait"),
    ("aspora_dead_letters", "Jobs that used up their attempts and were not redriven"),
    ("aspora_outages", "Providers that are out of reach"),
    ("aspora_rate_limit_remaining", "What is left of a limit that all workers share"),
    ("aspora_workers", "Workers that were seen within the last minute, by state"),
    ("aspora_model_tokens", "Tokens that model calls have used since the beginning, by product"),
    ("aspora_model_cost_micro_dollars", "What they have cost, by product"),
    ("aspora_harness_gaps", "Open harness gaps, by product and by whether their case is overdue"),
    ("aspora_harness_gap_seconds_left", "Until the next case of a product is due; below 0: since it was"),
];
/// What a process counts of itself: name, as it is printed, and meaning.
pub const COUNTED: [(&str, &str); 6] = [
    ("aspora_build_info", "The release of this process, as a label"),
    ("aspora_steps_total", "Attempts at steps that have ended, by step and outcome"),
    ("aspora_step_seconds", "How long attempts took, by step"),
    ("aspora_http_requests_total", "Requests by method, route and status"),
    ("aspora_http_request_seconds", "How long requests took"),
    ("aspora_webhooks_total", "Webhooks of the forge by what became of them"),
];

/// The counters of one process.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    steps: Family<StepEnd, Counter>,
    step_seconds: Family<Step, Histogram>,
    requests: Family<RequestEnd, Counter>,
    request_seconds: Histogram,
    webhooks: Family<Fate, Counter>,
    gauges: Vec<(&'static str, Gauges)>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let build = Family::<Build, Gauge>::default();
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION") }).set(1);
        let steps = Family::default();
        let step_seconds: Family<Step, Histogram> =
            Family::new_with_constructor(|| Histogram::new(STEP_SECONDS));
        let (requests, request_seconds) = (Family::default(), Histogram::new(REQUEST_SECONDS));
        let webhooks = Family::default();
        let help =
            |name: &str| COUNTED.iter().find(|(known, _)| *known == name).map_or("", |(_, help)| *help);
        registry.register("aspora_build_info", help("aspora_build_info"), build);
        registry.register("aspora_steps", help("aspora_steps_total"), steps.clone());
        registry.register("aspora_step_seconds", help("aspora_step_seconds"), step_seconds.clone());
        registry.register("aspora_http_requests", help("aspora_http_requests_total"), requests.clone());
        registry.register(
            "aspora_http_request_seconds",
            help("aspora_http_request_seconds"),
            request_seconds.clone(),
        );
        registry.register("aspora_webhooks", help("aspora_webhooks_total"), webhooks.clone());
        let gauges = GAUGES.map(|(name, help)| {
            let family = Gauges::default();
            registry.register(name, help, family.clone());
            (name, family)
        });
        let registry = Mutex::new(registry);
        Self { registry, steps, step_seconds, requests, request_seconds, webhooks, gauges: gauges.into() }
    }
}

impl Metrics {
    /// An attempt at a step has ended; `outcome` is its answer, or in a word why there is none.
    pub fn step(&self, step: &str, outcome: &str, took: Duration) {
        let step = step.to_owned();
        self.step_seconds.get_or_create(&Step { step: step.clone() }).observe(took.as_secs_f64());
        self.steps.get_or_create(&StepEnd { step, outcome: outcome.to_owned() }).inc();
    }

    /// A request was answered. `route` is the pattern that it matched, so that ids make no metrics.
    pub fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        let (method, route) = (method.to_owned(), route.to_owned());
        self.requests.get_or_create(&RequestEnd { method, route, status }).inc();
        self.request_seconds.observe(took.as_secs_f64());
    }

    /// A webhook was taken.
    pub fn webhook(&self, fate: &str) {
        self.webhooks.get_or_create(&Fate { fate: fate.to_owned() }).inc();
    }

    /// All of it as text in the OpenMetrics format, with these figures of the database.
    ///
    /// # Errors
    /// When a label cannot be written.
    pub fn text(&self, samples: &[Sample]) -> Result<String, std::fmt::Error> {
        // The lock keeps another scrape from seeing half of these.
        let registry = self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (name, family) in &self.gauges {
            family.clear();
            for sample in samples.iter().filter(|sample| sample.name == *name) {
                family.get_or_create(&sample.labels).set(sample.value);
            }
        }
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_and_what_the_database_says_is_in_the_text() {
        let metrics = Metrics::default();
        metrics.step("gate", "passed", Duration::from_millis(40));
        metrics.step("gate", "passed", Duration::from_millis(40));
        metrics.request("GET", "/api/v1/runs/{id}", 200, Duration::from_millis(1));
        metrics.webhook("stored");
        let labels =
            vec![("queue".to_owned(), "llm".to_owned()), ("state".to_owned(), "available".to_owned())];
        let jobs = Sample { name: "aspora_jobs".to_owned(), labels, value: 3.0 };
        let text = metrics.text(&[jobs]).unwrap();
        for line in [
            "aspora_steps_total{step=\"gate\",outcome=\"passed\"} 2",
            "aspora_step_seconds_bucket{le=\"0.05\",step=\"gate\"} 2",
            "aspora_http_requests_total{method=\"GET\",route=\"/api/v1/runs/{id}\",status=\"200\"} 1",
            "aspora_webhooks_total{fate=\"stored\"} 1",
            "aspora_jobs{queue=\"llm\",state=\"available\"} 3.0",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
        assert!(!metrics.text(&[]).unwrap().contains("aspora_jobs{"), "an old figure is not said again");
    }

    #[test]
    fn each_metric_has_its_name_and_meaning() {
        let metrics = Metrics::default();
        metrics.step("gate", "passed", Duration::ZERO);
        metrics.request("GET", "/livez", 200, Duration::ZERO);
        metrics.webhook("stored");
        let samples =
            GAUGES.map(|(name, _)| Sample { name: name.to_owned(), labels: Vec::new(), value: 1.0 });
        let text = metrics.text(&samples).unwrap();
        for (name, help) in GAUGES.iter().chain(&COUNTED) {
            let name = name.trim_end_matches("_total");
            assert!(text.contains(&format!("# HELP {name} {help}.")), "{name}: {help}\n{text}");
        }
    }
}
