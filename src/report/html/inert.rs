//! Text of the evidence as markup: inert, visible to its last byte, and apart from what surrounds it.
//!
//! [`escape`] shows what would act (controls, direction marks, bytes that are not UTF-8) as `\x1b` or `\u{202e}`; the
//! template engine escapes markup; `bdi` keeps the reading direction of a text to itself, and the page's style shows its
//! blanks as they are.

use maud::{Markup, html};

use super::super::escape;
use super::super::model::EvidenceText;

/// The text as it reads.
pub(super) fn text(text: &EvidenceText) -> Markup {
    html! { bdi { (escape::bytes(&text.0)) } }
}

/// A text that may be missing.
pub(super) fn optional(text: Option<&EvidenceText>) -> Markup {
    match text {
        Some(text) => self::text(text),
        None => none(),
    }
}

/// A text that is UTF-8 already, such as a path.
pub(super) fn plain(text: &str) -> Markup {
    html! { bdi { (escape::text(text)) } }
}

/// A sentence of the report's own, whose times are not broken at the end of a line.
pub(super) fn figures(text: &str) -> Markup {
    let is_time = |word: &str| word.contains('T') && word.contains(':');
    html! {
        @for (place, word) in text.split(' ').enumerate() {
            @if place > 0 { " " }
            @if is_time(word) { span.nowrap { (word) } } @else { (word) }
        }
    }
}

/// What stands where there is nothing.
pub(super) fn none() -> Markup {
    html! { span.none { "none" } }
}

/// The text in at most `most` characters, an ellipsis for what is left out; for drawings, whose table has it whole.
pub(super) fn short(shown: &str, most: usize) -> String {
    if shown.chars().count() <= most {
        return shown.to_owned();
    }
    shown.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Bytes that may hold several lines, such as a header section: one line each, line ends other than CRLF shown.
pub(super) fn lines(raw: &[u8]) -> Markup {
    let mut lines: Vec<&[u8]> = raw.split(|byte| *byte == b'\n').collect();
    // What follows the last line end is no line when it is empty.
    let ended = lines.last().is_some_and(|last| last.is_empty());
    if ended {
        lines.pop();
    }
    let count = lines.len();
    html! {
        @for (index, line) in lines.into_iter().enumerate() {
            @let ends = index + 1 < count || ended;
            @match (line.strip_suffix(b"\r"), ends) {
                (Some(line), true) => bdi { (escape::bytes(line)) },
                (_, true) => { bdi { (escape::bytes(line)) } span.none { "\\n" } },
                (_, false) => bdi { (escape::bytes(line)) },
            }
            "\n"
        }
    }
}
