//! Deployments of merged code, as the forge announces them: who put which commit where, and how that stands. We deploy
//! nothing ourselves.

use chrono::{DateTime, Utc};

use crate::sha::Sha;

/// The most characters of a name: of an environment, a ref, a task or an account.
pub const NAME_LIMIT: usize = 255;
/// The most characters of a description.
pub const DESCRIPTION_LIMIT: usize = 1_000;
/// The most characters of an address.
pub const URL_LIMIT: usize = 2_000;

/// What a webhook says of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// The deployment, as it was made.
    pub deployment: Deployment,
    /// How it stands since; `None` when it has only been made.
    pub status: Option<Status>,
}

/// A deployment of a commit to an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The forge's number.
    pub id: i64,
    /// The commit.
    pub sha: Sha,
    /// What was named: a branch, a tag or a commit.
    pub reference: String,
    /// What is done, such as `deploy`.
    pub task: String,
    /// The place, such as `production`.
    pub environment: String,
    /// What its creator says of it; empty if nothing.
    pub description: String,
    /// The login of its creator; `None` for an account that is gone.
    pub creator: Option<String>,
    /// Whether people use the place.
    pub is_production: bool,
    /// When it was made, by the forge's clock.
    pub created_at: DateTime<Utc>,
}

/// How a deployment stood at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The forge's number.
    pub id: i64,
    /// `success`, `failure`, `error`, `inactive`, `in_progress`, `queued`, `pending`, or a word that the forge adds.
    pub state: String,
    /// What is said of it; empty if nothing.
    pub description: String,
    /// The place, where the status names another one than the deployment.
    pub environment: Option<String>,
    /// The login of who set it; `None` for an account that is gone.
    pub creator: Option<String>,
    /// Where the log is.
    pub log_url: Option<String>,
    /// Where the place is.
    pub environment_url: Option<String>,
    /// When it was set, by the forge's clock.
    pub created_at: DateTime<Utc>,
}

/// Puts the statuses of a deployment in the order in which they were set, whatever order they came in.
pub fn order(statuses: &mut [Status]) {
    // The forge's times are whole seconds; of one second the greater number is the later one.
    statuses.sort_by_key(|status| (status.created_at, status.id));
}

/// How a deployment stands: its newest status, of those in order.
#[must_use]
pub fn standing(statuses: &[Status]) -> Option<&Status> {
    statuses.last()
}

/// An address that a page may link to; `None` for anything but plain `http` and `https`, and for one that is too long.
#[must_use]
pub fn link(text: &str) -> Option<String> {
    let plain = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    let known = ["https://", "http://"].iter().any(|scheme| text.starts_with(scheme));
    (plain && known && text.chars().count() <= URL_LIMIT).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn status(id: i64, state: &str, second: i64) -> Status {
        Status {
            id,
            state: state.to_owned(),
            description: String::new(),
            environment: None,
            creator: None,
            log_url: None,
            environment_url: None,
            created_at: DateTime::UNIX_EPOCH + TimeDelta::seconds(second),
        }
    }

    #[test]
    fn late_news_of_a_deployment_does_not_change_how_it_stands() {
        let check = |mut all: Vec<Status>, expected: Option<&str>| {
            order(&mut all);
            assert_eq!(standing(&all).map(|it| it.state.as_str()), expected);
        };
        check(vec![], None);
        check(vec![status(1, "queued", 1), status(2, "success", 2)], Some("success"));
        check(vec![status(2, "success", 2), status(1, "queued", 1)], Some("success"));
        check(vec![status(3, "success", 2), status(2, "in_progress", 2)], Some("success"));
        check(vec![status(4, "inactive", 9), status(3, "success", 2)], Some("inactive"));
    }

    #[test]
    fn only_plain_web_addresses_become_links() {
        for good in ["https://a.example/x?y=1", "http://localhost:80"] {
            assert_eq!(link(good).as_deref(), Some(good));
        }
        let long = format!("https://{}", "a".repeat(URL_LIMIT));
        for wrong in ["", "javascript:alert(1)", "HTTPS ://a", "https://a b", "https://a\n", "ftp://a", &long]
        {
            assert_eq!(link(wrong), None, "{wrong}");
        }
    }
}
