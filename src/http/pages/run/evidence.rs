//! The browser evidence of a run: each flow with its screenshots, and beside what the flow showed before.

use std::sync::LazyLock;

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::header,
    response::{IntoResponse as _, Response},
};
use maud::{Markup, html};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{
    super::{Problem, layout, words},
    view::View,
};
use crate::{
    core::{
        evidence::{CheckedFlow, Manifest, Picture},
        words::counted,
    },
    http::{
        AppState,
        middleware::caller::Caller,
        picture::{self, Difference},
    },
    store::{self, Pool, blob::Hash, evidence::Row},
};

/// The most pairs of screenshots that a page compares.
const MOST_PAIRS: usize = 20;
/// Pictures are compared one pair at a time.
static COMPARING: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(1));

/// The panel: the newest evidence, and how often others came before it; nothing where none came.
pub(super) fn panel(view: &View) -> Markup {
    let (id, Some(newest)) = (view.stored.spec.id, view.evidence.first()) else { return html! {} };
    let earlier = view.evidence.len() - 1;
    html! {
        section #evidence {
            h2 { "Browser evidence" }
            p {
                (badge(newest.conclusion == "success")) " Of " (view.commit(&newest.head_sha)) ", sent by "
                (newest.person) ", " (words::utc(newest.arrived_at))
                @if earlier > 0 { "; " (counted(earlier, "earlier upload")) }
                ". " a href={ "/runs/" (id) "/evidence" } { "Compare with before" }
            }
            (missing(newest))
            @for manifest in newest.manifests.iter() {
                h3 { (manifest.flow) }
                (found(newest, manifest))
                div.pictures { @for picture in &manifest.screenshots { (image(id, manifest, picture)) } }
            }
        }
    }
}

fn badge(holds: bool) -> Markup {
    match holds {
        true => html! { span.badge.good { "verified" } },
        false => html! { span.badge.bad { "refused" } },
    }
}

fn missing(row: &Row) -> Markup {
    html! { @for flow in &row.verified.missing { p.error { (flow) " is required by the policy and did not come." } } }
}

/// What was found in a flow, and what it asserts.
fn found(row: &Row, manifest: &Manifest) -> Markup {
    let flow = row.verified.flows.iter().find(|flow| flow.flow == manifest.flow);
    html! {
        p {
            @if let Some(flow) = flow { (badge(flow.is_verified())) " " }
            "From " code { (manifest.entrypoint) }
            @if let Some(identity) = &manifest.identity { " as " (identity) }
            ", in " (manifest.observed.browser) ", " (words::utc(manifest.captured_at))
        }
        ul {
            @for fault in flow.map(|flow: &CheckedFlow| flow.faults.as_slice()).unwrap_or_default() {
                li.error { (fault.text) }
            }
            @for assertion in &manifest.assertions {
                li { (assertion.name) ": " @if assertion.passed { "passed" } @else { "did not pass" } }
            }
        }
    }
}

fn image(run: Uuid, manifest: &Manifest, picture: &Picture) -> Markup {
    let (address, flow) = (format!("/runs/{run}/evidence/{}", picture.sha256), &manifest.flow);
    html! {
        a href=(address) {
            img src=(address) loading="lazy" alt={ "Screenshot " (picture.path) " of the flow " (flow) };
        }
    }
}

/// `GET /runs/{id}/evidence`: each flow beside what it showed before.
pub(in super::super) async fn show(
    State(app): State<AppState>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
) -> Response {
    let id = path.map(|Path(id)| id).unwrap_or_default();
    match compared(&app, &id).await {
        Ok(main) => layout::page(&app.settings, Some(&caller), "Browser evidence", &main),
        Err(problem) => problem.page(&app.settings, Some(&caller)),
    }
}

/// A screenshot of the newest evidence, and the one of the same flow and place before.
struct Pair<'a> {
    manifest: &'a Manifest,
    after: &'a Picture,
    before: Option<(&'a Row, &'a Picture)>,
}

