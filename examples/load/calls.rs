//! Calls from a carrier to the platform, their messages and RTP interleaved as on a busy trunk.
//!
//! Time goes in slots of 20 ms. What happens in a slot follows from its number alone, so a capture of any length is
//! written without a schedule in memory.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddrV4};

use super::capture::{Capture, Container};
use super::plan::{Draw, Plan, Truth};

const SLOT_US: u64 = 20_000;
const SLOTS_A_SECOND: u64 = 50;

/// The slots of a call's messages, from its INVITE to its 200 OK; the BYE and its answer count from the last RTP.
const TRYING: u64 = 1;
const RINGING: u64 = 5;
const ANSWER: u64 = 50;
const ACK: u64 = 51;

/// Calls that are up at a time when RTP flows, and those that begin in a second when it does not.
const AT_A_TIME: u64 = 100;
const BEGIN_A_SECOND: u64 = 50;

/// Session border controllers on either side.
const EDGES: u64 = 4;

/// One side of a call.
struct Call<'p> {
    plan: &'p Plan,
    n: u64,
    call_id: String,
    caller: u64,
    called: u64,
    tags: (u64, u64),
    carrier: Ipv4Addr,
    platform: Ipv4Addr,
    media_ports: (u16, u16),
}

impl<'p> Call<'p> {
    fn new(plan: &'p Plan, n: u64) -> Self {
        let (one, two) = (plan.draw(Draw::Call, 2 * n), plan.draw(Draw::Call, 2 * n + 1));
        let carrier = Ipv4Addr::new(203, 0, 113, 10 + (one % EDGES) as u8);
        let port = 16_384 + 2 * (n % 20_000) as u16;
        Self {
            plan,
            n,
            call_id: format!("{one:016x}-{n}@{carrier}"),
            caller: 12_025_550_000 + one % 10_000,
            called: 13_035_550_000 + two % 10_000,
            tags: (one >> 32, two >> 32),
            carrier,
            platform: Ipv4Addr::new(192, 0, 2, 20 + (two % EDGES) as u8),
            media_ports: (port, port),
        }
    }

    fn is_first_party(&self, message: &Message) -> bool {
        matches!(message, Message::Invite | Message::Ack | Message::Bye)
    }

