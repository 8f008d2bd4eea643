//! Archives: files that hold others.
//!
//! They are named and not read. What lies in one without compression could pass for text or a log of lines, of which all
//! but some would be gone.

/// The word for the archive format whose file begins with `head`, if it is one.
#[must_use]
pub fn recognise(head: &[u8]) -> Option<&'static str> {
    /// The first bytes of those that have some of their own.
    const MAGIC: [(&[u8], &str); 8] = [
        (b"PK\x03\x04", "zip"),
        (b"PK\x05\x06", "zip"),
        (b"PK\x07\x08", "zip"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"Rar!\x1a\x07", "rar"),
        (b"!<arch>\n", "ar"),
        (b"070701", "cpio"),
        (b"070707", "cpio"),
    ];
    let magic = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name);
    magic.or_else(|| is_tar(head).then_some("tar"))
}

/// Whether a tar archive begins here: its first header states the sum of its bytes, its own place taken for blanks.
fn is_tar(head: &[u8]) -> bool {
    /// Where the sum stands, in octal digits.
    const SUM: std::ops::Range<usize> = 148..156;
    let Some(header) = head.first_chunk::<512>() else { return false };
    let Some(digits) = header.get(SUM) else { return false };
    let digits = digits.trim_ascii_start();
    let behind = digits.iter().position(|byte| !(b'0'..=b'7').contains(byte)).unwrap_or(digits.len());
    let stated = digits.iter().take(behind).fold(0_u32, |sum, digit| sum * 8 + u32::from(digit - b'0'));
    let bytes = header.iter().enumerate().map(|(place, byte)| if SUM.contains(&place) { b' ' } else { *byte });
    behind > 0 && bytes.map(u32::from).sum::<u32>() == stated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_told_by_their_first_bytes() {
        let mut tar = vec![0; 1_024];
        tar[..6].copy_from_slice(b"gw.log");
        tar[100..107].copy_from_slice(b"0000644");
        tar[156] = b'0';
        let sum: u32 = tar.iter().map(|byte| u32::from(*byte)).sum::<u32>() + 8 * u32::from(b' ');
        tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert_eq!(recognise(&tar), Some("tar"));
        assert_eq!(recognise(&tar[..511]), None);
        tar[0] = b'h';
        assert_eq!(recognise(&tar), None);
        assert_eq!(recognise(b"PK\x03\x04\x0a\0"), Some("zip"));
        assert_eq!(recognise(&[0; 1_024]), None);
        assert_eq!(recognise(&[b' '; 1_024]), None);
        assert_eq!(recognise(b"PK is how a line of text may begin"), None);
    }
}
