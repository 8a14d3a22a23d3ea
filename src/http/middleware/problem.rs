//! The kinds of problems: for each its code, its status, and what to do about it.

use axum::http::StatusCode;

/// Whether the same request may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Not without a change to the request, or to what it is about.
    Never,
    /// Yes, at once.
    Now,
    /// Yes, after this many seconds, as the Retry-After header says.
    After(u16),
}

/// What is fixed about a kind of problem.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) code: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) retry: Retry,
    pub(crate) title: &'static str,
    /// What a caller can do.
    pub(crate) remedy: &'static str,
}

/// Makes the kinds and their rows from one table, so that no kind is without a row.
macro_rules! kinds {
    ($($(#[$doc:meta])+ $kind:ident $code:literal $status:ident $retry:expr; $title:literal $remedy:literal)+) => {
        /// A kind of problem. Its code and its status never change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kind { $($(#[$doc])+ $kind,)+ }

        impl Kind {
            /// All kinds.
            pub(crate) const ALL: &[Self] = &[$(Self::$kind),+];

            /// What is fixed about this kind.
            pub(crate) const fn row(self) -> Row {
                match self {
                    $(Self::$kind => Row {
                        code: $code,
                        status: StatusCode::$status,
                        retry: $retry,
                        title: $title,
                        remedy: $remedy,
                    },)+
                }
            }
        }
    };
}

kinds! {
    /// No such route or resource exists.
    NotFound "not-found" NOT_FOUND Retry::Never;
        "Not found"
        "Check the path and the id; /openapi.json lists every route."

    /// The route does not support the method.
    MethodNotAllowed "method-not-allowed" METHOD_NOT_ALLOWED Retry::Never;
        "Method not allowed"
        "The Allow header lists the methods of this route."

    /// The request was not answered in time.
    TooSlow "too-slow" REQUEST_TIMEOUT Retry::Now;
        "The request took too long"
        "Send it again; a POST with the same Idempotency-Key takes effect only once."

    /// The run asks nothing.
    NoQuestion "no-question" CONFLICT Retry::Never;
        "The run has no open question"
        "GET /api/v1/runs/{id}/questions lists what it asked, and who answered."

    /// The body is over the limit.
    TooLarge "too-large" PAYLOAD_TOO_LARGE Retry::Never;
        "The body is over the limit"
        "Shorten it."

    /// The Content-Type is not JSON.
    NotJson "not-json" UNSUPPORTED_MEDIA_TYPE Retry::Never;
        "The body must be JSON"
        "Send Content-Type: application/json."

    /// The Content-Type is none that GitHub sends.
    NotWebhook "not-webhook" UNSUPPORTED_MEDIA_TYPE Retry::Never;
        "The body must be JSON or a form"
        "Choose the content type application/json in the webhook's settings."

    /// The body is not JSON.
    BadSyntax "bad-syntax" BAD_REQUEST Retry::Never;
        "The body is not well-formed JSON"
        "Fix it at the line and column that the detail names."

    /// A path, query or header parameter is invalid.
    BadRequest "bad-request" BAD_REQUEST Retry::Never;
        "Invalid path, query or header"
        "Fix the parameter that the errors name."

    /// The body is JSON, but a field is invalid.
    Invalid "invalid" UNPROCESSABLE_ENTITY Retry::Never;
        "Invalid body"
        "Fix every field that the errors name."

    /// The product does not exist.
    UnknownProduct "unknown-product" UNPROCESSABLE_ENTITY Retry::Never;
        "Unknown product"
        "Name one of the products that the detail lists, or add it with POST /api/v1/products."

    /// The product has as many open runs as its backlog allows.
    BacklogFull "backlog-full" TOO_MANY_REQUESTS Retry::After(30);
        "The product's backlog is full"
        "Send it again after the time in Retry-After, once runs of the product have ended."

    /// The key was used with another body.
    KeyReused "key-reused" UNPROCESSABLE_ENTITY Retry::Never;
        "The Idempotency-Key was used with another body"
        "Use a new key for a new request."

    /// The first request with the key is still running.
    KeyBusy "key-busy" CONFLICT Retry::After(1);
        "The first request with this Idempotency-Key is still running"
        "Send it again after the time in Retry-After."

    /// The run's state does not allow this.
    NotAllowed "not-allowed" CONFLICT Retry::Never;
        "Not allowed in this state"
        "Do what the detail names first; GET /api/v1/runs/{id} shows the run's state."

    /// The head that was looked at is not the run's head now.
    StaleHead "stale_head" CONFLICT Retry::Never;
        "The head has changed"
        "Look at what changed, and send the head that the detail names."

    /// The key's owner has no account on the forge here.
    NoLogin "no-forge-login" FORBIDDEN Retry::Never;
        "The key has no login on the forge"
        "Ask an admin to link it: `aspora key create --person <name> --role <role> --forge-login <login>`."

    /// A worker is running the run's step.
    Busy "busy" CONFLICT Retry::After(5);
        "A worker is running the step"
        "Wait until the step has answered, or cancel the run."

    /// The expected count is out of date.
    Changed "changed" CONFLICT Retry::Never;
        "The count has changed"
        "List again and send the new count."

    /// The request has no key.
    Unauthenticated "unauthenticated" UNAUTHORIZED Retry::Never;
        "An API key is needed"
        "Send `Authorization: Bearer <key>`; an admin issues keys with `aspora key create`."

    /// The key opens nothing.
    BadKey "bad-key" UNAUTHORIZED Retry::Never;
        "The API key opens nothing"
        "Ask an admin for another key: `aspora key create`."

    /// The key may not do this.
    Forbidden "forbidden" FORBIDDEN Retry::Never;
        "Not allowed with this key"
        "Use a key with the role that the detail names."

    /// The Host header names another server.
    WrongHost "wrong-host" MISDIRECTED_REQUEST Retry::Never;
        "This server is not known by that name"
        "Set ASPORA_PUBLIC_URL to the URL that people use, or add the name to ASPORA_HOSTS."

    /// A page of another site sent the request.
    ForeignOrigin "foreign-origin" FORBIDDEN Retry::Never;
        "A page of another site sent this"
        "Send it from a page of this server, or from a program with a key and without an Origin header."

    /// A key has made as many requests in a minute as it may, or has too many streams open.
    TooManyRequests "too-many-requests" TOO_MANY_REQUESTS Retry::After(60);
        "Too many requests"
        "Send it again after the time in Retry-After; the RateLimit header says how many requests are left."

    /// Too many keys were tried.
    TooManyTries "too-many-tries" TOO_MANY_REQUESTS Retry::After(60);
        "Too many sign-ins failed"
        "Try again after the time in Retry-After."

    /// The signature is missing or wrong.
    BadSignature "bad-signature" UNAUTHORIZED Retry::Never;
        "The signature is missing or wrong"
        "Give the webhook and GITHUB_WEBHOOK_SECRET the same secret."

    /// No review of this head is complete yet.
    NotReviewed "not-reviewed" NOT_FOUND Retry::After(10);
        "No review of this head is complete"
        "Ask again once the review is done; no review is not the same as no findings."

    /// The run's head has not been judged yet.
    NotJudged "not-judged" CONFLICT Retry::After(5);
        "The run has not been judged yet"
        "Send it again after the time in Retry-After, once the run's gate has read the policy."

    /// The database does not answer.
    Unavailable "unavailable" SERVICE_UNAVAILABLE Retry::After(5);
        "The database does not answer"
        "Send it again after the time in Retry-After."

    /// A mistake of the server.
    Internal "internal" INTERNAL_SERVER_ERROR Retry::Never;
        "Internal server error"
        "Give the request_id to the operator; the server's log has the cause."
}
