//! The SIP messages of the legs that a report shows one by one, as rows.
//!
//! Called by the pipeline once the legs are rows themselves. Reads the signalling again for those legs only, so
//! reports that show no message cost nothing. Bounded for legs that an attack has filled: what is not listed is counted.

use std::collections::BTreeSet;

use super::build::{pointer, text};
use super::model::{
    self, Endpoint, EvidenceText, HeaderField, Hop, Instant, Ladder, MediaDescription, Message, Pointer,
};
use super::show::Mark;
use crate::call::Outline;
use crate::call::ladder::{self, Rung};
use crate::facts::{Body, Chosen, Signalling, StartLine, Subject};

/// What of a report is asked for. Its figures are those of the whole evidence all the same.
#[derive(Clone, Copy, Default)]
#[expect(missing_debug_implementations, reason = "functions")]
pub struct Wanted<'a> {
    /// The legs that are shown message by message, judged by their row; `None` for none.
    pub messages: Option<&'a (dyn Fn(&model::Leg) -> bool + Sync)>,
    /// The legs whose rows the report holds, with those of their calls; `None` for all.
    pub rows: Option<&'a (dyn Fn(&Mark<'_>) -> bool + Sync)>,
    /// The legs whose rows are asked for while the report is written ([`Calls`](super::calls::Calls)); `None` for none.
    pub written: Option<&'a (dyn Fn(&Mark<'_>) -> bool + Sync)>,
}

impl<'a> Wanted<'a> {
    /// Every row, and the messages of these legs.
    #[must_use]
    pub fn messages(of: &'a (dyn Fn(&model::Leg) -> bool + Sync)) -> Self {
        Self { messages: Some(of), ..Self::default() }
    }
}

/// Gives each of `legs` its ladder.
pub fn fill(chosen: &Chosen<'_>, mut legs: Vec<(&Outline<'_>, &mut model::Leg)>) {
    let facts: Vec<&Outline<'_>> = legs.iter().map(|(leg, _)| *leg).collect();
    let rows: Vec<&model::Leg> = legs.iter().map(|(_, row)| &**row).collect();
    let ladders = ladder::ladders(chosen, &facts, |place, rungs| match rows.get(place) {
        Some(leg) => self::ladder(leg, &rungs),
        None => Ladder::default(),
    });
    for ((_, row), ladder) in legs.iter_mut().zip(ladders) {
        row.ladder = Some(ladder.unwrap_or_default());
    }
}

