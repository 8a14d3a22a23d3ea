//! The export of runs as lines of JSON, one row of a table a line, with the names of its columns.
//!
//! `{"fact": "event", "row": {…}}`. The run comes first, then its requirement and workflow, then every table with a
//! `run_id`, each in order; the last line counts them. Long texts are restored. One page of rows is in memory at a
//! time.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use futures::{Stream, stream};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::store::{
    Error, Pool, Result, blob,
    dynamic::{Identifier, Statement},
    partition::Month,
};

/// Rows of a page of a table with short rows.
const PAGE: i64 = 500;
/// Rows of a page of a table whose rows may have long texts.
const LONG_PAGE: i64 = 10;
/// The tables whose rows may have long texts.
const LONG: [&str; 3] = ["assessment", "effect", "requirement"];

/// Exports one run, as lines without line ends; nothing for a run that does not exist.
///
/// The history ends at the version that the run had when the first line was read: folding it gives that run.
pub fn of_run(pool: Pool, id: Uuid) -> impl Stream<Item = Result<String>> {
    lines(Reader::new(pool, id, id))
}

/// Exports the runs of a month, table by table.
pub fn of_month(pool: Pool, month: &Month) -> impl Stream<Item = Result<String>> {
    // The bounds are inclusive here, and no run has the lower bound of a month as its id.
    lines(Reader::new(pool, month.from, month.to))
}

/// Whether a month is over and all its runs have ended.
///
/// # Errors
/// When the database does not answer.
pub async fn is_complete(pool: &Pool, month: &Month, now: DateTime<Utc>) -> Result<bool> {
    sqlx::query_scalar!(
        r#"select run_id_floor($3) >= $2 and not exists (
               select from run where id >= $1 and id < $2 and status <> 'ended') as "complete!""#,
        month.from,
        month.to,
        now
    )
    .fetch_one(pool)
    .await
}

fn lines(reader: Reader) -> impl Stream<Item = Result<String>> {
    stream::unfold(reader, async |mut reader| {
        let next = reader.next().await;
        if next.is_err() {
            reader.tables.clear();
            reader.lines.clear();
        }
        Some((next.transpose()?, reader))
    })
}

/// Reads the rows of one table in the order of `key`, from `cursor` on.
struct Table {
    name: Identifier,
    /// The rows that belong to the runs, as SQL over `$1` (the first run's id) and `$2` (the last one's).
    belongs: &'static str,
    /// The columns of the order, and the casts from text to their types.
    key: Vec<(Identifier, &'static str)>,
    cursor: Option<Vec<String>>,
}

struct Reader {
    pool: Pool,
    from: Uuid,
    to: Uuid,
    tables: VecDeque<Table>,
    lines: VecDeque<String>,
    has_begun: bool,
    /// The version of the run, where a single one is exported.
    version: Option<i64>,
    /// How many lines were returned. The last line says it, so that a truncated file is recognised.
    count: u64,
}

impl Reader {
    fn new(pool: Pool, from: Uuid, to: Uuid) -> Self {
        Self {
            pool,
            from,
            to,
            tables: VecDeque::new(),
            lines: VecDeque::new(),
            has_begun: false,
            version: None,
            count: 0,
        }
    }

    async fn next(&mut self) -> Result<Option<String>> {
        if !self.has_begun {
            self.has_begun = true;
            self.tables = tables(&self.pool).await?.into();
        }
        while self.lines.is_empty() {
            let Some(mut table) = self.tables.pop_front() else { return Ok(self.end()) };
            let has_more = self.read_page(&mut table).await?;
            if has_more {
                self.tables.push_front(table);
            }
            // Nothing is exported of a run that does not exist.
            if !has_more && self.lines.is_empty() && self.version.is_none() && self.from == self.to {
                self.tables.clear();
            }
        }
        self.count += 1;
        Ok(self.lines.pop_front())
    }

    /// The last line, once.
    fn end(&mut self) -> Option<String> {
        let count = std::mem::take(&mut self.count);
        (count > 0).then(|| json!({ "fact": "end", "row": { "facts": count } }).to_string())
    }

