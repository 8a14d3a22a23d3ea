//! Requirements, as product managers submitted them.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::core::requirement::{RequestedBy, Requirement};
use crate::store::{Connection, Pool, Result};

/// A requirement and the state of its run.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its id.
    pub id: Uuid,
    /// The product.
    pub product: String,
    /// The title, one line.
    pub title: String,
    /// The body; empty in lists.
    pub body: String,
    /// 1 (first) to 5 (last).
    pub priority: i16,
    /// Who submitted it, if known.
    pub requested_by: Option<String>,
    /// When it was submitted.
    pub created_at: DateTime<Utc>,
    /// Its run.
    pub run_id: Uuid,
    /// `active`, `waiting` or `ended`.
    pub status: String,
    /// The step its run is at.
    pub step: Option<String>,
    /// How its run ended.
    pub ended_as: Option<String>,
    /// The repository its run works in, `owner/name`.
    pub repository: String,
    /// The pull request's number.
    pub pull: Option<i64>,
    /// The time by which lists are sorted.
    pub listed_at: DateTime<Utc>,
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// The rows, newest first.
    pub rows: Vec<Row>,
    /// The cursor of the next page, for [`Filter::before`]. A page of a search by text scans a limited number of titles:
    /// it may have few rows, or none, and there may still be another page.
    pub next: Option<(DateTime<Utc>, Uuid)>,
}

/// How many titles a page of a search scans.
const SCAN_LIMIT: i64 = 20_000;
/// As [`SCAN_LIMIT`], for runs in one state, where each run needs a lookup of its title.
const SCAN_LIMIT_IN_STATE: i64 = 5_000;
/// The maximum of rows of a page; the statements read one more.
const MOST: usize = 100;
/// As far as a list is counted.
pub const COUNTED: usize = MOST;
/// Later than every requirement.
const END_OF_TIME: DateTime<Utc> = DateTime::from_timestamp(253_402_300_799, 0).unwrap();
/// The ways in which runs end.
const ENDS: [&str; 4] = ["succeeded", "failed", "blocked", "cancelled"];

/// The state of requirements whose pull request was merged although no verdict had cleared it.
const UNJUDGED: &str = "unjudged";

/// What a list shows of all requirements, for the person who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Runs that this person can bring further.
    NeedsMe,
    /// What this person asked for.
    Mine,
    /// Runs on which nothing happened for an hour although they wait for nobody, which a hold keeps from going on, or
    /// whose job is a dead letter.
    Stuck,
    /// Runs that a budget pauses.
    OverBudget,
    /// Runs that wait, for machines or for people.
    Waiting,
}

/// Who reads a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reader {
    /// The name, as histories record it.
    pub name: String,
    /// The login on the forge, if it is linked.
    pub login: Option<String>,
    /// Whether the person may approve changes and send runs elsewhere.
    pub steers: bool,
}

impl View {
    /// All views.
    pub const ALL: [Self; 5] = [Self::NeedsMe, Self::Mine, Self::Stuck, Self::OverBudget, Self::Waiting];

    /// The name in addresses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeedsMe => "needs-me",
            Self::Mine => "mine",
            Self::Stuck => "stuck",
            Self::OverBudget => "over-budget",
            Self::Waiting => "waiting",
        }
    }

    /// The states and ends of the runs that it can show.
    const fn states(self) -> &'static [&'static str] {
        match self {
            Self::NeedsMe => &["waiting", "paused", "blocked"],
            Self::Mine => &["active", "waiting", "paused", "succeeded", "failed", "blocked", "cancelled"],
            Self::Stuck => &["active", "waiting", "blocked"],
            Self::OverBudget => &["paused"],
            Self::Waiting => &["waiting"],
        }
    }
}

impl FromStr for View {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Self::ALL.into_iter().find(|view| view.as_str() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|view| view.as_str()).collect();
            format!("must be one of {}", names.join(", "))
        })
    }
}

