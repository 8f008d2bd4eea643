use super::sample::{Pcap, PcapNg};
use super::*;
use crate::evidence::{Anomalies, Timestamp};
use crate::random::Random;

/// A frame that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owned {
    bytes: Vec<u8>,
    original_len: u32,
    at: Timestamp,
    record: u64,
    link_type: u16,
}

/// Reads a whole file in blocks of about `block` bytes, as the engine does.
fn read_by(file: &[u8], block: usize) -> (Vec<Owned>, Anomalies) {
    let format = recognise(file).expect("a capture");
    let mut walk = Walk::new(format);
    let (mut frames, mut anomalies) = (Vec::new(), Anomalies::default());
    let (mut at, mut wanted) = (0, block);
    loop {
        let bytes = &file[at..(at + wanted).min(file.len())];
        let end = at + bytes.len() == file.len();
        let (taken, head) = walk.cut(bytes, end);
        if taken == 0 && !end {
            wanted *= 2;
            assert!(wanted <= 4 * RECORD_LIMIT, "the walk asks for more than its limit");
            continue;
        }
        wanted = block;
        assert!(!end || taken == bytes.len(), "at the end everything is taken");
        let mut of_block = head.frames(&bytes[..taken]);
        frames.extend(of_block.by_ref().map(|frame| Owned {
            bytes: frame.bytes.to_vec(),
            original_len: frame.original_len,
            at: frame.at,
            record: frame.record,
            link_type: frame.link_type.0,
        }));
        anomalies.absorb(of_block.into_anomalies(), 0);
        at += taken;
        if end {
            break;
        }
    }
    assert_eq!(walk.records(), frames.len() as u64, "the walk and the frames count alike");
    assert!(frames.iter().zip(1..).all(|(frame, record)| frame.record == record));
    (frames, anomalies)
}

/// Reads a file in blocks of many sizes: the result must be the same.
fn read(file: &[u8]) -> (Vec<Owned>, Anomalies) {
    let whole = read_by(file, file.len().max(1));
    for block in [1, 7, 24, 64, 257, 1_000] {
        assert_eq!(read_by(file, block), whole, "in blocks of {block}");
    }
    whole
}

fn codes(anomalies: &Anomalies) -> Vec<(&'static str, u64, Option<u64>)> {
    anomalies.iter().map(|(code, anomaly)| (code, anomaly.count, anomaly.first_record)).collect()
}

fn packets(count: u8) -> Vec<Vec<u8>> {
    (1..=count).map(|n| vec![n; 40 + usize::from(n)]).collect()
}

#[test]
fn every_variant_of_pcap_is_recognised_and_read() {
    for big_endian in [false, true] {
        for (nanoseconds, modified) in [(false, false), (true, false), (false, true)] {
            let kind = Pcap { big_endian, nanoseconds, modified, link_type: 113 };
            let file = kind.file(&packets(3));
            assert_eq!(recognise(&file).map(Format::name), Some("pcap"), "{kind:?}");
            let (frames, anomalies) = read(&file);
            assert!(anomalies.is_empty(), "{kind:?} {anomalies:?}");
            assert_eq!(frames.iter().map(|frame| frame.bytes.clone()).collect::<Vec<_>>(), packets(3), "{kind:?}");
            let (fraction, digits) = if nanoseconds { (5, 9) } else { (5_000, 6) };
            assert_eq!(frames[1].at, Timestamp::new(1_700_000_001_000_000_000 + fraction, digits));
            assert_eq!((frames[2].link_type, frames[2].record, frames[2].original_len), (113, 3, 43));
        }
    }
}

#[test]
fn link_type_is_masked_and_a_frame_check_sequence_taken_off() {
    let kind = Pcap { link_type: 0x2400_0001, ..Pcap::default() };
    let mut file = kind.file(&[vec![9; 64]]);
    file.extend(kind.record(1_700_000_009, 0, &[8; 60], 1_500));
    let (frames, _) = read(&file);
    assert_eq!(frames[0].link_type, 1);
    assert_eq!((frames[0].bytes.len(), frames[0].original_len), (60, 60));
    // The snapshot length cut the second one before its check sequence.
    assert_eq!((frames[1].bytes.len(), frames[1].original_len), (60, 1_500));
}