    /// The message as sent.
    fn text(&self, message: &Message) -> String {
        let Self { carrier, platform, caller, called, call_id, n, .. } = self;
        let host = "sg1.byoc.mypurecloud.com";
        let line = match message {
            Message::Invite => format!("INVITE sip:+{called}@{host}:5060;user=phone SIP/2.0"),
            Message::Trying => "SIP/2.0 100 Trying".to_owned(),
            Message::Ringing => "SIP/2.0 180 Ringing".to_owned(),
            Message::Answer | Message::ByeAnswer => "SIP/2.0 200 OK".to_owned(),
            Message::Ack => format!("ACK sip:{platform}:5060;transport=udp SIP/2.0"),
            Message::Bye => format!("BYE sip:{platform}:5060;transport=udp SIP/2.0"),
        };
        let (number, method, branch) = match message {
            Message::Ack => (1, "ACK", 'a'),
            Message::Bye | Message::ByeAnswer => (2, "BYE", 'b'),
            _ => (1, "INVITE", 'i'),
        };
        let mut text = format!("{line}\r\nVia: SIP/2.0/UDP {carrier}:5060;branch=z9hG4bK-{n}-{branch};rport\r\n");
        text.push_str(match self.is_first_party(message) {
            true => "Max-Forwards: 69\r\nUser-Agent: carrier-sbc/9.1.2\r\n",
            false => "Server: Genesys Cloud Edge/1.0.0.13574\r\n",
        });
        let to_tag = match message {
            Message::Invite | Message::Trying => String::new(),
            _ => format!(";tag={:08x}", self.tags.1),
        };
        text.push_str(&format!(
            "From: <sip:+{caller}@{carrier}>;tag={:08x}\r\nTo: <sip:+{called}@{host}>{to_tag}\r\n\
             Call-ID: {call_id}\r\nCSeq: {number} {method}\r\n",
            self.tags.0
        ));
        match message {
            Message::Invite => {
                text.push_str(&format!("Contact: <sip:+{caller}@{carrier}:5060>\r\n"));
                text.push_str("Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE\r\nSupported: timer, 100rel\r\n");
                if self.plan.consents(*n) {
                    text.push_str("X-Genesys-Recording-Consent: true\r\n");
                }
            }
            Message::Ringing | Message::Answer => {
                text.push_str(&format!("Contact: <sip:{platform}:5060;transport=udp>\r\n"));
                if self.plan.join && matches!(message, Message::Answer) {
                    text.push_str(&format!("x-inin-cnv: {}\r\n", self.plan.conversation(*n)));
                }
            }
            _ => {}
        }
        let description = match message {
            Message::Invite => Some((carrier, self.media_ports.0)),
            Message::Answer => Some((platform, self.media_ports.1)),
            _ => None,
        };
        let body = description.map_or_else(String::new, |(address, port)| {
            format!(
                "v=0\r\no=- {n} 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n\
                 m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n\
                 a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
            )
        });
        if !body.is_empty() {
            text.push_str("Content-Type: application/sdp\r\n");
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        text
    }

    fn ends(&self, from_carrier: bool, ports: (u16, u16)) -> (SocketAddrV4, SocketAddrV4) {
        let (carrier, platform) = (SocketAddrV4::new(self.carrier, ports.0), SocketAddrV4::new(self.platform, ports.1));
        if from_carrier { (carrier, platform) } else { (platform, carrier) }
    }
}

enum Message {
    Invite,
    Trying,
    Ringing,
    Answer,
    Ack,
    Bye,
    ByeAnswer,
}

/// What a call's RTP needs for each packet: far less than the call.
struct Media {
    ends: [(SocketAddrV4, SocketAddrV4); 2],
    /// Its place among those that are up.
    place: u64,
    ssrc: [u32; 2],
    sequence: u16,
}

/// Writes the capture; gives its truth.
pub(crate) fn write<W: Write>(plan: &Plan, container: Container, out: &mut W) -> io::Result<Truth> {
    let mut capture = Capture::new(container, out)?;
    let mut truth = Truth::default();
    let last = ANSWER + plan.seconds * SLOTS_A_SECOND;
    let schedule = [
        (0, Message::Invite),
        (TRYING, Message::Trying),
        (RINGING, Message::Ringing),
        (ANSWER, Message::Answer),
        (ACK, Message::Ack),
        (last, Message::Bye),
        (last + 1, Message::ByeAnswer),
    ];
    // Slots from the begin of one call to that of the next.
    let step = if plan.media {
        (plan.seconds * SLOTS_A_SECOND).div_ceil(AT_A_TIME).max(1)
    } else {
        SLOTS_A_SECOND / BEGIN_A_SECOND
    };
    let (rtp_from, rtp_to) = (ACK + 1, last);
    let mut live: VecDeque<Media> = VecDeque::new();
    let mut payload = [0xd5; 172];
    for slot in 0..=plan.calls.saturating_sub(1) * step + last + 1 {
        let mut micros = slot * SLOT_US;
        let begins = |offset: u64| {
            let n = slot.checked_sub(offset)?;
            (n % step == 0 && n / step < plan.calls).then_some(n / step)
        };
        for (offset, message) in &schedule {
            let Some(n) = begins(*offset) else { continue };
            let call = Call::new(plan, n);
            let text = call.text(message);
            capture.udp(micros, call.ends(call.is_first_party(message), (5060, 5060)), text.as_bytes())?;
            truth.sip_messages += 1;
            micros += 300;
            if let Message::Answer = message {
                let (clear, unconsented) = if plan.consents(n) { (1, 0) } else { (0, 1) };
                truth.clear += clear;
                truth.unconsented += unconsented;
                // Media is measured by its RTP, from the first packet to the last, else from the answer to the BYE.
                let measured_ms = match plan.media {
                    true => (rtp_to - rtp_from - 1) * SLOT_US / 1_000,
                    false => plan.seconds * 1_000,
                };
                truth.unconsented_ms += unconsented * measured_ms;
            }
        }
        if !plan.media {
            continue;
        }
        if let Some(n) = begins(rtp_from) {
            let call = Call::new(plan, n);
            let draw = plan.draw(Draw::Media, n);
            live.push_back(Media {
                ends: [call.ends(true, call.media_ports), call.ends(false, call.media_ports)],
                place: n % AT_A_TIME,
                ssrc: [draw as u32, (draw >> 32) as u32],
                sequence: 0,
            });
        }
        if begins(rtp_to).is_some() {
            live.pop_front();
        }
        // The calls that are up share the slot behind its messages, each at a place of its own.
        let turn = live.iter().position(|media| media.place == 0).unwrap_or(0);
        live.rotate_left(turn);
        for media in &mut live {
            let micros = slot * SLOT_US + 2_100 + media.place * (SLOT_US - 2_200) / AT_A_TIME;
            let (sequence, at) = (media.sequence.to_be_bytes(), (u32::from(media.sequence) * 160).to_be_bytes());
            for (ends, ssrc) in media.ends.iter().zip(media.ssrc) {
                let header = [0x80, 0].into_iter().chain(sequence).chain(at).chain(ssrc.to_be_bytes());
                payload.iter_mut().zip(header).for_each(|(place, byte)| *place = byte);
                capture.udp(micros, *ends, &payload)?;
                truth.rtp_packets += 1;
            }
            media.sequence = media.sequence.wrapping_add(1);
        }
        live.rotate_right(turn);
    }
    truth.bytes = capture.bytes;
    truth.records = capture.packets;
    Ok(truth)
}
