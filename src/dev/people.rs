//! The people of the GitHub twin, for a person who tries what several people do.

use super::github::Twin;

/// Their logins, with what they may do in the repository of each product. Nobody of Aspora has one of these.
const PEOPLE: [(&str, &str); 4] = [("ines", "admin"), ("noor", "write"), ("remy", "read"), ("olga", "none")];

/// A person of the twin.
#[derive(Debug, Clone)]
pub struct Person {
    /// Their login.
    pub login: &'static str,
    /// `admin`, `write`, `read` or `none`.
    pub permission: &'static str,
    /// For the twin's pages, and for git.
    pub password: String,
}

/// The people, with accounts that last as long as the twin's folder.
///
/// # Errors
/// When their passwords cannot be kept.
pub fn people(twin: &Twin) -> anyhow::Result<Vec<Person>> {
    let person = |(login, permission)| Ok(Person { login, permission, password: twin.open_account(login)? });
    PEOPLE.into_iter().map(person).collect()
}

/// Gives the people their permissions in a repository.
///
/// # Errors
/// When the twin does not have the repository.
pub fn admit(twin: &Twin, repository: &str) -> anyhow::Result<()> {
    PEOPLE.into_iter().try_for_each(|(login, permission)| twin.set_permission(repository, login, permission))
}
