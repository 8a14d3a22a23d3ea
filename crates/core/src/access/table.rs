//! The table: every route, and what it demands. A route without a row answers nobody.

use super::Right;

/// A route and what it demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// `GET`, which also stands for `HEAD`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// The path with its parameters in braces.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
}

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody, without a key.
    Anyone,
    /// Everybody whose body carries the forge's signature.
    Signed,
    /// Everybody with a key or a session, whatever its role.
    Known,
    /// A role with this right, for what is in this scope.
    May(Right, Scope),
}

/// What of the factory a route is about, as seen from a key that is limited to some products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One thing, which the path names. Out of the key's products it does not exist.
    One(Thing),
    /// A list; the handler leaves out what is not of the key's products.
    Lists,
    /// What the body names; the handler refuses what is not of the key's products as if it did not exist.
    Body,
    /// All products: a limited key may not.
    Factory,
}

/// A thing that a path names, and that belongs to one product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// A run, by `{id}`.
    Run,
    /// A requirement, by `{id}`.
    Requirement,
    /// A product, by `{name}`.
    Product,
    /// A schedule, by `{name}`.
    Schedule,
    /// A harness gap, by `{id}`.
    Gap,
    /// A proposal, by `{id}`.
    Proposal,
}

use Access::{Anyone, Known, May, Signed};
use Right::{Administer, Approve, Capture, Configure, Control, Read, ReadPayload, Schedule, Steer, Submit};
use Scope::{Body, Factory, Lists, One};

const RUN: Scope = One(Thing::Run);
const REQUIREMENT: Scope = One(Thing::Requirement);
const PRODUCT: Scope = One(Thing::Product);
const SCHEDULE: Scope = One(Thing::Schedule);
const GAP: Scope = One(Thing::Gap);
const PROPOSAL: Scope = One(Thing::Proposal);

