//! Whom a notice reaches.

use super::{Audience, Notice, NoticeKind};
use crate::policy::Tier;

/// A person, as far as one product is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name, as histories record it.
    pub name: String,
    /// The login on the forge, if it is linked.
    pub login: Option<String>,
    /// Whether the person has a key that may see the product's runs.
    pub reads: bool,
    /// Whether the person has a key that may send the product's runs elsewhere.
    pub steers: bool,
}

/// Who asked for a requirement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requester {
    /// The names: of the caller who submitted it, and of the person whom that caller named.
    pub names: Vec<String>,
    /// The login on the forge.
    pub login: Option<String>,
}

/// What surrounds a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation<'a> {
    /// Who asked for the requirement.
    pub requester: &'a Requester,
    /// Who caused what the notice is about.
    pub actor: &'a str,
    /// The tier of the change, if it was judged.
    pub tier: Option<Tier>,
}

impl Requester {
    /// Whether this person asked for it.
    #[must_use]
    pub fn is(&self, name: &str, login: Option<&str>) -> bool {
        let same_login = match (login, &self.login) {
            (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
            _ => false,
        };
        same_login || self.names.iter().any(|it| it == name)
    }
}

impl Situation<'_> {
    /// Whether the notice is only of what its requester did: nobody else needs to know of that.
    #[must_use]
    pub fn is_own_act(&self, notice: &Notice) -> bool {
        notice.kind == NoticeKind::Failed && self.requester.names.iter().any(|name| name == self.actor)
    }
}

/// Whether a notice concerns a person. Nobody is notified of what they did themselves, or of a product that no key of
/// theirs may touch.
#[must_use]
pub fn reaches(notice: &Notice, person: &Person, at: &Situation<'_>) -> bool {
    let asked = at.requester.is(&person.name, person.login.as_deref());
    let concerns = |audience: &Audience| match audience {
        Audience::Requester => asked,
        Audience::Approvers => person.steers && !(asked && at.tier == Some(Tier::Critical)),
        Audience::Keepers => person.steers,
    };
    person.reads && person.name != at.actor && notice.to.iter().any(concerns)
}
