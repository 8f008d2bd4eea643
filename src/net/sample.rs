//! Packets made by hand, for tests.

use std::net::IpAddr;

/// An Ethernet frame.
pub(crate) fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    bytes.extend(ether_type.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// An IP packet of the family that both addresses have; `protocol` is the next header of IPv6.
pub(crate) fn ip(source: &str, destination: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let address = |text: &str| -> IpAddr { text.parse().expect("an address") };
    match (address(source), address(destination)) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut bytes = vec![0x45, 0];
            bytes.extend((20 + payload.len() as u16).to_be_bytes());
            bytes.extend([0, 1, 0x40, 0, 64, protocol, 0, 0]);
            bytes.extend(source.octets());
            bytes.extend(destination.octets());
            bytes.extend_from_slice(payload);
            bytes
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut bytes = vec![0x60, 0, 0, 0];
            bytes.extend((payload.len() as u16).to_be_bytes());
            bytes.extend([protocol, 64]);
            bytes.extend(source.octets());
            bytes.extend(destination.octets());
            bytes.extend_from_slice(payload);
            bytes
        }
        _ => panic!("two families"),
    }
}

/// A UDP datagram.
pub(crate) fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    bytes.extend((8 + payload.len() as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend_from_slice(payload);
    bytes
}

/// A UDP datagram over IPv4 or IPv6 over Ethernet.
pub(crate) fn frame(source: (&str, u16), destination: (&str, u16), payload: &[u8]) -> Vec<u8> {
    let ether_type = if source.0.contains(':') { 0x86dd } else { 0x0800 };
    ethernet(ether_type, &ip(source.0, destination.0, 17, &udp(source.1, destination.1, payload)))
}

/// An RTP packet with a payload of `size` bytes.
pub(crate) fn rtp(ssrc: u32, sequence: u16, size: usize) -> Vec<u8> {
    let mut bytes = vec![0x80, 0];
    bytes.extend(sequence.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(ssrc.to_be_bytes());
    bytes.resize(12 + size, 0xd5);
    bytes
}

/// A HEP3 packet of SIP from 203.0.113.5:5060 to 192.0.2.9:5080.
pub(crate) fn hep_sip(payload: &[u8]) -> Vec<u8> {
    hep(1, 15, payload)
}

/// The same of a kind of payload, in the payload's chunk.
pub(crate) fn hep(kind: u8, payload_chunk: u16, payload: &[u8]) -> Vec<u8> {
    let mut chunks = Vec::new();
    for (number, value) in [
        (1_u16, &[2_u8][..]),
        (2, &[17]),
        (3, &[203, 0, 113, 5]),
        (4, &[192, 0, 2, 9]),
        (7, &5060_u16.to_be_bytes()),
        (8, &5080_u16.to_be_bytes()),
        (9, &1_000_u32.to_be_bytes()),
        (10, &7_u32.to_be_bytes()),
        (11, &[kind]),
        (12, &[0, 0, 0, 1]),
        (payload_chunk, payload),
    ] {
        chunks.extend([0, 0]);
        chunks.extend(number.to_be_bytes());
        chunks.extend((6 + value.len() as u16).to_be_bytes());
        chunks.extend_from_slice(value);
    }
    [b"HEP3", &(6 + chunks.len() as u16).to_be_bytes()[..], &chunks].concat()
}

/// A WebSocket frame with this first byte.
pub(crate) fn websocket_frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let bit = if mask.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..126 => bytes.push(bit | short as u8),
        long @ 126..0x1_0000 => {
            bytes.push(bit | 126);
            bytes.extend((long as u16).to_be_bytes());
        }
        longer => {
            bytes.push(bit | 127);
            bytes.extend((longer as u64).to_be_bytes());
        }
    }
    bytes.extend(mask.iter().flatten());
    super::websocket::unmask(payload, mask, &mut bytes);
    bytes
}

/// A TLS record with a ClientHello, with that server name or none.
pub(crate) fn client_hello(server_name: Option<&str>) -> Vec<u8> {
    let short = |length: usize| (length as u16).to_be_bytes();
    let extension = |kind: u16, body: &[u8]| [&kind.to_be_bytes()[..], &short(body.len()), body].concat();
    let mut extensions = extension(0x2a2a, b"");
    if let Some(name) = server_name {
        let entry = [&[0][..], &short(name.len()), name.as_bytes()].concat();
        extensions.extend(extension(0, &[&short(entry.len())[..], &entry].concat()));
    }
    extensions.extend(extension(0x2b, &[2, 3, 4]));
    let body = [
        &[3, 3][..],
        &[7; 32],
        &[4, 1, 2, 3, 4],
        &[0, 4, 0x13, 1, 0x13, 2],
        &[1, 0],
        &short(extensions.len()),
        &extensions,
    ]
    .concat();
    let message = [&[1, 0][..], &short(body.len()), &body].concat();
    [&[22, 3, 1][..], &short(message.len()), &message].concat()
}