/// Every route.
pub const ROUTES: &[Route] = &[
    // What answers without a key.
    row("GET", "/livez", Anyone),
    row("GET", "/readyz", Anyone),
    row("GET", "/openapi.json", Anyone),
    row("GET", "/problems/{code}", Anyone),
    row("GET", "/assets/{digest}/{name}", Anyone),
    row("GET", "/sign-in", Anyone),
    row("POST", "/sign-in", Anyone),
    row("GET", "/sign-in/oidc", Anyone),
    row("GET", "/sign-in/oidc/callback", Anyone),
    row("POST", "/api/v1/webhooks/github", Signed),
    row("POST", "/api/v1/webhooks/incidents/{sender}/{product}", Signed),
    // Pages.
    row("POST", "/sign-out", Known),
    row("GET", "/", May(Read, Lists)),
    row("POST", "/requirements", May(Submit, Body)),
    row("GET", "/requirements/{id}/resubmit", May(Submit, REQUIREMENT)),
    row("GET", "/requirements/{id}/amend", May(Submit, REQUIREMENT)),
    row("POST", "/requirements/{id}/amend", May(Submit, REQUIREMENT)),
    row("GET", "/pulls", May(Read, Lists)),
    row("GET", "/harness-gaps", May(Read, Lists)),
    row("POST", "/harness-gaps", May(Submit, Body)),
    row("GET", "/harness-gaps/{id}", May(Read, GAP)),
    row("POST", "/harness-gaps/{id}/dismiss", May(Steer, GAP)),
    row("POST", "/proposals/{id}/accept", May(Steer, PROPOSAL)),
    row("POST", "/proposals/{id}/dismiss", May(Steer, PROPOSAL)),
    row("GET", "/runs/{id}", May(Read, RUN)),
    row("GET", "/runs/{id}/diffs/{number}", May(ReadPayload, RUN)),
    row("GET", "/runs/{id}/evidence", May(ReadPayload, RUN)),
    row("GET", "/runs/{id}/evidence/{hash}", May(ReadPayload, RUN)),
    row("GET", "/runs/{id}/evidence/{hash}/{after}", May(ReadPayload, RUN)),
    row("POST", "/runs/{id}/control", May(Control, RUN)),
    row("POST", "/runs/{id}/answers", May(Submit, RUN)),
    row("POST", "/runs/{id}/opinion", May(Approve, RUN)),
    row("POST", "/runs/{id}/dependencies", May(Approve, RUN)),
    row("POST", "/runs/{id}/dismiss", May(Steer, RUN)),
    row("GET", "/dashboard", May(Read, Lists)),
    row("GET", "/dashboard/runs", May(Read, Lists)),
    row("GET", "/dead-letters", May(Read, Lists)),
    row("POST", "/dead-letters/redrive", May(Steer, Body)),
    row("GET", "/products/{name}/policy", May(ReadPayload, PRODUCT)),
    row("POST", "/products/{name}/policy", May(ReadPayload, PRODUCT)),
    row("GET", "/products", May(Read, Lists)),
    row("GET", "/products/{name}", May(Read, PRODUCT)),
    row("GET", "/audit", May(Administer, Factory)),
    // Requirements and runs.
    row("GET", "/api/v1/me", Known),
    row("GET", "/api/v1/requirements", May(Read, Lists)),
    row("POST", "/api/v1/requirements", May(Submit, Body)),
    row("GET", "/api/v1/requirements/{id}", May(Read, REQUIREMENT)),
    row("GET", "/api/v1/requirements/{id}/amendments", May(ReadPayload, REQUIREMENT)),
    row("POST", "/api/v1/requirements/{id}/amend", May(Submit, REQUIREMENT)),
    row("POST", "/api/v1/requirements/{id}/resubmit", May(Submit, REQUIREMENT)),
    row("POST", "/api/v1/requirements/{id}/cancel", May(Control, REQUIREMENT)),
    row("GET", "/api/v1/runs/{id}/questions", May(ReadPayload, RUN)),
    row("POST", "/api/v1/runs/{id}/answers", May(Submit, RUN)),
    row("GET", "/api/v1/runs/{id}/dependencies", May(ReadPayload, RUN)),
    row("POST", "/api/v1/runs/{id}/dependencies", May(Approve, RUN)),
    row("GET", "/api/v1/metrics", May(Read, Lists)),
    row("GET", "/api/v1/metrics/runs", May(Read, Lists)),
    row("GET", "/api/v1/pulls", May(Read, Lists)),
    row("GET", "/api/v1/harness-gaps", May(Read, Lists)),
    row("POST", "/api/v1/harness-gaps", May(Submit, Body)),
    row("GET", "/api/v1/harness-gaps/{id}", May(Read, GAP)),
    row("POST", "/api/v1/harness-gaps/{id}/dismiss", May(Steer, GAP)),
    row("GET", "/api/v1/proposals", May(Read, Lists)),
    row("GET", "/api/v1/proposals/{id}", May(Read, PROPOSAL)),
    row("POST", "/api/v1/proposals/{id}/accept", May(Steer, PROPOSAL)),
    row("POST", "/api/v1/proposals/{id}/dismiss", May(Steer, PROPOSAL)),
    row("GET", "/api/v1/runs/{id}", May(Read, RUN)),
    row("GET", "/api/v1/runs/{id}/why", May(Read, RUN)),
    row("GET", "/api/v1/runs/{id}/after-merge", May(Read, RUN)),
    row("GET", "/api/v1/runs/{id}/look-back", May(Read, RUN)),
    row("GET", "/api/v1/runs/{id}/events", May(Read, RUN)),
    row("GET", "/api/v1/runs/{id}/attempts", May(Read, RUN)),
    row("GET", "/api/v1/runs/{id}/assessments", May(Read, RUN)),
    row("GET", "/api/v1/runs/{id}/audit", May(Read, RUN)),
    row("GET", "/api/v1/runs/{id}/budget", May(Read, RUN)),
    row("GET", "/api/v1/runs/{id}/findings", May(ReadPayload, RUN)),
    row("GET", "/api/v1/runs/{id}/effects", May(ReadPayload, RUN)),
    row("GET", "/api/v1/runs/{id}/tests", May(ReadPayload, RUN)),
    row("GET", "/api/v1/runs/{id}/diff", May(ReadPayload, RUN)),
    row("GET", "/api/v1/runs/{id}/export", May(ReadPayload, RUN)),
    row("GET", "/api/v1/reviews/{owner}/{repo}/pr/{number}/findings", May(ReadPayload, Lists)),
    row("GET", "/api/v1/runs/{id}/evidence", May(ReadPayload, RUN)),
    row("POST", "/api/v1/evidence", May(Capture, Body)),
    // What people do to a run.
    row("POST", "/api/v1/runs/{id}/pause", May(Control, RUN)),
    row("POST", "/api/v1/runs/{id}/resume", May(Control, RUN)),
    row("POST", "/api/v1/runs/{id}/cancel", May(Control, RUN)),
    row("POST", "/api/v1/runs/{id}/run-now", May(Control, RUN)),
    row("PUT", "/api/v1/runs/{id}/budget", May(Control, RUN)),
    row("POST", "/api/v1/runs/{id}/budget/release", May(Steer, RUN)),
    row("POST", "/api/v1/runs/{id}/skip", May(Steer, RUN)),
    row("POST", "/api/v1/runs/{id}/retry", May(Steer, RUN)),
    row("POST", "/api/v1/runs/{id}/fork", May(Steer, RUN)),
    row("POST", "/api/v1/runs/{id}/findings/{fingerprint}/dismiss", May(Steer, RUN)),
    row("POST", "/api/v1/runs/{id}/revert", May(Submit, RUN)),
    row("POST", "/api/v1/runs/{id}/approve", May(Approve, RUN)),
    row("POST", "/api/v1/runs/{id}/reject", May(Approve, RUN)),
    row("POST", "/api/v1/runs/{id}/withdraw", May(Approve, RUN)),
    row("GET", "/api/v1/dead-letters", May(Read, Lists)),
    row("POST", "/api/v1/dead-letters/redrive", May(Steer, Body)),
    row("GET", "/api/v1/holds", May(Read, Lists)),
    row("POST", "/api/v1/holds", May(Steer, Body)),
    row("POST", "/api/v1/holds/release", May(Steer, Body)),
    row("GET", "/api/v1/queues", May(Read, Lists)),
    row("GET", "/api/v1/workers", May(Read, Lists)),
    row("POST", "/api/v1/workers/{name}/drain", May(Steer, Factory)),
    row("GET", "/api/v1/outages", May(Read, Lists)),
    row("POST", "/api/v1/outages/{provider}/probe", May(Steer, Factory)),
    // The catalogue.
    row("GET", "/api/v1/products", May(Read, Lists)),
    row("POST", "/api/v1/products", May(Configure, Factory)),
    row("POST", "/api/v1/policy/validate", May(Read, Body)),
    row("POST", "/api/v1/policy/simulate", May(ReadPayload, Body)),
    row("GET", "/api/v1/products/{name}", May(Read, PRODUCT)),
    row("PATCH", "/api/v1/products/{name}", May(Configure, Factory)),
    row("DELETE", "/api/v1/products/{name}", May(Configure, Factory)),
    row("POST", "/api/v1/products/{name}/proposal", May(Configure, PRODUCT)),
    row("PUT", "/api/v1/products/{name}/budget", May(Configure, PRODUCT)),
    row("GET", "/api/v1/budgets", May(Read, Lists)),
    row("GET", "/api/v1/budgets/default", May(Read, Lists)),
    row("PUT", "/api/v1/budgets/default", May(Configure, Factory)),
    row("GET", "/api/v1/limits", May(Read, Lists)),
    row("PUT", "/api/v1/limits/{key}", May(Configure, Factory)),
    row("DELETE", "/api/v1/limits/{key}", May(Configure, Factory)),
    row("GET", "/api/v1/schedules", May(Read, Lists)),
    row("GET", "/api/v1/schedules/{name}", May(Read, SCHEDULE)),
    row("PUT", "/api/v1/schedules/{name}", May(Schedule, Body)),
    row("DELETE", "/api/v1/schedules/{name}", May(Schedule, SCHEDULE)),
    row("POST", "/api/v1/schedules/{name}/pause", May(Schedule, SCHEDULE)),
    row("POST", "/api/v1/schedules/{name}/resume", May(Schedule, SCHEDULE)),
    // Subscriptions: each person has their own, and admins those of the factory.
    row("GET", "/api/v1/subscriptions", May(Read, Lists)),
    row("POST", "/api/v1/subscriptions", May(Read, Body)),
    row("DELETE", "/api/v1/subscriptions/{id}", May(Read, Body)),
    row("POST", "/api/v1/subscriptions/{id}/test", May(Read, Body)),
    row("GET", "/api/v1/subscriptions/{id}/deliveries", May(Read, Lists)),
    row("POST", "/api/v1/subscriptions/{id}/replay", May(Read, Body)),
    // Keys and the audit log.
    row("GET", "/api/v1/keys", May(Administer, Factory)),
    row("POST", "/api/v1/keys", May(Administer, Factory)),
    row("POST", "/api/v1/keys/{id}/revoke", May(Administer, Factory)),
    row("POST", "/api/v1/keys/{id}/link", May(Administer, Factory)),
    row("GET", "/api/v1/audit", May(Administer, Factory)),
    row("GET", "/api/v1/audit/verification", May(Administer, Factory)),
];

