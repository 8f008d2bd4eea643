//! Text of the evidence made inert for a terminal, without losing a byte of it.
//!
//! Whoever places a call writes its header fields: they may hold terminal escapes, marks that turn the reading
//! direction, or characters that show as nothing and make two different Call-IDs look alike. Every string that comes
//! from evidence (and every path) reaches a person through here. What would act instead of being read is shown as
//! `\x1b` (a byte) or `\u{202e}` (a character); the backslash is doubled, always, so that what is shown stands for
//! exactly one text. Everything else, of any script, stays as it is.
//!
//! Keeps: the outcome holds no control, format or invisible character, and different inputs stay different.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::model::Evidence;

/// The bytes as inert text; bytes that are not UTF-8 become `\xNN`.
#[must_use]
pub fn bytes(raw: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(raw) {
        Ok(valid) => text(valid),
        Err(_) => {
            let mut shown = String::with_capacity(raw.len() + 8);
            for chunk in raw.utf8_chunks() {
                push(&mut shown, chunk.valid());
                for byte in chunk.invalid() {
                    push_byte(&mut shown, *byte);
                }
            }
            shown.into()
        }
    }
}

/// The text made inert.
#[must_use]
pub fn text(raw: &str) -> Cow<'_, str> {
    if is_plain(raw.as_bytes()) && memchr::memchr(b'\\', raw.as_bytes()).is_none() {
        return raw.into();
    }
    let mut shown = String::with_capacity(raw.len() + 8);
    push(&mut shown, raw);
    shown.into()
}

/// The shown path of a source made inert. One that was no UTF-8 has its backslashes doubled already.
#[must_use]
pub fn path(source: &Evidence) -> Cow<'_, str> {
    if !source.escaped {
        return text(&source.path);
    }
    let mut shown = String::with_capacity(source.path.len() + 8);
    let mut parts = source.path.split('\\');
    push(&mut shown, parts.next().unwrap_or_default());
    for part in parts {
        shown.push('\\');
        push(&mut shown, part);
    }
    shown.into()
}

/// Whether all bytes are printable ASCII.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    let other = |byte: &u8| byte.wrapping_sub(b' ') > b'~' - b' ';
    // Of fixed size, so that the compiler takes all bytes of a chunk at a time.
    let (chunks, rest) = bytes.as_chunks::<32>();
    !chunks.iter().any(|chunk| chunk.iter().fold(false, |any, byte| any | other(byte))) && !rest.iter().any(other)
}

fn push(shown: &mut String, raw: &str) {
    let mut previous = ' ';
    for character in raw.chars() {
        match character {
            '\\' => shown.push_str("\\\\"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            '\0'..='\x1f' | '\x7f' => push_byte(shown, character as u8),
            _ if acts(character) || dangling_selector(character, previous) => {
                // Writing into a String cannot fail.
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
            }
            _ => shown.push(character),
        }
        previous = character;
    }
}

fn push_byte(shown: &mut String, byte: u8) {
    // Writing into a String cannot fail.
    let _ = write!(shown, "\\x{byte:02x}");
}

/// Whether a character (other than C0 controls and DEL) acts on its neighbours or on the reader, or shows as nothing.
pub(super) fn acts(character: char) -> bool {
    matches!(character,
        // C1 controls: some terminals take U+009B for ESC [.
        '\u{80}'..='\u{9f}'
        // Soft hyphen, combining grapheme joiner, fillers and vowel marks that show as nothing.
        | '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}'
        // Mongolian selectors and vowel separator.
        | '\u{180b}'..='\u{180f}'
        // Arabic letter mark; zero-width characters and direction marks.
        | '\u{61c}' | '\u{200b}'..='\u{200f}'
        // Line and paragraph separators, bidirectional embeddings and overrides.
        | '\u{2028}'..='\u{202e}'
        // Word joiner, invisible operators, bidirectional isolates, deprecated format characters.
        | '\u{2060}'..='\u{206f}'
        // Selectors that no common script uses, the byte order mark, interlinear annotations, noncharacters.
        | '\u{fe00}'..='\u{fe0d}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
        // Invisible musical marks, shorthand format controls.
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        // Tags and supplementary selectors: whole messages can hide in them.
        | '\u{e0000}'..='\u{e0fff}')
}

/// A text or emoji selector (VS15, VS16) that does not follow a character it can act on shows as nothing.
fn dangling_selector(character: char, previous: char) -> bool {
    let selector = |character| matches!(character, '\u{fe0e}' | '\u{fe0f}');
    selector(character) && (previous.is_ascii() || selector(previous) || acts(previous))
}

/// Text of the evidence for a cell of a table that a spreadsheet opens: inert as [`bytes`] makes it, and never a
/// formula.
///
/// A spreadsheet takes a cell that begins with one of `= + - @` (or their wide forms), blanks before them or not, for a
/// formula to be run. Such a cell begins with an apostrophe here, and so does one that begins with an apostrophe itself:
/// exactly one is to be taken off. Where the spreadsheet's own list separator is the semicolon, it splits cells there; one
/// that a formula would follow is shown as `\x3b`.
#[must_use]
pub fn cell(raw: &[u8]) -> Cow<'_, str> {
    guard(bytes(raw))
}

