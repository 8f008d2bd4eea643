use super::sample::{ethernet, frame, ip, udp};
use super::*;
use crate::capture::LinkType;
use crate::evidence::Timestamp;
use crate::random::Random;

#[path = "../../tests/it/support/encapsulate.rs"]
mod encapsulate;

use encapsulate::ENCAPSULATIONS;

fn seen(link_type: u16, bytes: &[u8], original: usize) -> Frame<'_> {
    Frame { bytes, original_len: original as u32, at: Timestamp::new(0, 6), record: 1, link_type: LinkType(link_type) }
}

fn whole(link_type: u16, bytes: &[u8]) -> Packet<'_> {
    decode(&seen(link_type, bytes, bytes.len()))
}

/// Asserts that the frame carries `payload` from 203.0.113.5:5060 to 192.0.2.9:5080, or their IPv6 likes.
fn carries(link_type: u16, bytes: &[u8], payload: &[u8]) {
    let Packet::Udp(found) = whole(link_type, bytes) else { panic!("{:?} in {bytes:02x?}", whole(link_type, bytes)) };
    assert_eq!((found.bytes, found.len, found.truncated), (payload, payload.len(), false));
    let hop = found.ends.hop();
    let (source, destination) = if hop.source.is_ipv4() {
        ("203.0.113.5:5060", "192.0.2.9:5080")
    } else {
        ("[2001:db8::5]:5060", "[2001:db8::9]:5080")
    };
    assert_eq!((hop.source.to_string().as_str(), hop.destination.to_string().as_str()), (source, destination));
}

fn v4(payload: &[u8]) -> Vec<u8> {
    ip("203.0.113.5", "192.0.2.9", 17, &udp(5060, 5080, payload))
}

fn v6(payload: &[u8]) -> Vec<u8> {
    ip("2001:db8::5", "2001:db8::9", 17, &udp(5060, 5080, payload))
}

#[test]
fn udp_is_found_over_every_link() {
    for packet in [v4(b"hello"), v6(b"hello")] {
        let ether_type: [u8; 2] = if packet[0] >> 4 == 4 { [0x08, 0x00] } else { [0x86, 0xdd] };
        let number = u16::from_be_bytes(ether_type);
        carries(1, &ethernet(number, &packet), b"hello");
        for raw in [12, 14, 101, 228, 229] {
            carries(raw, &packet, b"hello");
        }
        let family: u32 = if ether_type[0] == 8 { 2 } else { 30 };
        for link in [0, 108] {
            carries(link, &[&family.to_be_bytes()[..], &packet].concat(), b"hello");
            carries(link, &[&family.to_le_bytes()[..], &packet].concat(), b"hello");
        }
        // Loopback (772) and an Ethernet card behind "any".
        for hardware in [[3, 4], [0, 1]] {
            let cooked = [&[0, 0][..], &hardware, &[0, 6, 1, 2, 3, 4, 5, 6, 0, 0], &ether_type, &packet].concat();
            carries(113, &cooked, b"hello");
            let cooked =
                [&ether_type[..], &[0, 0, 0, 0, 0, 1], &hardware, &[0, 6, 1, 2, 3, 4, 5, 6, 0, 0], &packet].concat();
            carries(276, &cooked, b"hello");
        }
    }
}

#[test]
fn vlan_tags_of_any_number_are_passed() {
    let mut inner = [&[0, 7, 0x08, 0x00][..], &v4(b"x")].concat();
    for tag in [0x8100_u16, 0x88a8, 0x9100, 0x8100, 0x8100] {
        carries(1, &ethernet(tag, &inner), b"x");
        inner = [&[0, 7][..], &tag.to_be_bytes(), &inner].concat();
    }
}

#[test]
fn padding_behind_the_packet_is_left_out() {
    let mut bytes = frame(("203.0.113.5", 5060), ("192.0.2.9", 5080), b"x");
    bytes.extend([0xee; 17]);
    carries(1, &bytes, b"x");
}

#[test]
fn options_and_extension_headers_are_passed() {
    let mut bytes = v4(b"options");
    bytes[0] = 0x46;
    bytes[3] += 4;
    bytes.splice(20..20, [1, 1, 1, 0]);
    carries(101, &bytes, b"options");

    let datagram = udp(5060, 5080, b"extended");
    let hop_by_hop =
        [&[60, 0, 1, 4, 0, 0, 0, 0][..], &[43, 0, 1, 4, 0, 0, 0, 0], &[17, 0, 0, 0, 0, 0, 0, 0], &datagram].concat();
    carries(101, &ip("2001:db8::5", "2001:db8::9", 0, &hop_by_hop), b"extended");
    // An atomic fragment is none.
    let atomic = [&[17, 0, 0, 0, 0, 0, 0, 9][..], &datagram].concat();
    carries(101, &ip("2001:db8::5", "2001:db8::9", 44, &atomic), b"extended");
}

