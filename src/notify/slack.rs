//! Messages as incoming webhooks of Slack take them: a text for notifications, and blocks for the channel.

use serde_json::json;

use super::Config;
use crate::core::notice::Content;

/// The most characters of a text in a block; Slack refuses over 3,000.
const MOST: usize = 2_000;

/// The body of a message.
pub(super) fn body(config: &Config, content: &Content) -> Vec<u8> {
    let page = config.page(content);
    let headline = escaped(&content.headline());
    let mut links = format!("<{page}|Open the run>");
    if let Some(pull) = config.pull(content) {
        links += &format!(" · <{pull}|Pull request>");
    }
    let place = if content.product.is_empty() { "Aspora".to_owned() } else { escaped(&content.product) };
    let text = format!(
        "*<{page}|{}>*\n{}\n{}",
        linked(&headline),
        escaped(&content.line()),
        escaped(&content.advice)
    );
    let body = json!({
        "text": headline,
        "blocks": [
            { "type": "section", "text": { "type": "mrkdwn", "text": text } },
            { "type": "context", "elements": [{ "type": "mrkdwn", "text": format!("{place} · {links}") }] },
        ],
    });
    body.to_string().into_bytes()
}

/// Foreign text in Slack's markup: these three characters are what makes a link or a mention of it.
fn escaped(text: &str) -> String {
    let short: String = text.chars().take(MOST / 2).collect();
    short.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").chars().take(MOST).collect()
}

/// The text of a link, which a bar would end.
fn linked(text: &str) -> String {
    text.replace('|', "¦")
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn foreign_text_makes_no_mention_and_no_link() {
        let config = Config { public_url: "https://aspora.test".to_owned(), ..Config::default() };
        let content = Content {
            title: "<!channel> <https://evil.test|click> & more".to_owned(),
            sentence: "x".repeat(10_000),
            ..Content::trial("ada", DateTime::UNIX_EPOCH)
        };
        let body: serde_json::Value = serde_json::from_slice(&body(&config, &content)).unwrap();
        let text = body["blocks"][0]["text"]["text"].as_str().unwrap();
        assert!(!text.contains("<!channel>") && !text.contains("<https://evil.test"), "{text}");
        assert!(text.contains("&lt;!channel&gt;") && text.chars().count() < 3_000, "{text}");
        assert!(body["text"].as_str().unwrap().starts_with("Test: &lt;!channel&gt;"));
    }
}