/// Inert text as [`cell`] gives it.
pub(super) fn guard(shown: Cow<'_, str>) -> Cow<'_, str> {
    let is_quoted = shown.starts_with('\'') || starts_formula(&shown);
    if !is_quoted && memchr::memchr(b';', shown.as_bytes()).is_none() {
        return shown;
    }
    let mut safe = String::with_capacity(shown.len() + 1);
    if is_quoted {
        safe.push('\'');
    }
    let mut parts = shown.split(';');
    safe.push_str(parts.next().unwrap_or_default());
    for part in parts {
        safe.push_str(if starts_formula(part) { "\\x3b" } else { ";" });
        safe.push_str(part);
    }
    if safe == shown { shown } else { safe.into() }
}

/// Whether a spreadsheet would take this for a formula: one of its signs after any blanks and quotation marks.
fn starts_formula(text: &str) -> bool {
    let ignored = |character: char| character.is_whitespace() || matches!(character, '\'' | '"');
    let first = text.chars().find(|character| !ignored(*character));
    matches!(first, Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠'))
}

/// Inert text as a code span of Markdown, in which nothing is markup, a link, a mention or an emoji.
///
/// What would end the span or its cell of a table, and blanks that would be lost, are shown as `\xNN`.
#[must_use]
pub fn code_span(shown: &str) -> String {
    if shown.is_empty() {
        return "(empty)".to_owned();
    }
    let mut span = String::with_capacity(shown.len() + 2);
    span.push('`');
    if memchr::memchr3(b'`', b'|', b' ', shown.as_bytes()).is_none() {
        span.push_str(shown);
        span.push('`');
        return span;
    }
    let mut characters = shown.chars().peekable();
    let mut blank_before = true;
    while let Some(character) = characters.next() {
        match character {
            '`' | '|' => push_byte(&mut span, character as u8),
            ' ' if blank_before || characters.peek().is_none() => push_byte(&mut span, b' '),
            _ => span.push(character),
        }
        blank_before = character == ' ';
    }
    span.push('`');
    span
}

/// One word of Markdown: as it is where nothing in it is markup, else as a code span.
#[must_use]
pub fn markdown_word(word: &str) -> Cow<'_, str> {
    let closing =
        word.strip_prefix(']').is_some_and(|rest| rest.chars().all(|mark| matches!(mark, ',' | ';' | ':' | '.')));
    if word == "[" || closing {
        return format!("\\{word}").into();
    }
    // Marks around a word stay outside its code span.
    let behind = word.trim_start_matches(['(', '"']);
    let core = behind.trim_end_matches([')', '"', ',', ';', ':', '.', '?']);
    let number = core.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b','));
    let plain =
        |character: char| character.is_alphanumeric() || matches!(character, '-' | '\'' | '→' | '…' | '%' | '/');
    let plain_ascii = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'\'' | b'%' | b'/');
    if number || core.bytes().all(plain_ascii) || core.chars().all(plain) {
        return word.into();
    }
    let before = word.strip_suffix(behind).unwrap_or_default();
    let after = behind.strip_prefix(core).unwrap_or_default();
    [before, &code_span(core), after].concat().into()
}