async fn compared(app: &AppState, id: &str) -> Result<Markup, Problem> {
    let id: Uuid = id.parse().map_err(|_| Problem::not_a_run())?;
    let pool = app.engine.pool();
    let (all, base) = (store::evidence::of_run(pool, id).await?, store::evidence::of_base(pool, id).await?);
    let to_the_run = html! { p { a href={ "/runs/" (id) "#panel-evidence" } { "To the run" } } };
    let Some(newest) = all.first() else {
        let none = html! { h1 { "Browser evidence" } p { "No evidence came for this run." } };
        return Ok(html! { main #main { (none) (to_the_run) } });
    };
    // What is on the base comes first, and then an earlier head of this run.
    let earlier = || base.iter().chain(all.iter().filter(|row| row.head_sha != newest.head_sha));
    let mut parts = Vec::new();
    for (number, pair) in pairs(newest, earlier).into_iter().enumerate() {
        let difference = match pair.before {
            Some((_, before)) if number < MOST_PAIRS => Some(difference(pool, id, before, pair.after).await?),
            _ => None,
        };
        parts.push(side_by_side(id, &pair, difference.as_ref()));
    }
    Ok(html! {
        main #main {
            h1 { "Browser evidence" }
            p { "Of " code { (newest.head_sha.get(..7).unwrap_or_default()) } ", " (words::utc(newest.arrived_at)) " " (badge(newest.conclusion == "success")) }
            (missing(newest))
            @for part in &parts { (part) }
            (to_the_run)
        }
    })
}

/// Each screenshot with the one before.
fn pairs<'a, I: Iterator<Item = &'a Row>>(newest: &'a Row, earlier: impl Fn() -> I) -> Vec<Pair<'a>> {
    let mut pairs = Vec::new();
    for manifest in newest.manifests.iter() {
        let known = earlier().find_map(|row| {
            let known = row.manifests.iter().find(|it| it.flow == manifest.flow)?;
            Some((row, known))
        });
        for (place, after) in manifest.screenshots.iter().enumerate() {
            let before = known.and_then(|(row, known)| Some((row, known.screenshots.get(place)?)));
            pairs.push(Pair { manifest, after, before });
        }
    }
    pairs
}

fn side_by_side(run: Uuid, pair: &Pair<'_>, difference: Option<&Result<Difference, String>>) -> Markup {
    let address = |picture: &Picture| format!("/runs/{run}/evidence/{}", picture.sha256);
    let Pair { manifest, after, before } = pair;
    let name = format!("{}: {}", manifest.flow, after.path);
    html! {
        section {
            h2 { (name) }
            @match difference {
                None if before.is_none() => p { "Nothing before it is known." },
                None => p { "Not compared: a page compares the first " (MOST_PAIRS) "." },
                Some(Err(why)) => p { "Not compared: " (why) "." },
                Some(Ok(difference)) => p { (percent(difference.share)) " of the pixels changed." },
            }
            div.pictures {
                @if let Some((row, picture)) = before {
                    figure {
                        img src=(address(picture)) alt={ "Before: " (name) };
                        figcaption { "Before, of " code { (row.head_sha.get(..7).unwrap_or_default()) } }
                    }
                }
                figure { img src=(address(after)) alt={ "After: " (name) }; figcaption { "After" } }
                // Where nothing changed, a third picture would show nothing.
                @if let (Some((_, picture)), Some(Ok(Difference { share, .. }))) = (before, difference) && *share > 0.0 {
                    figure {
                        img src={ (address(picture)) "/" (after.sha256) } alt={ "Difference: " (name) };
                        figcaption { "What changed, in red" }
                    }
                }
            }
        }
    }
}

/// A share as people read it; what is little is not nothing.
fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "None".to_owned(),
        small if small < 0.01 => "Less than 0.01 %".to_owned(),
        share => format!("{share:.2} %"),
    }
}

async fn difference(
    pool: &Pool,
    run: Uuid,
    before: &Picture,
    after: &Picture,
) -> Result<Result<Difference, String>, Problem> {
    let (one, other) = (picture(pool, run, &before.sha256).await?, picture(pool, run, &after.sha256).await?);
    let (Some(one), Some(other)) = (one, other) else {
        return Ok(Err("a picture is not kept: it is not what its manifest declares".to_owned()));
    };
    let Ok(_one_at_a_time) = COMPARING.acquire().await else {
        return Ok(Err("the server stops".to_owned()));
    };
    let comparing = tokio::task::spawn_blocking(move || picture::compare(&one, &other)).await;
    Ok(comparing.unwrap_or_else(|_| Err("the comparison failed".to_owned())))
}

/// A picture by the hash in an address.
async fn picture(pool: &Pool, run: Uuid, hash: &str) -> Result<Option<Vec<u8>>, Problem> {
    let Some(hash) = hex::decode(hash).ok().and_then(|bytes| Hash::try_from(bytes).ok()) else {
        return Ok(None);
    };
    Ok(store::evidence::picture(pool, run, &hash).await?)
}

/// `GET /runs/{id}/evidence/{hash}`: a screenshot.
pub(in super::super) async fn show_picture(
    State(app): State<AppState>,
    caller: Caller,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Response {
    let (id, hash) = path.map(|Path(place)| place).unwrap_or_default();
    let found = async {
        let id: Uuid = id.parse().map_err(|_| Problem::not_a_run())?;
        let found = picture(app.engine.pool(), id, &hash).await?;
        found.ok_or_else(|| Problem::Missing("This run has no such screenshot.".to_owned()))
    };
    match found.await {
        Ok(bytes) => png(bytes),
        Err(problem) => problem.page(&app.settings, Some(&caller)),
    }
}

/// `GET /runs/{id}/evidence/{before}/{after}`: what differs between two screenshots.
pub(in super::super) async fn show_difference(
    State(app): State<AppState>,
    caller: Caller,
    path: Result<Path<(String, String, String)>, PathRejection>,
) -> Response {
    let (id, before, after) = path.map(|Path(place)| place).unwrap_or_default();
    let found = async {
        let id: Uuid = id.parse().map_err(|_| Problem::not_a_run())?;
        let named = |sha256: String| Picture { path: String::new(), sha256, bytes: 0 };
        let found = difference(app.engine.pool(), id, &named(before), &named(after)).await?;
        found.map_err(|why| Problem::Missing(format!("These are not compared: {why}.")))
    };
    match found.await {
        Ok(difference) => png(difference.image),
        Err(problem) => problem.page(&app.settings, Some(&caller)),
    }
}

/// A picture, named by its content, as a browser may show it and nothing else.
fn png(bytes: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "image/png"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox; frame-ancestors 'none'"),
        (header::CACHE_CONTROL, "private, max-age=86400, immutable"),
    ];
    (headers, bytes).into_response()
}
