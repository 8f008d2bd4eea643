//! Patterns with `*` for any run of characters, as the configuration writes host names, files and paths.

use memchr::memrchr;

use crate::scan::find;

/// Whether `text` fits `pattern` from end to end, byte by byte: for paths.
///
/// `*` stands for any run of bytes, `/` too, also an empty one; nothing else is special. Time is bounded by the product
/// of the lengths.
#[must_use]
#[inline]
pub fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let same = |wanted: u8, found: u8| wanted == found;
    ends(pattern, text, same) && run(pattern, text, same, |wanted, found| wanted == found)
}

/// The same without regard to the case of ASCII letters: for host names (RFC 3261 §19.1.4).
#[must_use]
#[inline]
pub fn fits_host(pattern: &[u8], host: &[u8]) -> bool {
    // Letters differ from each other's other case in one bit; what else does is told apart behind.
    let may_be_same = |wanted: u8, found: u8| (wanted ^ found) & !0x20 == 0;
    ends(pattern, host, may_be_same)
        && run(pattern, host, |wanted, found| wanted.eq_ignore_ascii_case(&found), <[u8]>::eq_ignore_ascii_case)
}

/// Whether a text may fit by its last byte: most of many patterns are told by that.
#[inline]
fn ends(pattern: &[u8], text: &[u8], same: impl Fn(u8, u8) -> bool) -> bool {
    match (pattern, text) {
        ([.., wanted], [.., found]) => *wanted == b'*' || same(*wanted, *found),
        _ => true,
    }
}

fn run(pattern: &[u8], text: &[u8], same: impl Fn(u8, u8) -> bool, alike: impl Fn(&[u8], &[u8]) -> bool) -> bool {
    let Some(first) = find(pattern, b'*') else { return alike(pattern, text) };
    // Most have one star.
    let next = find(pattern.get(first + 1..).unwrap_or_default(), b'*');
    let last = next.and_then(|_| memrchr(b'*', pattern)).unwrap_or(first);
    // What stands before the first star and behind the last has its place: most texts are told by that.
    let (before, rest) = pattern.split_at_checked(first).unwrap_or_default();
    let behind = pattern.get(last + 1..).unwrap_or_default();
    let Some(end) = text.len().checked_sub(behind.len()).filter(|end| *end >= before.len()) else { return false };
    let (text, tail) = text.split_at_checked(end).unwrap_or_default();
    let (head, text) = text.split_at_checked(before.len()).unwrap_or_default();
    if !alike(behind, tail) || !alike(before, head) {
        return false;
    }
    let stars = rest.get(..=last - first).unwrap_or_default();
    stars.len() == 1 || between(stars, text, same)
}

/// The same of a pattern that begins and ends with a star.
fn between(pattern: &[u8], text: &[u8], same: impl Fn(u8, u8) -> bool) -> bool {
    let (mut at, mut seen) = (0, 0);
    // Where to go on when a literal fails: behind the last star, one byte further in the text.
    let mut resume: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(at), text.get(seen)) {
            (Some(b'*'), _) => {
                at += 1;
                resume = Some((at, seen));
                if at == pattern.len() {
                    return true;
                }
            }
            (Some(wanted), Some(found)) if same(*wanted, *found) => {
                at += 1;
                seen += 1;
            }
            (None, None) => return true,
            _ => match resume {
                Some((star, from)) if from < text.len() => {
                    at = star;
                    seen = from + 1;
                    resume = Some((star, from + 1));
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{fits, fits_host};

    #[test]
    fn a_star_stands_for_any_run() {
        for (pattern, text) in [
            ("*.byoc.mypurecloud.com", "acme.byoc.mypurecloud.com"),
            ("byoc.*.pure.cloud", "byoc.usw2.pure.cloud"),
            ("/internal/rec/*", "/internal/rec/a/b"),
            ("*gateway*", "logs/gateway-1.log"),
            ("*", ""),
            ("a*b*c", "abxbc"),
            ("", ""),
        ] {
            assert!(fits(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
    }

    #[test]
    fn only_host_names_know_no_case() {
        assert!(fits_host(b"*.byoc.mypurecloud.com", b"Acme.BYOC.mypurecloud.com"));
        assert!(!fits(b"/Internal/*", b"/internal/rec"));
    }

    #[test]
    fn what_does_not_fit_end_to_end_is_refused() {
        for (pattern, text) in [
            ("*.byoc.mypurecloud.com", "byoc.mypurecloud.com"),
            ("*.byoc.mypurecloud.com", "a.byoc.mypurecloud.com.evil.example"),
            ("a*b", "a\u{2}"),
            ("*@", "`"),
            ("a*b", "ab."),
            ("", "a"),
            ("a*b*c", "acb"),
        ] {
            assert!(!fits(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
            assert!(!fits_host(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
    }

    /// All texts of up to five of these bytes.
    fn texts(alphabet: &[u8]) -> Vec<Vec<u8>> {
        let mut texts = vec![Vec::new()];
        let mut from = 0;
        for _ in 0..5 {
            let until = texts.len();
            for at in from..until {
                for byte in alphabet {
                    let mut longer = texts[at].clone();
                    longer.push(*byte);
                    texts.push(longer);
                }
            }
            from = until;
        }
        texts
    }

    #[test]
    fn every_short_text_fits_as_the_definition_says() {
        fn by_definition(pattern: &[u8], text: &[u8]) -> bool {
            match pattern.split_first() {
                None => text.is_empty(),
                Some((b'*', rest)) => (0..=text.len()).any(|run| by_definition(rest, &text[run..])),
                Some((wanted, rest)) => text.first() == Some(wanted) && by_definition(rest, &text[1..]),
            }
        }
        let found = texts(b"ab");
        for pattern in texts(b"ab*") {
            for text in &found {
                assert_eq!(fits(&pattern, text), by_definition(&pattern, text), "{pattern:?} {text:?}");
            }
        }
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        let pattern = "*a".repeat(200);
        let text = "a".repeat(50_000) + "b";
        assert!(!fits(pattern.as_bytes(), text.as_bytes()));
    }
}