#[test]
fn nothing_else_is_a_capture() {
    for head in [&b""[..], b"\xd4\xc3\xb2", b"GET / HTTP/1.1\r\n", b"\x0a\x0d\x0d\x0a\x1c\x00\x00\x00aaaa", b"XCP\0"] {
        assert_eq!(recognise(head), None, "{head:?}");
    }
}

#[test]
fn records_before_version_2_3_hold_the_original_length_first() {
    let mut file = Pcap::default().header();
    file[6] = 2;
    for word in [1_700_000_000_u32, 0, 1_500, 4] {
        file.extend(word.to_le_bytes());
    }
    file.extend([1, 2, 3, 4]);
    let (frames, anomalies) = read(&file);
    assert!(anomalies.is_empty());
    assert_eq!((frames[0].bytes.len(), frames[0].original_len), (4, 1_500));
}

#[test]
fn a_sub_second_field_out_of_range_is_still_a_time() {
    let kind = Pcap::default();
    let mut file = kind.header();
    file.extend(kind.record(1_700_000_000, 1_500_000, &[1; 20], 20));
    let (frames, anomalies) = read(&file);
    assert_eq!(codes(&anomalies), [("bad_time", 1, Some(1))]);
    assert_eq!(frames[0].at.ns, 1_700_000_001_500_000_000);
}

#[test]
fn a_file_cut_anywhere_gives_its_whole_records() {
    let ng = PcapNg { big_endian: true };
    let mut pcapng = [ng.section(), ng.interface(1, 0, &[])].concat();
    let mut ends = vec![];
    for packet in packets(5) {
        pcapng.extend(ng.enhanced(0, 1_700_000_000_000_000, &packet, packet.len()));
        ends.push(pcapng.len());
    }
    let pcap = Pcap::default().file(&packets(5));
    let mut pcap_ends = vec![];
    for packet in packets(5) {
        pcap_ends.push(pcap_ends.last().unwrap_or(&24) + 16 + packet.len());
    }
    for (file, ends, headers) in [(pcapng, ends, &[28, 48][..]), (pcap, pcap_ends, &[24])] {
        let least = if headers.len() == 2 { 12 } else { 4 };
        for cut in least..file.len() {
            let (frames, anomalies) = read(&file[..cut]);
            let whole = ends.iter().filter(|end| **end <= cut).count();
            assert_eq!(frames.len(), whole, "cut at {cut}");
            let between = ends.contains(&cut) || headers.contains(&cut);
            let wanted: &[_] = if between { &[] } else { &[("truncated_file", 1, Some(whole as u64 + 1))] };
            assert_eq!(codes(&anomalies), wanted, "cut at {cut}");
        }
    }
}

#[test]
fn a_wild_length_is_reported_and_the_next_records_are_found() {
    for kind in [Pcap::default(), Pcap { big_endian: true, nanoseconds: true, ..Pcap::default() }] {
        let all = packets(60);
        let mut file = kind.file(&all);
        // The captured length of the third record.
        let third = 24 + (16 + 41) + (16 + 42);
        file[third + 8..third + 12].copy_from_slice(&[0x7f, 0xff, 0xff, 0x7f]);
        let (frames, anomalies) = read(&file);
        assert_eq!(codes(&anomalies), [("record_length", 1, Some(3))]);
        assert_eq!(frames.len(), 59);
        assert_eq!((frames[2].bytes.clone(), frames[2].record), (all[3].clone(), 3));
    }
}

#[test]
fn a_length_that_swallows_others_is_noticed_behind_it() {
    let all = packets(60);
    let mut file = Pcap::default().file(&all);
    let third = 24 + (16 + 41) + (16 + 42);
    file[third + 8..third + 12].copy_from_slice(&300_u32.to_le_bytes());
    let (frames, anomalies) = read(&file);
    // More than its original length: not believed, since no header stands behind it.
    assert_eq!(codes(&anomalies), [("record_length", 1, Some(3))]);
    assert_eq!(frames.len(), 59);
}

#[test]
fn garbage_and_unwritten_space_between_records_are_passed_over() {
    let kind = Pcap::default();
    let all = packets(20);
    for garbage in [vec![0; 5_000], vec![0xff; 777], (0..3_000).map(|n| (n * 7) as u8).collect::<Vec<_>>()] {
        let mut file = kind.file(&all[..10]);
        file.extend(&garbage);
        for (packet, second) in all[10..].iter().zip(1_700_000_020..) {
            file.extend(kind.record(second, 0, packet, packet.len()));
        }
        let (frames, anomalies) = read(&file);
        assert_eq!(codes(&anomalies), [("record_length", 1, Some(11))]);
        assert_eq!(frames.len(), 20);
        let mut unwritten = kind.file(&all);
        unwritten.extend(vec![0; 3_000]);
        assert_eq!(read(&unwritten).0.len(), 20);
    }
}

