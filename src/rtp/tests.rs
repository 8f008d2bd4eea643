use std::collections::BTreeMap;

use super::cell::SECOND_NS;
use super::store::{Limits, Store};
use super::*;
use crate::evidence::{SourceId, Timestamp};
use crate::facts::{MediaFlow, Run};
use crate::net::Ends;
use crate::random::Random;

const MS: i64 = 1_000_000;
/// Packets of higher records may come late: those of a second tap behind those of the first.
const BEHIND: u64 = 1 << 32;
const START: i64 = 1_700_000_000 * SECOND_NS;

/// One captured packet of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Packet {
    source: u32,
    flow: u8,
    ns: i64,
    sequence: u16,
    size: u16,
    record: u64,
}

fn ends(flow: u8) -> Ends {
    if flow < 100 {
        Ends::V4 { addresses: [203, 0, 113, 5, 192, 0, 2, 9], ports: [15, 160, 23, flow] }
    } else {
        Ends::V6 { addresses: [flow; 32], ports: [15, 160, 23, flow] }
    }
}

/// Counts packets: those of a source by as many tables as said, in blocks of `block`, the tables taken as `pick` says.
fn account(packets: &[Packet], block: usize, tables: usize, pick: &mut impl FnMut(usize) -> usize) -> Vec<MediaFlow> {
    account_with(&Breaks::default(), packets, block, tables, pick)
}

/// The same, runs ended at breaks.
fn account_with(
    breaks: &Breaks,
    packets: &[Packet],
    block: usize,
    tables: usize,
    pick: &mut impl FnMut(usize) -> usize,
) -> Vec<MediaFlow> {
    let mut by_source: BTreeMap<u32, Vec<Packet>> = BTreeMap::new();
    for packet in packets {
        by_source.entry(packet.source).or_default().push(*packet);
    }
    let mut sources: Vec<(u32, Vec<Packet>)> = by_source.into_iter().collect();
    let mut flows = Flows::default();
    while !sources.is_empty() {
        let (source, packets) = sources.remove(pick(sources.len()));
        // The smaller the blocks, the oftener it is folded; but not before packets of any kind that come seconds late.
        let mut newest = i64::MIN;
        let is_late = |packet: &Packet| {
            newest = newest.max(packet.ns);
            newest.saturating_sub(packet.ns) > 2 * SECOND_NS && packet.record <= BEHIND
        };
        let fold_every = if packets.iter().any(is_late) { usize::MAX } else { block };
        let ledger = Ledger::limited(Limits { fold_every, ..Limits::default() });
        let mut held: Vec<Table> = (0..tables).map(|_| ledger.take()).collect();
        for block in packets.chunks(block) {
            let place = pick(held.len());
            let mut table = held.swap_remove(place);
            for packet in block {
                let header = Header { sequence: packet.sequence, ssrc: 7, size: packet.size };
                table.count(&ends(packet.flow), header, Timestamp::new(packet.ns, 6), packet.record);
            }
            ledger.give_back(table, false);
            held.push(ledger.take());
        }
        for table in held {
            ledger.give_back(table, true);
        }
        let of_source = ledger.finish(SourceId(source));
        assert_eq!(of_source.captured(), packets.len() as u64);
        flows.merge(of_source);
    }
    let flows = flows.finish(breaks).flows;
    let captured: u64 =
        flows.iter().flat_map(|flow| &flow.runs).flat_map(|run| run.captured.iter()).map(|(_, n)| n).sum();
    assert_eq!(captured, packets.len() as u64, "every captured packet is in one run");
    flows
}

/// Breaks of every flow at these milliseconds after `START`.
fn breaks(at_ms: &[i64]) -> Breaks {
    let at: Vec<i64> = at_ms.iter().map(|ms| START + ms * MS).collect();
    (0..=255).map(|flow| (ends(flow).hop().destination, at.clone())).collect()
}

