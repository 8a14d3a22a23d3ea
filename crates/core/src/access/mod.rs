//! Who may do what: one table of routes, what each demands, and which roles have that. Nothing is allowed that no row
//! allows.

mod key;
mod person;
mod role;
mod table;

use std::collections::BTreeSet;

use uuid::Uuid;

pub use self::{
    key::{Key, NotAKey, Token},
    person::{NAME_LIMIT, PersonName, login},
    role::{Right, Role, UnknownRole},
    table::{Access, ROUTES, Route, Scope, Thing, route},
};

/// The products that a key may touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Products {
    /// Every product, also those that are added later.
    All,
    /// These alone; everything else is to the key as if it did not exist.
    Only(BTreeSet<String>),
}

/// Who makes a request: a person, through one of that person's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The person's name, as histories and the audit log record it.
    pub name: String,
    /// The person's login on the forge, if it is linked.
    pub login: Option<String>,
    /// The key that the request or its session was made with.
    pub key: Uuid,
    /// What the key may do.
    pub role: Role,
    /// What the key may do it to.
    pub products: Products,
    /// How many requests the key may make in a minute.
    pub requests_per_minute: u32,
}

/// How many requests a key may make in a minute, unless it was issued with another number: 100 a second, which no person
/// makes, and which leave a server room for others.
pub const REQUESTS_PER_MINUTE: u32 = 6_000;
/// The most that a key may be issued with.
pub const MOST_REQUESTS_PER_MINUTE: u32 = 6_000_000;

/// Why a principal may not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The role does not have the right.
    #[error("`{role}` may not {right}; it needs the role {}", roles(*.right))]
    Role {
        /// The role of the key.
        role: Role,
        /// What was asked for.
        right: Right,
    },
    /// The key is limited to some products, and this concerns all of them.
    #[error("this concerns every product, and the key is limited to {0}; it needs a key without --product")]
    Limited(String),
}

impl Products {
    /// Whether this product may be touched.
    #[must_use]
    pub fn has(&self, product: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(product),
        }
    }

    /// The names; `None` for all products.
    #[must_use]
    pub fn names(&self) -> Option<Vec<String>> {
        match self {
            Self::All => None,
            Self::Only(names) => Some(names.iter().cloned().collect()),
        }
    }

    /// The products with these names; all of them for `None`.
    #[must_use]
    pub fn of(names: Option<Vec<String>>) -> Self {
        names.map_or(Self::All, |names| Self::Only(names.into_iter().collect()))
    }
}

impl Principal {
    /// Whether the role has a right.
    #[must_use]
    pub const fn may(&self, right: Right) -> bool {
        self.role.has(right)
    }

    /// Checks the role against a right, and the products where the act concerns all of them. Whether a single thing
    /// belongs to the key's products is a question about that thing: see [`Products::has`].
    ///
    /// # Errors
    /// [`Denied`] says what is missing.
    pub fn check(&self, right: Right, scope: Scope) -> Result<(), Denied> {
        if !self.may(right) {
            return Err(Denied::Role { role: self.role, right });
        }
        match (&self.products, scope) {
            (Products::Only(names), Scope::Factory) => {
                Err(Denied::Limited(names.iter().cloned().collect::<Vec<_>>().join(", ")))
            }
            _ => Ok(()),
        }
    }
}

/// The roles that have a right, as a list in words.
fn roles(right: Right) -> String {
    let names: Vec<String> =
        Role::ALL.iter().filter(|role| role.has(right)).map(|role| format!("`{role}`")).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(role: Role, products: &[&str]) -> Principal {
        let names: Vec<String> = products.iter().map(ToString::to_string).collect();
        let products = Products::of(Some(names).filter(|names| !names.is_empty()));
        let requests_per_minute = REQUESTS_PER_MINUTE;
        Principal {
            name: "ada".to_owned(),
            login: None,
            key: Uuid::nil(),
            role,
            products,
            requests_per_minute,
        }
    }

    #[test]
    fn each_role_has_its_rights_and_no_others() {
        let check = |right: Right, expected: &str| assert_eq!(roles(right), expected, "{right:?}");
        check(Right::Read, "`viewer`, `pm`, `engineer`, `admin` or `agent`");
        check(Right::ReadPayload, "`pm`, `engineer`, `admin` or `agent`");
        check(Right::Submit, "`pm`, `engineer`, `admin` or `agent`");
        check(Right::Control, "`pm`, `engineer` or `admin`");
        check(Right::Schedule, "`pm`, `engineer` or `admin`");
        check(Right::Steer, "`engineer` or `admin`");
        check(Right::Configure, "`admin`");
        check(Right::Administer, "`admin`");
    }

    #[test]
    fn a_denial_says_which_role_or_key_is_needed() {
        let denied = principal(Role::Viewer, &[]).check(Right::Control, Scope::Lists).unwrap_err();
        assert_eq!(
            denied.to_string(),
            "`viewer` may not control runs; it needs the role `pm`, `engineer` or `admin`"
        );
        let denied =
            principal(Role::Admin, &["goals", "wealth"]).check(Right::Configure, Scope::Factory).unwrap_err();
        assert_eq!(
            denied.to_string(),
            "this concerns every product, and the key is limited to goals, wealth; it needs a key without --product"
        );
        principal(Role::Admin, &["goals"]).check(Right::Configure, Scope::One(Thing::Product)).unwrap();
        principal(Role::Admin, &[]).check(Right::Configure, Scope::Factory).unwrap();
    }

    #[test]
    fn a_limited_key_touches_its_products_alone() {
        let limited = principal(Role::Admin, &["goals"]).products;
        assert!(limited.has("goals") && !limited.has("wealth") && Products::All.has("wealth"));
        assert_eq!(Products::of(limited.names()), limited);
        assert_eq!(Products::of(Products::All.names()), Products::All);
        assert!(!Products::Only(BTreeSet::new()).has("goals"), "an empty list is no product, not all");
    }
}
