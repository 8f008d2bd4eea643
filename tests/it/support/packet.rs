//! Bytes of a capture: UDP datagrams in Ethernet frames, in a classic pcap file with microseconds.

use std::net::{IpAddr, SocketAddr};

/// One datagram on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    /// Microseconds since the epoch.
    pub(crate) at_us: i64,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) payload: Vec<u8>,
    /// Bytes of the payload that were captured; `None` for all.
    pub(crate) captured: Option<usize>,
}

/// A capture of some RTP that no dialog describes. Where there is any, every leg of the evidence is held until it is tied.
pub(crate) fn stray_media() -> Vec<u8> {
    let packet = |number: u16| {
        let mut payload = vec![0x80, 0];
        payload.extend(number.to_be_bytes());
        payload.extend((160 * u32::from(number)).to_be_bytes());
        payload.extend([7; 4 + 160]);
        Packet {
            at_us: 946_684_800_000_000 + 20_000 * i64::from(number),
            source: ([10, 99, 99, 1], 40_000).into(),
            destination: ([10, 99, 99, 2], 40_002).into(),
            payload,
            captured: None,
        }
    };
    pcap(&(0..50).map(packet).collect::<Vec<_>>())
}

/// A capture file of `packets`, in their order.
pub(crate) fn pcap(packets: &[Packet]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4_u32.to_le_bytes());
    file.extend(2_u16.to_le_bytes());
    file.extend(4_u16.to_le_bytes());
    file.extend([0; 8]);
    file.extend(262_144_u32.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    for packet in packets {
        let frame = frame(packet);
        let headers = frame.len() - packet.payload.len();
        let captured = packet.captured.map_or(frame.len(), |bytes| (headers + bytes).min(frame.len()));
        let seconds = u32::try_from(packet.at_us.div_euclid(1_000_000)).expect("a time after 1970");
        let micros = u32::try_from(packet.at_us.rem_euclid(1_000_000)).expect("below a million");
        file.extend(seconds.to_le_bytes());
        file.extend(micros.to_le_bytes());
        file.extend(length(captured).to_le_bytes());
        file.extend(length(frame.len()).to_le_bytes());
        file.extend(&frame[..captured]);
    }
    file
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a frame is short")
}

/// An Ethernet frame with one UDP datagram over IPv4 or IPv6.
pub(crate) fn frame(packet: &Packet) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    let datagram_len = u16::try_from(8 + packet.payload.len()).expect("a datagram fits");
    let mut pseudo = Vec::new();
    match (packet.source.ip(), packet.destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            pseudo.extend(source.octets());
            pseudo.extend(destination.octets());
            frame.extend([0x08, 0x00]);
            let mut header = vec![0x45, 0];
            header.extend((20 + datagram_len).to_be_bytes());
            header.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
            header.extend(&pseudo);
            let sum = checksum(&header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            frame.extend(header);
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            pseudo.extend(source.octets());
            pseudo.extend(destination.octets());
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(datagram_len.to_be_bytes());
            frame.extend([17, 64]);
            frame.extend(&pseudo);
        }
        _ => panic!("both ends of a packet speak one version of IP"),
    }
    let mut datagram = Vec::new();
    datagram.extend(packet.source.port().to_be_bytes());
    datagram.extend(packet.destination.port().to_be_bytes());
    datagram.extend(datagram_len.to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(&packet.payload);
    pseudo.extend([0, 17]);
    pseudo.extend(datagram_len.to_be_bytes());
    pseudo.extend(&datagram);
    let sum = match checksum(&pseudo) {
        0 => 0xffff,
        sum => sum,
    };
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    frame.extend(datagram);
    frame
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded to 16 bits")
}