/// Counts in order with one table, and then in other ways, with breaks and without: the result must be the same.
fn count(packets: &[Packet]) -> Vec<MediaFlow> {
    let plain = account(packets, usize::MAX, 1, &mut |_| 0);
    let breaks = breaks(&[-1, 370, 371, 1_000, 2_999, 4_500, 9_250]);
    let broken = account_with(&breaks, packets, usize::MAX, 1, &mut |_| 0);
    let mut random = Random(packets.len() as u64);
    for (block, tables) in [(1, 2), (7, 2), (50, 3), (900, 1), (1_000, 4)] {
        let other = account(packets, block, tables, &mut |count| random.below(count));
        assert_eq!(other, plain, "in blocks of {block} by {tables} tables");
        let other = account_with(&breaks, packets, block, tables, &mut |count| random.below(count));
        assert_eq!(other, broken, "with breaks, in blocks of {block} by {tables} tables");
    }
    plain
}

fn runs(packets: &[Packet]) -> Vec<Run> {
    let mut flows = count(packets);
    assert_eq!(flows.len(), 1);
    flows.remove(0).runs
}

/// Packets every 20 ms from `START` + `from_ms` on, numbered from `sequence`.
fn stream(from_ms: i64, sequence: u16, count: usize) -> Vec<Packet> {
    (0..count)
        .map(|n| Packet {
            source: 0,
            flow: 1,
            ns: START + from_ms * MS + 20 * MS * n as i64,
            sequence: sequence.wrapping_add(n as u16),
            size: 160,
            record: 1 + n as u64,
        })
        .collect()
}

fn figures(run: &Run) -> (u64, u64, u64, u64) {
    (run.packets, run.bytes, run.lost, run.lost_before)
}

#[test]
fn the_header_ends_behind_sources_and_extension() {
    let fixed = |first: u8| [&[first, 0][..], &[7; 10]].concat();
    let behind = |first: u8, more: &[u8]| super::packet::header_len(&[&fixed(first)[..], more].concat());
    assert_eq!(behind(0x80, &[1; 160]), 12);
    assert_eq!(behind(0x82, &[1; 160]), 20);
    assert_eq!(behind(0x90, &[&[0xbe, 0xde, 0, 2][..], &[1; 160]].concat()), 24);
    assert_eq!(behind(0x91, &[&[1; 4][..], &[0xbe, 0xde, 0, 0], &[1; 160]].concat()), 20);
    // What is cut ends where it is cut.
    assert_eq!(behind(0x9f, &[1; 4]), 16);
    assert_eq!(behind(0x90, &[0xbe, 0xde, 0xff, 0xff, 1, 1]), 18);
}

#[test]
fn rtp_rtcp_and_others_are_told_apart() {
    let rtp = crate::net::sample::rtp(0xdead_beef, 77, 160);
    let header = Header { sequence: 77, ssrc: 0xdead_beef, size: 160 };
    assert_eq!(recognise(&rtp, rtp.len()), Kind::Rtp(header));
    assert_eq!(recognise(&rtp[..12], rtp.len()), Kind::Rtp(header), "only the header is needed");
    assert_eq!(recognise(&rtp[..11], rtp.len()), Kind::Unreadable);
    assert_eq!(recognise(&rtp[..11], 11), Kind::Other);
    for packet_type in [192, 200, 201, 207, 223] {
        assert_eq!(recognise(&[0x80, packet_type, 0, 1, 0, 0, 0, 1], 8), Kind::Rtcp);
    }
    assert!(matches!(recognise(&[&[0x80, 0xff][..], &[0; 10]].concat(), 12), Kind::Rtp(_)));
    // Fifteen contributing sources that are not there.
    assert_eq!(recognise(&[&[0x8f, 0][..], &[0; 20]].concat(), 22), Kind::Other);
    // STUN, ZRTP, DTLS, TURN channel, SIP, nothing.
    for first in [0, 0x10, 22, 0x40, b'I'] {
        assert_eq!(recognise(&[&[first][..], &[0; 40]].concat(), 41), Kind::Other);
    }
    assert_eq!(recognise(&[], 0), Kind::Other);
}