const fn row(method: &'static str, path: &'static str, access: Access) -> Route {
    Route { method, path, access }
}

/// The row of a route. `HEAD` is `GET` without the body.
#[must_use]
pub fn route(method: &str, path: &str) -> Option<&'static Route> {
    let method = if method == "HEAD" { "GET" } else { method };
    ROUTES.iter().find(|route| route.method == method && route.path == path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_route_has_one_row() {
        let all: BTreeSet<_> = ROUTES.iter().map(|route| (route.method, route.path)).collect();
        assert_eq!(all.len(), ROUTES.len());
        assert_eq!(route("HEAD", "/livez"), route("GET", "/livez"));
        assert_eq!(route("DELETE", "/livez"), None);
        assert_eq!(route("GET", "/api/v1/unknown"), None);
    }

    #[test]
    fn what_a_path_names_is_in_it() {
        for route in ROUTES {
            let May(_, One(thing)) = route.access else { continue };
            let parameter = match thing {
                Thing::Run | Thing::Requirement | Thing::Gap | Thing::Proposal => "{id}",
                Thing::Product | Thing::Schedule => "{name}",
            };
            assert!(route.path.contains(parameter), "{route:?}");
        }
    }

    #[test]
    fn without_a_key_one_sees_health_and_the_document_signs_in_and_delivers_webhooks() {
        let open: Vec<String> = ROUTES
            .iter()
            .filter(|route| matches!(route.access, Anyone | Signed))
            .map(|route| format!("{} {}", route.method, route.path))
            .collect();
        assert_eq!(
            open,
            [
                "GET /livez",
                "GET /readyz",
                "GET /openapi.json",
                "GET /problems/{code}",
                "GET /assets/{digest}/{name}",
                "GET /sign-in",
                "POST /sign-in",
                "GET /sign-in/oidc",
                "GET /sign-in/oidc/callback",
                "POST /api/v1/webhooks/github",
                "POST /api/v1/webhooks/incidents/{sender}/{product}",
            ]
        );
    }
}
