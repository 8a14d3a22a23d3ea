//! A JSON document that knows the pointer of each value, for error messages.
//!
//! Duplicate keys are kept and then refused: a person who reads the first and a program that takes the last would
//! not agree on the policy.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::Error;

/// One JSON value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
    /// Taken out, so that what is around it keeps its place.
    Removed,
}

/// One value and its pointer.
#[derive(Debug, Clone)]
pub(super) struct At<'a> {
    value: &'a Value,
    pointer: String,
}

impl Value {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(bytes).map_err(|error| Error::new("", format!("is not JSON: {error}")))
    }

    pub(super) fn root(&self) -> At<'_> {
        At { value: self, pointer: String::new() }
    }

    /// Takes a part out, of several members of one name the last; whether there was one.
    pub(super) fn remove(&mut self, pointer: &str) -> bool {
        let mut value = self;
        let mut tokens = pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~"));
        let Some(mut token) = tokens.next() else { return false };
        loop {
            let part = match value {
                Self::Map(members) => members
                    .iter_mut()
                    .rfind(|(key, value)| *key == token && !matches!(value, Self::Removed))
                    .map(|(_, value)| value),
                Self::List(items) => token.parse().ok().and_then(|index: usize| items.get_mut(index)),
                _ => None,
            };
            let Some(part) = part else { return false };
            match tokens.next() {
                None if matches!(part, Self::Removed) => return false,
                None => {
                    *part = Self::Removed;
                    return true;
                }
                Some(next) => (value, token) = (part, next),
            }
        }
    }
}

impl<'a> At<'a> {
    pub(super) fn refuse(&self, message: impl Into<String>) -> Error {
        Error::new(self.pointer.clone(), message)
    }

    pub(super) fn pointer(&self) -> &str {
        &self.pointer
    }

    /// The members of an object, each once.
    pub(super) fn members(&self) -> Result<Vec<(&'a str, Self)>, Error> {
        let Value::Map(members) = self.value else { return Err(self.refuse("must be an object")) };
        let mut seen = std::collections::BTreeSet::new();
        let members = members.iter().filter(|(_, value)| !matches!(value, Value::Removed));
        members.map(|(key, value)| self.member(key, value, seen.insert(key))).collect()
    }

    pub(super) fn items(&self) -> Result<Vec<Self>, Error> {
        let Value::List(items) = self.value else { return Err(self.refuse("must be a list")) };
        let at = |(index, value)| At { value, pointer: format!("{}/{index}", self.pointer) };
        let items = items.iter().enumerate().filter(|(_, value)| !matches!(value, Value::Removed));
        Ok(items.map(at).collect())
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self.value, Value::Map(_))
    }

    pub(super) fn text(&self) -> Result<&'a str, Error> {
        let Value::Text(text) = self.value else { return Err(self.refuse("must be a string")) };
        Ok(text)
    }

    pub(super) fn truth(&self) -> Result<bool, Error> {
        let Value::Bool(truth) = self.value else { return Err(self.refuse("must be true or false")) };
        Ok(*truth)
    }

    /// A whole number from 0 to `most`.
    pub(super) fn number(&self, most: u32) -> Result<u32, Error> {
        match self.value {
            Value::Number(number) if number.fract() == 0.0 && (0.0..=f64::from(most)).contains(number) =>
            {
                #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
                #[expect(clippy::cast_sign_loss, reason = "the range was checked")]
                Ok(*number as u32)
            }
            _ => Err(self.refuse(format!("must be a whole number from 0 to {most}"))),
        }
    }

    fn member(&self, key: &'a str, value: &'a Value, first: bool) -> Result<(&'a str, Self), Error> {
        let pointer = format!("{}/{}", self.pointer, key.replace('~', "~0").replace('/', "~1"));
        if first { Ok((key, At { value, pointer })) } else { Err(Error::new(pointer, "appears twice")) }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "numbers that large are refused by every field")]
        Ok(Value::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "only an app id may be large, and stays below 2^53")]
        Ok(Value::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Value::Map(members))
    }
}