#[test]
fn an_empty_packet_and_a_long_one_are_records() {
    let kind = Pcap::default();
    let mut file = kind.header();
    file.extend(kind.record(1_700_000_000, 0, &[], 60));
    file.extend(kind.record(1_700_000_001, 0, &vec![7; ORDINARY + 1], ORDINARY + 1));
    file.extend(kind.record(1_700_000_002, 0, &[5; 50], 40));
    file.extend(kind.record(1_700_000_003, 0, &[5; 50], 50));
    let whole = read_by(&file, file.len());
    assert!(whole.1.is_empty(), "{:?}", whole.1);
    assert_eq!(whole.0.iter().map(|frame| frame.bytes.len()).collect::<Vec<_>>(), [0, ORDINARY + 1, 50, 50]);
    assert_eq!(read_by(&file, 1_000), whole);
}

const ORDINARY: usize = walk::ORDINARY_LIMIT;

#[test]
fn pcapng_sections_of_either_order_have_their_own_interfaces() {
    let (little, big) = (PcapNg { big_endian: false }, PcapNg { big_endian: true });
    let offset = 3_600_i64;
    let file = [
        little.section(),
        little.interface(1, 0, &[(9, &[9])]),
        little.interface(101, 0, &[(9, &[0x8a]), (14, &offset.to_le_bytes())]),
        little.enhanced(0, 1_700_000_000_123_456_789, b"one", 3),
        little.enhanced(1, 1_700_000_000 * 1_024 + 512, b"two", 3),
        little.block(0xbad, b"custom"),
        big.section(),
        big.interface(113, 0, &[(2, b"eth0"), (14, &(-offset).to_be_bytes())]),
        big.enhanced(0, 1_700_000_000_500_000, b"three", 5),
        big.obsolete(0, 1_700_000_001_000_000, b"four", 9),
        big.simple(b"fives", 5),
        little.section(),
        little.interface(276, 2, &[(9, &[10])]),
        little.simple(b"si", 6),
        little.enhanced(0, 17_000_000_001_234_567_891, b"seven", 5),
    ]
    .concat();
    assert_eq!(recognise(&file).map(Format::name), Some("pcapng"));
    let (frames, anomalies) = read(&file);
    assert_eq!(codes(&anomalies), [("no_time", 2, Some(6))]);
    let seen: Vec<_> =
        frames.iter().map(|frame| (frame.bytes.as_slice(), frame.link_type, frame.at.ns, frame.at.digits)).collect();
    let second = 1_000_000_000;
    assert_eq!(
        seen,
        [
            (&b"one"[..], 1, 1_700_000_000_123_456_789, 9),
            (b"two", 101, 1_700_003_600 * second + second / 2, 4),
            (b"", LinkType::NO_PACKET.0, 1_700_003_600 * second + second / 2, 4),
            (b"three", 113, 1_699_996_400 * second + second / 2, 6),
            (b"four", 113, 1_699_996_401 * second, 6),
            (b"fives", 113, 1_699_996_401 * second, 6),
            (b"si", 276, 1_699_996_401 * second, 6),
            (b"seven", 276, 1_700_000_000_123_456_789, 9),
        ]
    );
    assert_eq!(frames[4].original_len, 9);
}

#[test]
fn pcapng_packets_of_no_interface_are_counted() {
    let ng = PcapNg { big_endian: false };
    let file = [ng.section(), ng.enhanced(3, 5, b"lost", 4), ng.interface(1, 0, &[]), ng.simple(b"x", 1)].concat();
    let (frames, anomalies) = read(&file);
    assert_eq!(frames[0].link_type, LinkType::UNKNOWN.0);
    assert_eq!(codes(&anomalies), [("no_time", 1, Some(2)), ("unknown_interface", 1, Some(1))]);
}

#[test]
fn pcapng_packets_before_the_first_time_have_none() {
    let ng = PcapNg { big_endian: false };
    let file = [ng.section(), ng.interface(1, 0, &[]), ng.simple(b"x", 1), ng.enhanced(0, 5, b"y", 1)].concat();
    let (frames, _) = read(&file);
    assert_eq!((frames[0].at, frames[1].at), (Frame::NO_TIME, Timestamp::new(5_000, 6)));
}

