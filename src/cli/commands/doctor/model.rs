//! What `aspora doctor` says of the fallback of the model.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{
    cli::{settings::Settings, text::plain},
    llm::{Config, Task},
};

/// Describes the fallback, if one is configured; asks no server.
///
/// # Errors
/// When a setting is invalid.
pub(super) fn inspect(text: &mut String) -> anyhow::Result<Value> {
    let Some(config) = Settings::from_env()?.model else { return Ok(Value::Null) };
    Ok(describe(&config, text))
}

fn describe(config: &Config, text: &mut String) -> Value {
    let Some(fallback) = &config.fallback else { return Value::Null };
    let (writer, stand_in) = (config.provider(Task::Generate), fallback.provider(Task::Generate));
    let (of, is) = (plain(&writer.in_words()), plain(&stand_in.in_words()));
    let _ = writeln!(text, "ok   {is} is asked while {of} is down");
    let mut remarks = Vec::new();
    if config.fallback_reviews_itself() {
        remarks.push(format!(
            "while one of ASPORA_MODEL and ASPORA_REVIEW_MODEL is down, `{}` reviews what it wrote itself: \
             ASPORA_FALLBACK_MODEL is the other of the two",
            plain(&fallback.model)
        ));
    }
    if config.prices.is_some() && fallback.prices.is_none() {
        let what =
            "ASPORA_FALLBACK_PRICES is not set: runs with a budget in dollars wait for the model instead";
        remarks.push(what.to_owned());
    }
    remarks.iter().for_each(|remark| {
        let _ = writeln!(text, "note {remark}");
    });
    json!({ "model": stand_in.to_string(), "remarks": remarks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fallback_that_reviews_itself_or_has_no_price_is_remarked_on() {
        let mut config = Config::new("https://x.ai/v1", "k".into(), "a");
        let said = |config: &Config| {
            let mut text = String::new();
            describe(config, &mut text);
            text
        };
        assert_eq!(said(&config), "");
        config.fallback = Some(Box::new(Config::new("https://x.ai/v1", "k".into(), "b")));
        assert_eq!(said(&config), "ok   the model b at x.ai is asked while the model a at x.ai is down\n");
        config.review_model = "b".to_owned();
        config.prices = Some(crate::llm::Prices { input: 1, output: 1 });
        let text = said(&config);
        assert!(
            text.contains("note while one of ") && text.contains("note ASPORA_FALLBACK_PRICES"),
            "{text}"
        );
    }
}
