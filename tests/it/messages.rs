//! The SIP messages of legs, for reports that show them one by one: through the library, over the recorded incident.

use std::path::PathBuf;

use sipconsent::pipeline::{audit, audit_with_messages};
use sipconsent::report::json;
use sipconsent::report::messages::Wanted;
use sipconsent::report::model::{Call, Leg, Report};
use sipconsent::report::show::{Listing, Mark, Show};
use sipconsent::settings::Settings;

use crate::support::here;

fn incident(wanted: Option<&(dyn Fn(&Leg) -> bool + Sync)>) -> Report {
    incident_with(wanted.map(Wanted::messages))
}

fn incident_with(wanted: Option<Wanted<'_>>) -> Report {
    let settings = Settings::read(&here("fixtures/incident/sipconsent.toml")).expect("the incident's configuration");
    let evidence: [PathBuf; 1] = [here("fixtures/incident/evidence")];
    audit_with_messages(&evidence, &settings, None, wanted).expect("an audit").report
}

fn legs(report: &Report) -> impl Iterator<Item = &Leg> {
    report.calls.iter().flat_map(|call| &call.legs)
}

#[test]
fn a_leg_shows_each_message_once_with_what_it_says() {
    let report =
        incident(Some(&|leg| leg.call_id.0.starts_with(b"byoc-23-") || leg.call_id.0.starts_with(b"byoc-11-")));
    assert_eq!(legs(&report).filter(|leg| leg.ladder.is_some()).count(), 2, "only those that were asked for");
    let find = |call_id: &[u8]| legs(&report).find(|leg| leg.call_id.0.starts_with(call_id)).expect("the leg");
    let leg = find(b"byoc-23-");
    let ladder = leg.ladder.as_ref().expect("its messages");
    let shown: Vec<_> = ladder
        .messages
        .iter()
        .map(|message| {
            let (source, _) = message.hop.source.split_once(':').expect("address:port");
            (message.status, message.method, source, message.media.is_some(), message.consent, message.source.record)
        })
        .collect();
    let (carrier, platform) = ("127.0.10.1", "127.0.20.13");
    assert_eq!(
        shown,
        [
            (None, Some("INVITE"), carrier, true, Some("missing"), 3404),
            (Some(180), Some("INVITE"), platform, false, None, 3407),
            (Some(200), Some("INVITE"), platform, true, None, 3524),
            (None, Some("ACK"), carrier, false, None, 3532),
            (None, Some("BYE"), carrier, false, None, 1152),
            (Some(200), Some("BYE"), platform, false, None, 1198),
        ]
    );
    assert_eq!(ladder.left_out, 0);
    let invite = &ladder.messages[0];
    let head = String::from_utf8(invite.head.clone().expect("as captured").0).expect("text");
    assert!(head.starts_with("INVITE sip:") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(head.contains("\r\nCall-ID: byoc-23-missing-exposed-media@127.0.10.1\r\n"), "{head}");
    assert!(ladder.messages[1..].iter().all(|message| message.head.is_none()));
    let offer = &invite.media.as_ref().expect("an offer")[0];
    assert_eq!(
        (offer.media.0.as_slice(), offer.endpoint.port, offer.direction),
        (&b"audio"[..], Some(10460), "sendrecv")
    );
    let states: Vec<&str> = leg.consent.timeline.iter().map(|held| held.state).collect();
    assert_eq!(states, ["missing"]);
    // Its 200 was sent again.
    let sent_again =
        |leg: &Leg| leg.ladder.iter().flat_map(|ladder| &ladder.messages).map(|one| one.copies_count).sum::<u64>();
    assert_eq!((sent_again(leg), sent_again(find(b"byoc-11-"))), (0, 1));
}

#[test]
fn every_observation_is_one_of_the_messages_shown() {
    let report = incident(Some(&|_| true));
    for leg in legs(&report) {
        let name = String::from_utf8_lossy(&leg.call_id.0);
        let messages = &leg.ladder.as_ref().expect("its messages").messages;
        assert!(messages.is_sorted_by_key(|message| message.at), "{name}");
        assert_eq!(messages.first().map(|message| message.at), Some(leg.first), "{name}");
        let shown: Vec<_> = messages.iter().filter_map(|one| Some((one.source, one.consent?))).collect();
        let observed: Vec<_> = leg.consent.observations.iter().map(|one| (one.source, one.state)).collect();
        assert_eq!(shown, observed, "{name}");
    }
}

#[test]
fn the_json_does_not_depend_on_what_another_output_shows() {
    let written = |report: &Report| {
        let mut out = Vec::new();
        json::write(report, &Show::All.into(), &mut out).expect("memory");
        out
    };
    assert!(written(&incident(None)) == written(&incident(Some(&|_| true))), "not the same bytes");
    let settings = Settings::read(&here("fixtures/incident/sipconsent.toml")).expect("the incident's configuration");
    let plain = audit(&[here("fixtures/incident/evidence")], &settings, None).expect("an audit").report;
    assert!(legs(&plain).all(|leg| leg.ladder.is_none()));
}

#[test]
fn a_report_that_lacks_the_rows_it_does_not_list_is_written_alike() {
    let whole = incident(None);
    for show in [Show::Findings, Show::Byoc, Show::All] {
        let listing = Listing::from(show);
        let rows = |mark: &Mark<'_>| listing.picks(mark);
        let report = incident_with(Some(Wanted { rows: Some(&rows), ..Wanted::default() }));
        let is_held = |call: &&Call| call.legs.iter().any(|leg| listing.lists(leg));
        let held = whole.calls.iter().filter(is_held).map(|call| call.legs.len());
        assert!(report.calls.iter().map(|call| call.legs.len()).eq(held), "calls are held whole or not at all");
        let written = |report: &Report| {
            let mut out = Vec::new();
            json::write(report, &listing, &mut out).expect("memory");
            String::from_utf8(out).expect("UTF-8")
        };
        assert_eq!(written(&report), written(&whole));
    }
}