#[test]
fn a_call_is_one_run_with_exact_times() {
    let run = &runs(&stream(0, 65_000, 1_000))[0];
    assert_eq!(figures(run), (1_000, 160_000, 0, 0));
    assert_eq!((run.first.ns, run.last.ns), (START, START + 999 * 20 * MS));
    assert_eq!((run.first.digits, run.first_record.record), (6, 1));
    assert_eq!(*run.captured, [(SourceId(0), 1_000)]);
}

#[test]
fn numbers_wrap_many_times_in_a_long_call() {
    let mut packets = stream(0, 9, 300_000);
    packets.remove(250_000);
    let plain = account(&packets, 5_000, 2, &mut |_| 0);
    assert_eq!(plain[0].runs.len(), 1);
    assert_eq!(figures(&plain[0].runs[0]), (299_999, 299_999 * 160, 1, 0));
    assert_eq!(plain[0].runs[0].last.ns, START + 299_999 * 20 * MS);
}

#[test]
fn loss_is_counted_between_first_and_last() {
    let mut packets = stream(0, 65_500, 200);
    packets.drain(30..45);
    packets.remove(100);
    assert_eq!(figures(&runs(&packets)[0]), (184, 184 * 160, 16, 0));
}

#[test]
fn a_doubled_mirror_counts_once() {
    let mut packets = Vec::new();
    for packet in stream(997, 300, 400) {
        packets.push(packet);
        packets.push(Packet { ns: packet.ns + 30_000, record: packet.record + 10_000, ..packet });
    }
    let runs = runs(&packets);
    assert_eq!(runs.len(), 1);
    assert_eq!(figures(&runs[0]), (400, 64_000, 0, 0));
    assert_eq!(*runs[0].captured, [(SourceId(0), 800)]);
    assert_eq!(runs[0].last.ns, packets[798].ns, "the copy of the last packet is no media after it");
}

#[test]
fn a_second_tap_in_one_file_moves_no_end() {
    for lag in [1, 7 * MS, 19 * MS, 400 * MS, 700 * MS, 900 * MS] {
        for count in [2, 77, 300, 517] {
            let all = stream(130, 40_000, count);
            let mut packets = all.clone();
            packets.extend(all.iter().map(|packet| Packet {
                ns: packet.ns + lag,
                record: packet.record + 1_000,
                ..*packet
            }));
            packets.sort_by_key(|packet| packet.ns);
            let runs = runs(&packets);
            assert_eq!(runs.len(), 1, "lag {lag}");
            assert_eq!((runs[0].packets, runs[0].lost), (count as u64, 0));
            let ends = (runs[0].first.ns, runs[0].last.ns);
            assert_eq!(ends, (all[0].ns, all[count - 1].ns), "{count} packets, lag {lag}");
        }
    }
}

#[test]
fn a_second_tap_fills_the_holes_of_the_first() {
    for lag in [0, 7 * MS, 400 * MS, -600 * MS] {
        let all = stream(0, 40_000, 3_000);
        let mut packets = Vec::new();
        packets.extend(all.iter().filter(|packet| packet.sequence % 7 != 0));
        let other = all.iter().filter(|packet| packet.sequence % 5 != 0);
        packets.extend(other.map(|packet| Packet { source: 1, ns: packet.ns + lag, ..*packet }));
        let runs = runs(&packets);
        assert_eq!(runs.len(), 1);
        let missing = all.iter().filter(|packet| packet.sequence % 35 == 0).count() as u64;
        assert_eq!(figures(&runs[0]), (3_000 - missing, (3_000 - missing) * 160, missing, 0), "lag {lag}");
        assert_eq!(runs[0].captured.len(), 2);
    }
}

#[test]
fn sizes_that_differ_stay_exact_over_two_taps() {
    let all: Vec<Packet> =
        stream(0, 100, 2_000).iter().map(|packet| Packet { size: 20 + packet.sequence % 91, ..*packet }).collect();
    let mut packets: Vec<Packet> = all.iter().filter(|packet| packet.sequence % 3 != 0).copied().collect();
    packets.extend(all.iter().filter(|packet| packet.sequence % 4 != 0).map(|packet| Packet {
        source: 1,
        ns: packet.ns + 300 * MS,
        ..*packet
    }));
    let there = || all.iter().filter(|packet| packet.sequence % 12 != 0);
    let runs = runs(&packets);
    assert_eq!((runs.len(), runs[0].packets), (1, there().count() as u64));
    assert_eq!(runs[0].bytes, there().map(|packet| u64::from(packet.size)).sum::<u64>());
}

