//! The routes of the REST API, one method each. All fail with a [`Failure`].

use reqwest::Method;
use serde::Serialize;
use uuid::Uuid;

use super::{Client, Failure};
use crate::api::{
    AcceptProposal, Accepted, AfterMerge, Amend, Assessment, AuditEntries, AuditVerification, Control,
    DeadLetters, DefaultBudget, Deliveries, Dependencies, DismissGap, DismissProposal, Drained, Events,
    Evidence, EvidenceAnswer, FiledProposal, FiledProposals, Finding, Gap, GapAccepted, Gaps, Hold,
    IssuedKey, JudgedPulls, Key, KeyLink, Limit, LookBack, Metrics, Most, NewAnswers, NewEvidence, NewGap,
    NewHold, NewKey, NewProductBudget, NewProposal, NewRelease, NewRequirement, NewRunBudget, NewSchedule,
    NewSimulation, NewSubscription, NewValidation, Outage, OutageProbe, Overview, PolicySimulation, Product,
    ProductBudget, ProductChanges, Proposal, Questions, Queue, Redrive, Redriven, Release, Released, Replay,
    Replayed, Requirement, Requirements, Resubmit, Run, RunBudget, SayDependencies, Schedule, Subscription,
    TestRun, Validation, Why, Worker,
};

impl Client {
    /// Submits a requirement, exactly once even if the connection breaks.
    pub(crate) async fn submit(&self, new: &NewRequirement) -> Result<Accepted, Failure> {
        self.submit_once(new, Uuid::new_v4()).await
    }

    /// Submits a requirement under an idempotency key, which the server remembers for a day.
    pub(crate) async fn submit_once(&self, new: &NewRequirement, key: Uuid) -> Result<Accepted, Failure> {
        self.post_once("/api/v1/requirements", new, key).await
    }

    /// Controls a run, exactly once even if the connection breaks; the run afterwards.
    pub(crate) async fn control(&self, run: Uuid, verb: &str, body: &impl Serialize) -> Result<Run, Failure> {
        self.post_once(&format!("/api/v1/runs/{run}/{verb}"), body, Uuid::new_v4()).await
    }

    /// A page of dead letters.
    pub(crate) async fn dead_letters(&self, query: &[(&str, String)]) -> Result<DeadLetters, Failure> {
        self.json(self.request(Method::GET, "/api/v1/dead-letters").query(query)).await
    }

    /// Redrives dead letters.
    pub(crate) async fn redrive(&self, redrive: &Redrive) -> Result<Redriven, Failure> {
        self.json(self.request(Method::POST, "/api/v1/dead-letters/redrive").json(redrive)).await
    }

    /// A page of requirements.
    pub(crate) async fn requirements(&self, query: &[(&str, String)]) -> Result<Requirements, Failure> {
        self.json(self.request(Method::GET, "/api/v1/requirements").query(query)).await
    }

    /// One requirement.
    pub(crate) async fn requirement(&self, id: Uuid) -> Result<Requirement, Failure> {
        self.json(self.request(Method::GET, &format!("/api/v1/requirements/{id}"))).await
    }

    /// Gives a requirement another text.
    pub(crate) async fn amend(&self, id: Uuid, new: &Amend) -> Result<Requirement, Failure> {
        self.post_once(&format!("/api/v1/requirements/{id}/amend"), new, Uuid::new_v4()).await
    }

    /// Cancels the run of a requirement.
    pub(crate) async fn cancel_requirement(&self, id: Uuid, reason: String) -> Result<Requirement, Failure> {
        let path = format!("/api/v1/requirements/{id}/cancel");
        self.post_once(&path, &Control { reason }, Uuid::new_v4()).await
    }

    /// Submits a requirement again, exactly once even if the connection breaks.
    pub(crate) async fn resubmit(&self, id: Uuid, new: &Resubmit) -> Result<Accepted, Failure> {
        self.post_once(&format!("/api/v1/requirements/{id}/resubmit"), new, Uuid::new_v4()).await
    }

    /// What a run asked, and who answered what.
    pub(crate) async fn questions(&self, run: Uuid) -> Result<Questions, Failure> {
        self.json(self.request(Method::GET, &format!("/api/v1/runs/{run}/questions"))).await
    }

    /// Answers the open questions of a run.
    pub(crate) async fn answer(&self, run: Uuid, answers: &NewAnswers) -> Result<Questions, Failure> {
        self.post_once(&format!("/api/v1/runs/{run}/answers"), answers, Uuid::new_v4()).await
    }

