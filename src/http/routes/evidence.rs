//! Browser evidence: sent by a product's own CI with the key of a program, verified here, and shown.
//!
//! What is judged and found wanting is recorded, because it is a fact; what is no evidence is refused and leaves nothing.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Extension, Json,
    body::Body,
    extract::{FromRequest, FromRequestParts as _, Request, State},
    http::{HeaderMap, StatusCode},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{responses::NotFound, runs};
use crate::{
    api::{self, EvidenceAnswer, NewEvidence, Problem},
    core::{
        evidence::{
            Demand, Evidence, FILE_LIMIT, MOST_FILES, MOST_FLOWS, Manifest, Upload, Verified, read_png,
            verify,
        },
        policy::{Facts, evidence_demand},
        sha::Sha,
    },
    engine::{Denied, EvidenceSent},
    http::{
        AppState,
        middleware::{
            body::Intake,
            caller::Caller,
            error::Error,
            extract::{self, Id},
            idempotency::{Once, Outcome, Reply, key},
            problem::Kind,
        },
    },
    store::{self, Connection, blob::Hash},
};

/// The most bytes of the body (24 MiB).
pub(super) const LIMIT: usize = 24 * 1024 * 1024;

/// Evidence as it was sent, while its body counts as held.
pub(super) struct Sent {
    caller: Caller,
    headers: HeaderMap,
    head: Sha,
    new: NewEvidence,
    files: Arc<BTreeMap<String, Vec<u8>>>,
}

impl FromRequest<AppState> for Sent {
    type Rejection = Error;

    async fn from_request(request: Request<Body>, app: &AppState) -> Result<Self, Error> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, app).await?;
        let intake = Extension::<Intake>::from_request_parts(&mut parts, app).await;
        let Extension(intake) = intake.map_err(|_| Error::internal())?;
        extract::is_json(&parts.headers)?;
        let held = intake.read(&parts.headers, body).await?;
        let mut new: NewEvidence = extract::parse(&held.bytes)?;
        drop(held);
        let head = new.head_sha.parse().map_err(|_| {
            Error::field("/head_sha", "must be a commit: all 40 lower-case hexadecimal digits of it")
        })?;
        check_manifests(&new.manifests)?;
        let files = Arc::new(files(&mut new)?);
        Ok(Self { caller, headers: parts.headers, head, new, files })
    }
}

/// Sends browser evidence of a head: the manifests of its flows and their screenshots. It is verified under the policy of the
/// base and recorded, whether it holds or not; the run's next step publishes the check `Browser Evidence` on the head, unless
/// the product names another app for it. The same evidence again gets the same answer, and newer evidence of the same head
/// takes its place. The body may have 24 MiB.
#[utoipa::path(post, path = "/api/v1/evidence", tag = "evidence", request_body = NewEvidence,
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The newest evidence of this head is the same; nothing has changed.", body = EvidenceAnswer),
        (status = 201, description = "It was verified and recorded; the conclusion says whether it holds.", body = EvidenceAnswer),
        NotFound,
        (status = 409, description = "The commit is not the head of an open run (`stale_head`), the run has ended, or it is not judged yet (`not-judged`).", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn send(State(app): State<AppState>, sent: Sent) -> Result<Outcome, Error> {
    let run = run(&app, &sent).await?;
    let pool = app.engine.pool();
    let (demand, is_ours) = demand(pool, run).await?;
    let arrived_at = store::now(&mut *pool.acquire().await?).await?;
    let digest = digest(&sent, run);
    let once = Once::new(key(&sent.headers)?, &sent.caller, "POST /api/v1/evidence", digest.as_bytes());
    let sent = Arc::new(sent);
    let found = found(Arc::clone(&sent), arrived_at).await?;
    let verified = found.under(&demand);
    let pictures = pictures(&sent);
    once.run(pool, async |tx: &mut Connection| {
        let evidence = EvidenceSent {
            head: &sent.head,
            digest: &digest,
            manifests: &sent.new.manifests,
            found: &found,
            verified: &verified,
            pictures: &pictures,
            arrived_at,
        };
        let known = app.engine.record_evidence_in(tx, run, evidence, sent.caller.author()).await?;
        let (status, verified) = match &known {
            Some(known) => (StatusCode::OK, &known.verified.0),
            None => (StatusCode::CREATED, &verified),
        };
        Ok(reply(status, run, verified, is_ours))
    })
    .await
}

fn reply(status: StatusCode, run: Uuid, verified: &Verified, is_ours: bool) -> Reply {
    let body = json!(EvidenceAnswer::new(run, verified, is_ours));
    Reply { status, location: Some(format!("/api/v1/runs/{run}/evidence")), body }
}

/// The browser evidence of a run and of earlier runs on the same branch, newest first, at most 50. A screenshot is at
/// `/runs/{id}/evidence/{sha256}`.
#[utoipa::path(get, path = "/api/v1/runs/{id}/evidence", tag = "evidence", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "What came and what was found in it.", body = Vec<api::Evidence>),
    NotFound,
))]
pub(super) async fn list(State(app): State<AppState>, Id(id): Id) -> Result<Json<Vec<api::Evidence>>, Error> {
    let pool = app.engine.pool();
    runs::run(pool, id).await?;
    let rows = store::evidence::of_run(pool, id).await?;
    Ok(Json(rows.into_iter().map(api::Evidence::from).collect()))
}

fn check_manifests(manifests: &[Manifest]) -> Result<(), Error> {
    if manifests.is_empty() || manifests.len() > MOST_FLOWS {
        let count = manifests.len();
        return Err(Error::field("/manifests", format!("has {count} manifests; send 1 to {MOST_FLOWS}")));
    }
    for (at, manifest) in manifests.iter().enumerate() {
        let checked = manifest.check();
        checked.map_err(|wrong| Error::field(&format!("/manifests/{at}{}", wrong.pointer), wrong.message))?;
    }
    Ok(())
}