#[test]
fn a_file_and_its_other_half_are_one_run() {
    let mut packets = stream(0, 1, 1_000);
    for packet in &mut packets[437..] {
        packet.source = 1;
    }
    let runs = runs(&packets);
    assert_eq!((runs.len(), figures(&runs[0])), (1, (1_000, 160_000, 0, 0)));
    assert_eq!(*runs[0].captured, [(SourceId(0), 437), (SourceId(1), 563)]);
    assert_eq!(runs[0].first_record.source, SourceId(0));
}

#[test]
fn silence_begins_a_run_and_says_what_was_lost_in_it() {
    let mut packets = stream(0, 10, 100);
    packets.extend(stream(10_000, 110, 100));
    packets.extend(stream(20_000, 240, 100));
    let runs = runs(&packets);
    assert_eq!(
        runs.iter().map(figures).collect::<Vec<_>>(),
        [(100, 16_000, 0, 0), (100, 16_000, 0, 0), (100, 16_000, 0, 30)]
    );
    assert_eq!(runs[1].first.ns, START + 10_000 * MS);
    // Just within the gap, and just beyond.
    let near = [stream(0, 10, 2), stream(1_020, 12, 2)].concat();
    assert_eq!(self::runs(&near).len(), 1);
    let far = [stream(0, 10, 2), stream(1_021, 12, 2)].concat();
    assert_eq!(self::runs(&far).len(), 2);
}

/// Runs with breaks at these milliseconds: first and last time in milliseconds, packets, whether it continues.
fn broken(packets: &[Packet], at_ms: &[i64]) -> Vec<(i64, i64, u64, bool)> {
    let breaks = breaks(at_ms);
    let flows = account_with(&breaks, packets, usize::MAX, 1, &mut |_| 0);
    for (block, tables) in [(1, 1), (40, 2), (333, 3)] {
        let mut random = Random(block as u64);
        let other = account_with(&breaks, packets, block, tables, &mut |count| random.below(count));
        assert_eq!(other, flows, "in blocks of {block} by {tables} tables");
    }
    let ms = |at: Timestamp| (at.ns - START).div_euclid(MS);
    flows[0].runs.iter().map(|run| (ms(run.first), ms(run.last), run.packets, run.continues)).collect()
}

#[test]
fn near_the_end_of_a_flow_a_break_is_exact() {
    let packets = stream(500, 10, 500);
    assert_eq!(broken(&packets, &[0, 500, 20_000]), [(500, 10_480, 500, false)]);
    // The sender takes a second to hear of the end.
    for at in [9_481, 9_730, 9_999, 10_000, 10_001, 10_300, 10_479, 10_480] {
        let before = (at - 500) / 20 + i64::from((at - 500) % 20 != 0);
        let last = 500 + 20 * (before - 1);
        let expected = [(500, last, before as u64, false), (last + 20, 10_480, 500 - before as u64, true)];
        assert_eq!(broken(&packets, &[at]), expected, "at {at}");
    }
    assert_eq!(broken(&packets, &[10_481]), [(500, 10_480, 500, false)]);
    // Also where the same ports and numbers come again much later.
    let again = [packets.clone(), stream(30_000, 20_000, 500)].concat();
    let parts = broken(&again, &[10_300]);
    assert_eq!(parts[..2], [(500, 10_280, 490, false), (10_300, 10_480, 10, true)]);
}

