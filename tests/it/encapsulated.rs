//! The same packets in every link layer and every tunnel: the verdicts do not move.

use serde_json::Value;

use crate::calls::{CONFIG, Case};
use crate::support::encapsulate::{ENCAPSULATIONS, Encapsulation};
use crate::support::here;
use crate::support::laws::broken;
use crate::support::packet::{Packet, frame};
use crate::support::run::audit;

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// A capture file of `packets` as `encapsulation` carries them.
fn pcap(packets: &[Packet], encapsulation: &Encapsulation) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, u32::from(encapsulation.link_type)] {
        file.extend(u32::to_le_bytes(word));
    }
    for packet in packets {
        let frame = (encapsulation.wrap)(&frame(packet)[ETHERNET..]);
        let time =
            [packet.at_us / 1_000_000, packet.at_us % 1_000_000].map(|part| u32::try_from(part).expect("after 1970"));
        let len = u32::try_from(frame.len()).expect("a frame is short");
        for word in [time[0], time[1], len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

#[test]
fn verdicts_do_not_depend_on_what_is_around_the_packets() {
    let case = Case::open(&here("fixtures/calls/streams-by-signalling")).expect("a case");
    let config = here(CONFIG).to_string_lossy().into_owned();
    let mut first: Option<Value> = None;
    for encapsulation in ENCAPSULATIONS {
        let folder = tempfile::TempDir::new().expect("a folder");
        std::fs::write(folder.path().join("capture.pcap"), pcap(&case.scene.packets(), encapsulation))
            .expect("evidence");
        let run = audit(folder.path(), &["--config", &config, "--hash", "none", "capture.pcap"]);
        let report = run.report();
        assert_eq!(broken(&report, run.code), Vec::<String>::new(), "{}", encapsulation.name);
        assert_eq!(report["evidence"][0]["anomalies"], serde_json::json!([]), "{}", encapsulation.name);
        let concluded =
            serde_json::json!([report["summary"], report["calls"], report["trunks"], report["evidence"][0]["tally"]]);
        assert_eq!(&concluded, first.get_or_insert(concluded.clone()), "{}", encapsulation.name);
    }
}