fn ladder(leg: &model::Leg, rungs: &[Rung<'_>]) -> Ladder {
    let grounds: BTreeSet<Pointer> = leg.grounds.iter().flat_map(|ground| ground.sources.iter().copied()).collect();
    // One half for the beginning, one for what the verdict rests on; what either does not need is the other's.
    let bears = |rung: &Rung<'_>| grounds.contains(&pointer(rung.message.locus));
    let bearing = rungs.iter().filter(|rung| bears(rung)).count().min(Ladder::MOST_MESSAGES / 2);
    let mut others = Ladder::MOST_MESSAGES - bearing;
    let mut bearing = Ladder::MOST_MESSAGES - others;
    let mut messages = Vec::with_capacity(rungs.len().min(Ladder::MOST_MESSAGES));
    for rung in rungs {
        let left = if bears(rung) && bearing > 0 { &mut bearing } else { &mut others };
        if *left > 0 {
            *left -= 1;
            messages.push(message(leg, rung));
        }
    }
    Ladder { left_out: (rungs.len() - messages.len()) as u64, messages }
}

fn message(leg: &model::Leg, rung: &Rung<'_>) -> Message {
    let Rung { message, copies } = rung;
    let source = pointer(message.locus);
    // Two messages of one packet share a record: the observation has the method and number of its own.
    let said = match message.start {
        StartLine::Request { method, .. } => method.name().to_owned(),
        StartLine::Response(status) => status.to_string(),
    };
    let observed = leg.consent.observations.iter().find(|observation| {
        observation.source == source
            && observation.method == said
            && observation.cseq == message.cseq.map(|cseq| cseq.number)
    });
    let (status, request_uri) = match message.start {
        StartLine::Request { uri, .. } => (None, Some(text(uri))),
        StartLine::Response(status) => (Some(status), None),
    };
    Message {
        at: Instant(message.at),
        hop: Hop { source: message.hop.source.to_string(), destination: message.hop.destination.to_string() },
        transport: message.transport.name(),
        method: message.method().map(|method| method.name()),
        status,
        request_uri,
        cseq: message.cseq.map(|cseq| cseq.number),
        consent: observed.map(|observation| observation.state),
        media: media(message),
        header_whole: message.header_whole,
        body_whole: message.body != Body::Cut,
        rows: message
            .rows()
            .filter_map(|row| match row.subject {
                Subject::Head | Subject::Recorded => None,
                Subject::Attribute(_) | Subject::RecordingAttribute(_) => {
                    Some(HeaderField { name: EvidenceText([b"a=", row.name].concat()), value: text(row.value) })
                }
                _ => Some(HeaderField { name: text(row.name), value: text(row.value) }),
            })
            .collect(),
        head: message.head().map(|head| EvidenceText(without_credentials(head))),
        source,
        copies: copies.iter().take(Ladder::MOST_COPIES).copied().map(pointer).collect(),
        copies_count: copies.len() as u64,
    }
}

/// Fields whose values log somebody in.
const CREDENTIALS: [&[u8]; 2] = [b"authorization", b"proxy-authorization"];

/// A header section as captured, but for the values of credentials: `…` stands for those, folded rows included.
fn without_credentials(head: &[u8]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(head.len());
    let mut is_hidden = false;
    for row in head.split_inclusive(|byte| *byte == b'\n') {
        let is_folded = matches!(row.first(), Some(b' ' | b'\t'));
        let name = row.iter().position(|byte| *byte == b':').and_then(|colon| row.split_at_checked(colon));
        if !is_folded {
            let fits = |name: &[u8]| CREDENTIALS.iter().any(|own| own.eq_ignore_ascii_case(name.trim_ascii()));
            is_hidden = name.is_some_and(|(name, _)| fits(name));
            if let Some((name, rest)) = name.filter(|_| is_hidden) {
                shown.extend_from_slice(name);
                shown.extend_from_slice(": …".as_bytes());
                let end = rest.len() - rest.trim_ascii_end().len();
                shown.extend_from_slice(rest.get(rest.len() - end..).unwrap_or_default());
            }
        }
        if !is_hidden {
            shown.extend_from_slice(row);
        }
    }
    shown
}

fn media(message: &Signalling<'_>) -> Option<Vec<MediaDescription>> {
    let media = message.media()?.map(|media| MediaDescription {
        media: text(media.media),
        endpoint: Endpoint::new(text(media.address), media.port),
        codecs: media.codecs.split(|byte| *byte == b' ').filter(|codec| !codec.is_empty()).map(text).collect(),
        direction: media.direction.name(),
    });
    Some(media.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_hidden_and_nothing_else() {
        for (head, shown) in [
            ("INVITE sip:a SIP/2.0\r\nTo: <sip:a>\r\n", "INVITE sip:a SIP/2.0\r\nTo: <sip:a>\r\n"),
            (
                "Authorization: Digest response=\"x\",\r\n nonce=\"y\"\r\nTo: a\r\n b\r\n",
                "Authorization: …\r\nTo: a\r\n b\r\n",
            ),
            ("proxy-AUTHORIZATION \t: Basic eA==\nVia: x", "proxy-AUTHORIZATION \t: …\nVia: x"),
            ("Authorization", "Authorization"),
            ("Authorization:", "Authorization: …"),
            ("X-Authorization: a\r\n", "X-Authorization: a\r\n"),
        ] {
            assert_eq!(String::from_utf8_lossy(&without_credentials(head.as_bytes())), shown, "{head}");
        }
    }
}
