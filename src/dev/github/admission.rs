//! Admits a REST request or refuses it, before any route sees it: the version, the credential, and what the route
//! demands of it.

use axum::response::Response;
use http::{Extensions, HeaderMap, HeaderValue, StatusCode, Uri};

use super::{
    access::{self, Call},
    credentials::{Credential, Kind},
    permissions::{Row, row_of},
    quota::Window,
    refusal::Refusal,
    shared::Shared,
    state::{Repository, State},
    versions::Selected,
};

const GRAPHQL: &str = "/graphql";
/// Asking for the limit costs nothing.
const FREE: &str = "/rate_limit";

/// What is known of a request before its route is called.
pub(crate) struct Admission {
    by: Option<Credential>,
    version: Option<Selected>,
    window: Option<Window>,
    refused: Option<Refusal>,
}

impl Admission {
    /// For git, which has its own way to ask for credentials.
    pub(crate) const fn of_git() -> Self {
        Self { by: None, version: None, window: None, refused: None }
    }

    /// Whether the primary rate limit is used up.
    pub(crate) fn is_over_limit(&self) -> bool {
        self.window.is_some_and(Window::is_over)
    }

    /// Takes why the request is refused, if it is.
    pub(crate) const fn take_refusal(&mut self) -> Option<Refusal> {
        self.refused.take()
    }

    /// What the routes may take from the request.
    pub(crate) fn extensions(&self) -> Extensions {
        let mut extensions = Extensions::new();
        if let Some(by) = &self.by {
            extensions.insert(by.clone());
        }
        if let Some(version) = &self.version {
            extensions.insert(version.clone());
        }
        extensions
    }

    /// Adds what each answer says of the version, the limit and the token.
    pub(crate) fn with_headers(&self, mut answer: Response) -> Response {
        if let Some(version) = &self.version {
            answer = version.with_headers(answer);
        }
        if let Some(window) = self.window {
            answer = window.with_headers(answer);
        }
        if let Some(Kind::Classic { scopes }) = self.by.as_ref().map(|by| &by.kind) {
            let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
            let value = HeaderValue::from_str(&scopes.join(", "));
            answer
                .headers_mut()
                .extend(value.map(|value| (http::HeaderName::from_static("x-oauth-scopes"), value)));
        }
        answer
    }
}

/// Reads a REST or GraphQL request, counts it, and judges it.
pub(crate) fn admit(shared: &Shared, method: &str, uri: &Uri, headers: &HeaderMap) -> Admission {
    let mut admission = Admission::of_git();
    admission.refused = judge(shared, method, uri, headers, &mut admission).err();
    if let Some(by) = admission.by.as_ref().filter(|_| uri.path() != FREE) {
        admission.window = Some(shared.quota.spend(by));
    }
    admission
}

fn judge(
    shared: &Shared,
    method: &str,
    uri: &Uri,
    headers: &HeaderMap,
    admission: &mut Admission,
) -> Result<(), Refusal> {
    let path = uri.path();
    let version = shared.versions.select(headers)?;
    admission.version = Some(version);
    let row = row_of(method, path);
    shared.host.with_state(|state| {
        let app_only = row.is_some_and(|row| row.app_only);
        let by = shared.credentials.read(headers, &state.registry, app_only)?;
        let judged = judge_by(shared, state, row, uri, &by);
        admission.by = Some(by);
        judged
    })
}

fn judge_by(
    shared: &Shared,
    state: &State,
    row: Option<&'static Row>,
    uri: &Uri,
    by: &Credential,
) -> Result<(), Refusal> {
    let path = uri.path();
    if let Some(it) =
        state.moved(path).filter(|it| access::sees(by, it) || matches!(by.kind, Kind::App { .. }))
    {
        return Err(moved(shared, it, uri));
    }
    match row {
        Some(row) => access::judge(&Call { row, path, repository: repository(state, path) }, by),
        // Each field has its own row, which its resolver reads.
        None if path == GRAPHQL => Ok(()),
        None => Err(Refusal::not_found()),
    }
}

/// The answer at a repository's old name: docs.github.com "Best practices for using the REST API".
fn moved(shared: &Shared, it: &Repository, uri: &Uri) -> Refusal {
    let rest: String = uri.path().split('/').skip(4).flat_map(|segment| ["/", segment]).collect();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let location = format!("{}/repositories/{}{rest}{query}", shared.links.base, it.id);
    Refusal::new(StatusCode::MOVED_PERMANENTLY, "Moved Permanently").with_header("location", location)
}

/// Whether the permission table has the route.
pub(crate) fn is_charted(method: &str, path: &str) -> bool {
    path == GRAPHQL || row_of(method, path).is_some()
}

/// The address by name of one by id, `/repositories/{id}/…`, to which renamed repositories lead.
pub(crate) fn by_name(shared: &Shared, uri: &Uri) -> Option<Uri> {
    let (id, rest) = match uri.path().strip_prefix("/repositories/")?.split_once('/') {
        Some((id, rest)) => (id, format!("/{rest}")),
        None => (uri.path().strip_prefix("/repositories/")?, String::new()),
    };
    let id: i64 = id.parse().ok()?;
    let name = shared.host.with_state(|state| state.repository_with_id(id).map(Repository::full_name))?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("/repos/{name}{rest}{query}").parse().ok()
}

fn repository<'a>(state: &'a State, path: &str) -> Option<&'a Repository> {
    let mut segments = path.strip_prefix("/repos/")?.split('/');
    let name = format!("{}/{}", segments.next()?, segments.next()?);
    state.repositories.get(&name)
}