    /// Reads a page; whether there may be another.
    async fn read_page(&mut self, table: &mut Table) -> Result<bool> {
        let name = table.name.as_str();
        let limit = if LONG.contains(&name) { LONG_PAGE } else { PAGE };
        let query = sqlx::query_as(table.statement().into_sql());
        let mut query = query.bind(self.from).bind(self.to).bind(limit);
        if let Some(cursor) = &table.cursor {
            query = query.bind(cursor);
        }
        let mut rows: Vec<(Value, Vec<String>)> = query.fetch_all(&self.pool).await?;
        blob::restore(&self.pool, rows.iter_mut().map(|(row, _)| row).collect()).await?;
        let more = rows.len() == usize::try_from(limit).unwrap_or(usize::MAX);
        table.cursor = rows.last().map(|(_, cursor)| cursor.clone());
        for (row, _) in rows {
            if name == "run" && self.from == self.to {
                self.version = row["version"].as_i64();
            }
            let is_later =
                name == "event" && self.version.is_some_and(|last| row["seq"].as_i64() > Some(last));
            if !is_later {
                let line = serde_json::to_string(&json!({ "fact": name, "row": row }));
                self.lines.push_back(line.map_err(|error| Error::Encode(Box::new(error)))?);
            }
        }
        Ok(more)
    }
}

impl Table {
    /// The next page of at most `$3` rows, after the cursor `$4` if there is one.
    fn statement(&self) -> Statement {
        let Self { name, belongs, key, cursor } = self;
        let column = |statement: Statement, (column, _): &(Identifier, _)| statement.identifier(column);
        let text = |statement: Statement, (column, _): &(Identifier, _)| {
            statement.text("t.").identifier(column).text("::text")
        };
        let value = |statement: Statement, (place, (_, cast)): (&'static str, &(_, &'static str))| {
            statement.text("($4::text[])").text(place).text(cast)
        };
        let mut statement = Statement::new("select to_jsonb(t), array[")
            .list(key, text)
            .text("] from (select * from ")
            .identifier(name)
            .text(" where ")
            .text(belongs);
        if cursor.is_some() {
            let values = PLACES.into_iter().zip(key);
            statement =
                statement.text(" and (").list(key, column).text(") > (").list(values, value).text(")");
        }
        statement.text(" order by ").list(key, column).text(" limit $3) t")
    }
}

/// The elements of a cursor: no key has more columns.
const PLACES: [&str; 8] = ["[1]", "[2]", "[3]", "[4]", "[5]", "[6]", "[7]", "[8]"];

/// The cast from text to a type that a key may have.
fn cast(kind: &str) -> Result<&'static str> {
    Ok(match kind {
        "bigint" => "::bigint",
        "date" => "::date",
        "integer" => "::integer",
        "smallint" => "::smallint",
        "text" => "::text",
        "timestamp with time zone" => "::timestamptz",
        "uuid" => "::uuid",
        other => return Err(Error::Configuration(format!("no key can be a {other} here").into())),
    })
}

/// The tables of a run: `run` itself, what it started from, and every table with a `run_id`.
async fn tables(pool: &Pool) -> Result<Vec<Table>> {
    let named = sqlx::query!(
        r#"select c.relname::text as "name!",
                  array_agg(a.attname::text order by array_position(i.indkey::int2[], a.attnum)) as "columns!",
                  array_agg(format_type(a.atttypid, null) order by array_position(i.indkey::int2[], a.attnum)) as "kinds!"
           from pg_class c
           join pg_index i on i.indrelid = c.oid and i.indisprimary
           join pg_attribute a on a.attrelid = c.oid and a.attnum = any (i.indkey::int2[])
           where c.relkind in ('r', 'p') and not c.relispartition and c.relname not in ('job', 'blob_use')
             and c.relnamespace = (select relnamespace from pg_class where oid = 'run'::regclass)
             and exists (select from pg_attribute r where r.attrelid = c.oid and r.attname = 'run_id'
                         and r.atttypid = 'uuid'::regtype)
           group by c.relname order by c.relname <> 'event', c.relname"#
    )
    .fetch_all(pool)
    .await?;
    let fixed = |name, belongs, column, cast| -> Result<Table> {
        let key = vec![(Identifier::new(column)?, cast)];
        Ok(Table { name: Identifier::new(name)?, belongs, key, cursor: None })
    };
    let requirements = "id in (select requirement_id from run where id between $1 and $2)";
    let pulls = "id in (select subject_id from run where id between $1 and $2)";
    let workflows = "hash in (select workflow_hash from run where id between $1 and $2)";
    let mut tables = vec![
        fixed("run", "id between $1 and $2", "id", "::uuid")?,
        fixed("requirement", requirements, "id", "::uuid")?,
        fixed("pull", pulls, "id", "::uuid")?,
        fixed("workflow", workflows, "hash", "::text")?,
    ];
    for row in named {
        let mut key = vec![(Identifier::new("run_id")?, "::uuid")];
        for (column, kind) in row.columns.into_iter().zip(&row.kinds).filter(|(column, _)| column != "run_id")
        {
            key.push((Identifier::new(column)?, cast(kind)?));
        }
        tables.push(Table {
            name: Identifier::new(row.name)?,
            belongs: "run_id between $1 and $2",
            key,
            cursor: None,
        });
    }
    Ok(tables)
}