/// Several words of Markdown: as they are where nothing in them is markup, else all of them as one code span.
#[must_use]
pub fn markdown_text(text: &str) -> String {
    if text.split(' ').all(|word| !word.is_empty() && markdown_word(word) == word) {
        text.to_owned()
    } else {
        code_span(text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn innocent_text_stays_as_it_is() {
        for innocent in [
            "",
            "sip:alice@atlanta.example;transport=udp",
            "a84b4c76e66710@pc33.atlanta.example",
            "\"Zoë Müller\" <sip:zoe@example.com>",
            "客户服务",
            "Отдел продаж",
            "שלום",
            "مرحبا",
            "e\u{301}",
            "☎️ 📞 🇸🇬 👍🏽",
            "=1+1 <b>&amp; 'x' \"y\"",
        ] {
            assert_eq!(text(innocent), innocent);
            assert_eq!(bytes(innocent.as_bytes()), innocent);
        }
    }

    #[test]
    fn a_shown_path_is_that_of_the_json_report() {
        let shown = |path: &str, escaped: bool| {
            let source =
                Evidence { path: path.to_owned(), escaped, ..super::super::sample::incident().evidence[0].clone() };
            super::path(&source).into_owned()
        };
        assert_eq!(shown("a/b.pcap", false), "a/b.pcap");
        assert_eq!(shown("a\\b\x1b.pcap", false), "a\\\\b\\x1b.pcap");
        assert_eq!(shown("a\\xff\\\\b.pcap", true), "a\\xff\\\\b.pcap");
        assert_eq!(shown("a\\xff\x1b.pcap", true), "a\\xff\\x1b.pcap");
    }

    #[test]
    fn each_attack_is_shown_and_does_nothing() {
        for (attack, shown) in [
            ("\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07"),
            ("granted\rmissing", "granted\\rmissing"),
            ("a\nFINDING", "a\\nFINDING"),
            ("a\tb\0c\x7f", "a\\tb\\x00c\\x7f"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{202e}eurt\u{202c}", "\\u{202e}eurt\\u{202c}"),
            ("\u{2066}a\u{2069}", "\\u{2066}a\\u{2069}"),
            ("\u{200e}\u{200f}\u{61c}", "\\u{200e}\\u{200f}\\u{61c}"),
            ("tr\u{200b}ue\u{200d}\u{2060}\u{feff}", "tr\\u{200b}ue\\u{200d}\\u{2060}\\u{feff}"),
            ("a\u{2028}b\u{2029}c\u{85}", "a\\u{2028}b\\u{2029}c\\u{85}"),
            ("x\u{e0041}\u{e007f}", "x\\u{e0041}\\u{e007f}"),
            ("true\u{fe0f}", "true\\u{fe0f}"),
            ("☎\u{fe0f}\u{fe0f}", "☎\u{fe0f}\\u{fe0f}"),
            ("so\u{ad}ft", "so\\u{ad}ft"),
        ] {
            assert_eq!(text(attack), shown);
            assert_eq!(bytes(attack.as_bytes()), shown);
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_shown_one_by_one() {
        assert_eq!(bytes(b"tr\xffue\xc3"), "tr\\xffue\\xc3");
        assert_eq!(bytes(b"\x80\xe2\x80"), "\\x80\\xe2\\x80");
        assert_eq!(bytes(b"\xff\x1b\\"), "\\xff\\x1b\\\\");
    }

    #[test]
    fn what_is_shown_stands_for_one_text_only() {
        let texts: [&[u8]; 10] =
            [b"\x1b", b"\\x1b", b"\\\\x1b", b"\\", b"\\\\", b"\n", b"\\n", b"\xff", "\u{ff}".as_bytes(), b"\\xff"];
        let shown: BTreeSet<_> = texts.iter().map(|raw| bytes(raw)).collect();
        assert_eq!(shown.len(), texts.len());
    }

    #[test]
    fn no_character_of_unicode_gets_through_as_a_control() {
        for character in '\0'..=char::MAX {
            let mut buffer = [0; 4];
            let shown = text(character.encode_utf8(&mut buffer)).into_owned();
            assert!(!shown.chars().any(|shown| shown.is_control() || acts(shown)), "{character:?}");
        }
    }

    #[test]
    fn a_cell_is_never_a_formula() {
        for (attack, shown) in [
            ("=1+1", "'=1+1"),
            ("+6561234567", "'+6561234567"),
            ("-2+3", "'-2+3"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "\\t=1"),
            ("\r=1", "\\r=1"),
            ("\n=1", "\\n=1"),
            ("\0=1", "\\x00=1"),
            ("  =1", "'  =1"),
            ("\u{a0}=1", "'\u{a0}=1"),
            ("\u{3000}=1", "'\u{3000}=1"),
            ("\"=1\"", "'\"=1\""),
            ("＝1", "'＝1"),
            ("＠A1", "'＠A1"),
            ("'=1", "''=1"),
            ("'quoted", "''quoted"),
            ("a;=1", "a\\x3b=1"),
            ("a; \"@b", "a\\x3b \"@b"),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("\u{202e}=1", "\\u{202e}=1"),
        ] {
            assert_eq!(cell(attack.as_bytes()), shown);
        }
        for innocent in ["", "sip:+6561234567@carrier.example;transport=udp", "a=b", "1-2", "call@host", "0x1234abcd"] {
            assert_eq!(cell(innocent.as_bytes()), innocent);
        }
        assert_eq!(cell(b"\xff=1"), "\\xff=1");
    }

    #[test]
    fn a_cell_stands_for_one_text_only() {
        let texts: [&[u8]; 9] = [b"=1", b"'=1", b"''=1", b"a;=1", b"a\\x3b=1", b"a;b", b"\t=1", b"\\t=1", b"'a"];
        let shown: BTreeSet<_> = texts.iter().map(|raw| cell(raw)).collect();
        assert_eq!(shown.len(), texts.len());
    }

    #[test]
    fn a_code_span_cannot_be_left() {
        for (attack, span) in [
            ("a`b``c", "`a\\x60b\\x60\\x60c`"),
            ("a|b", "`a\\x7cb`"),
            (" a  b ", "`\\x20a \\x20b\\x20`"),
            ("<script>alert(1)</script>", "`<script>alert(1)</script>`"),
            ("[x](javascript:alert(1))", "`[x](javascript:alert(1))`"),
            ("", "(empty)"),
        ] {
            assert_eq!(code_span(attack), span);
        }
    }

    #[test]
    fn words_that_could_be_markup_are_code() {
        for plain in ["consent", "(CSeq", "1):", "29.000", "s,", "PCMU/8000", "403", "9,751", "\"true\"", "→", "don't"]
        {
            assert_eq!(markdown_word(plain), plain);
        }
        assert_eq!(markdown_word("(a_b),"), "(`a_b`),");
        assert_eq!(markdown_word("]:"), "\\]:");
        for markup in [
            "*bold*",
            "_it_",
            "a_b",
            "<b>",
            "&amp;",
            "[x](y)",
            "![x](y)",
            "`",
            "#1",
            "@someone",
            "a@b.example",
            "www.example.com",
            "https://x",
            "example.com",
            "~~x~~",
            "$x$",
            ":smile:x",
            "a|b",
            "\\",
            "=",
            "+1",
            "{x}",
        ] {
            let outside: String = markdown_word(markup).split('`').step_by(2).collect();
            assert!(outside.chars().all(|mark| "(\")\",;:.?".contains(mark)), "{markup}: {outside}");
        }
    }
}