    /// The dependencies that a run asked about, and who said what.
    pub(crate) async fn dependencies(&self, run: Uuid) -> Result<Dependencies, Failure> {
        self.json(self.request(Method::GET, &format!("/api/v1/runs/{run}/dependencies"))).await
    }

    /// Says yes or no to the dependencies that a run asks about.
    pub(crate) async fn say_dependencies(
        &self,
        run: Uuid,
        said: &SayDependencies,
    ) -> Result<Dependencies, Failure> {
        self.post_once(&format!("/api/v1/runs/{run}/dependencies"), said, Uuid::new_v4()).await
    }

    /// A page of the runs that judge pull requests of others.
    pub(crate) async fn pulls(&self, query: &[(&str, String)]) -> Result<JudgedPulls, Failure> {
        self.json(self.request(Method::GET, "/api/v1/pulls").query(query)).await
    }

    /// Opens a harness gap, exactly once even if the connection breaks.
    pub(crate) async fn open_gap(&self, new: &NewGap) -> Result<GapAccepted, Failure> {
        self.post_once("/api/v1/harness-gaps", new, Uuid::new_v4()).await
    }

    /// A page of harness gaps.
    pub(crate) async fn gaps(&self, query: &[(&str, String)]) -> Result<Gaps, Failure> {
        self.json(self.request(Method::GET, "/api/v1/harness-gaps").query(query)).await
    }

    /// One harness gap.
    pub(crate) async fn gap(&self, id: Uuid) -> Result<Gap, Failure> {
        self.json(self.request(Method::GET, &format!("/api/v1/harness-gaps/{id}"))).await
    }

    /// Says that there is no gap.
    pub(crate) async fn dismiss_gap(&self, id: Uuid, why: &DismissGap) -> Result<Gap, Failure> {
        self.json(self.request(Method::POST, &format!("/api/v1/harness-gaps/{id}/dismiss")).json(why)).await
    }

    /// A page of proposals.
    pub(crate) async fn proposals(&self, query: &[(&str, String)]) -> Result<FiledProposals, Failure> {
        self.json(self.request(Method::GET, "/api/v1/proposals").query(query)).await
    }

    /// One proposal.
    pub(crate) async fn proposal(&self, id: Uuid) -> Result<FiledProposal, Failure> {
        self.json(self.request(Method::GET, &format!("/api/v1/proposals/{id}"))).await
    }

    /// Accepts a proposal.
    pub(crate) async fn accept_proposal(
        &self,
        id: Uuid,
        how: &AcceptProposal,
    ) -> Result<FiledProposal, Failure> {
        self.post_once(&format!("/api/v1/proposals/{id}/accept"), how, Uuid::new_v4()).await
    }

    /// Dismisses a proposal.
    pub(crate) async fn dismiss_proposal(
        &self,
        id: Uuid,
        why: &DismissProposal,
    ) -> Result<FiledProposal, Failure> {
        self.post_once(&format!("/api/v1/proposals/{id}/dismiss"), why, Uuid::new_v4()).await
    }

    /// The look back at a run.
    pub(crate) async fn look_back(&self, id: Uuid) -> Result<LookBack, Failure> {
        self.json(self.request(Method::GET, &format!("/api/v1/runs/{id}/look-back"))).await
    }

    /// One run.
    pub(crate) async fn run(&self, id: Uuid) -> Result<Run, Failure> {
        self.json(self.request(Method::GET, &format!("/api/v1/runs/{id}"))).await
    }

    /// What followed the merge of a run's change.
    pub(crate) async fn after_merge(&self, run: Uuid) -> Result<AfterMerge, Failure> {
        self.json(self.request(Method::GET, &format!("/api/v1/runs/{run}/after-merge"))).await
    }

    /// What is wrong or odd about a policy.
    pub(crate) async fn validate_policy(&self, new: &NewValidation) -> Result<Validation, Failure> {
        self.json(self.request(Method::POST, "/api/v1/policy/validate").json(new)).await
    }

    /// What a policy would have said of merged changes.
    pub(crate) async fn simulate_policy(&self, new: &NewSimulation) -> Result<PolicySimulation, Failure> {
        self.json(self.request(Method::POST, "/api/v1/policy/simulate").json(new)).await
    }

