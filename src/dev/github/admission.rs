//! Admits a request or refuses it, before any route sees it: the credential, and what the route demands of it.

use http::HeaderMap;

use super::{
    access::{self, Call},
    credentials::{Credential, Kind},
    permissions::row_of,
    refusal::Refusal,
    shared::Shared,
    state::{Repository, State},
};

/// The credential of a REST or GraphQL request, if the request may be made with it.
pub(crate) fn admit(
    shared: &Shared,
    method: &str,
    path: &str,
    headers: &HeaderMap,
) -> Result<Credential, Refusal> {
    let row = row_of(method, path);
    shared.host.with_state(|state| {
        let app_only = row.is_some_and(|row| row.app_only);
        let by = shared.credentials.read(headers, &state.registry, app_only)?;
        match row {
            Some(row) => access::judge(&Call { row, path, repository: repository(state, path) }, &by)?,
            // Each field has its own row, which its resolver reads.
            None if path == GRAPHQL => {}
            None if matches!(by.kind, Kind::Unrestricted) => {}
            None => return Err(Refusal::not_found()),
        }
        Ok(by)
    })
}

const GRAPHQL: &str = "/graphql";

/// Whether the permission table has the route.
pub(crate) fn is_charted(method: &str, path: &str) -> bool {
    path == GRAPHQL || row_of(method, path).is_some()
}

fn repository<'a>(state: &'a State, path: &str) -> Option<&'a Repository> {
    let mut segments = path.strip_prefix("/repos/")?.split('/');
    let name = format!("{}/{}", segments.next()?, segments.next()?);
    state.repositories.get(&name)
}
