//! Patterns with `*` for any run of characters, as the configuration writes host names, files and paths.

/// Whether `text` fits `pattern` from end to end, ASCII letters compared without regard to case.
///
/// `*` stands for any run of bytes, the empty one included; nothing else is special. Time is bounded by the product of
/// the lengths.
#[must_use]
pub fn fits(pattern: &[u8], text: &[u8]) -> bool {
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
            (Some(wanted), Some(found)) if wanted.eq_ignore_ascii_case(found) => {
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
    use super::fits;

    #[test]
    fn a_star_stands_for_any_run() {
        for (pattern, text) in [
            ("*.byoc.mypurecloud.com", "Acme.BYOC.mypurecloud.com"),
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
    fn what_does_not_fit_end_to_end_is_refused() {
        for (pattern, text) in [
            ("*.byoc.mypurecloud.com", "byoc.mypurecloud.com"),
            ("*.byoc.mypurecloud.com", "a.byoc.mypurecloud.com.evil.example"),
            ("a*b", "ab."),
            ("", "a"),
            ("a*b*c", "acb"),
        ] {
            assert!(!fits(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        let pattern = "*a".repeat(200);
        let text = "a".repeat(50_000) + "b";
        assert!(!fits(pattern.as_bytes(), text.as_bytes()));
    }
}
