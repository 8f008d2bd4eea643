//! The sentences and words that every format for people uses, once for all of them.

use std::collections::BTreeMap;

use super::escape;
use super::model::{Evidence, Hypothesis, Message, Summary};
use super::own;
use crate::settings::{ConsentRule, RuleDirection, RuleMessage, RulePlace};

/// The title of a report.
pub(super) const TITLE: &str = "Recording consent and recording requests, as the evidence shows them";

/// Every verdict in the order people need them, with what it means.
pub(super) const VERDICTS: [(&str, &str); 10] = [
    ("exposed_unconsented", "media without a consent signal, and call audio was served"),
    ("blocked_unconsented", "media without a consent signal, and a 403"),
    ("unconsented", "media without a consent signal, neither exposed nor blocked as far as the logs show"),
    ("blocked_consented", "consent throughout, and a 403"),
    ("indeterminate", "the evidence does not decide"),
    ("clear", "consent throughout, and no 403"),
    ("no_media", "no media flowed"),
    ("recording_session", "SIPREC recording sessions, no caller's media"),
    ("not_byoc", "on standard trunks: the control"),
    ("unclassified", "on no configured trunk"),
];

/// What a notice begins with.
pub(super) fn opening(notice: &str) -> &'static str {
    match notice {
        "incomplete" => "Incomplete. ",
        "time_range" => "Filtered. ",
        _ => "Read this first. ",
    }
}

/// Trunks whose diagnosis the summary tells.
const TRUNKS: usize = 4;

/// `1 leg`, `2 legs`.
pub(super) fn counted(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// The result in one line.
pub(super) fn result(summary: &Summary) -> String {
    if summary.byoc_legs == 0 {
        return "no leg on a BYOC trunk in the evidence".to_owned();
    }
    let legs = counted(summary.byoc_legs, "leg");
    let mut text = match summary.verdicts.findings() {
        0 => format!("no finding among {legs} on BYOC trunks"),
        findings => format!("{} among {legs} on BYOC trunks", counted(findings, "finding")),
    };
    if summary.verdicts.indeterminate > 0 {
        text.push_str(&format!(", {} undecided", summary.verdicts.indeterminate));
    }
    text
}

/// Kinds of source with what people call one, and one of its records.
const KINDS: [(&str, &str, &str); 4] = [
    ("capture", "capture", "packet"),
    ("access_log", "access log", "line"),
    ("genesys_export", "Genesys export", "record"),
    ("unrecognised", "file", "record"),
];

/// Formats of logs whose records are no lines.
const DOCUMENTS: [&str; 3] = ["har", "json_document", "newman"];

/// What a record of a source is called.
pub(super) fn record(source: &Evidence) -> &'static str {
    match KINDS.iter().find(|(known, ..)| *known == source.kind) {
        Some((.., record)) if !source.format.is_some_and(|format| DOCUMENTS.contains(&format)) => record,
        Some(_) | None => "record",
    }
}

/// Why nothing was read of a source, where it is not for its content.
fn unread(source: &Evidence) -> &'static str {
    let met = |code: &str| source.anomalies.iter().any(|anomaly| anomaly.code == code);
    if source.format == Some(own::FORMAT) {
        "report of sipconsent"
    } else if met("not_opened") {
        "not opened"
    } else if met("passed_over") {
        "passed over"
    } else {
        "not recognised"
    }
}

/// What was read, and from when to when.
pub(super) fn read(evidence: &[Evidence]) -> String {
    let (mut sources, mut records) = (BTreeMap::new(), BTreeMap::new());
    for source in evidence {
        *sources.entry(source.kind).or_insert(0) += 1;
        *records.entry(source.kind).or_insert(0) += source.records;
    }
    let of = |counts: &BTreeMap<&str, u64>, kind| counts.get(kind).copied().unwrap_or(0);
    let mut parts = Vec::new();
    for (kind, source, record) in KINDS {
        let count = of(&sources, kind);
        let of_kind = || evidence.iter().filter(|source| source.kind == kind);
        if count > 0 && kind == "unrecognised" {
            for why in ["not recognised", "not opened", "passed over", "report of sipconsent"] {
                let count = of_kind().filter(|source| unread(source) == why).count() as u64;
                match why {
                    _ if count == 0 => {}
                    "report of sipconsent" => parts.push(format!("{} set aside", counted(count, "earlier report"))),
                    why => parts.push(format!("{} {why}", counted(count, source))),
                }
            }
        } else if count > 0 {
            let record = if of_kind().all(|source| self::record(source) == record) { record } else { "record" };
            parts.push(format!("{} ({})", counted(count, source), counted(of(&records, kind), record)));
        }
    }
    let mut text = if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") };
    let first = evidence.iter().filter_map(|source| source.first).min();
    let last = evidence.iter().filter_map(|source| source.last).max();
    if let (Some(first), Some(last)) = (first, last) {
        text.push_str(&format!("; {} to {}", first.0.rfc3339(), last.0.rfc3339()));
    }
    text
}

