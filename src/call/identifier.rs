//! How identifiers compare: UUIDs without regard to case and hyphens, Call-IDs byte by byte or but for their host.

use crate::facts::Subject;

/// The part of a Call-ID before its `@host`.
pub(super) fn user(call_id: &[u8]) -> &[u8] {
    memchr::memchr(b'@', call_id).map_or(call_id, |at| call_id.get(..at).unwrap_or_default())
}

/// The identifiers that a field's value holds: both halves of a Session-ID (RFC 7989 §6), never the nil one; else the
/// value itself.
pub(super) fn halves(subject: Subject, value: &[u8]) -> Vec<&[u8]> {
    if subject != Subject::SessionId {
        return vec![value].into_iter().filter(|value| !is_nil(value)).collect();
    }
    let mut parts = value.split(|byte| *byte == b';');
    let local = parts.next().map(<[u8]>::trim_ascii);
    let remote = parts.filter_map(|part| {
        // Blanks may stand around the sign (RFC 3261 §25.1, EQUAL).
        let sign = memchr::memchr(b'=', part)?;
        let (name, value) = part.split_at_checked(sign)?;
        name.trim_ascii().eq_ignore_ascii_case(b"remote").then(|| value.get(1..).unwrap_or_default().trim_ascii())
    });
    local.into_iter().chain(remote).filter(|half| !is_nil(half)).collect()
}

/// Whether an identifier is empty or the nil one, which names nothing.
pub(super) fn is_nil(value: &[u8]) -> bool {
    value.iter().all(|byte| matches!(byte, b'0' | b'-'))
}

/// The hex digits of a UUID, with or without its hyphens; `None` for anything else.
fn uuid(value: &[u8]) -> Option<[u8; 32]> {
    let mut digits = [0; 32];
    let mut count = 0;
    for byte in value {
        match byte {
            b'-' => {}
            byte if byte.is_ascii_hexdigit() => {
                *digits.get_mut(count)? = byte.to_ascii_lowercase();
                count += 1;
            }
            _ => return None,
        }
    }
    (count == 32).then_some(digits)
}

/// An identifier as it is compared: a UUID without regard to case and hyphens, anything else byte by byte.
pub(super) fn normal(value: &[u8]) -> Box<[u8]> {
    let value = value.trim_ascii();
    uuid(value).map_or_else(|| value.into(), |digits| Box::new(digits) as Box<[u8]>)
}

/// A conversation id as the report shows it: a UUID in lower case, anything else as written.
pub(super) fn written(value: &[u8]) -> Box<[u8]> {
    if uuid(value).is_some() { value.to_ascii_lowercase().into() } else { value.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_the_same_in_any_case_with_or_without_hyphens() {
        let one = normal(b"0F1E2D3C-4b5a-6978-8796-a5b4c3d2e1f0");
        assert_eq!(one, normal(b"0f1e2d3c4b5a69788796a5b4c3d2e1f0"));
        assert_ne!(normal(b"Abc"), normal(b"abc"));
    }

    #[test]
    fn a_session_id_has_two_halves_and_the_nil_one_is_none() {
        let value = b"ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000";
        assert_eq!(halves(Subject::SessionId, value), [b"ab30317f1a784dc48ff824d0d3715d86"]);
        let value = b"ab30317f1a784dc48ff824d0d3715d86; remote=47755a9de7794ba387653f2099600ef2";
        assert_eq!(halves(Subject::SessionId, value).len(), 2);
    }

    #[test]
    fn the_user_part_ends_at_the_first_at_sign() {
        assert_eq!(user(b"abc@192.0.2.1"), b"abc");
        assert_eq!(user(b"abc"), b"abc");
    }
}
