//! Reports of this program found among the evidence: left by an earlier run, they are no evidence.
//!
//! Told by their first bytes, in every format. Without this a report of line-delimited JSON could be taken for a log.

use super::csv;

/// The title of reports for people.
pub const TITLE: &str = "Recording consent and recording requests, as the evidence shows them";

/// The word for such a file in the evidence list.
pub const FORMAT: &str = "sipconsent_report";

/// What every JSON of this program says first of itself.
const SCHEMA: &str = "\"sipconsent.";

/// Bytes of a report in which its title must stand: notices come before it.
pub const OPENING: usize = 16 << 10;

/// Whether a file that begins so is a report of this program.
#[must_use]
pub fn is_own(head: &[u8]) -> bool {
    let opening = head.get(..OPENING.min(head.len())).unwrap_or_default();
    let text = String::from_utf8_lossy(opening);
    let first = text.lines().next().unwrap_or_default();
    let json = || {
        let inner = text.trim_start_matches(['{', ' ', '\n']);
        inner.starts_with("\"schema\": \"sipconsent.") || inner.starts_with("\"schema\":\"sipconsent.")
    };
    let line = || {
        let leg = first.starts_with("{\"type\":\"leg\",\"call\":") && first.contains("\"conversation_ids\":");
        leg || (first.starts_with("{\"type\":\"report\",\"schema\":") && first.contains(SCHEMA))
    };
    let people = || {
        let opens = ["NOTICE:", "INCOMPLETE:", "FILTERED:", "# ", TITLE];
        opens.iter().any(|opens| first.starts_with(opens)) && text.contains(TITLE)
    };
    let html = || text.trim_start().starts_with("<!") && text.contains("name=\"generator\" content=\"sipconsent");
    json() || line() || people() || html() || first == csv::COLUMNS.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::Notice;
    use crate::report::show::{Listing, Show};
    use crate::report::{json, ndjson, sample, text};

    #[test]
    fn reports_are_told_in_every_format() {
        let mut report = sample::incident();
        for notices in
            [Vec::new(), vec![Notice { code: "rule_never_seen", text: crate::sentence::Sentence::own("No field.") }]]
        {
            report.notices = notices;
            for show in [Show::All, Show::Findings] {
                let listing = Listing::from(show);
                let filtered = Listing { only: vec!["clear"], ..listing.clone() };
                for listing in [listing, filtered] {
                    let mut out = vec![Vec::new(); 5];
                    let options =
                        |medium| text::Options { medium, listing: &listing, verbose: false, closing: Some("x") };
                    json::write(&report, &listing, &mut out[0]).expect("memory");
                    ndjson::write(&report, &listing, &mut out[1]).expect("memory");
                    csv::write(&report, &listing, &mut out[2]).expect("memory");
                    text::write(&report, &options(text::Medium::Markdown), &mut out[3]).expect("memory");
                    let medium = text::Medium::Terminal { width: 80, color: false };
                    text::write(&report, &options(medium), &mut out[4]).expect("memory");
                    for bytes in out {
                        assert!(is_own(&bytes), "{}", String::from_utf8_lossy(&bytes[..bytes.len().min(300)]));
                    }
                }
            }
        }
    }

    #[test]
    fn logs_and_notes_are_none() {
        for other in [
            "",
            "{\"time\":\"2026-01-02T03:04:05Z\",\"uri\":\"/\",\"status\":200}\n",
            "{\"type\":\"leg\",\"status\":403}\n",
            "{\"schema\": \"other/1\"}",
            "NOTICE: the carrier changes its trunk\n",
            "call,from,to\n",
        ] {
            assert!(!is_own(other.as_bytes()), "{other}");
        }
    }
}
