//! `aspora key`. With `ASPORA_API_KEY` it asks the server; without, it works on the database of `DATABASE_URL`, which is
//! how the first key is made.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use uuid::Uuid;

use super::{Client, Exit, Printer, plain};
use crate::{
    api::{IssuedKey, Key, KeyLink, NewKey},
    cli::{keyring, settings},
    core::{
        access::{PersonName, Role, checked_identity, login},
        reason::Reason,
        requirement::Invalid,
    },
    engine::{identities, people},
    store::{self, Pool, api_key},
};

/// What the audit log calls who acts at the database.
pub(super) const AT_THE_DATABASE: &str = "database";

/// The subcommands of `aspora key`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Issue a key; it is printed this once.
    Create(Create),
    /// List the keys, without their secrets.
    List(Place),
    /// Link a key to what its owner is called at the identity provider, so that they can sign in there.
    Link(Link),
    /// Revoke a key and end its sessions.
    Revoke(Revoke),
}

/// A key to issue.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Its owner, as histories name them; added if there is no such person.
    #[arg(long, value_name = "NAME")]
    person: PersonName,
    /// What it may do: viewer, pm, engineer, admin or agent.
    #[arg(long)]
    role: Role,
    /// Limit it to a product; can be repeated. Without it: all products.
    #[arg(long, value_name = "NAME")]
    product: Vec<String>,
    /// When it ends: a number of days such as `90d`, or a time such as 2027-01-31T00:00:00Z. Without it: never.
    #[arg(long, value_name = "WHEN", value_parser = expiry)]
    expires: Option<Expiry>,
    /// How many requests it may make in a minute at each server [default: 6000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=6_000_000))]
    requests_per_minute: Option<i32>,
    /// Link the owner's login on the forge: they cannot approve their own critical change.
    #[arg(long, value_name = "LOGIN", value_parser = forge_login)]
    forge_login: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// A key to link.
#[derive(Debug, Args)]
pub(crate) struct Link {
    /// The key's id.
    id: Uuid,
    /// What its owner is called there, such as a verified e-mail address. Without it: nobody signs in for this key.
    #[arg(value_parser = identity)]
    identity: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// A key to revoke.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The key's id.
    id: Uuid,
    /// Why.
    #[arg(short, long)]
    reason: Reason,
    #[command(flatten)]
    place: Place,
}

/// Where the keys are.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// URL of the Postgres database; used if ASPORA_API_KEY is not set.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,
}

/// When a key ends.
#[derive(Debug, Clone, Copy)]
enum Expiry {
    Days(u32),
    At(DateTime<Utc>),
}

impl Place {
    /// The database, if it is to be used.
    pub(super) async fn database(&self) -> anyhow::Result<Option<Pool>> {
        if keyring::given()?.is_some() {
            return Ok(None);
        }
        let Some(url) =
            self.database_url.clone().map_or_else(|| settings::secret("DATABASE_URL"), |it| Ok(Some(it)))?
        else {
            return Ok(None);
        };
        let pool = store::connect(&url, 1).await.context("connect to the database in DATABASE_URL")?;
        if store::migrations_missing(&pool).await? > 0 {
            bail!("the database does not have the schema of this release; run `aspora migrate` first");
        }
        Ok(Some(pool))
    }
}

/// Runs a subcommand.
///
/// # Errors
/// When the server or the database refuses it or cannot be reached.
pub(crate) async fn run(client: &Client, printer: &Printer, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Create(new) => {
            let issued = create(client, new).await?;
            let key = &issued.key;
            let text = format!(
                "{}\nThis is {}'s key ({}) with the role {}. It is shown this once; keep it secret.",
                issued.secret,
                plain(&key.person),
                key.id,
                key.role
            );
            printer.say(&text, &issued)?;
        }
        Command::List(place) => {
            let all = match place.database().await? {
                Some(pool) => api_key::list(&pool).await?.into_iter().map(Key::from).collect(),
                None => client.keys().await?,
            };
            printer.say(&table(&all), &all)?;
        }
        Command::Link(Link { id, identity, place }) => {
            let key = match place.database().await? {
                Some(pool) => {
                    let row = identities::link(&pool, id, identity.as_deref(), AT_THE_DATABASE).await?;
                    row.map(Key::from).with_context(|| format!("there is no key {id}"))?
                }
                None => client.link_key(id, &KeyLink { identity }).await?,
            };
            let who = plain(&key.person);
            let text = match &key.identity {
                Some(identity) => {
                    format!("{} signs in as {who}, with the role {}.", plain(identity), key.role)
                }
                None => {
                    format!("Nobody signs in at the identity provider for the key {} of {who}.", key.prefix)
                }
            };
            printer.say(&text, &key)?;
        }
        Command::Revoke(Revoke { id, reason, place }) => {
            let key = match place.database().await? {
                Some(pool) => {
                    let row = people::revoke(&pool, id, AT_THE_DATABASE, &reason).await?;
                    row.map(Key::from).with_context(|| format!("there is no key {id}"))?
                }
                None => client.revoke_key(id, reason.as_str()).await?,
            };
            printer.say(&format!("Revoked the key {} of {}.", key.prefix, plain(&key.person)), &key)?;
        }
    }
    Ok(Exit::Success)
}