    /// Why a run is where it is.
    pub(crate) async fn why(&self, id: Uuid) -> Result<Why, Failure> {
        self.json(self.request(Method::GET, &format!("/api/v1/runs/{id}/why"))).await
    }

    /// The budgets of all products, or of one.
    pub(crate) async fn budgets(&self, product: Option<&str>) -> Result<Vec<ProductBudget>, Failure> {
        let query: Vec<_> = product.into_iter().map(|name| ("product", name)).collect();
        self.json(self.request(Method::GET, "/api/v1/budgets").query(&query)).await
    }

    /// Replaces the limits of a product.
    pub(crate) async fn set_product_budget(
        &self,
        product: &str,
        new: &NewProductBudget,
    ) -> Result<ProductBudget, Failure> {
        self.json(self.request(Method::PUT, &format!("/api/v1/products/{product}/budget")).json(new)).await
    }

    /// The limits of each run that has none of its own.
    pub(crate) async fn default_budget(&self) -> Result<DefaultBudget, Failure> {
        self.json(self.request(Method::GET, "/api/v1/budgets/default")).await
    }

    /// Replaces the limits of each run that has none of its own.
    pub(crate) async fn set_default_budget(&self, new: &NewRunBudget) -> Result<DefaultBudget, Failure> {
        self.json(self.request(Method::PUT, "/api/v1/budgets/default").json(new)).await
    }

    /// The budget of a run.
    pub(crate) async fn run_budget(&self, run: Uuid) -> Result<RunBudget, Failure> {
        self.json(self.request(Method::GET, &format!("/api/v1/runs/{run}/budget"))).await
    }

    /// Replaces the limits of a run.
    pub(crate) async fn set_run_budget(&self, run: Uuid, new: &NewRunBudget) -> Result<RunBudget, Failure> {
        self.json(self.request(Method::PUT, &format!("/api/v1/runs/{run}/budget")).json(new)).await
    }

    /// Releases what is reserved for interrupted calls of a run.
    pub(crate) async fn release(&self, run: Uuid, reason: &str) -> Result<RunBudget, Failure> {
        let new = NewRelease { reason: reason.to_owned() };
        let path = format!("/api/v1/runs/{run}/budget/release");
        self.json(self.request(Method::POST, &path).json(&new)).await
    }

    /// The review findings of a run.
    pub(crate) async fn findings(&self, run: Uuid) -> Result<Vec<Finding>, Failure> {
        self.json(self.request(Method::GET, &format!("/api/v1/runs/{run}/findings"))).await
    }

    /// Our own runs of the product's tests, newest first.
    pub(crate) async fn tests(&self, run: Uuid) -> Result<Vec<TestRun>, Failure> {
        self.json(self.request(Method::GET, &format!("/api/v1/runs/{run}/tests"))).await
    }

    /// The browser evidence of a run, newest first.
    pub(crate) async fn evidence(&self, run: Uuid) -> Result<Vec<Evidence>, Failure> {
        self.json(self.request(Method::GET, &format!("/api/v1/runs/{run}/evidence"))).await
    }

    /// Sends browser evidence, exactly once even if the connection breaks.
    pub(crate) async fn send_evidence(&self, new: &NewEvidence) -> Result<EvidenceAnswer, Failure> {
        self.post_once("/api/v1/evidence", new, Uuid::new_v4()).await
    }

    /// Dismisses a finding of a run.
    pub(crate) async fn dismiss(
        &self,
        run: Uuid,
        fingerprint: &str,
        reason: &str,
    ) -> Result<Vec<Finding>, Failure> {
        let body = crate::api::Control { reason: reason.to_owned() };
        let path = format!("/api/v1/runs/{run}/findings/{fingerprint}/dismiss");
        self.json(self.request(Method::POST, &path).json(&body)).await
    }

    /// The policy's assessments of a run's heads, newest first.
    pub(crate) async fn assessments(&self, run: Uuid) -> Result<Vec<Assessment>, Failure> {
        self.json(self.request(Method::GET, &format!("/api/v1/runs/{run}/assessments"))).await
    }

    /// All products, by name.
    pub(crate) async fn products(&self) -> Result<Vec<Product>, Failure> {
        self.json(self.request(Method::GET, "/api/v1/products")).await
    }

    /// A product at a glance.
    pub(crate) async fn product(&self, name: &str) -> Result<Overview, Failure> {
        self.json(self.request(Method::GET, &format!("/api/v1/products/{name}"))).await
    }

