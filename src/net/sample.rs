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
