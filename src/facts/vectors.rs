//! One INVITE with an audio and a video section, changed in the ways on which readers of SIP lose evidence.
//!
//! Each line of the house's table of test vectors is a test here: both streams come out, each with its own attributes.
//! What a strict grammar loses silently and what a tolerant reader gives to the wrong owner are told apart by the whole
//! list of sections.

use super::extract::{Extracted, Extractor, Keep, Seen, signalling};
use super::{Hop, SignallingBatch, Transport};
use crate::evidence::{Anomalies, Locus, SourceId, Timestamp};
use crate::settings::Settings;

const HEADER: &str = "INVITE sip:1@byoc.example.com SIP/2.0\r\n\
    Via: SIP/2.0/UDP 203.0.113.10;branch=z9hG4bK-1\r\n\
    From: \"Alice\" <sip:2@carrier.example.net>;tag=a\r\n\
    To: <sip:1@byoc.example.com>\r\n\
    Call-ID: one@203.0.113.10\r\n\
    CSeq: 1 INVITE\r\n\
    X-Genesys-Recording-Consent: true\r\n\
    Content-Type: application/sdp\r\n";

const BODY: &str = "v=0\r\no=- 1 1 IN IP4 203.0.113.10\r\ns=call\r\nc=IN IP4 203.0.113.10\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendonly\r\n\
    m=video 4002 RTP/AVP 31\r\na=rtpmap:31 H261/90000\r\na=recvonly\r\n";

const AUDIO: &str = "audio 4000 203.0.113.10 PCMU/8000 sendonly";
const VIDEO: &str = "video 4002 203.0.113.10 H261/90000 recvonly";

/// What one message states.
#[derive(Debug, PartialEq)]
struct Stated {
    call_id: String,
    sections: Option<Vec<String>>,
    consents: usize,
    anomalies: Vec<&'static str>,
}

fn stated(header: &str, body: &str, content_length: usize) -> Stated {
    let payload = format!("{header}Content-Length: {content_length}\r\n\r\n{body}");
    let socket = |address: &str| format!("{address}:5060").parse().expect("a literal address");
    let seen = Seen {
        at: Timestamp::new(1, 6),
        locus: Locus { source: SourceId(0), record: 1 },
        hop: Hop { source: socket("203.0.113.10"), destination: socket("192.0.2.10") },
        transport: Transport::Udp,
        truncated: false,
    };
    let (mut batch, mut anomalies) = (SignallingBatch::default(), Anomalies::default());
    let keep = Keep::new(&Settings::default());
    assert_eq!(
        signalling(payload.as_bytes(), seen, &mut Extractor::new(&keep), &mut batch, &mut anomalies),
        Extracted::Message,
        "{payload}"
    );
    let message = batch.messages().next().expect("a message");
    assert!(message.header_whole);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let sections = message.media().map(|media| {
        media
            .map(|media| {
                let port = media.port.map_or_else(|| "?".to_owned(), |port| port.to_string());
                let [kind, address, codecs] = [media.media, media.address, media.codecs].map(text);
                format!("{kind} {port} {address} {codecs} {}", media.direction.name())
            })
            .collect()
    });
    Stated {
        call_id: text(message.call_id),
        sections,
        consents: message.rows().filter(|row| matches!(row.subject, super::Subject::Consent(_))).count(),
        anomalies: anomalies.iter().map(|(code, _)| code).collect(),
    }
}