/// The calls in one line.
pub(super) fn calls(summary: &Summary) -> String {
    let (calls, legs) = (counted(summary.calls, "call"), counted(summary.legs, "leg"));
    format!("{calls} with {legs}, {} of them on BYOC trunks", summary.byoc_legs)
}

/// The unconsented media in one line.
pub(super) fn media(summary: &Summary) -> String {
    if summary.unconsented_streams == 0 {
        return "none seen without a consent signal on BYOC trunks".to_owned();
    }
    format!(
        "{:.3} s without a consent signal, in {} on BYOC trunks",
        summary.unconsented_media_s.rounded(),
        counted(summary.unconsented_streams, "media stream"),
    )
}

/// The requests in one line.
pub(super) fn requests(summary: &Summary) -> String {
    let requests = &summary.requests;
    format!(
        "{}, {} of them for recordings: {} refused (403), {} allowed (2xx), {} served call audio; {} bound to nothing",
        counted(requests.total, "API request"),
        requests.recording,
        requests.refused,
        requests.allowed,
        requests.served,
        counted(requests.unbound_refusals, "refusal"),
    )
}

/// The rule in words: what "unconsented" means in this report. Escaped already.
pub(super) fn rule(rule: &ConsentRule) -> String {
    let values = |values: &[String]| {
        let quoted: Vec<_> = values.iter().map(|value| format!("\"{}\"", escape::text(value))).collect();
        quoted.join(" or ")
    };
    let mut text = format!(
        "\"Unconsented\" means: no consent signal by the rule {} = {}",
        escape::text(&rule.shown()),
        values(&rule.granted)
    );
    if !rule.denied.is_empty() {
        text.push_str(&format!(" (denied by {})", values(&rule.denied)));
    }
    if rule.place != RulePlace::UriParameter && rule.messages != RuleMessage::REQUESTS {
        let names: Vec<_> = rule.messages.iter().map(|message| message.name()).collect();
        text.push_str(&format!(" in {}", names.join(" or ")));
    }
    text.push_str(match rule.direction {
        RuleDirection::Any => ", for calls of either direction.",
        RuleDirection::Inbound => ", for inbound calls.",
        RuleDirection::Outbound => ", for outbound calls.",
    });
    text
}

/// A SIP message in a word or two: `INVITE`, `180 Ringing`, `200 OK (BYE)`.
pub(super) fn message(message: &Message) -> String {
    match (message.status, message.method) {
        (None, method) => method.unwrap_or("request").to_owned(),
        (Some(status), None | Some("INVITE")) => self::status(status),
        (Some(status), Some(method)) => format!("{} ({method})", self::status(status)),
    }
}

/// A SIP status code with its reason phrase, where RFC 3261 §21 names one.
pub(super) fn status(status: u16) -> String {
    let phrase = match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        415 => "Unsupported Media Type",
        420 => "Bad Extension",
        422 => "Session Interval Too Small",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        _ => return status.to_string(),
    };
    format!("{status} {phrase}")
}

/// What became of the hypotheses in a line for each trunk: names of those that the evidence decides, counts of the rest.
/// Escaped already.
pub(super) fn weighed(diagnosis: &[Hypothesis]) -> Vec<String> {
    let trunks = diagnosis.chunk_by(|one, other| one.trunk == other.trunk);
    let mut lines: Vec<String> = trunks
        .clone()
        .take(TRUNKS)
        .map(|rows| {
            let of = |status: &str| rows.iter().filter(|row| row.status == status).map(|row| row.hypothesis).collect();
            let named = ["supported", "contradicted"].map(|status| {
                let names: Vec<&str> = of(status);
                (!names.is_empty()).then(|| format!("{status} {}", names.join(", ")))
            });
            let counted = ["inconclusive", "untested"].map(|status| {
                let names: Vec<&str> = of(status);
                (!names.is_empty()).then(|| format!("{} {status}", names.len()))
            });
            let said: Vec<String> = named.into_iter().chain(counted).flatten().collect();
            let trunk = rows.first().map(|row| escape::text(&row.trunk)).unwrap_or_default();
            format!("{trunk}: {}", said.join("; "))
        })
        .collect();
    let more = trunks.count().saturating_sub(TRUNKS);
    if more > 0 {
        lines.push(format!("and {}", counted(more as u64, "more trunk")));
    }
    lines
}

/// What a hypothesis says, in words: what would be so if it held.
pub(super) fn hypothesis(name: &str) -> &'static str {
    match name {
        "consent_header" => "calls without a consent signal are the ones refused",
        "consent_header_format" => "values that neither grant nor deny are refused",
        "header_stripped" => "consent was sent and lost on its way to the trunk",
        "trunk_capability" => "the trunk lacks a capability",
        "stale_permission_cache" => "permissions were stale until the trunk registered anew",
        "client_permission" => "the client lacks a permission",
        "flow_not_recording" => "the refused calls were never recorded",
        "division_or_condition" => "division, queue or agent make the difference",
        "wrong_endpoint" => "targets are asked for that the API does not have",
        "gateway_refusal" => "a proxy refused, not the API",
        _ => "",
    }
}

