//! UUIDs and ids of 32 hexadecimal digits as the 16 bytes they are.
//!
//! Only the lower case is read, in which nearly all are written (RFC 9562 §4 has it so for UUIDs): what is written
//! otherwise is kept as it is, so that every text comes back as it was. Eight digits at a time are one word.
//!
//! Keeps: [`Digits::written`] gives the text that [`read`] read.

/// How 16 bytes are spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Digits {
    /// 32 digits.
    Plain,
    /// 8, 4, 4, 4 and 12 digits with hyphens between.
    Uuid,
}

/// Where the hyphens of a UUID stand.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// The bytes that a text is the digits of, and how it spells them; `None` for any other text.
pub(super) fn read(text: &[u8]) -> Option<(Digits, [u8; 16])> {
    if let Ok(plain) = text.try_into() {
        return Some((Digits::Plain, bytes(plain)?));
    }
    let uuid: &[u8; 36] = text.try_into().ok()?;
    if HYPHENS.iter().any(|at| uuid[*at] != b'-') {
        return None;
    }
    let mut plain = [0; 32];
    plain[..8].copy_from_slice(&uuid[..8]);
    plain[8..12].copy_from_slice(&uuid[9..13]);
    plain[12..16].copy_from_slice(&uuid[14..18]);
    plain[16..20].copy_from_slice(&uuid[19..23]);
    plain[20..].copy_from_slice(&uuid[24..]);
    Some((Digits::Uuid, bytes(&plain)?))
}

/// Whether a text is a UUID in lower case.
pub(crate) fn is_uuid(text: &[u8]) -> bool {
    matches!(read(text), Some((Digits::Uuid, _)))
}

impl Digits {
    /// The spelling of that number.
    pub(super) const fn of(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Plain),
            1 => Some(Self::Uuid),
            _ => None,
        }
    }

    /// How long texts of this spelling are.
    pub(super) const fn length(self) -> usize {
        match self {
            Self::Plain => 32,
            Self::Uuid => 36,
        }
    }

    /// The text.
    pub(super) fn written(self, bytes: &[u8; 16]) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.length());
        self.write(bytes, &mut text);
        text
    }

    /// Adds the text to `to`.
    pub(super) fn write(self, bytes: &[u8; 16], to: &mut Vec<u8>) {
        let plain = digits(bytes);
        match self {
            Self::Plain => to.extend_from_slice(&plain),
            Self::Uuid => {
                let mut uuid = [b'-'; 36];
                uuid[..8].copy_from_slice(&plain[..8]);
                uuid[9..13].copy_from_slice(&plain[8..12]);
                uuid[14..18].copy_from_slice(&plain[12..16]);
                uuid[19..23].copy_from_slice(&plain[16..20]);
                uuid[24..].copy_from_slice(&plain[20..]);
                to.extend_from_slice(&uuid);
            }
        }
    }
}

const ONES: u64 = u64::MAX / 255;

/// The bytes that 32 digits stand for; `None` where one is no digit in lower case.
fn bytes(digits: &[u8; 32]) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    let mut wrong = 0;
    for (to, from) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(digits.as_chunks::<8>().0) {
        let word = u64::from_le_bytes(*from);
        // Letters have the bit of 0x40, and `a` is 0x61.
        let values = (word & (ONES * 0x0f)).wrapping_add(((word >> 6) & ONES) * 9);
        // A text that is none gives other values, or another text.
        wrong |= (values & (ONES * 0xf0)) | (spelled(values) ^ word);
        // The digits of a byte stand with the higher one first.
        let pairs = ((values << 4) | (values >> 8)) & 0x00ff_00ff_00ff_00ff;
        let pairs = (pairs | (pairs >> 8)) & 0x0000_ffff_0000_ffff;
        *to = ((pairs | (pairs >> 16)) as u32).to_le_bytes();
    }
    (wrong == 0).then_some(bytes)
}

/// The 32 digits of 16 bytes.
fn digits(bytes: &[u8; 16]) -> [u8; 32] {
    let mut digits = [0; 32];
    for (to, from) in digits.as_chunks_mut::<8>().0.iter_mut().zip(bytes.as_chunks::<4>().0) {
        let word = u64::from(u32::from_le_bytes(*from));
        let pairs = (word | (word << 16)) & 0x0000_ffff_0000_ffff;
        let pairs = (pairs | (pairs << 8)) & 0x00ff_00ff_00ff_00ff;
        let values = ((pairs >> 4) | (pairs << 8)) & (ONES * 0x0f);
        *to = spelled(values).to_le_bytes();
    }
    digits
}

/// Eight digits of these values, each below 16.
const fn spelled(values: u64) -> u64 {
    let letters = (values.wrapping_add(ONES * 6) >> 4) & ONES;
    values.wrapping_add(ONES * b'0' as u64).wrapping_add(letters * (b'a' - b'0' - 10) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_in_every_place_is_read_and_written_and_nothing_else_is() {
        for length in [32, 36] {
            let zeros: Vec<u8> =
                (0..length).map(|at| if length == 36 && HYPHENS.contains(&at) { b'-' } else { b'0' }).collect();
            for (at, byte) in (0..length).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
                let mut text = zeros.clone();
                text[at] = byte;
                let is_digit = match zeros[at] {
                    b'-' => byte == b'-',
                    _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
                };
                match read(&text) {
                    Some((spelling, bytes)) => {
                        assert!(is_digit, "{byte:#x} at {at}");
                        assert_eq!((spelling.length(), spelling.written(&bytes)), (length, text));
                        let place = at - HYPHENS.iter().filter(|hyphen| length == 36 && **hyphen < at).count();
                        let value = char::from(byte).to_digit(16).unwrap_or(0) as u8;
                        let expected = if place.is_multiple_of(2) { value << 4 } else { value };
                        assert_eq!(bytes[place / 2], expected, "{byte:#x} at {at}");
                    }
                    None => assert!(!is_digit, "{byte:#x} at {at}"),
                }
            }
        }
    }

    #[test]
    fn all_bytes_at_once() {
        let text = b"00112233445566778899aabbccddeeff";
        let bytes = [0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
        assert_eq!(read(text), Some((Digits::Plain, bytes)));
        let uuid = b"01234567-89ab-cdef-fedc-ba9876543210";
        let bytes = [1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10];
        assert_eq!(read(uuid), Some((Digits::Uuid, bytes)));
        for text in [
            &b""[..],
            b"0",
            &text[1..],
            b"01234567-89ab-cdef-fedc-ba98765432100",
            b"01234567+89ab+cdef+fedc+ba9876543210",
        ] {
            assert_eq!(read(text), None);
        }
    }
}