#[test]
fn a_space_between_packets_is_exact_wherever_it_is() {
    let packets = [stream(0, 10, 453), stream(9_290, 463, 2_000)].concat();
    for at in [9_041, 9_100, 9_290] {
        let parts = [(0, 9_040, 453, false), (9_290, 49_270, 2_000, true)];
        assert_eq!(broken(&packets, &[at]), parts, "at {at}");
    }
    // Two calls within one second, whose numbers do not follow each other.
    let packets = [stream(0, 10, 3), stream(320, 160, 30), stream(1_010, 400, 2_000)].concat();
    let parts = [(0, 40, 3, false), (320, 900, 30, true), (1_010, 40_990, 2_000, true)];
    assert_eq!(broken(&packets, &[100, 950]), parts);
    // Packets a tenth of a second apart, as many as there are.
    let slow: Vec<Packet> =
        stream(0, 10, 200).iter().zip(0..).map(|(packet, n)| Packet { ns: START + n * 100 * MS, ..*packet }).collect();
    assert_eq!(broken(&slow, &[4_150]), [(0, 4_100, 42, false), (4_200, 19_900, 158, true)]);
}

#[test]
fn what_breaks_within_a_burst_that_goes_on_ends_with_the_break() {
    let packets = stream(500, 10, 2_000);
    for at in [4_001, 4_250, 4_999, 5_000] {
        let parts = broken(&packets, &[at]);
        let [(500, end, before, false), (5_000, 40_480, behind, true)] = parts[..] else { panic!("{parts:?}") };
        assert_eq!(end, at - 1, "packets on both sides show media until then");
        assert_eq!((before, behind), (225, 1_775), "those up to the border of the second");
    }
    assert_eq!(broken(&packets, &[4_250, 7_500]).iter().map(|part| part.2).collect::<Vec<_>>(), [225, 150, 1_625]);
    // Behind a pause a run begins anyway, at its own time.
    let apart = [stream(0, 10, 50), stream(3_300, 60, 50)].concat();
    assert_eq!(broken(&apart, &[2_000]), [(0, 980, 50, false), (3_300, 4_280, 50, false)]);
}

#[test]
fn copies_move_no_end_whatever_order_packets_came_in() {
    for copies in [1, 2] {
        let mut packets = Vec::new();
        for packet in stream(0, 10, 400) {
            let late = match packet.sequence {
                407 => 20 * MS,
                408 => -20 * MS,
                _ => 0,
            };
            for copy in 0..copies {
                packets.push(Packet { ns: packet.ns + late + copy * MS / 2, ..packet });
            }
        }
        packets.sort_by_key(|packet| packet.ns);
        let runs = runs(&packets);
        assert_eq!((runs.len(), figures(&runs[0])), (1, (400, 64_000, 0, 0)));
        assert_eq!(runs[0].last.ns, START + 399 * 20 * MS);
    }
}

#[test]
fn the_first_packets_behind_a_pause_in_disorder_are_not_lost() {
    // The number that follows the pause comes third, in the next second.
    let mut packets = [stream(0, 100, 50), stream(2_950, 150, 100)].concat();
    let (first, third) = (packets[50].ns, packets[53].ns);
    (packets[50].sequence, packets[53].sequence) = (153, 150);
    assert!(first < START + 3_000 * MS && third >= START + 3_000 * MS);
    let runs = runs(&packets);
    let told: Vec<(u64, u64, u64)> = runs.iter().map(|run| (run.packets, run.lost, run.lost_before)).collect();
    assert_eq!(told, [(50, 0, 0), (100, 0, 0)]);
}

/// The packets of a second source whose clock is ahead.
fn tap(packets: &[Packet], ahead_ms: i64) -> Vec<Packet> {
    packets.iter().map(|packet| Packet { source: 1, ns: packet.ns + ahead_ms * MS, ..*packet }).collect()
}

#[test]
fn a_second_tap_counts_once_however_wrong_its_clock() {
    for ahead in [-7_300, -3_000, -1_500, -900, 900, 1_000, 1_100, 1_500, 2_000, 3_000, 3_700, 8_900] {
        let all = stream(130, 65_300, 501);
        let runs = runs(&[all.clone(), tap(&all, ahead)].concat());
        assert_eq!((runs.len(), figures(&runs[0])), (1, (501, 501 * 160, 0, 0)), "ahead by {ahead} ms");
        let earliest = ahead.min(0) * MS;
        assert_eq!(runs[0].first.ns, all[0].ns + earliest);
        assert_eq!(runs[0].last.ns, all[500].ns + earliest, "ahead by {ahead} ms");
        assert_eq!(*runs[0].captured, [(SourceId(0), 501), (SourceId(1), 501)]);
    }
}

