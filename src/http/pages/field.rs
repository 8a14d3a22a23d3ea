//! A field of a form: its label, what it may hold, and what is wrong with what it holds, tied together for those who
//! hear the page.

use maud::{Markup, html};

use crate::core::requirement::Invalid;

/// The most that a field may hold.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limit {
    /// So many characters.
    Characters(usize),
    /// So many bytes.
    Bytes(usize),
}

/// The attributes of a control by which it names its limit and its error.
pub(super) struct Marks {
    /// `aria-invalid`.
    pub(super) invalid: Option<&'static str>,
    /// `aria-describedby`.
    pub(super) described: Option<String>,
    /// `data-limit`, which the script counts against.
    pub(super) limit: Option<usize>,
    /// `data-unit`.
    pub(super) unit: Option<&'static str>,
}

/// A field around its control.
pub(super) fn field(
    name: &str,
    label: &str,
    limit: Option<Limit>,
    wrong: &[Invalid],
    control: impl FnOnce(&Marks) -> Markup,
) -> Markup {
    let error = wrong.iter().find(|invalid| invalid.field == name);
    let (hint_id, error_id) = (format!("{name}-hint"), format!("{name}-error"));
    let ids = [limit.map(|_| hint_id.as_str()), error.map(|_| error_id.as_str())];
    let described = ids.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let (unit, most) = match limit {
        Some(Limit::Characters(most)) => (Some("characters"), Some(most)),
        Some(Limit::Bytes(most)) => (Some("bytes"), Some(most)),
        None => (None, None),
    };
    let marks = Marks {
        invalid: error.map(|_| "true"),
        described: Some(described).filter(|ids| !ids.is_empty()),
        limit: most,
        unit,
    };
    html! {
        div.field.wrong[error.is_some()] {
            label for=(name) { (label) }
            (control(&marks))
            @if let (Some(unit), Some(most)) = (unit, most) {
                p.hint id=(hint_id) { span id={ (name) "-count" } {} "At most " (most) " " (unit) "." }
            }
            @if let Some(error) = error { p.error id=(error_id) { (label) " " (error.message) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_field_names_its_limit_and_its_error() {
        let wrong = [Invalid { field: "title", message: "is empty".to_owned() }];
        let shown = |name: &str| {
            let control = |marks: &Marks| {
                html! { input aria-invalid=[marks.invalid] aria-describedby=[marks.described.as_deref()]; }
            };
            field(name, "Title", Some(Limit::Characters(200)), &wrong, control).into_string()
        };
        let title = shown("title");
        assert!(
            title.contains(r#"aria-invalid="true" aria-describedby="title-hint title-error""#),
            "{title}"
        );
        assert!(title.contains(r#"<p class="error" id="title-error">Title is empty</p>"#), "{title}");
        let body = shown("body");
        assert!(body.contains(r#"<input aria-describedby="body-hint">"#), "{body}");
        assert!(body.contains("At most 200 characters."), "{body}");
    }
}