#[test]
fn pcapng_blocks_without_packets_take_numbers_as_wireshark_gives_them() {
    let ng = PcapNg { big_endian: false };
    let head = [ng.section(), ng.interface(1, 0, &[])].concat();
    for (block_type, takes) in
        [(9, true), (0x204, true), (0xbad, true), (0x4000_0bad, true), (4, false), (5, false), (0x0bad_cafe, false)]
    {
        let file = [head.clone(), ng.block(block_type, b"abcdefgh"), ng.enhanced(0, 5, b"y", 1)].concat();
        let (frames, anomalies) = read(&file);
        assert_eq!(
            frames.iter().map(|frame| frame.record).collect::<Vec<_>>(),
            if takes { vec![1, 2] } else { vec![1] }
        );
        assert!(anomalies.is_empty(), "{block_type:x}");
    }
}

#[test]
fn pcapng_times_that_do_not_fit_are_reported() {
    let ng = PcapNg { big_endian: false };
    let seconds = i64::MAX.to_le_bytes();
    let file =
        [ng.section(), ng.interface(1, 0, &[(9, &[0]), (14, &seconds)]), ng.enhanced(0, u64::MAX, b"x", 1)].concat();
    let (frames, anomalies) = read(&file);
    assert_eq!(frames[0].at, Frame::NO_TIME);
    assert_eq!(codes(&anomalies), [("bad_time", 1, Some(1))]);
}

#[test]
fn pcapng_blocks_whose_lengths_disagree_are_passed_over() {
    let ng = PcapNg { big_endian: false };
    let mut file = [ng.section(), ng.interface(1, 0, &[])].concat();
    let mut begins = vec![];
    for packet in packets(9) {
        begins.push(file.len());
        file.extend(ng.enhanced(0, 1_700_000_000_000_000, &packet, packet.len()));
    }
    for (damaged, value) in
        [(begins[4] + 4, 0x7fff_ffff_u32), (begins[5] - 4, 8), (begins[4] + 4, 0), (begins[4] + 4, 400)]
    {
        let mut file = file.clone();
        file[damaged..damaged + 4].copy_from_slice(&value.to_le_bytes());
        let (frames, anomalies) = read(&file);
        assert_eq!(codes(&anomalies), [("record_length", 1, Some(5))], "{damaged} {value}");
        assert_eq!(frames.len(), 8);
        assert_eq!(frames[4].bytes, packets(9)[5]);
    }
    // Bytes lost in the middle: the next block need not be aligned any more.
    file.drain(begins[4] + 10..begins[4] + 23);
    let (frames, anomalies) = read(&file);
    assert_eq!(codes(&anomalies), [("record_length", 1, Some(5))]);
    assert_eq!(frames.len(), 8);
}

#[test]
fn pcapng_captured_lengths_beyond_their_block_are_clipped() {
    let ng = PcapNg { big_endian: false };
    let mut file =
        [ng.section(), ng.interface(1, 0, &[]), ng.enhanced(0, 1, b"abcd", 4), ng.block(6, &[0; 8])].concat();
    let at = 28 + 20 + 20;
    file[at..at + 4].copy_from_slice(&900_u32.to_le_bytes());
    let (frames, anomalies) = read(&file);
    assert_eq!(frames[0].bytes, b"abcd");
    assert!(frames[1].bytes.is_empty());
    assert_eq!(codes(&anomalies), [("record_length", 2, Some(1))]);
}

#[test]
fn an_unknown_version_is_reported_and_too_many_interfaces_are_unknown() {
    let ng = PcapNg { big_endian: false };
    let mut file = ng.section();
    file[12] = 3;
    for _ in 0..=INTERFACES_LIMIT {
        file.extend(ng.interface(1, 0, &[]));
    }
    file.extend(ng.enhanced(INTERFACES_LIMIT as u32, 1, b"x", 1));
    file.extend(ng.enhanced(0, 1, b"x", 1));
    let (frames, anomalies) = read_by(&file, file.len());
    assert_eq!((frames[0].link_type, frames[1].link_type), (LinkType::UNKNOWN.0, 1));
    assert_eq!(
        codes(&anomalies),
        [("limit_interfaces", 1, Some(1)), ("unknown_interface", 1, Some(1)), ("unknown_version", 1, Some(1))]
    );
}