/// Both taps merged into one file, by time.
fn merged(one: &[Packet], other: &[Packet], ahead_ms: i64) -> Vec<Packet> {
    let other =
        tap(other, ahead_ms).into_iter().map(|packet| Packet { source: 0, record: packet.record + 1, ..packet });
    let mut all: Vec<Packet> = one.iter().copied().chain(other).collect();
    all.sort_by_key(|packet| packet.ns);
    all
}

#[test]
fn two_taps_merged_into_one_file_count_once_however_wrong_a_clock() {
    for ahead in [-7_300, -3_000, -1_500, -900, 900, 1_000, 1_100, 1_500, 2_000, 3_000, 3_700, 8_900, 61_000] {
        // Behind the last packet what comes again may have been sent anew.
        for count in [501, 5_000].into_iter().filter(|count| ahead < 20 * *count as i64) {
            let all = stream(130, 65_300, count);
            let runs = runs(&merged(&all, &all, ahead));
            let told = (runs.len(), figures(&runs[0]));
            assert_eq!(told, (1, (count as u64, count as u64 * 160, 0, 0)), "{count} packets, ahead by {ahead} ms");
            let earliest = ahead.min(0) * MS;
            assert_eq!(runs[0].first.ns, all[0].ns + earliest);
            assert_eq!(runs[0].last.ns, all[count - 1].ns + earliest, "{count} packets, ahead by {ahead} ms");
            assert_eq!(*runs[0].captured, [(SourceId(0), 2 * count as u64)]);
        }
    }
}

#[test]
fn merged_taps_fill_each_others_holes_and_three_are_one() {
    let all = stream(0, 40_000, 3_000);
    let one: Vec<Packet> = all.iter().filter(|packet| packet.sequence % 7 != 0).copied().collect();
    let other: Vec<Packet> = all.iter().filter(|packet| packet.sequence % 5 != 0).copied().collect();
    let missing = all.iter().filter(|packet| packet.sequence % 35 == 0).count() as u64;
    for ahead in [2_400, 12_000, -5_050] {
        let runs = runs(&merged(&one, &other, ahead));
        let told = (runs.len(), figures(&runs[0]));
        assert_eq!(told, (1, (3_000 - missing, (3_000 - missing) * 160, missing, 0)), "ahead by {ahead} ms");
    }
    let third = merged(&merged(&all, &all, 3_000), &all, 7_200);
    let runs = runs(&third);
    assert_eq!((runs.len(), figures(&runs[0])), (1, (3_000, 480_000, 0, 0)));
}

#[test]
fn a_recording_that_is_sent_in_a_loop_is_no_second_tap() {
    // Without a pause between, and with one packet in order behind the other.
    let looped: Vec<Packet> = (0..5).flat_map(|turn| stream(turn * 6_000, 700, 300)).collect();
    assert_eq!(runs(&looped).iter().map(|run| run.packets).sum::<u64>(), 1_500);
    let longer = [stream(0, 700, 300), stream(6_000, 700, 900)].concat();
    assert_eq!(runs(&longer).iter().map(|run| run.packets).sum::<u64>(), 1_200);
}

#[test]
fn a_second_tap_with_another_clock_fills_holes_too() {
    let all = stream(0, 40_000, 3_000);
    let one: Vec<Packet> = all.iter().filter(|packet| packet.sequence % 7 != 0).copied().collect();
    let other: Vec<Packet> = all.iter().filter(|packet| packet.sequence % 5 != 0).copied().collect();
    let missing = all.iter().filter(|packet| packet.sequence % 35 == 0).count() as u64;
    for ahead in [2_400, 12_000, -5_050] {
        let runs = runs(&[one.clone(), tap(&other, ahead)].concat());
        assert_eq!((runs.len(), figures(&runs[0])), (1, (3_000 - missing, (3_000 - missing) * 160, missing, 0)));
    }
}

