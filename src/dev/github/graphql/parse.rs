//! Reads the selections of a GraphQL document: names, aliases, nested fields, and the variable that a field takes as
//! its `input`. Arguments that are objects or lists are skipped.

/// One operation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Operation {
    /// `query` or `mutation`.
    pub(super) kind: &'static str,
    pub(super) fields: Vec<Field>,
}

/// One selected field.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field {
    alias: Option<String>,
    pub(super) name: String,
    /// The name of the variable that is its argument `input`.
    pub(super) input: Option<String>,
    /// Its arguments that are a variable (`$name`) or a plain literal, as written.
    pub(super) arguments: Vec<(String, String)>,
    pub(super) fields: Vec<Self>,
}

impl Field {
    /// Under which key the field is answered.
    pub(super) fn key(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.name)
    }
}

/// Reads a document with one operation, or says what is wrong with it.
pub(super) fn parse(document: &str) -> Result<Operation, String> {
    let mut words = Words { rest: document };
    let kind = match words.peek()? {
        "{" => "query",
        "query" => "query",
        "mutation" => "mutation",
        other => return Err(format!("Parse error on \"{other}\"")),
    };
    while words.peek()? != "{" {
        let word = words.next()?;
        if word == "(" {
            words.skip_to_close()?;
        }
    }
    Ok(Operation { kind, fields: words.selection()? })
}

struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    fn trim(&mut self) {
        loop {
            self.rest = self.rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            match self.rest.strip_prefix('#') {
                Some(comment) => self.rest = comment.split_once('\n').map_or("", |(_, after)| after),
                None => return,
            }
        }
    }

    /// The length of the next word, 0 at the end.
    fn length(&mut self) -> usize {
        self.trim();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if self.rest.starts_with('"') {
            let mut escaped = false;
            let closing = |(_, c): &(usize, char)| {
                let closes = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                closes
            };
            let end = self.rest.char_indices().skip(1).find(closing);
            return end.map_or(self.rest.len(), |(at, _)| at + 1);
        }
        match self.rest.find(|c: char| !is_name(c)) {
            Some(0) => self.rest.chars().next().map_or(0, char::len_utf8),
            Some(end) => end,
            None => self.rest.len(),
        }
    }

    fn peek(&mut self) -> Result<&'a str, String> {
        let length = self.length();
        if length == 0 { Err("Unexpected end of document".to_owned()) } else { Ok(&self.rest[..length]) }
    }

    fn next(&mut self) -> Result<&'a str, String> {
        let word = self.peek()?;
        self.rest = &self.rest[word.len()..];
        Ok(word)
    }

    /// Skips to the parenthesis that closes one that was just read.
    fn skip_to_close(&mut self) -> Result<(), String> {
        let mut open = 1;
        while open > 0 {
            match self.next()? {
                "(" => open += 1,
                ")" => open -= 1,
                _ => {}
            }
        }
        Ok(())
    }

    /// The arguments of a field, in parentheses: those that are a variable or a plain literal.
    fn arguments(&mut self) -> Result<Vec<(String, String)>, String> {
        let mut arguments = Vec::new();
        self.next()?;
        loop {
            let name = self.next()?;
            if name == ")" {
                return Ok(arguments);
            }
            if self.next()? != ":" {
                return Err(format!("Parse error on \"{name}\""));
            }
            match self.next()? {
                "$" => arguments.push((name.to_owned(), format!("${}", self.next()?))),
                open @ ("{" | "[") => self.skip_value(if open == "{" { "}" } else { "]" })?,
                literal => arguments.push((name.to_owned(), literal.to_owned())),
            }
        }
    }

    /// Skips to what closes a value that was just opened.
    fn skip_value(&mut self, close: &str) -> Result<(), String> {
        loop {
            match self.next()? {
                "{" => self.skip_value("}")?,
                "[" => self.skip_value("]")?,
                word if word == close => return Ok(()),
                _ => {}
            }
        }
    }

    fn selection(&mut self) -> Result<Vec<Field>, String> {
        let mut fields = Vec::new();
        self.next()?;
        loop {
            let mut name = self.next()?.to_owned();
            if name == "}" {
                return Ok(fields);
            }
            if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
                return Err(format!("Parse error on \"{name}\""));
            }
            let mut alias = None;
            if self.peek()? == ":" {
                self.next()?;
                alias = Some(std::mem::replace(&mut name, self.next()?.to_owned()));
            }
            let arguments = if self.peek()? == "(" { self.arguments()? } else { Vec::new() };
            let of_input = arguments.iter().find(|(name, _)| name == "input");
            let input = of_input.and_then(|(_, value)| value.strip_prefix('$')).map(str::to_owned);
            let inner = if self.peek()? == "{" { self.selection()? } else { Vec::new() };
            fields.push(Field { alias, name, input, arguments, fields: inner });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(alias: Option<&str>, name: &str, fields: Vec<Field>) -> Field {
        Field {
            alias: alias.map(str::to_owned),
            name: name.to_owned(),
            input: None,
            arguments: Vec::new(),
            fields,
        }
    }

    #[test]
    fn selections_are_read_whatever_stands_between_them() {
        let plain = |name| field(None, name, Vec::new());
        let viewer = field(None, "viewer", vec![plain("login"), plain("databaseId")]);
        let read = Ok(Operation { kind: "query", fields: vec![viewer] });
        assert_eq!(parse("{viewer{login databaseId}}"), read);
        assert_eq!(parse("query Me($a: Int = 1) { # who\n viewer { login, databaseId } }"), read);
        let mut me = field(Some("me"), "f", vec![plain("x")]);
        me.arguments = vec![("n".to_owned(), "$n".to_owned()), ("first".to_owned(), "5".to_owned())];
        let read = Ok(Operation { kind: "mutation", fields: vec![me] });
        assert_eq!(parse("mutation { me: f(input: {a: \"}) \\\" {\"}, n: $n, first: 5) { x } }"), read);
        let document = "mutation($i: In!) { f(input: $i) { x } g(input: {a: 1}) h(other: $i) }";
        let inputs =
            parse(document).map(|read| read.fields.into_iter().map(|it| it.input).collect::<Vec<_>>());
        assert_eq!(inputs, Ok(vec![Some("i".to_owned()), None, None]));
        assert_eq!(parse("{viewer{login"), Err("Unexpected end of document".to_owned()));
        assert_eq!(parse("subscription {x}"), Err("Parse error on \"subscription\"".to_owned()));
    }
}
