//! The kinds of failures, and what each means for the caller.

use std::fmt;

/// What a failure means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No answer in time. The act may have been carried out: look before acting again.
    Timeout,
    /// No connection, or it broke. The act may have been carried out: look before acting again.
    Connection,
    /// 5xx or 408. The act may have been carried out: look before acting again.
    Server,
    /// 429, or a 403 that reports a rate limit. Nothing was done; wait as long as the answer says.
    RateLimited,
    /// A limit or an outage, which all workers share, held the call back: nothing was sent.
    Held,
    /// 401: the token is wrong, expired or revoked.
    Unauthorized,
    /// 403: the token may not do this.
    Forbidden,
    /// 404: does not exist, or is not visible to the token.
    NotFound,
    /// 405: not possible now; for a merge, see [`Merge`](crate::github::Merge).
    MethodNotAllowed,
    /// 409: something changed in the meantime.
    Conflict,
    /// 422: GitHub understood the request and refuses it; the message lists the reasons.
    Validation,
    /// 410 or 451: it existed and will not come back.
    Gone,
    /// 3xx that leads nowhere: too many redirects, or a write that is sent to another host.
    Moved,
    /// Any other 4xx: the request is wrong and would fail again.
    Refused,
    /// The answer cannot be read, or has a status that we do not know.
    Unreadable,
    /// The request could not be built; nothing was sent.
    Unsent,
}

impl Kind {
    /// Whether the same call may succeed later without a change on our side.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        match self {
            Self::Timeout | Self::Connection | Self::Server | Self::RateLimited | Self::Held => true,
            Self::Unauthorized
            | Self::Forbidden
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::Conflict
            | Self::Validation
            | Self::Gone
            | Self::Moved
            | Self::Refused
            | Self::Unreadable
            | Self::Unsent => false,
        }
    }

    /// Whether the server or the way to it is at fault, and not the request: part of an outage, perhaps.
    #[must_use]
    pub const fn is_outage(self) -> bool {
        matches!(self, Self::Timeout | Self::Connection | Self::Server)
    }

    /// Whether the act may have been carried out although no answer says so.
    #[must_use]
    pub const fn is_ambiguous(self) -> bool {
        matches!(self, Self::Timeout | Self::Connection | Self::Server | Self::Unreadable)
    }

    /// The kind of a status that is not success; a 403 may still turn out to be a rate limit.
    pub(super) const fn of(status: u16) -> Self {
        match status {
            300..=399 => Self::Moved,
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            408 | 425 | 500..=599 => Self::Server,
            409 => Self::Conflict,
            410 | 451 => Self::Gone,
            422 => Self::Validation,
            429 => Self::RateLimited,
            400 | 402 | 406 | 407 | 411..=421 | 423..=424 | 426..=428 | 430..=450 | 452..=499 => {
                Self::Refused
            }
            0..=299 | 600..=u16::MAX => Self::Unreadable,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "no answer in time",
            Self::Connection => "connection failed",
            Self::Server => "server error",
            Self::RateLimited => "rate limited",
            Self::Held => "held back",
            Self::Unauthorized => "token refused",
            Self::Forbidden => "not permitted",
            Self::NotFound => "not found",
            Self::MethodNotAllowed => "not possible now",
            Self::Conflict => "conflict",
            Self::Validation => "rejected as invalid",
            Self::Gone => "gone",
            Self::Moved => "moved elsewhere",
            Self::Refused => "request refused",
            Self::Unreadable => "unreadable answer",
            Self::Unsent => "request could not be built",
        })
    }
}