async fn create(client: &Client, new: Create) -> anyhow::Result<IssuedKey> {
    let Create { person, role, product, expires, requests_per_minute, forge_login, place } = new;
    let products = Some(product).filter(|names| !names.is_empty());
    let expires_at = |now: DateTime<Utc>| {
        expires.map(|it| match it {
            Expiry::Days(days) => now + TimeDelta::days(days.into()),
            Expiry::At(at) => at,
        })
    };
    let Some(pool) = place.database().await? else {
        let (person, role) = (person.to_string(), role.to_string());
        let expires_at = expires_at(Utc::now());
        let new = NewKey { person, forge_login, role, products, expires_at, requests_per_minute };
        return Ok(client.create_key(&new).await?);
    };
    let now = store::now(&mut *pool.acquire().await?).await?;
    let expires_at = expires_at(now);
    anyhow::ensure!(expires_at.is_none_or(|at| at > now), "--expires must be in the future");
    let new = people::NewKey { person, forge_login, role, products, expires_at, requests_per_minute };
    let people::Issued { key, row } = people::issue(&pool, &new, AT_THE_DATABASE).await?;
    Ok(IssuedKey { secret: key.reveal().to_owned(), key: row.into() })
}

fn expiry(text: &str) -> Result<Expiry, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
    if let Some(days) = days.filter(|days| (1..=36_500).contains(days)) {
        return Ok(Expiry::Days(days));
    }
    let at = DateTime::parse_from_rfc3339(text)
        .map_err(|_| "expected 1d to 36500d, or a time such as 2027-01-31T00:00:00Z".to_owned())?;
    Ok(Expiry::At(at.to_utc()))
}

/// An address has small letters here, as the identity provider's are compared.
fn identity(text: &str) -> Result<String, String> {
    let wrong = || "must have 1 to 255 characters, none of them invisible".to_owned();
    let identity = checked_identity(text).ok_or_else(wrong)?;
    Ok(if identity.contains('@') { identity.to_lowercase() } else { identity.to_owned() })
}

fn forge_login(text: &str) -> Result<String, String> {
    login(text).map(str::to_owned).map_err(|invalid: Invalid| invalid.message)
}

fn table(keys: &[Key]) -> String {
    if keys.is_empty() {
        return "No keys.".to_owned();
    }
    let mut text =
        format!("{:<36}  {:<15}  {:<8}  {:<8}  {:<16}  PERSON\n", "ID", "KEY", "ROLE", "STATE", "LAST USED");
    for key in keys {
        let used =
            key.last_used_at.map_or_else(|| "never".to_owned(), |at| at.format("%Y-%m-%d %H:%M").to_string());
        let products =
            key.products.as_ref().map(|names| format!(" ({})", names.join(", "))).unwrap_or_default();
        let _ = writeln!(
            text,
            "{:<36}  {:<15}  {:<8}  {:<8}  {used:<16}  {}{products}",
            key.id,
            key.prefix,
            key.role,
            key.state,
            plain(&key.person)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_ends_after_days_or_at_a_time() {
        assert!(matches!(expiry("90d"), Ok(Expiry::Days(90))));
        assert!(matches!(expiry("2027-01-31T00:00:00+01:00"), Ok(Expiry::At(_))));
        for wrong in ["", "0d", "d", "90", "36501d", "tomorrow"] {
            assert!(expiry(wrong).is_err(), "{wrong}");
        }
    }
}
