//! One IP packet inside every link layer and every tunnel that is read: a table of wrappers.
//!
//! Each takes an IPv4 or IPv6 packet and gives the bytes of a frame of its link type. For tests that say the same of the
//! same packet, whatever is around it. Names are stable and fit into file names.

/// A way to carry an IP packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encapsulation {
    pub(crate) name: &'static str,
    /// The link type of its frames, as a capture file states it.
    pub(crate) link_type: u16,
    /// Wraps an IP packet into a frame.
    pub(crate) wrap: fn(&[u8]) -> Vec<u8>,
}

/// The addresses of the tunnels' ends: not those of any packet inside.
const TUNNEL_ENDS: [[u8; 4]; 2] = [[198, 51, 100, 1], [198, 51, 100, 2]];

fn is_v6(packet: &[u8]) -> bool {
    packet[0] >> 4 == 6
}

fn ether_type(packet: &[u8]) -> [u8; 2] {
    if is_v6(packet) { [0x86, 0xdd] } else { [0x08, 0x00] }
}

fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).expect("a packet fits").to_be_bytes()
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// An Ethernet header before `ether_type` and what follows it.
fn mac(behind: &[u8]) -> Vec<u8> {
    join(&[&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1], behind])
}

/// A whole Ethernet frame around an IP packet.
fn ethernet(packet: &[u8]) -> Vec<u8> {
    mac(&join(&[&ether_type(packet), packet]))
}

/// An Ethernet frame whose payload has that EtherType.
fn typed(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    mac(&join(&[&ether_type.to_be_bytes(), payload]))
}

/// An IPv4 packet between the tunnel's ends, in an Ethernet frame.
fn outer(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ethernet(&outer_packet(protocol, payload))
}

fn outer_packet(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = length(20 + payload.len());
    let header = [&[0x45, 0][..], &total, &[0, 1, 0, 0, 64, protocol, 0, 0], &TUNNEL_ENDS[0], &TUNNEL_ENDS[1]];
    join(&[&header.concat(), payload])
}

/// The same over IPv6.
fn outer_v6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = join(&[&[0x60, 0, 0, 0], &length(payload.len()), &[next, 64]]);
    for last in [1, 2] {
        packet.extend([0x20, 1, 0x0d, 0xb8, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    ethernet(&join(&[&packet, payload]))
}

/// A UDP datagram to the tunnel's port.
fn datagram(port: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&[0xc0, 0], &port.to_be_bytes(), &length(8 + payload.len()), &[0, 0], payload])
}

fn over_udp(port: u16, parts: &[&[u8]]) -> Vec<u8> {
    outer(17, &datagram(port, &join(parts)))
}

fn ppp_protocol(packet: &[u8]) -> [u8; 2] {
    if is_v6(packet) { [0, 0x57] } else { [0, 0x21] }
}

fn ip_protocol(packet: &[u8]) -> u8 {
    if is_v6(packet) { 41 } else { 4 }
}

fn address_family(packet: &[u8]) -> u32 {
    if is_v6(packet) { 30 } else { 2 }
}

fn cooked(hardware: u16, packet: &[u8]) -> Vec<u8> {
    join(&[&[0, 0], &hardware.to_be_bytes(), &[0, 6, 2, 0, 0, 0, 0, 1, 0, 0], &ether_type(packet), packet])
}

fn pppoe(packet: &[u8]) -> Vec<u8> {
    join(&[&[0x11, 0, 0, 9], &length(2 + packet.len()), &ppp_protocol(packet), packet])
}

fn snap(packet: &[u8]) -> Vec<u8> {
    join(&[&[0xaa, 0xaa, 3, 0, 0, 0], &ether_type(packet), packet])
}

fn raw(packet: &[u8]) -> Vec<u8> {
    packet.to_vec()
}

const fn link(name: &'static str, link_type: u16, wrap: fn(&[u8]) -> Vec<u8>) -> Encapsulation {
    Encapsulation { name, link_type, wrap }
}