#[test]
fn the_same_numbers_in_every_call_say_nothing_of_clocks() {
    // A generator of calls sends one recording again and again; each source has every other packet, so that a number is
    // in the one source in one call and in the other in the next.
    let all: Vec<Packet> = [0, 7_000, 16_460].iter().flat_map(|at| stream(*at, 0, 81)).collect();
    let half = |odd: usize| -> Vec<Packet> { all.iter().skip(odd).step_by(2).copied().collect() };
    let runs = runs(&[half(0), tap(&half(1), 0)].concat());
    assert_eq!(runs.iter().map(figures).collect::<Vec<_>>(), [(81, 12_960, 0, 0); 3]);
    assert!(runs.iter().all(|run| !run.repeats));
}

#[test]
fn two_taps_one_behind_the_other_in_one_file_count_once() {
    let all = stream(0, 40_000, 3_000);
    for lag in [0, 7 * MS, 400 * MS] {
        let later = all.iter().map(|packet| Packet { ns: packet.ns + lag, record: packet.record + BEHIND, ..*packet });
        let runs = runs(&all.iter().copied().chain(later).collect::<Vec<_>>());
        assert_eq!((runs.len(), figures(&runs[0])), (1, (3_000, 3_000 * 160, 0, 0)), "lag {lag}");
        assert_eq!((runs[0].first.ns, runs[0].last.ns), (all[0].ns, all[2_999].ns));
    }
}

#[test]
fn numbers_that_come_again_after_65536_packets_are_no_copies() {
    // Two files of one tap, which follow each other or overlap.
    let all = stream(0, 500, 180_000);
    for (end, begin) in [(90_000, 90_000), (120_000, 60_000), (180_000, 0)] {
        let packets = [all[..end].to_vec(), tap(&all[begin..], 0)].concat();
        let found = account(&packets, 50_000, 1, &mut |_| 0);
        assert_eq!((found[0].runs.len(), figures(&found[0].runs[0])), (1, (180_000, 180_000 * 160, 0, 0)));
    }
}

#[test]
fn numbers_that_begin_anew_begin_a_run_without_loss() {
    let packets = [stream(0, 50_000, 100), stream(2_000, 3, 100)].concat();
    let runs = runs(&packets);
    assert_eq!(runs.iter().map(figures).collect::<Vec<_>>(), [(100, 16_000, 0, 0), (100, 16_000, 0, 0)]);
    assert_eq!(runs[0].last.ns, START + 1_980 * MS);
    assert_eq!(runs[1].first.ns, START + 2_000 * MS);
}

#[test]
fn the_same_recording_sent_again_is_counted_again() {
    let packets = [stream(0, 0, 100), stream(4_000, 0, 100), stream(6_500, 0, 100)].concat();
    let runs = runs(&packets);
    assert_eq!(runs.len(), 3);
    assert!(runs.iter().all(|run| figures(run) == (100, 16_000, 0, 0)));
}

#[test]
fn late_packets_and_a_clock_that_steps_back_lose_nothing() {
    let mut packets = stream(0, 65_400, 500);
    for at in (3..480).step_by(11) {
        packets[at].ns += 130 * MS;
    }
    packets.sort_by_key(|packet| packet.ns);
    // The clock steps back by 80 ms in the middle.
    for packet in &mut packets[250..] {
        packet.ns -= 80 * MS;
    }
    assert_eq!(runs(&packets).iter().map(figures).collect::<Vec<_>>(), [(500, 80_000, 0, 0)]);
    // The very first packets in the wrong order.
    let mut packets = stream(0, 5, 50);
    packets.swap(0, 3);
    let times: Vec<i64> = (0..50).map(|n| START + 20 * MS * n).collect();
    for (packet, ns) in packets.iter_mut().zip(times) {
        packet.ns = ns;
    }
    assert_eq!(runs(&packets).iter().map(figures).collect::<Vec<_>>(), [(50, 8_000, 0, 0)]);
}

#[test]
fn two_senders_of_one_flow_stay_apart() {
    let mut packets = [stream(0, 1_000, 300), stream(10, 30_000, 300)].concat();
    packets.sort_by_key(|packet| packet.ns);
    let runs = runs(&packets);
    assert_eq!(runs.iter().map(figures).collect::<Vec<_>>(), [(300, 48_000, 0, 0), (300, 48_000, 0, 0)]);
}

