//! Parts of a page that are sent again only when they have changed.
//!
//! A browser that follows a page names the digest of each panel that it has (`?have=now.1f00…~gate.…`). A panel with that
//! digest is answered as an empty element, so that an update costs what has changed and not what the page shows.

use std::collections::BTreeMap;

use maud::{Markup, html};
use sha2::{Digest as _, Sha256};

/// The digests of the panels that the browser has; none for a whole page.
#[derive(Debug, Default)]
pub(super) struct Have<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Have<'a> {
    /// Reads `<panel>.<digest>`, joined by `~`. What cannot be read is left out: its panel is sent.
    pub(super) fn parse(text: &'a str) -> Self {
        Self(text.split('~').filter_map(|one| one.split_once('.')).collect())
    }

    /// Whether the browser has this panel with the digest of this text.
    pub(super) fn has(&self, panel: &str, text: &str) -> bool {
        self.0.get(panel).is_some_and(|known| *known == digest(text))
    }

    /// A panel with this content.
    pub(super) fn panel(&self, name: &str, content: &Markup) -> Markup {
        self.keyed(name, &content.0, || content.clone())
    }

    /// A panel whose content is made only if the browser lacks it: `key` changes whenever the content does.
    pub(super) fn keyed(&self, name: &str, key: &str, content: impl FnOnce() -> Markup) -> Markup {
        let (is_known, id) = (self.has(name, key), format!("panel-{name}"));
        html! {
            div.panel id=(id) data-name=(name) data-digest=(digest(key)) data-same[is_known] {
                @if !is_known { (content()) }
            }
        }
    }
}

/// 64 bits of a digest: two texts of one panel with the same one would need billions of tries.
fn digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_that_the_browser_has_is_empty() {
        let content = html! { p { "text" } };
        let whole = Have::default().panel("now", &content).into_string();
        assert!(whole.contains("<p>text</p>") && !whole.contains("data-same"), "{whole}");
        let known = format!("gate.0~now.{}", digest(&content.0));
        let empty = Have::parse(&known).panel("now", &content).into_string();
        assert!(empty.ends_with("data-same></div>"), "{empty}");
        let other = Have::parse(&known).panel("now", &html! { p { "new" } }).into_string();
        assert!(other.contains("<p>new</p>"), "{other}");
    }

    #[test]
    fn what_cannot_be_read_is_sent() {
        for have in ["", "now", "~", "now.", ".x", "now.zz~now"] {
            let markup = Have::parse(have).panel("now", &html! { "text" }).into_string();
            assert!(markup.contains("text"), "{have}");
        }
    }
}