/// The pictures by their names, taken out of the body.
fn files(new: &mut NewEvidence) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let count = new.files.len();
    if count > MOST_FILES {
        return Err(Error::field("/files", format!("has {count} files; the limit is {MOST_FILES}")));
    }
    let mut files = BTreeMap::new();
    for (at, file) in std::mem::take(&mut new.files).into_iter().enumerate() {
        let bytes = STANDARD.decode(&file.content).map_err(|error| {
            Error::field(&format!("/files/{at}/content"), format!("is not base64: {error}"))
        })?;
        if bytes.len() > FILE_LIMIT {
            let detail = format!("has {} bytes; the limit is {FILE_LIMIT}", bytes.len());
            return Err(Error::field(&format!("/files/{at}/content"), detail));
        }
        if files.insert(file.path, bytes).is_some() {
            return Err(Error::field(&format!("/files/{at}/path"), "names a file that was named before"));
        }
    }
    Ok(files)
}

/// The run that the evidence is for. One of another product's repository is not there, as far as the caller may know.
async fn run(app: &AppState, sent: &Sent) -> Result<Uuid, Error> {
    let (pool, wanted) = (app.engine.pool(), &sent.new.repository);
    let products = store::product::list(pool).await?;
    let is_theirs = |it: &&store::product::Product| {
        it.repository.eq_ignore_ascii_case(wanted) && sent.caller.has(&it.name)
    };
    let repository = products.iter().find(is_theirs).map(|product| product.repository.as_str());
    let Some(repository) = repository else {
        let wanted = extract::quoted(wanted);
        return Err(Error::field(
            "/repository",
            format!("no product of this key has the repository {wanted}"),
        ));
    };
    if let Some(named) = sent.new.run {
        let stored = store::run::get(pool, named).await?.filter(|stored| {
            stored.spec.repository.eq_ignore_ascii_case(repository) && sent.caller.has(&stored.spec.product)
        });
        return stored.map(|stored| stored.spec.id).ok_or_else(|| Error::not_found("run", named));
    }
    let open = store::run::at_head(pool, repository, sent.head.as_str()).await?;
    let open: Vec<Uuid> =
        open.into_iter().filter(|(_, product)| sent.caller.has(product)).map(|(id, _)| id).collect();
    match open.as_slice() {
        [only] => Ok(*only),
        [] => {
            let head = &sent.head;
            let detail = format!(
                "no open run of {repository} has the head {head}; capture the head of one, or if it was pushed just \
                 now, send it again in a few seconds"
            );
            Err(Error::new(Kind::StaleHead, detail))
        }
        several => {
            let names: Vec<String> = several.iter().map(Uuid::to_string).collect();
            let detail = format!("{} have this head: name one of them in `run`", names.join(" and "));
            Err(Error::new(Kind::NotAllowed, detail))
        }
    }
}

/// What the policy of the base demands, as the run's last judgement read it, and whether we publish the check.
async fn demand(pool: &store::Pool, run: Uuid) -> Result<(Demand, bool), Error> {
    let Some(last) = store::assessment::newest(pool, run).await? else {
        // Its head can be stale, or it can have ended: that is said in preference.
        let stored = store::run::get(pool, run).await?.ok_or_else(|| Error::not_found("run", run))?;
        if let crate::core::run::State::Ended { end, .. } = stored.run.state {
            return Err(Denied::Ended(end).into());
        }
        let detail = format!("run {run} has not been judged yet, so that its policy is not known here");
        return Err(Error::new(Kind::NotJudged, detail));
    };
    let facts: Facts = serde_json::from_value(last.facts).map_err(|error| {
        tracing::error!(%error, "cannot read the facts of an assessment");
        Error::internal()
    })?;
    let is_ours = facts.ci.as_ref().is_some_and(|ci| ci.evidence_app.is_none());
    Ok((evidence_demand(&facts).unwrap_or_default(), is_ours))
}

/// What tells this evidence from other evidence: manifests, pictures, head and run.
fn digest(sent: &Sent, run: Uuid) -> String {
    let mut digest = Sha256::new();
    digest.update(format!("{run}\0{}\0{}\0", sent.head, json!(sent.new.manifests)));
    for (path, bytes) in sent.files.iter() {
        digest.update(format!("{path}\0"));
        digest.update(Sha256::digest(bytes));
    }
    hex::encode(digest.finalize())
}

/// The pictures that are what a manifest declares, by their hashes. Nothing else that came is kept.
fn pictures(sent: &Sent) -> BTreeMap<Hash, &[u8]> {
    let declared = sent.new.manifests.iter().flat_map(|manifest| &manifest.screenshots);
    let kept = declared.filter_map(|picture| {
        let bytes = sent.files.get(&picture.path)?.as_slice();
        let hash: Hash = Sha256::digest(bytes).into();
        (hex::encode(hash) == picture.sha256 && read_png(bytes).is_ok()).then_some((hash, bytes))
    });
    kept.collect()
}

/// What is found in it, on a thread of its own: checksums of many megabytes take a while.
async fn found(sent: Arc<Sent>, arrived_at: chrono::DateTime<chrono::Utc>) -> Result<Evidence, Error> {
    let verifying = tokio::task::spawn_blocking(move || {
        verify(&Upload { head: &sent.head, arrived_at, manifests: &sent.new.manifests, files: &sent.files })
    });
    verifying.await.map_err(|_| Error::internal())
}