/// Why a refusal is bound to nothing, in words.
pub(super) fn unbound(reason: &str) -> &'static str {
    match reason {
        "no_identifier" => "the request names no call, conversation or trunk",
        "no_such_call" => "no leg of the evidence bears the identifier",
        "before_call" => "the request came before the call it names",
        "ambiguous" => "more than one leg fits",
        "unknown_trunk" => "the query names a trunk that is not configured",
        "identifier_too_common" => "the identifier is shared by too many legs",
        "signalling_not_captured" => "the call may hide in encrypted signalling",
        "no_time" => "the record has no readable time",
        _ => "",
    }
}

/// What a ground's word means.
pub(super) fn ground(reason: &str) -> &'static str {
    match reason {
        "consent_granted" => "the INVITE that counts carries consent",
        "consent_denied" => "the INVITE that counts denies consent",
        "consent_invalid" => "the INVITE that counts carries a value that neither grants nor denies, or several",
        "consent_missing" => "the INVITE that counts was captured whole and carries nothing that a rule reads",
        "consent_granted_later" => "a later message granted consent",
        "consent_denied_later" => "a later message denied consent",
        "consent_invalid_later" => "a later message carried a value that neither grants nor denies",
        "header_stripped" => "an INVITE upstream carried consent, and the one on the trunk does not",
        "header_cut" => "the header of the INVITE that counts was cut",
        "invite_not_captured" => "the INVITE that counts was not captured",
        "body_cut" => "the body in which a rule reads was cut",
        "response_cut" => "a response in which a rule reads was cut",
        "response_not_captured" => "a response in which a rule reads was not captured",
        "consent_not_due" => "nothing that was captured had to carry the signal",
        "hops_disagree" => "hops that cannot be told apart carry requests that disagree",
        "no_rule_for_direction" => "no rule speaks of calls in this direction",
        "direction_unknown" => "the direction is unknown, so the field's absence says nothing",
        "replaces_granted_leg" => "the leg replaces one that was granted, or was transferred from it",
        "replaces_unknown_leg" => "the leg replaces one whose consent is unknown, or was transferred from it",
        "replaced_leg_not_captured" => "the leg replaces one that was not captured, or was transferred from it",
        "later_request_cut" => "a re-INVITE or UPDATE was cut",
        "request_not_captured" => "an INVITE or UPDATE was not captured",
        "request_on_another_hop" => "a re-INVITE or UPDATE that speaks of consent was captured on another hop only",
        "request_before_invite" => {
            "a request within the dialog is stamped before its INVITE: when it was sent is not known"
        }
        "cseq_skipped" => "a sender's CSeq numbers skip: a request was not captured",
        "limit_media" => {
            "descriptions or RTP that may be its own were left out by a limit, or name no address to compare"
        }
        "limit_signalling" => "a limit kept packets of its time from being read",
        "limit_dialogs" => "the leg has more dialogs than are told apart",
        "media_by_rtp" => "media by its RTP",
        "media_by_signalling" => "media by the signalling: answered, and descriptions accepted",
        "media_repeated" => {
            "RTP whose numbers another capture had before: sent anew, or captured twice by clocks far apart"
        }
        "media_behind_nat" => "the RTP came from or went to another address than was negotiated",
        "media_rejected" => "every media description was rejected",
        "no_duration" => "no media stream has a duration",
        "no_media_measured" => "no media could be measured",
        "no_media_description" => "no media description was captured",
        "answer_not_seen" => "no answer was seen",
        "end_not_seen" => "the end of the dialog was not seen",
        "final_refusal" => "a final refusal was seen",
        "cancelled" => "the INVITE was cancelled",
        "refused" => "a recording request was answered 403",
        "served" => "call audio was served",
        "standard_trunk" => "the leg crossed a standard trunk",
        "no_trunk_fits" => "no configured trunk fits the leg",
        "siprec" => "a sign of a SIPREC recording session",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Hypothesis;

    /// The words between backticks in the README's list item that begins so.
    fn listed(item: &str) -> Vec<&'static str> {
        let readme = include_str!("../../README.md");
        let rest = readme.split(&format!("- **{item}**")).nth(1).unwrap_or_else(|| panic!("no item {item}"));
        let text = rest.split("\n- ").next().unwrap_or_default();
        text.split('`').skip(1).step_by(2).filter(|word| !word.starts_with('_')).collect()
    }

    #[test]
    fn every_word_that_the_readme_lists_has_a_meaning() {
        let (grounds, reasons) = (listed("Grounds"), listed("Unbound reasons"));
        assert!(grounds.len() > 30 && reasons.len() > 7, "{grounds:?} {reasons:?}");
        let without = |words: &[&'static str], meaning: fn(&str) -> &'static str| {
            words.iter().copied().filter(|word| meaning(word).is_empty()).collect::<Vec<_>>()
        };
        assert_eq!(without(&grounds, ground), [""; 0]);
        assert_eq!(without(&reasons, unbound), [""; 0]);
        assert_eq!(without(&Hypothesis::ALL.map(Hypothesis::name), hypothesis), [""; 0]);
        assert_eq!(without(&["no_such_word"], ground), ["no_such_word"], "a word without a meaning is noticed");
    }
}