/// The INVITE with one change, in its header or its body, gives these sections and anomalies, and all else.
#[track_caller]
fn check(from: &str, to: &str, sections: &[&str], anomalies: &[&'static str]) {
    assert!(HEADER.contains(from) || BODY.contains(from), "{from}");
    let (header, body) = (HEADER.replacen(from, to, 1), BODY.replacen(from, to, 1));
    let expected = Stated {
        call_id: "one@203.0.113.10".to_owned(),
        sections: Some(sections.iter().map(|section| (*section).to_owned()).collect()),
        consents: 1,
        anomalies: anomalies.to_vec(),
    };
    assert_eq!(stated(&header, &body, body.len()), expected, "{from:?} as {to:?}");
}

#[test]
fn the_plain_message() {
    check("s=call", "s=call", &[AUDIO, VIDEO], &[]);
}

#[test]
fn a_session_name_of_a_single_hyphen() {
    check("s=call", "s=-", &[AUDIO, VIDEO], &[]);
}

#[test]
fn an_attribute_with_a_hyphen_in_its_name() {
    check("a=ptime:20", "a=rtcp-mux", &[AUDIO, VIDEO], &[]);
}

#[test]
fn a_feedback_or_dtls_profile() {
    check("RTP/AVP 0", "RTP/SAVPF 0", &[AUDIO, VIDEO], &[]);
    check("RTP/AVP 0", "UDP/TLS/RTP/SAVPF 0", &[AUDIO, VIDEO], &[]);
}

#[test]
fn connection_data_that_names_a_host() {
    let named = |section: &str| section.replace("203.0.113.10", "media.example.net");
    check("c=IN IP4 203.0.113.10", "c=IN IP4 media.example.net", &[&named(AUDIO), &named(VIDEO)], &[]);
}

#[test]
fn connection_data_too_long_for_a_host() {
    let long = format!("c=IN IP4 {}", "a".repeat(256));
    let nowhere = |section: &str| section.replace("203.0.113.10", "");
    check("c=IN IP4 203.0.113.10", &long, &[&nowhere(AUDIO), &nowhere(VIDEO)], &["bad_media_address"]);
}

#[test]
fn an_image_section_before_the_others() {
    let image = "image 4004 203.0.113.10 t38 sendrecv";
    check("m=audio", "m=image 4004 udptl t38\r\nm=audio", &[image, AUDIO, VIDEO], &[]);
}

#[test]
fn a_port_with_a_count() {
    check("m=audio 4000 ", "m=audio 4000/2 ", &[AUDIO, VIDEO], &[]);
}

#[test]
fn a_port_above_65535() {
    check("m=audio 4000 ", "m=audio 70000 ", &[&AUDIO.replace("4000", "?"), VIDEO], &["bad_media_port"]);
}

#[test]
fn an_unreadable_second_section_followed_by_inactive() {
    let second = " ? 203.0.113.10  inactive";
    check(
        "m=video 4002 RTP/AVP 31\r\na=rtpmap:31 H261/90000\r\na=recvonly",
        "m=\r\na=inactive",
        &[AUDIO, second],
        &["bad_media_port"],
    );
}

#[test]
fn a_direction_at_session_level_only() {
    let body = BODY
        .replace("a=sendonly\r\n", "")
        .replace("a=recvonly\r\n", "")
        .replace("t=0 0\r\n", "t=0 0\r\na=inactive\r\n");
    let expected = [AUDIO.replace("sendonly", "inactive"), VIDEO.replace("recvonly", "inactive")];
    assert_eq!(stated(HEADER, &body, body.len()).sections, Some(expected.to_vec()));
}

#[test]
fn no_version_line() {
    check("v=0\r\n", "", &[AUDIO, VIDEO], &[]);
}

#[test]
fn a_field_name_in_lower_case() {
    check("Call-ID:", "call-id:", &[AUDIO, VIDEO], &[]);
}

#[test]
fn a_compact_form_in_upper_case() {
    check("Call-ID:", "I:", &[AUDIO, VIDEO], &[]);
}

#[test]
fn a_letter_beyond_ascii_in_a_display_name() {
    check("\"Alice\"", "\"Zoë\"", &[AUDIO, VIDEO], &[]);
    check("\"Alice\"", "Zoë", &[AUDIO, VIDEO], &[]);
}

#[test]
fn a_content_length_shorter_than_the_datagram() {
    // RFC 3261 §18.3: what lies beyond it is no part of the message.
    let audio_alone = BODY.find("m=video").expect("a video section");
    assert_eq!(stated(HEADER, BODY, audio_alone).sections, Some(vec![AUDIO.to_owned()]));
}

#[test]
fn a_body_of_another_type() {
    let header = HEADER.replace("application/sdp", "text/plain");
    assert_eq!(stated(&header, BODY, BODY.len()).sections, None);
}