#[test]
fn fragments_are_told_apart() {
    for (high, low) in [(0x20, 0), (0, 3), (0x20, 185)] {
        let mut bytes = v4(b"part");
        (bytes[6], bytes[7]) = (high, low);
        let Packet::Fragment(found) = whole(101, &bytes) else { panic!() };
        assert_eq!((found.offset, found.more), (8 * u32::from(low), high == 0x20));
        assert_eq!((found.bytes, found.id.protocol, found.id.id), (&udp(5060, 5080, b"part")[..], 17, 1));
        assert!(!found.truncated);
    }
    let part = [&[17, 0, 0, 1, 0, 0, 0, 9][..], &udp(1, 2, b"part")].concat();
    let bytes = ip("2001:db8::5", "2001:db8::9", 44, &part);
    let Packet::Fragment(found) = whole(101, &bytes) else { panic!() };
    assert_eq!((found.offset, found.more, found.id.protocol, found.id.id), (0, true, 17, 9));
    assert_eq!(found.bytes, udp(1, 2, b"part"));
    let Packet::Fragment(found) = decode(&seen(101, &bytes[..58], bytes.len())) else { panic!() };
    assert!(found.truncated && found.bytes.len() == 10);
}

#[test]
fn a_length_of_zero_means_up_to_the_end() {
    let mut bytes = v4(b"offloaded");
    (bytes[2], bytes[3]) = (0, 0);
    carries(101, &bytes, b"offloaded");
    let mut bytes = v4(b"offloaded");
    (bytes[24], bytes[25]) = (0, 0);
    carries(101, &bytes, b"offloaded");
    let mut bytes = v6(b"offloaded");
    (bytes[4], bytes[5]) = (0, 0);
    carries(101, &bytes, b"offloaded");
}

#[test]
fn lengths_that_claim_more_than_there_is_mark_the_payload() {
    // The datagram claims 4 bytes more than its packet has.
    let mut bytes = v4(b"four");
    bytes[25] += 4;
    let Packet::Udp(found) = whole(101, &bytes) else { panic!() };
    assert_eq!((found.bytes, found.len, found.truncated), (&b"four"[..], 8, true));
    // The capture cut the packet.
    let bytes = v4(b"four and more");
    let Packet::Udp(found) = decode(&seen(101, &bytes[..32], bytes.len())) else { panic!() };
    assert_eq!((found.bytes, found.len, found.truncated), (&b"four"[..], 13, true));
}

#[test]
fn lengths_that_claim_less_are_kept() {
    let mut bytes = v4(b"four and more");
    bytes[25] = 12;
    carries(101, &bytes, b"four");
    // Less than its own header.
    bytes[25] = 7;
    assert_eq!(whole(101, &bytes), Packet::Malformed { truncated: false });
    let mut bytes = v4(b"x");
    bytes[3] = 19;
    assert_eq!(whole(101, &bytes), Packet::Malformed { truncated: false });
}

#[test]
fn other_protocols_are_told_apart() {
    for (source, destination) in [("203.0.113.5", "192.0.2.9"), ("2001:db8::5", "2001:db8::9")] {
        let header = [0x13, 0xc4, 0x13, 0xd8, 0, 0, 0, 9, 0, 0, 0, 0, 0x60, 2, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1];
        let bytes = ip(source, destination, 6, &[&header[..], b"data"].concat());
        let Packet::Tcp(found) = whole(101, &bytes) else { panic!() };
        assert_eq!((found.bytes, found.sequence, found.syn, found.truncated), (&b"data"[..], 9, true, false));
        assert_eq!(found.ends.hop().source.port(), 5060);
        assert_eq!(whole(101, &ip(source, destination, 6, &[0; 20])), Packet::Malformed { truncated: false });
    }
    // What an error quotes is not what was sent.
    assert_eq!(whole(101, &ip("203.0.113.5", "192.0.2.9", 1, &v4(b"INVITE sip:a SIP/2.0\r\n\r\n"))), Packet::Icmp);
    assert_eq!(whole(101, &ip("2001:db8::5", "2001:db8::9", 58, &[0; 8])), Packet::Icmp);
    assert_eq!(whole(101, &ip("203.0.113.5", "192.0.2.9", 50, &[0; 8])), Packet::IpOther);
    assert_eq!(whole(1, &ethernet(0x0806, &[0; 28])), Packet::NotIp);
    assert_eq!(whole(1, &ethernet(100, &[0; 100])), Packet::NotIp);
    assert_eq!(whole(1, &ethernet(38, &[0x42, 0x42, 3, 0, 0, 0])), Packet::NotIp);
    assert_eq!(whole(1, &ethernet(0x8863, &[0x11, 9, 0, 0, 0, 0])), Packet::NotIp);
    assert_eq!(whole(113, &[&[0, 0, 3, 56][..], &[0; 10], &[8, 0], &v4(b"x")].concat()), Packet::NotIp);
    assert_eq!(whole(9, &[0xc0, 0x21, 9, 1, 0, 4]), Packet::NotIp);
    assert_eq!(whole(0, &[7, 0, 0, 0, 1]), Packet::NotIp);
    assert_eq!(whole(105, &[0; 60]), Packet::UnsupportedLink);
}

