//! What people did to a run, as the audit log has it.

use maud::{Markup, html};

use super::{super::audit, view::View};

/// The panel; nothing as long as nobody did anything.
pub(super) fn panel(view: &View) -> Markup {
    if view.acts.is_empty() {
        return html! {};
    }
    html! {
        section {
            h2 { "What people did" }
            (audit::table(&view.acts))
        }
    }
}
