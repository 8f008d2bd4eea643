//! Display filters that show a leg in Wireshark, ready to be pasted.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::model::{EvidenceId, EvidenceText, Ladder, Leg, Pointer};

/// Numbers and flows that one filter names; Wireshark reads more, but a person does not paste it.
const MOST: usize = 200;

/// The leg's SIP by its Call-ID; `None` for a Call-ID that is not UTF-8, which Wireshark holds in another form.
pub(super) fn call_id(call_id: &EvidenceText) -> Option<String> {
    let text = std::str::from_utf8(&call_id.0).ok()?;
    Some(format!("sip.Call-ID == {}", quoted(text)))
}

/// A string of the display filter language: quotes and backslashes escaped, whatever is not printable ASCII by its bytes.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                quoted.push('\\');
                quoted.push(char::from(byte));
            }
            b' '..=b'~' => quoted.push(char::from(byte)),
            _ => {
                // Writing into a String cannot fail.
                let _ = write!(quoted, "\\x{byte:02x}");
            }
        }
    }
    quoted.push('"');
    quoted
}

/// The leg's RTP by its SSRCs.
pub(super) fn media(leg: &Leg) -> Option<String> {
    let mut ssrcs: Vec<&str> =
        leg.streams.iter().flat_map(|stream| &stream.rtp).map(|flow| flow.ssrc.as_str()).collect();
    ssrcs.sort_unstable();
    ssrcs.dedup();
    ssrcs.truncate(MOST);
    (!ssrcs.is_empty()).then(|| format!("rtp.ssrc in {{{}}}", ssrcs.join(", ")))
}

/// The leg's SIP messages by packet number, a filter for each capture; and whether one names not all of them.
pub(super) fn frames(ladder: &Ladder) -> Vec<(EvidenceId, String, bool)> {
    let mut records: BTreeMap<EvidenceId, Vec<u64>> = BTreeMap::new();
    for message in &ladder.messages {
        for Pointer { evidence, record } in std::iter::once(&message.source).chain(&message.copies) {
            records.entry(*evidence).or_default().push(*record);
        }
    }
    let filter = |(evidence, mut records): (EvidenceId, Vec<u64>)| {
        records.sort_unstable();
        records.dedup();
        let cut = records.len() > MOST;
        records.truncate(MOST);
        let numbers: Vec<String> = records.iter().map(u64::to_string).collect();
        (evidence, format!("frame.number in {{{}}}", numbers.join(", ")), cut)
    };
    records.into_iter().map(filter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(raw: &[u8]) -> Option<String> {
        call_id(&EvidenceText(raw.to_vec()))
    }

    #[test]
    fn a_call_id_is_quoted_as_the_filter_language_has_it() {
        assert_eq!(filter(b"a84b@pc33").as_deref(), Some(r#"sip.Call-ID == "a84b@pc33""#));
        assert_eq!(filter(br#"a"b\c"#).as_deref(), Some(r#"sip.Call-ID == "a\"b\\c""#));
        assert_eq!(filter("é\x1b".as_bytes()).as_deref(), Some(r#"sip.Call-ID == "\xc3\xa9\x1b""#));
        assert_eq!(filter(b"a\xff"), None);
    }
}