#[test]
fn a_frame_cut_anywhere_gives_something_and_never_too_much() {
    for (link_type, bytes) in [
        (1, frame(("203.0.113.5", 5060), ("192.0.2.9", 5080), b"payload")),
        (1, frame(("2001:db8::5", 5060), ("2001:db8::9", 5080), b"payload")),
        (113, [&[0; 14][..], &[8, 0], &v4(b"payload")].concat()),
        (276, [&[8, 0][..], &[0; 18], &v4(b"payload")].concat()),
        (0, [&[2, 0, 0, 0][..], &v4(b"payload")].concat()),
    ] {
        for cut in 0..bytes.len() {
            match decode(&seen(link_type, &bytes[..cut], bytes.len())) {
                Packet::Udp(payload) => {
                    assert!(payload.truncated && b"payload".starts_with(payload.bytes) && payload.len == 7);
                }
                found => assert_eq!(found, Packet::Malformed { truncated: true }, "{link_type} cut at {cut}"),
            }
        }
    }
}

#[test]
fn the_innermost_packet_counts_in_every_encapsulation() {
    for encapsulation in ENCAPSULATIONS {
        for (packet, is_v6) in [(v4(b"hello"), false), (v6(b"hello"), true)] {
            let bytes = (encapsulation.wrap)(&packet);
            let Packet::Udp(found) = whole(encapsulation.link_type, &bytes) else {
                panic!("{} of {is_v6}: {:?}", encapsulation.name, whole(encapsulation.link_type, &bytes));
            };
            assert_eq!((found.bytes, found.len, found.truncated), (&b"hello"[..], 5, false), "{}", encapsulation.name);
            assert_eq!(found.ends.hop().source.is_ipv6(), is_v6, "{}", encapsulation.name);
            carries(encapsulation.link_type, &bytes, b"hello");
        }
    }
}

#[test]
fn every_encapsulation_cut_anywhere_says_so() {
    for encapsulation in ENCAPSULATIONS {
        for packet in [v4(b"payload"), v6(b"payload")] {
            let bytes = (encapsulation.wrap)(&packet);
            for cut in 0..bytes.len() {
                match decode(&seen(encapsulation.link_type, &bytes[..cut], bytes.len())) {
                    // The tunnel's own datagram, where its header is cut.
                    Packet::Udp(payload) => assert!(payload.truncated, "{} cut at {cut}", encapsulation.name),
                    found => {
                        assert_eq!(found, Packet::Malformed { truncated: true }, "{} cut at {cut}", encapsulation.name);
                    }
                }
            }
        }
    }
}

#[test]
fn every_encapsulation_stands_inside_every_other() {
    let mut pairs = 0;
    for outer in ENCAPSULATIONS {
        for inner in ENCAPSULATIONS.iter().filter(|inner| inner.link_type == 1) {
            for packet in [v4(b"hello"), v6(b"hello")] {
                // Without its Ethernet header, where IP follows at once.
                let inside = (inner.wrap)(&packet);
                if !matches!(inside[12..14], [0x08, 0x00] | [0x86, 0xdd]) {
                    continue;
                }
                pairs += 1;
                carries(outer.link_type, &(outer.wrap)(&inside[14..]), b"hello");
            }
        }
    }
    assert!(pairs > 3_000, "{pairs} pairs");
}

#[test]
fn a_damaged_encapsulation_is_still_one_packet() {
    let mut random = Random(7);
    for encapsulation in ENCAPSULATIONS {
        for packet in [v4(b"payload"), v6(b"payload")] {
            let bytes = (encapsulation.wrap)(&packet);
            for _ in 0..200 {
                let mut damaged = bytes.clone();
                for _ in 0..=random.below(4) {
                    let at = random.below(damaged.len());
                    damaged[at] = random.below(256) as u8;
                }
                damaged.truncate(bytes.len() - random.below(bytes.len()) * random.below(2));
                if let Packet::Udp(payload) = decode(&seen(encapsulation.link_type, &damaged, bytes.len())) {
                    assert!(payload.bytes.len() <= damaged.len() && payload.bytes.len() <= payload.len);
                    assert!(payload.truncated || payload.bytes.len() == payload.len);
                }
            }
        }
    }
}