    /// Creates or replaces a product.
    pub(crate) async fn put_product(&self, product: &Product) -> Result<Product, Failure> {
        self.json(self.request(Method::POST, "/api/v1/products").json(product)).await
    }

    /// Changes some settings of a product.
    pub(crate) async fn change_product(
        &self,
        name: &str,
        changes: &ProductChanges,
    ) -> Result<Product, Failure> {
        self.json(self.request(Method::PATCH, &format!("/api/v1/products/{name}")).json(changes)).await
    }

    /// What a product's repository lacks, proposed by a pull request if it is to be.
    pub(crate) async fn propose(&self, name: &str, new: &NewProposal) -> Result<Proposal, Failure> {
        self.json(self.request(Method::POST, &format!("/api/v1/products/{name}/proposal")).json(new)).await
    }

    /// Removes a product.
    pub(crate) async fn remove_product(&self, name: &str) -> Result<(), Failure> {
        self.send(self.request(Method::DELETE, &format!("/api/v1/products/{name}"))).await.map(|_| ())
    }

    /// All keys, newest first.
    pub(crate) async fn keys(&self) -> Result<Vec<Key>, Failure> {
        self.json(self.request(Method::GET, "/api/v1/keys")).await
    }

    /// Issues a key.
    pub(crate) async fn create_key(&self, new: &NewKey) -> Result<IssuedKey, Failure> {
        self.json(self.request(Method::POST, "/api/v1/keys").json(new)).await
    }

    /// Revokes a key.
    pub(crate) async fn revoke_key(&self, id: Uuid, reason: &str) -> Result<Key, Failure> {
        let body = Control { reason: reason.to_owned() };
        self.json(self.request(Method::POST, &format!("/api/v1/keys/{id}/revoke")).json(&body)).await
    }

    /// Links a key to what its owner is called at the identity provider, or to nothing.
    pub(crate) async fn link_key(&self, id: Uuid, link: &KeyLink) -> Result<Key, Failure> {
        self.json(self.request(Method::POST, &format!("/api/v1/keys/{id}/link")).json(link)).await
    }

    /// A page of the audit log.
    pub(crate) async fn audit(&self, query: &[(&str, String)]) -> Result<AuditEntries, Failure> {
        self.json(self.request(Method::GET, "/api/v1/audit").query(query)).await
    }

    /// Whether the audit log is as it was written. Reading a long one takes its time.
    pub(crate) async fn verify_audit(&self) -> Result<AuditVerification, Failure> {
        self.json(self.request(Method::GET, "/api/v1/audit/verification")).await
    }

    /// What the factory did in some days.
    pub(crate) async fn metrics(&self, query: &[(&str, String)]) -> Result<Metrics, Failure> {
        self.json(self.request(Method::GET, "/api/v1/metrics").query(query)).await
    }

    /// Every key that has a limit or running jobs.
    pub(crate) async fn limits(&self) -> Result<Vec<Limit>, Failure> {
        self.json(self.request(Method::GET, "/api/v1/limits")).await
    }

    /// Sets how many jobs with a key may run concurrently.
    pub(crate) async fn set_limit(&self, key: &str, most: i32) -> Result<Most, Failure> {
        self.json(self.request(Method::PUT, &limit(key)).json(&Most { most })).await
    }

    /// Every hold.
    pub(crate) async fn holds(&self) -> Result<Vec<Hold>, Failure> {
        self.json(self.request(Method::GET, "/api/v1/holds")).await
    }

    /// Holds a scope.
    pub(crate) async fn hold(&self, new: &NewHold) -> Result<Hold, Failure> {
        self.json(self.request(Method::POST, "/api/v1/holds").json(new)).await
    }

    /// Releases a scope.
    pub(crate) async fn release_hold(&self, release: &Release) -> Result<Released, Failure> {
        self.json(self.request(Method::POST, "/api/v1/holds/release").json(release)).await
    }

    /// The queues.
    pub(crate) async fn queues(&self) -> Result<Vec<Queue>, Failure> {
        self.json(self.request(Method::GET, "/api/v1/queues")).await
    }

    /// The worker processes.
    pub(crate) async fn workers(&self) -> Result<Vec<Worker>, Failure> {
        self.json(self.request(Method::GET, "/api/v1/workers")).await
    }

    /// Drains the worker processes of a name.
    pub(crate) async fn drain(&self, worker: &str, reason: String) -> Result<Drained, Failure> {
        let path = format!("/api/v1/workers/{}/drain", segment(worker));
        self.json(self.request(Method::POST, &path).json(&Control { reason })).await
    }

