//! The same words as Markdown: headings, lists and tables instead of columns, evidence in code spans.
//!
//! CommonMark, with the tables of GitHub's flavour. What is no plain word goes into a code span, where nothing is
//! markup, a link, a mention or an emoji; what could end the span is shown as `\xNN` ([`escape::code_span`]).

use std::io::{self, Write};

use anstyle::Effects;

use super::super::escape;
use super::layout::{Label, Phrase, Piece};

/// Columns of a terminal's page up to which labels are items of the outer list, and rows of the inner and the innermost.
const OUTER: usize = 4;
const INNER: usize = 18;

/// A heading of a level from 1, between empty lines. A first word in capitals is written as a word.
pub(super) fn heading(out: &mut impl Write, blank: &mut bool, level: usize, text: &str) -> io::Result<()> {
    let (head, tail) = match text.split_once(':') {
        Some((head, tail)) => (head, Some(tail)),
        None => (text, None),
    };
    let capitals = !head.is_empty() && head.chars().all(|character| character.is_ascii_uppercase() || character == ' ');
    let head = match head.split_at_checked(1) {
        Some((first, rest)) if capitals => format!("{first}{}", rest.to_ascii_lowercase()),
        _ => head.to_owned(),
    };
    let tail = tail.map(|tail| format!(":{tail}")).unwrap_or_default();
    gap(out, blank)?;
    (0..level).try_for_each(|_| out.write_all(b"#"))?;
    [" ", head.as_str(), tail.as_str(), "\n\n"].into_iter().try_for_each(|part| out.write_all(part.as_bytes()))?;
    *blank = true;
    Ok(())
}

/// A phrase under a label: an item of a list, as deep as its column says, or a paragraph at column 0.
pub(super) fn item(
    out: &mut impl Write,
    blank: &mut bool,
    label: Label<'_>,
    indent: usize,
    phrase: &Phrase,
) -> io::Result<()> {
    let text = inline(phrase);
    if indent == 0 {
        gap(out, blank)?;
        out.write_all(text.as_bytes())?;
        out.write_all(b"\n\n")?;
        *blank = true;
        return Ok(());
    }
    let depth = match label.text {
        "" if indent < OUTER => 0,
        "" if indent <= INNER => 1,
        "" => 2,
        _ if label.at <= OUTER => 0,
        _ => 1,
    };
    *blank = false;
    out.write_all(match depth {
        0 => b"- ",
        1 => b"  - ",
        _ => b"    - ",
    })?;
    let mut words = label.text.split_whitespace();
    if let Some(first) = words.next() {
        out.write_all(b"**")?;
        out.write_all(first.as_bytes())?;
        words.try_for_each(|word| out.write_all(b" ").and_then(|()| out.write_all(word.as_bytes())))?;
        out.write_all(if text.is_empty() { b"**:" } else { b"**: " })?;
    }
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")
}

/// Rows under a head.
pub(super) fn table(out: &mut impl Write, blank: &mut bool, alignment: &str, rows: &[Vec<String>]) -> io::Result<()> {
    gap(out, blank)?;
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> =
            row.iter().map(|cell| if cell.is_empty() { String::new() } else { escape::markdown_text(cell) }).collect();
        writeln!(out, "| {} |", cells.join(" | "))?;
        if number == 0 {
            let sides: Vec<&str> = alignment.chars().map(|side| if side == 'r' { "---:" } else { "---" }).collect();
            writeln!(out, "| {} |", sides.join(" | "))?;
        }
    }
    writeln!(out)?;
    *blank = true;
    Ok(())
}

/// An empty line, unless there is one.
pub(super) fn gap(out: &mut impl Write, blank: &mut bool) -> io::Result<()> {
    if !std::mem::replace(blank, true) {
        writeln!(out)?;
    }
    Ok(())
}

/// A phrase on one line. Words that are bold on a terminal are bold.
pub(super) fn inline(phrase: &Phrase) -> String {
    let mut text = String::new();
    let mut rest = phrase.pieces();
    while let Some((first, _)) = rest.split_first() {
        let bold = is_bold(first);
        let run = rest.iter().take_while(|piece| is_bold(piece) == bold).count();
        let (run, after) = rest.split_at(run);
        rest = after;
        if !text.is_empty() && !first.glued {
            text.push(' ');
        }
        if bold {
            text.push_str("**");
        }
        for (place, piece) in run.iter().enumerate() {
            if place > 0 && !piece.glued {
                text.push(' ');
            }
            match piece.whole {
                true => text.push_str(&escape::code_span(&piece.text)),
                false => text.push_str(&escape::markdown_word(&piece.text)),
            }
        }
        if bold {
            text.push_str("**");
        }
    }
    text
}

fn is_bold(piece: &Piece) -> bool {
    !piece.whole && !piece.text.is_empty() && piece.style.get_effects().contains(Effects::BOLD)
}

#[cfg(test)]
mod tests {
    use super::super::layout::{FAINT, STRONG};
    use super::*;

    #[test]
    fn words_stay_and_evidence_is_code() {
        let phrase = Phrase::default()
            .and_styled(STRONG, "4 findings")
            .and("among 7 legs,")
            .and_whole("sip:a`b@c")
            .and_styled(FAINT, "[")
            .and_whole_glued_styled(FAINT, "x.pcap #1")
            .and_glued("]");
        assert_eq!(inline(&phrase), "**4 findings** among 7 legs, `sip:a\\x60b@c` \\[`x.pcap #1`\\]");
    }

    #[test]
    fn a_heading_shouts_on_a_terminal_only() {
        let mut out = Vec::new();
        let mut blank = false;
        heading(&mut out, &mut blank, 2, "UNBOUND REFUSALS: 2 refusals (403)").expect("memory");
        heading(&mut out, &mut blank, 2, "SUMMARY").expect("memory");
        assert_eq!(String::from_utf8_lossy(&out), "\n## Unbound refusals: 2 refusals (403)\n\n## Summary\n\n");
    }
}
