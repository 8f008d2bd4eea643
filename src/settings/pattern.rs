//! Patterns with `*` for any run of characters, as the configuration writes host names, files and paths.

/// Whether `text` fits `pattern` from end to end, byte by byte: for paths.
///
/// `*` stands for any run of bytes, `/` too, also an empty one; nothing else is special. Time is bounded by the product
/// of the lengths.
#[must_use]
pub fn fits(pattern: &[u8], text: &[u8]) -> bool {
    run(pattern, text, |wanted, found| wanted == found)
}

/// The same without regard to the case of ASCII letters: for host names (RFC 3261 §19.1.4).
#[must_use]
pub fn fits_host(pattern: &[u8], host: &[u8]) -> bool {
    run(pattern, host, |wanted, found| wanted.eq_ignore_ascii_case(&found))
}

fn run(pattern: &[u8], text: &[u8], same: impl Fn(u8, u8) -> bool) -> bool {
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