#[test]
fn flows_are_kept_apart_and_sorted() {
    let mut packets = Vec::new();
    for flow in [120, 3, 1, 101] {
        packets.extend(stream(0, u16::from(flow), 150).into_iter().map(|packet| Packet { flow, ..packet }));
    }
    let flows = count(&packets);
    assert_eq!(flows.len(), 4);
    assert!(flows.iter().is_sorted_by_key(|flow| flow.key));
    assert!(flows.iter().all(|flow| flow.runs.iter().map(figures).eq([(150, 24_000, 0, 0)])));
    assert_eq!(flows[0].key.source.to_string(), "203.0.113.5:4000");
    assert_eq!(flows[0].key.destination.to_string(), "192.0.2.9:5889");
    assert_eq!(flows[2].key.ssrc, 7);
}

#[test]
fn whatever_comes_the_order_of_counting_does_not_matter() {
    let mut random = Random(42);
    for round in 0..60 {
        let mut packets = Vec::new();
        let mut record = 0;
        for _ in 0..=random.below(4) {
            let (source, flow) = (random.below(3) as u32, if random.below(3) == 0 { 101 } else { 1 });
            let mut ns = START + random.below(5_000) as i64 * MS;
            let mut sequence = random.below(65_536) as u16;
            for _ in 0..random.below(900) {
                record += 1;
                let size = if round % 3 == 0 { 20 + random.below(4) as u16 } else { 160 };
                packets.push(Packet { source, flow, ns, sequence, size, record });
                match random.below(60) {
                    0 => ns -= random.below(900) as i64 * MS,
                    1 => ns += random.below(2_500) as i64 * MS,
                    2 => sequence = random.below(65_536) as u16,
                    3 => sequence = sequence.wrapping_sub(random.below(150) as u16),
                    4 => sequence = sequence.wrapping_add(random.below(4_000) as u16),
                    _ => {}
                }
                ns += 20 * MS;
                sequence = sequence.wrapping_add(1);
            }
        }
        count(&packets);
    }
}

#[test]
fn of_too_many_flows_the_same_stay_whatever_the_order() {
    let limits = Limits { flows: 10, detail: DETAIL_LIMIT, ..Limits::default() };
    let keep = |order: &mut dyn Iterator<Item = u32>| {
        let mut store = Store::limited(limits);
        for ssrc in order {
            let packet = cell::Captured { ns: START, digits: 6, record: 1, sequence: 1, size: 1 };
            let key = store::KeyV4::new([1; 8], [2; 4], ssrc);
            store.add_v4(key, cell::Cell::of(packet));
        }
        let flows = store.finish(SourceId(0));
        assert!(flows.unaccounted().flows_limited);
        assert_eq!(flows.captured(), 10);
        flows.finish(&Breaks::default()).flows
    };
    assert_eq!(keep(&mut (0..1_000)), keep(&mut (0..1_000).rev()));
    let mut store = Store::limited(limits);
    store.add_v4(
        store::KeyV4::new([1; 8], [2; 4], 5),
        cell::Cell::of(cell::Captured { ns: 0, digits: 6, record: 1, sequence: 1, size: 1 }),
    );
    assert!(!store.finish(SourceId(0)).unaccounted().flows_limited);
}

#[test]
fn too_much_detail_leaves_no_flow() {
    let mut store = Store::limited(Limits { flows: 10, detail: 1_000, ..Limits::default() });
    for n in 0..200 {
        let packet =
            cell::Captured { ns: START + n * SECOND_NS, digits: 6, record: 1, sequence: (n * 999) as u16, size: 1 };
        let mut cell = cell::Cell::of(packet);
        cell.add(cell::Captured { sequence: packet.sequence ^ 7, ..packet });
        store.add_v4(store::KeyV4::new([1; 8], [2; 4], 5), cell);
    }
    let flows = store.finish(SourceId(0));
    assert!(flows.unaccounted().detail_limited);
    assert_eq!(flows.captured(), 0);
}
