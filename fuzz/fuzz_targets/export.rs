//! An export of the platform: whatever its head is taken for, every entry is counted under a reason that is listed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sipconsent::document::{Walk, sight};
use sipconsent::evidence::SourceId;
use sipconsent::platform::{ExportReader, REASONS, recognise, recognise_text};
use sipconsent::settings::{Settings, SourceZone};

fuzz_target!(|input: &[u8]| {
    let recognised = match sight(input) {
        Some(sight) => recognise(&sight),
        None => recognise_text(input),
    };
    let Some((kind, plan)) = recognised else { return };
    let (taken, pieces) = Walk::new(&plan).cut(input, true);
    assert_eq!(taken, input.len(), "everything is taken at the end");
    let zone = SourceZone::new(&Settings::default(), "a.json");
    let reader = ExportReader { source: SourceId(0), kind, zone, keeps_rejects: false, probe: plan.probe().cloned() };
    let sum = reader.read(pieces.entries(input));
    for (reason, _) in sum.tally.iter() {
        assert!(REASONS.iter().any(|(known, _)| *known == reason), "{reason}");
    }
    assert_eq!(sum.messages.len() as u64, sum.messages.iter().filter(|message| message.locus.record > 0).count() as u64);
});