/// Filters and pages a list of requirements.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this product.
    pub product: Option<String>,
    /// Only runs with this status or end.
    pub state: Option<String>,
    /// Only this view, for this reader.
    pub view: Option<(View, Reader)>,
    /// Only titles that contain this text, ignoring case.
    pub text: Option<String>,
    /// Only requirements before this cursor.
    pub before: Option<(DateTime<Utc>, Uuid)>,
    /// The maximum of rows, 1 to 100.
    pub limit: i64,
}

/// Stores a requirement.
///
/// # Errors
/// A foreign key violation for a product that does not exist.
pub async fn insert(
    connection: &mut Connection,
    id: Uuid,
    requirement: &Requirement,
    requested_by: Option<&str>,
) -> Result<()> {
    sqlx::query!(
        "insert into requirement (id, product, title, body, priority, requested_by)
         values ($1, $2, $3, $4, $5, $6)",
        id,
        requirement.product.as_str(),
        requirement.title,
        requirement.body,
        i16::from(requirement.priority),
        requested_by
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Stores who asked for a requirement, as its caller says.
///
/// # Errors
/// When the database does not answer.
pub async fn set_requester(connection: &mut Connection, id: Uuid, by: &RequestedBy) -> Result<()> {
    sqlx::query!(
        "update requirement set requester_name = nullif($2, ''), requester_login = $3 where id = $1",
        id,
        by.name,
        by.forge_login
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Who asked for a requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requester {
    /// The name that the caller said; otherwise that of the caller itself.
    pub name: String,
    /// The login on the forge, as the caller said.
    pub login: Option<String>,
    /// The forge's number of that account, once a run has asked for it.
    pub account: Option<i64>,
}

/// Who asked for a requirement.
///
/// # Errors
/// When the database does not answer.
pub async fn requester(pool: &Pool, id: Uuid) -> Result<Requester> {
    sqlx::query_as!(
        Requester,
        r#"select coalesce(requester_name, requested_by, '') as "name!", requester_login as login,
                  requester_account as account
           from requirement where id = $1"#,
        id
    )
    .fetch_one(pool)
    .await
}

/// Stores the number of the account that asked, unless one is known.
///
/// # Errors
/// When the database does not answer.
pub async fn identify_requester(pool: &Pool, id: Uuid, account: i64) -> Result<()> {
    sqlx::query!(
        "update requirement set requester_account = $2 where id = $1 and requester_account is null",
        id,
        account
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// One requirement.
///
/// # Errors
/// When the database does not answer.
pub async fn get(pool: &Pool, id: Uuid) -> Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        r#"select q.id, q.product, q.title, q.body, q.priority, q.requested_by, q.created_at,
                  r.id as run_id, r.status, r.step, r.ended_as, r.repository, r.pull,
                  q.created_at as listed_at
           from requirement q join run r on r.requirement_id = q.id
           where q.id = $1
           order by r.created_at desc, r.id desc limit 1"#,
        id
    )
    .fetch_optional(pool)
    .await
}

/// A page of requirements, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(pool: &Pool, filter: &Filter) -> Result<Page> {
    let (at, id) = filter.before.unwrap_or((END_OF_TIME, Uuid::max()));
    let in_state = filter.state.is_some() || filter.view.is_some();
    let is_mine = matches!(filter.view, Some((View::Mine, _)));
    let scan_end = match filter.text.is_some() || is_mine {
        true => {
            let limit = if in_state { SCAN_LIMIT_IN_STATE } else { SCAN_LIMIT };
            scan_end(pool, filter.product.as_deref(), at, id, limit).await?
        }
        false => None,
    };
    let (end_at, end_id) = scan_end.unwrap_or((DateTime::UNIX_EPOCH, Uuid::nil()));
    let Filter { product, text, state, .. } = filter;
    let mut rows = match (state.as_deref(), product) {
        _ if filter.view.is_some() => in_view(pool, filter, (at, id), (end_at, end_id)).await?,
        (Some(UNJUDGED), _) => {
            let file = sqlx::query_file_as!(
                Row,
                "src/store/catalog/requirement_list_unjudged.sql",
                text.as_deref(),
                at,
                id,
                end_at,
                end_id,
                product.as_deref()
            );
            file.fetch_all(pool).await?
        }
        (Some(state), _) => {
            let one = [state];
            let states: Vec<String> = (if state == "ended" { &ENDS[..] } else { &one[..] })
                .iter()
                .map(ToString::to_string)
                .collect();
            let file = sqlx::query_file_as!(
                Row,
                "src/store/catalog/requirement_list_in_state.sql",
                text.as_deref(),
                at,
                id,
                end_at,
                end_id,
                product.as_deref(),
                &states
            );
            file.fetch_all(pool).await?
        }
        (None, Some(product)) => {
            let file = sqlx::query_file_as!(
                Row,
                "src/store/catalog/requirement_list_of_product.sql",
                text.as_deref(),
                at,
                id,
                end_at,
                end_id,
                product
            );
            file.fetch_all(pool).await?
        }
        (None, None) => {
            let file = sqlx::query_file_as!(
                Row,
                "src/store/catalog/requirement_list.sql",
                text.as_deref(),
                at,
                id,
                end_at,
                end_id
            );
            file.fetch_all(pool).await?
        }
    };
    let size = usize::try_from(filter.limit).unwrap_or(0).min(MOST);
    let more = rows.len() > size;
    rows.truncate(size);
    let next = if more { rows.last().map(|row| (row.listed_at, row.id)) } else { scan_end };
    Ok(Page { rows, next })
}

/// The rows of a view between two cursors.
async fn in_view(
    pool: &Pool,
    filter: &Filter,
    (at, id): (DateTime<Utc>, Uuid),
    (end_at, end_id): (DateTime<Utc>, Uuid),
) -> Result<Vec<Row>> {
    let Some((view, reader)) = &filter.view else { return Ok(Vec::new()) };
    let wanted = filter.state.as_deref();
    let states = view.states().iter().filter(|it| wanted.is_none_or(|wanted| is_in(it, wanted)));
    let states: Vec<String> = states.map(ToString::to_string).collect();
    sqlx::query_file_as!(
        Row,
        "src/store/catalog/requirement_list_view.sql",
        filter.text.as_deref(),
        at,
        id,
        end_at,
        end_id,
        filter.product.as_deref(),
        &states,
        view.as_str(),
        reader.name,
        reader.login,
        reader.steers
    )
    .fetch_all(pool)
    .await
}

/// Whether runs in `state` are among those that a filter by `wanted` shows.
fn is_in(state: &str, wanted: &str) -> bool {
    state == wanted || (wanted == "ended" && ENDS.contains(&state))
}

/// How many requirements a filter shows, up to [`COUNTED`].
///
/// # Errors
/// When the database does not answer.
pub async fn count(pool: &Pool, filter: &Filter) -> Result<usize> {
    let filter = Filter { before: None, limit: COUNTED as i64, ..filter.clone() };
    Ok(list(pool, &filter).await?.rows.len())
}

/// How many pull requests were merged although no verdict had cleared them.
///
/// # Errors
/// When the database does not answer.
pub async fn count_unjudged(pool: &Pool) -> Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from run where state->'progress'->>'unjudged' is not null"#
    )
    .fetch_one(pool)
    .await
}

/// The last requirement that a page of a search scans; `None` when it reaches the end of the list.
async fn scan_end(
    pool: &Pool,
    product: Option<&str>,
    at: DateTime<Utc>,
    id: Uuid,
    limit: i64,
) -> Result<Option<(DateTime<Utc>, Uuid)>> {
    let last = if let Some(product) = product {
        sqlx::query!(
            "select created_at, id from requirement where product = $4 and (created_at, id) < ($1, $2)
             order by created_at desc, id desc offset $3 limit 1",
            at,
            id,
            limit - 1,
            product
        )
        .fetch_optional(pool)
        .await?
        .map(|row| (row.created_at, row.id))
    } else {
        sqlx::query!(
            "select created_at, id from requirement where (created_at, id) < ($1, $2)
             order by created_at desc, id desc offset $3 limit 1",
            at,
            id,
            limit - 1
        )
        .fetch_optional(pool)
        .await?
        .map(|row| (row.created_at, row.id))
    };
    Ok(last)
}