#[test]
fn flipped_and_lost_bytes_never_stop_the_walk() {
    let ng = PcapNg { big_endian: false };
    let mut pcapng = [ng.section(), ng.interface(1, 0, &[(9, &[6])]), ng.interface(113, 0, &[])].concat();
    for (packet, n) in packets(30).iter().zip(0..) {
        pcapng.extend(ng.enhanced(n % 2, 1_700_000_000_000_000, packet, packet.len()));
        if n % 10 == 0 {
            pcapng.extend(ng.simple(packet, packet.len()));
        }
    }
    let pcap = Pcap::default().file(&packets(30));
    let mut random = Random(1);
    for round in 0..1_500 {
        let mut file = if round % 2 == 0 { pcap.clone() } else { pcapng.clone() };
        for _ in 0..=random.below(5) {
            let at = 12 + random.below(file.len() - 12);
            match random.below(4) {
                0 => file[at] ^= 1 << random.below(8),
                1 => file[at] = 0xff,
                2 => file.truncate(at.max(24)),
                _ => {
                    let until = (at + random.below(40)).min(file.len());
                    file.drain(at..until);
                }
            }
        }
        if recognise(&file).is_none() {
            continue;
        }
        let whole = read_by(&file, file.len());
        assert!(whole.0.len() <= 34);
        // Records that are told from their neighbours are the same in blocks; lost ones may be found a little earlier.
        let blocks = read_by(&file, 300);
        assert_eq!(blocks.0.len(), whole.0.len(), "round {round}");
    }
}

#[test]
fn pcap_files_joined_into_one_are_read_each_by_its_own_header() {
    let (one, two) = (Pcap::default(), Pcap { big_endian: true, nanoseconds: true, link_type: 113, ..Pcap::default() });
    let file = [one.file(&packets(3)), two.file(&packets(2)), one.header(), one.file(&packets(1))].concat();
    let (frames, anomalies) = read(&file);
    assert!(anomalies.is_empty(), "{anomalies:?}");
    let seen: Vec<_> =
        frames.iter().map(|frame| (frame.bytes.len(), frame.link_type, frame.at.ns % 1_000_000)).collect();
    assert_eq!(seen, [(41, 1, 5_000), (42, 1, 5_000), (43, 1, 5_000), (41, 113, 5), (42, 113, 5), (41, 1, 5_000)]);
    for cut in 24..file.len() {
        read(&file[..cut]);
    }
}

fn snoop(link_type: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"snoop\0\0\0".to_vec();
    for word in [2, link_type] {
        file.extend(word.to_be_bytes());
    }
    for (packet, second) in packets.iter().zip(1_700_000_000_u32..) {
        let padded = packet.len().next_multiple_of(4);
        for word in [packet.len() as u32 + 9, packet.len() as u32, 24 + padded as u32, 0, second, 250_000] {
            file.extend(word.to_be_bytes());
        }
        file.extend_from_slice(packet);
        file.resize(file.len() + padded - packet.len(), 0);
    }
    file
}

#[test]
fn snoop_is_read_and_its_damage_told() {
    let file = snoop(4, &packets(5));
    assert_eq!(recognise(&file).map(Format::name), Some("snoop"));
    let (frames, anomalies) = read(&file);
    assert!(anomalies.is_empty(), "{anomalies:?}");
    assert_eq!(frames.iter().map(|frame| frame.bytes.clone()).collect::<Vec<_>>(), packets(5));
    assert_eq!((frames[1].link_type, frames[1].original_len), (1, 51));
    assert_eq!(frames[1].at, Timestamp::new(1_700_000_001_250_000_000, 6));
    for cut in 12..file.len() {
        let (frames, anomalies) = read(&file[..cut]);
        assert!(frames.len() <= 5 && anomalies.iter().all(|(code, _)| code == "truncated_file"), "cut at {cut}");
    }
    let mut wild = file.clone();
    wild[16 + 24 + 44 + 4] = 0x7f;
    let (frames, anomalies) = read(&wild);
    assert_eq!((frames.len(), codes(&anomalies)), (1, vec![("record_length", 1, Some(2))]));
    let (frames, anomalies) = read(&snoop(8, &packets(2)));
    assert_eq!(
        (frames[0].link_type, codes(&anomalies)),
        (LinkType::UNKNOWN.0, vec![("unsupported_link_type", 2, Some(1))])
    );
}