#[test]
fn tunnels_are_followed_up_to_the_limit() {
    for name in ["ip-in-ip", "gre", "erspan-2", "vxlan", "gtp", "gue", "l2tp"] {
        let encapsulation = ENCAPSULATIONS.iter().find(|encapsulation| encapsulation.name == name).expect("a name");
        let mut packet = v4(b"deep");
        for depth in 1..=TUNNELS_LIMIT + 3 {
            let frame = (encapsulation.wrap)(&packet);
            if depth <= TUNNELS_LIMIT / 2 {
                carries(1, &frame, b"deep");
            } else if depth > TUNNELS_LIMIT {
                assert_eq!(whole(1, &frame), Packet::TooDeep, "{name} {depth} times");
            }
            packet = frame[14..].to_vec();
        }
    }
    // Headers that take each other's place without end.
    let snap = [0xaa, 0xaa, 3, 0, 0, 0, 0x81, 0, 0, 7, 0, 100].repeat(90_000);
    assert_eq!(whole(1, &ethernet(100, &snap)), Packet::TooDeep);
    let tags = [0, 7, 0x81, 0].repeat(500_000);
    assert_eq!(decode(&seen(1, &ethernet(0x8100, &tags), 3_000_000)), Packet::Malformed { truncated: true });
}

#[test]
fn signalling_and_media_on_the_port_of_a_tunnel_stay_what_they_are() {
    let rtp = [&[0x80, 0, 0, 1][..], &[0; 168]].concat();
    let sources = [0x88, 8, 0, 9, 0, 0, 7, 0].repeat(20);
    let invite = b"INVITE sip:a@b SIP/2.0\r\n\r\n";
    let blank = b"\r\n\r\n";
    for port in [1_701, 2_152, 3_544, 4_789, 4_790, 6_080, 6_081, 8_472] {
        for payload in [&rtp[..], &sources, invite, blank, b"invite sip:a@b SIP/2.0\r\n\r\n", b"E", b"", &[0; 60]] {
            for ports in [(port, 5_060), (5_060, port)] {
                let bytes = frame(("203.0.113.5", ports.0), ("192.0.2.9", ports.1), payload);
                let Packet::Udp(found) = whole(1, &bytes) else { panic!("{port} {payload:02x?}") };
                assert_eq!(found.bytes, payload, "{port}");
            }
        }
    }
}

#[test]
fn what_a_tunnel_says_for_itself_is_no_packet_of_its_user() {
    let over = |protocol, payload: &[u8]| whole(101, ip("198.51.100.1", "198.51.100.2", protocol, payload).leak());
    // A GRE keep-alive, and an acknowledgement of PPTP.
    assert_eq!(over(47, &[0, 0, 0, 0]), Packet::IpOther);
    assert_eq!(over(47, &[0x20, 0x81, 0x88, 0x0b, 0, 0, 0, 7, 0, 0, 0, 1]), Packet::IpOther);
    // A GTP echo request is a datagram.
    let echo = [0x32, 1, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0];
    assert!(matches!(over(17, &udp(2_152, 2_152, &echo)), Packet::Udp(found) if found.bytes == echo));
    // ARP inside VXLAN.
    let arp = [&[8, 0, 0, 0, 0, 0, 7, 0][..], &ethernet(0x0806, &[0; 28])].concat();
    assert_eq!(over(17, &udp(50_000, 4_789, &arp)), Packet::NotIp);
}

#[test]
fn teredo_is_followed_behind_its_own_headers() {
    let packet = v6(b"hello");
    let origin = [0, 0, 0xee, 0xee, 1, 2, 3, 4];
    let authentication = [&[0, 1, 2, 3][..], &[9; 5], &[1; 8], &[0]].concat();
    for header in [vec![], origin.to_vec(), [&authentication[..], &origin].concat()] {
        let bytes = frame(("198.51.100.1", 50_000), ("198.51.100.2", 3_544), &[&header[..], &packet].concat());
        carries(1, &bytes, b"hello");
    }
}

#[test]
fn fragments_inside_a_tunnel_are_fragments() {
    let mut part = v4(b"part");
    part[6] = 0x20;
    for encapsulation in ENCAPSULATIONS {
        let bytes = (encapsulation.wrap)(&part);
        let Packet::Fragment(found) = whole(encapsulation.link_type, &bytes) else { panic!("{}", encapsulation.name) };
        assert!(!found.truncated, "{}", encapsulation.name);
    }
}
