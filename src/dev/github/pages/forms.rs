//! The forms of a pull request and of a check run, for a person who is signed in.

use maud::{Markup, html};

use crate::dev::github::{
    accounts::CI_APP,
    git::Changed,
    sessions::Visitor,
    state::{CheckRun, Pull, Repository, Review},
};

/// How many comments on lines a form takes.
pub(super) const LINE_COMMENTS: usize = 3;

/// What proves that the form was sent by a page of this person.
pub(super) fn proof(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name="proof" value=(visitor.proof); }
}

/// A form of one button.
pub(super) fn button(visitor: &Visitor, action: &str, (name, value): (&str, &str), label: &str) -> Markup {
    html! {
        form.inline method="post" action=(action) {
            (proof(visitor))
            input type="hidden" name=(name) value=(value);
            button.plain { (label) }
        }
    }
}

/// What a person can do to an open pull request besides reviewing it, or to a closed one.
pub(super) fn pull(visitor: &Visitor, it: &Repository, address: &str, pull: &Pull, head: &str) -> Markup {
    let is = |name: &str, value: &str, label: &str| {
        button(visitor, &format!("{address}/{name}"), (name, value), label)
    };
    html! {
        section {
            h2 { "Act as " (visitor.login) }
            div.row {
                @if pull.open {
                    @if pull.draft { (is("draft", "false", "Ready for review")) } @else { (is("draft", "true", "Convert to draft")) }
                    (is("state", "closed", "Close"))
                    a href={ "/" (it.full_name()) "/edit?branch=" (encoded(&pull.head_ref)) } { "Edit a file of the branch" }
                } @else if pull.merge.is_none() { (is("state", "open", "Reopen")) }
            }
            @if pull.open {
                form.row method="post" action={ (address) "/merge" } {
                    (proof(visitor))
                    input type="hidden" name="sha" value=(head);
                    select name="merge_method" aria-label="Merge method" {
                        @for method in ["merge", "squash", "rebase"] { option { (method) } }
                    }
                    button.plain { "Merge by hand" }
                }
            }
            form method="post" action={ (address) "/comments" } {
                (proof(visitor))
                label for="comment" { "Comment" }
                textarea #comment name="body" rows="3" required {}
                button.plain { "Comment" }
            }
        }
    }
}

/// The form of a new review of a head.
pub(super) fn review(visitor: &Visitor, address: &str, head: &str, files: &[Changed]) -> Markup {
    html! {
        section #review {
            h2 { "Review as " (visitor.login) }
            form method="post" action={ (address) "/reviews" } {
                (proof(visitor))
                input type="hidden" name="commit_id" value=(head);
                label for="body" { "Summary" }
                textarea #body name="body" rows="4" {}
                details.plain {
                    summary { "Comments on lines" }
                    @for at in 1..=LINE_COMMENTS { (line_comment(at, files)) }
                }
                div.row {
                    button name="event" value="APPROVE" { "Approve" }
                    button.plain name="event" value="REQUEST_CHANGES" { "Request changes" }
                    button.plain name="event" value="COMMENT" { "Comment only" }
                    button.plain name="event" value="" { "Save as a draft" }
                }
            }
        }
    }
}

fn line_comment(at: usize, files: &[Changed]) -> Markup {
    let name = |field: &str| format!("{field}{at}");
    html! {
        fieldset {
            legend { "Comment " (at) }
            div.row {
                select name=(name("path")) aria-label="File" {
                    @for file in files { option value=(file.path) { (file.path) } }
                }
                input.short name=(name("line")) inputmode="numeric" placeholder="line" aria-label="Line";
                select name=(name("side")) aria-label="Side" {
                    option value="RIGHT" { "new" } option value="LEFT" { "old" }
                }
            }
            textarea name=(name("text")) rows="2" aria-label="Text" {}
        }
    }
}

/// The form that submits a person's draft.
pub(super) fn draft(visitor: &Visitor, address: &str, review: &Review) -> Markup {
    html! {
        form.row method="post" action={ (address) "/reviews/" (review.id) "/events" } {
            (proof(visitor))
            @for (event, label) in [("APPROVE", "Approve"), ("REQUEST_CHANGES", "Request changes"), ("COMMENT", "Comment only")] {
                button.plain name="event" value=(event) { (label) }
            }
        }
    }
}

/// The button that dismisses a review which decides something.
pub(super) fn dismissal(visitor: &Visitor, address: &str, review: &Review) -> Markup {
    let action = format!("{address}/reviews/{}/dismissals", review.id);
    html! {
        @if matches!(&*review.state, "APPROVED" | "CHANGES_REQUESTED") {
            (button(visitor, &action, ("message", "Dismissed on the twin's page"), "Dismiss"))
        }
    }
}

/// The buttons of a check run: those of its app, and for the twin's CI to run it again and to fail it.
pub(super) fn check(visitor: &Visitor, address: &str, run: &CheckRun) -> Markup {
    let text = |action: &serde_json::Value, key: &str| action[key].as_str().unwrap_or_default().to_owned();
    html! {
        section {
            h2 { "Act as " (visitor.login) }
            div.row {
                @for action in &run.actions {
                    (button(visitor, &format!("{address}/press"), ("identifier", &text(action, "identifier")), &text(action, "label")))
                }
                @if run.status == "completed" { (button(visitor, &format!("{address}/rerun"), ("check", ""), "Run again")) }
                @if run.app == CI_APP { (button(visitor, &format!("{address}/fail"), ("check", ""), "Fail it")) }
            }
        }
    }
}

/// A text as the value of a query.
pub(super) fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
