//! The one wildcard of the configuration: `*` for any run of bytes, `/` too, also an empty one.

/// Whether the whole of `text` fits `pattern`. Bytes compare as they are.
///
/// Takes time in proportion to the product of the lengths at worst: only the last `*` is ever tried again.
pub(super) fn fits(pattern: &str, text: &[u8]) -> bool {
    let pattern = pattern.as_bytes();
    let (mut in_pattern, mut in_text) = (0, 0);
    let mut retry = None;
    while in_text < text.len() {
        match (pattern.get(in_pattern), text.get(in_text)) {
            (Some(b'*'), _) => {
                in_pattern += 1;
                retry = Some((in_pattern, in_text));
            }
            (Some(one), Some(other)) if one == other => {
                in_pattern += 1;
                in_text += 1;
            }
            _ => {
                let Some((after_star, taken)) = retry else { return false };
                retry = Some((after_star, taken + 1));
                in_pattern = after_star;
                in_text = taken + 1;
            }
        }
    }
    pattern.get(in_pattern..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_run() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "a/b"),
            ("a*c", "ac"),
            ("a*c", "abcbc"),
            ("/internal/rec/*", "/internal/rec/a/b"),
            ("*gateway*", "logs/gateway.log"),
            ("**a*", "bab"),
        ] {
            assert!(fits(pattern, text.as_bytes()), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a", ""), ("a*c", "abcd"), ("*a", "ab"), ("/rec/*", "/RECS/x"), ("a", "b")]
        {
            assert!(!fits(pattern, text.as_bytes()), "{pattern} {text}");
        }
    }
}
