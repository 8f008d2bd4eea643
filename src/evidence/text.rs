//! Text that may not be UTF-8, as reports write it (contract §6): lossless, and text all the same.
//!
//! Called where reports show text of the evidence or the name of a file. Escapes nothing that is UTF-8: what acts on a
//! terminal or in a page is for `report`'s escaping.

/// `bytes` as a text, or a part of one, that is not UTF-8: `\xNN` for what is none, the backslash doubled.
#[must_use]
pub fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '\\' {
                text.push('\\');
            }
            text.push(character);
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}