    /// Removes a limit.
    pub(crate) async fn remove_limit(&self, key: &str) -> Result<(), Failure> {
        self.send(self.request(Method::DELETE, &limit(key))).await.map(|_| ())
    }

    /// The providers that do not answer.
    pub(crate) async fn outages(&self) -> Result<Vec<Outage>, Failure> {
        self.json(self.request(Method::GET, "/api/v1/outages")).await
    }

    /// Makes the next probe of a provider due.
    pub(crate) async fn probe(&self, provider: &str, reason: String) -> Result<OutageProbe, Failure> {
        let path = format!("/api/v1/outages/{}/probe", segment(provider));
        self.json(self.request(Method::POST, &path).json(&Control { reason })).await
    }

    /// Every schedule, by name.
    pub(crate) async fn schedules(&self) -> Result<Vec<Schedule>, Failure> {
        self.json(self.request(Method::GET, "/api/v1/schedules")).await
    }

    /// A schedule with its latest ticks.
    pub(crate) async fn schedule(&self, name: &str) -> Result<Schedule, Failure> {
        self.json(self.request(Method::GET, &schedule(name))).await
    }

    /// Creates or replaces a schedule.
    pub(crate) async fn set_schedule(&self, name: &str, new: &NewSchedule) -> Result<Schedule, Failure> {
        self.json(self.request(Method::PUT, &schedule(name)).json(new)).await
    }

    /// Pauses or resumes a schedule, by `verb`.
    pub(crate) async fn control_schedule(
        &self,
        name: &str,
        verb: &str,
        reason: String,
    ) -> Result<Schedule, Failure> {
        let path = format!("{}/{verb}", schedule(name));
        self.json(self.request(Method::POST, &path).json(&Control { reason })).await
    }

    /// Removes a schedule.
    pub(crate) async fn remove_schedule(&self, name: &str) -> Result<(), Failure> {
        self.send(self.request(Method::DELETE, &schedule(name))).await.map(|_| ())
    }

    /// A page of a run's history.
    pub(crate) async fn events(&self, run: Uuid, after: i32) -> Result<Events, Failure> {
        let path = format!("/api/v1/runs/{run}/events?after={after}&limit=1000");
        self.json(self.request(Method::GET, &path)).await
    }

    /// Makes a subscription, exactly once even if the connection breaks.
    pub(crate) async fn subscribe(&self, new: &NewSubscription) -> Result<Subscription, Failure> {
        self.post_once("/api/v1/subscriptions", new, Uuid::new_v4()).await
    }

    /// The caller's subscriptions.
    pub(crate) async fn subscriptions(&self) -> Result<Vec<Subscription>, Failure> {
        self.json(self.request(Method::GET, "/api/v1/subscriptions")).await
    }

    /// Removes a subscription.
    pub(crate) async fn unsubscribe(&self, id: Uuid) -> Result<(), Failure> {
        self.send(self.request(Method::DELETE, &format!("/api/v1/subscriptions/{id}"))).await.map(|_| ())
    }

    /// Sends a message that only tries a subscription.
    pub(crate) async fn test_subscription(&self, id: Uuid) -> Result<Subscription, Failure> {
        self.post_once(&format!("/api/v1/subscriptions/{id}/test"), &(), Uuid::new_v4()).await
    }

    /// A page of the messages to a subscription.
    pub(crate) async fn deliveries(&self, id: Uuid, query: &[(&str, String)]) -> Result<Deliveries, Failure> {
        let path = format!("/api/v1/subscriptions/{id}/deliveries");
        self.json(self.request(Method::GET, &path).query(query)).await
    }

    /// Sends messages again that were given up.
    pub(crate) async fn replay(&self, id: Uuid, replay: &Replay) -> Result<Replayed, Failure> {
        let path = format!("/api/v1/subscriptions/{id}/replay");
        self.json(self.request(Method::POST, &path).json(replay)).await
    }
}

/// The route of one schedule.
fn schedule(name: &str) -> String {
    format!("/api/v1/schedules/{}", segment(name))
}

/// The route of one limit. A key contains slashes and colons.
fn limit(key: &str) -> String {
    format!("/api/v1/limits/{}", segment(key))
}

/// A text as one segment of a path.
fn segment(text: &str) -> String {
    let text: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    text.replace('+', "%20")
}