const fn over_ethernet(name: &'static str, wrap: fn(&[u8]) -> Vec<u8>) -> Encapsulation {
    link(name, 1, wrap)
}

/// All of them. `ethernet` is the first.
pub(crate) const ENCAPSULATIONS: &[Encapsulation] = &[
    over_ethernet("ethernet", ethernet),
    // Links.
    over_ethernet("llc-snap", |packet| {
        let packet = snap(packet);
        mac(&join(&[&length(packet.len().min(1_500)), &packet]))
    }),
    over_ethernet("vlan", |packet| typed(0x8100, &join(&[&[0x20, 7], &ether_type(packet), packet]))),
    over_ethernet("qinq", |packet| typed(0x88a8, &join(&[&[0, 7, 0x81, 0, 0, 9], &ether_type(packet), packet]))),
    over_ethernet("vlan-five", |packet| {
        let tags = [0, 1, 0x91, 0, 0, 2, 0x81, 0, 0, 3, 0x88, 0xa8, 0, 4, 0x81, 0, 0, 5];
        typed(0x9100, &join(&[&tags, &ether_type(packet), packet]))
    }),
    over_ethernet("provider-backbone", |packet| typed(0x88e7, &join(&[&[0, 0, 0, 7], &ethernet(packet)]))),
    over_ethernet("mpls", |packet| typed(0x8847, &join(&[&[0, 0x10, 1, 64], packet]))),
    over_ethernet("mpls-three", |packet| {
        typed(0x8847, &join(&[&[0, 0x10, 0, 64, 0, 0x20, 0, 64, 0, 0x30, 1, 64], packet]))
    }),
    over_ethernet("mpls-pseudowire", |packet| {
        typed(0x8847, &join(&[&[0, 0x10, 1, 64, 0, 0, 0, 0], &ethernet(packet)]))
    }),
    over_ethernet("mpls-pseudowire-bare", |packet| typed(0x8847, &join(&[&[0, 0x10, 1, 64], &ethernet(packet)]))),
    over_ethernet("pppoe", |packet| typed(0x8864, &pppoe(packet))),
    over_ethernet("pppoe-qinq", |packet| typed(0x88a8, &join(&[&[0, 7, 0x81, 0, 0, 9, 0x88, 0x64], &pppoe(packet)]))),
    link("null-little", 0, |packet| join(&[&address_family(packet).to_le_bytes(), packet])),
    link("null-big", 0, |packet| join(&[&address_family(packet).to_be_bytes(), packet])),
    link("loop", 108, |packet| join(&[&address_family(packet).to_be_bytes(), packet])),
    link("enc", 109, |packet| join(&[&address_family(packet).to_le_bytes(), &[0; 8], packet])),
    link("ppp", 9, |packet| join(&[&ppp_protocol(packet), packet])),
    link("ppp-framed", 9, |packet| join(&[&[0xff, 3], &ppp_protocol(packet), packet])),
    link("ppp-compressed", 9, |packet| join(&[&ppp_protocol(packet)[1..], packet])),
    link("ppp-serial", 50, |packet| join(&[&[0xff, 3], &ppp_protocol(packet), packet])),
    link("ppp-direction", 204, |packet| join(&[&[1, 0xff, 3], &ppp_protocol(packet), packet])),
    link("ppp-ethernet", 51, pppoe),
    link("cisco-hdlc", 104, |packet| join(&[&[0x0f, 0], &ether_type(packet), packet])),
    link("raw-12", 12, raw),
    link("raw-14", 14, raw),
    link("raw", 101, raw),
    link("raw-of-its-version", 228, raw),
    link("cooked", 113, |packet| cooked(1, packet)),
    link("cooked-loopback", 113, |packet| cooked(772, packet)),
    link("cooked-tunnel", 113, |packet| cooked(65_534, packet)),
    link("cooked-llc", 113, |packet| join(&[&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0, 4], &snap(packet)])),
    link("cooked-2", 276, |packet| {
        join(&[&ether_type(packet), &[0, 0, 0, 0, 0, 1, 3, 4, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0], packet])
    }),
    link("mpls-link", 219, |packet| join(&[&[0, 0x10, 1, 64], packet])),
    // Tunnels over IP.
    over_ethernet("ip-in-ip", |packet| outer(ip_protocol(packet), packet)),
    over_ethernet("ip-in-ip6", |packet| outer_v6(ip_protocol(packet), packet)),
    over_ethernet("gre", |packet| outer(47, &join(&[&[0, 0], &ether_type(packet), packet]))),
    over_ethernet("gre-all-fields", |packet| {
        outer(47, &join(&[&[0xb0, 0], &ether_type(packet), &[0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1], packet]))
    }),
    over_ethernet("gre-routed", |packet| {
        let route = [0, 0, 0, 0, 8, 0, 0, 4, 192, 0, 2, 1, 0, 0, 0, 0];
        outer(47, &join(&[&[0x40, 0], &ether_type(packet), &route, packet]))
    }),
    over_ethernet("gre-ethernet", |packet| outer(47, &join(&[&[0x20, 0, 0x65, 0x58, 0, 0, 0, 7], &ethernet(packet)]))),
    over_ethernet("gre-wccp", |packet| outer(47, &join(&[&[0, 0, 0x88, 0x3e, 0x01, 0, 0, 0], packet]))),
    over_ethernet("gre-mpls", |packet| outer(47, &join(&[&[0, 0, 0x88, 0x47, 0, 0x10, 1, 64], packet]))),
    over_ethernet("gre-ip6", |packet| outer_v6(47, &join(&[&[0, 0], &ether_type(packet), packet]))),
    over_ethernet("pptp", |packet| {
        let header = join(&[&[0x30, 0x81, 0x88, 0x0b], &length(packet.len() + 4), &[0, 7, 0, 0, 0, 1, 0, 0, 0, 2]]);
        outer(47, &join(&[&header, &[0xff, 3], &ppp_protocol(packet), packet]))
    }),
    over_ethernet("erspan-1", |packet| outer(47, &join(&[&[0, 0, 0x88, 0xbe], &ethernet(packet)]))),
    over_ethernet("erspan-2", |packet| {
        let header = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 9, 0x10, 7, 0, 5, 0, 0, 0, 0];
        outer(47, &join(&[&header, &ethernet(packet)]))
    }),
    over_ethernet("erspan-3", |packet| {
        let header = [0x10, 0, 0x22, 0xeb, 0, 0, 0, 9, 0x20, 7, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0];
        outer(47, &join(&[&header, &ethernet(packet)]))
    }),
    over_ethernet("erspan-3-platform", |packet| {
        let header = [0x10, 0, 0x22, 0xeb, 0, 0, 0, 9, 0x20, 7, 0, 5, 0, 0, 0, 1, 0, 0, 0, 1];
        outer(47, &join(&[&header, &[0x0c, 0, 0, 0, 0, 0, 0, 0], &ethernet(packet)]))
    }),
    over_ethernet("erspan-3-ip", |packet| {
        let header = [0x10, 0, 0x22, 0xeb, 0, 0, 0, 9, 0x20, 7, 0, 5, 0, 0, 0, 1, 0, 0, 0x08, 0];
        outer(47, &join(&[&header, packet]))
    }),
    over_ethernet("etherip", |packet| outer(97, &join(&[&[0x30, 0], &ethernet(packet)]))),
    over_ethernet("mpls-in-ip", |packet| outer(137, &join(&[&[0, 0x10, 1, 64], packet]))),
    // Tunnels over UDP.
    over_ethernet("vxlan", |packet| over_udp(4_789, &[&[8, 0, 0, 0, 0, 0, 7, 0], &ethernet(packet)])),
    over_ethernet("vxlan-old-port", |packet| over_udp(8_472, &[&[8, 0, 0, 0, 0, 0, 7, 0], &ethernet(packet)])),
    over_ethernet("vxlan-group-policy", |packet| over_udp(4_789, &[&[0x88, 8, 0, 9, 0, 0, 7, 0], &ethernet(packet)])),
    over_ethernet("vxlan-generic", |packet| {
        let next = if is_v6(packet) { 2 } else { 1 };
        over_udp(4_790, &[&[0x0c, 0, 0, next, 0, 0, 7, 0], packet])
    }),
    over_ethernet("vxlan-ip6", |packet| {
        outer_v6(17, &datagram(4_789, &join(&[&[8, 0, 0, 0, 0, 0, 7, 0], &ethernet(packet)])))
    }),
    over_ethernet("geneve", |packet| over_udp(6_081, &[&[0, 0, 0x65, 0x58, 0, 0, 7, 0], &ethernet(packet)])),
    over_ethernet("geneve-options", |packet| {
        over_udp(6_081, &[&[2, 0x40, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 0x80, 1, 0, 0, 0, 0], &ethernet(packet)])
    }),
    over_ethernet("geneve-ip", |packet| over_udp(6_081, &[&[0, 0], &ether_type(packet), &[0, 0, 7, 0], packet])),
    over_ethernet("gtp", |packet| over_udp(2_152, &[&[0x30, 255], &length(packet.len()), &[0, 0, 0, 7], packet])),
    over_ethernet("gtp-sequence", |packet| {
        over_udp(2_152, &[&[0x32, 255], &length(4 + packet.len()), &[0, 0, 0, 7, 0, 1, 0, 0], packet])
    }),
    over_ethernet("gtp-extensions", |packet| {
        let extensions = [0, 0, 0, 0x85, 1, 0x10, 9, 0xc0, 2, 0, 0, 0, 0, 0, 0, 0];
        over_udp(2_152, &[&[0x34, 255], &length(16 + packet.len()), &[0, 0, 0, 7], &extensions, packet])
    }),
    over_ethernet("gue", |packet| over_udp(6_080, &[&[1, ip_protocol(packet), 0x20, 0, 0, 0, 0, 0], packet])),
    over_ethernet("gue-gre", |packet| over_udp(6_080, &[&[0, 47, 0, 0, 0, 0], &ether_type(packet), packet])),
    over_ethernet("gue-direct", |packet| over_udp(6_080, &[packet])),
    over_ethernet("l2tp", |packet| over_udp(1_701, &[&[0, 2, 0, 7, 0, 9, 0xff, 3], &ppp_protocol(packet), packet])),
    over_ethernet("l2tp-all-fields", |packet| {
        let fields = [0, 7, 0, 9, 0, 1, 0, 2, 0, 2, 0xee, 0xee];
        let header = [&[0x4a, 2][..], &length(18 + packet.len()), &fields].concat();
        over_udp(1_701, &[&header, &ppp_protocol(packet), packet])
    }),
    // Several of them.
    over_ethernet("vxlan-in-gre-in-vlan", |packet| {
        let vxlan = datagram(4_789, &join(&[&[8, 0, 0, 0, 0, 0, 7, 0], &ethernet(packet)]));
        let gre = join(&[&[0, 0, 8, 0], &outer_packet(17, &vxlan)]);
        typed(0x8100, &join(&[&[0, 7, 8, 0], &outer_packet(47, &gre)]))
    }),
    over_ethernet("gtp-in-erspan", |packet| {
        let gtp = datagram(2_152, &join(&[&[0x30, 255], &length(packet.len()), &[0, 0, 0, 7], packet]));
        let header = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 9, 0x10, 7, 0, 5, 0, 0, 0, 0];
        outer(47, &join(&[&header, &ethernet(&outer_packet(17, &gtp))]))
    }),
];
