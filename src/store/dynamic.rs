//! Statements whose tables or columns are only known at run time: months, tables found in the catalog, databases.
//!
//! Such a [`Statement`] consists of static text and of quoted [`Identifier`]s, nothing else; values are parameters
//! as everywhere. No other file makes the text of a statement (`tests/house/sql.rs`).

use sqlx::AssertSqlSafe;

use super::{Error, Result};

/// The longest name that Postgres does not cut, in bytes.
const MAX_LENGTH: usize = 63;

/// The name of a table, a column or a database: lower-case letters, digits and underscores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier(String);

impl Identifier {
    /// Checks a name.
    ///
    /// # Errors
    /// [`Error::Configuration`] when it has another character, or none, or more than 63.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if (1..=MAX_LENGTH).contains(&name.len()) && name.bytes().all(is_plain) {
            Ok(Self(name))
        } else {
            Err(Error::Configuration(format!("{name:?} is no name of a table, column or database").into()))
        }
    }

    /// The name, without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text of a statement that is put together at run time.
#[derive(Debug, Clone)]
pub struct Statement(String);

impl Statement {
    /// Begins a statement with this text.
    #[must_use]
    pub fn new(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// Appends static text.
    #[must_use]
    pub fn text(mut self, text: &'static str) -> Self {
        self.0 += text;
        self
    }

    /// Appends a quoted identifier.
    #[must_use]
    pub fn identifier(mut self, Identifier(name): &Identifier) -> Self {
        self.0.push('"');
        self.0 += name;
        self.0.push('"');
        self
    }

    /// Appends what `append` does for each item, with commas in between.
    #[must_use]
    pub fn list<T>(self, items: impl IntoIterator<Item = T>, append: impl Fn(Self, T) -> Self) -> Self {
        items.into_iter().enumerate().fold(self, |statement, (place, item)| {
            append(if place == 0 { statement } else { statement.text(", ") }, item)
        })
    }

    /// The statement, for sqlx to prepare.
    #[must_use]
    pub fn into_sql(self) -> AssertSqlSafe<String> {
        AssertSqlSafe(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_identifiers() {
        assert_eq!(Identifier::new("run_2026_11").unwrap().as_str(), "run_2026_11");
        for wrong in ["", "Run", "a b", "a\"; drop table run; --", "é", &"a".repeat(64)] {
            assert!(Identifier::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_statement_is_static_text_and_quoted_identifiers() {
        let columns = ["run_id", "seq"].map(|name| Identifier::new(name).unwrap());
        let statement = Statement::new("select ")
            .list(&columns, |statement, column| statement.identifier(column).text("::text"))
            .text(" from ")
            .identifier(&Identifier::new("event").unwrap());
        assert_eq!(statement.0, r#"select "run_id"::text, "seq"::text from "event""#);
    }
}
