//! Limits of media, dialogs and packets: each is met without an accusation, named in the leg's grounds and counted as an anomaly.

use std::sync::Arc;

use serde_json::Value;
use sipconsent::pipeline::audit;
use sipconsent::settings::Settings;
use tempfile::TempDir;

use crate::calls::CONFIG;
use crate::support::run::{self, Run};
use crate::support::scene::Scene;
use crate::support::truth::list;
use crate::support::{here, laws, packet};

/// Audits a scene; with consent that is withdrawn when the media has ended whoever measures it by the signalling accuses.
fn run(scene: &str) -> Run {
    let folder = TempDir::new().expect("a folder");
    let evidence = folder.path().join("evidence");
    std::fs::create_dir(&evidence).expect("a folder");
    let head = "purpose = \"\"\nclause = \"\"\n";
    Scene::parse(&format!("{head}{scene}")).expect("a scene").evidence().write_to(&evidence);
    let config = here(CONFIG).to_string_lossy().into_owned();
    let run = run::audit(folder.path(), &["--config", &config, "--hash", "none", "evidence"]);
    let broken = laws::broken(&run.report(), run.code);
    assert!(broken.is_empty(), "{broken:?}");
    run
}

/// The verdict of each leg, and how often an anomaly was met.
fn told(run: &Run, code: &str) -> (Vec<String>, u64) {
    let report = run.report();
    let legs = list(&report["calls"]).iter().flat_map(|call| list(&call["legs"]));
    let verdicts = legs.map(|leg| leg["verdict"].as_str().expect("a verdict").to_owned()).collect();
    let anomalies = list(&report["evidence"]).iter().flat_map(|source| list(&source["anomalies"]));
    let met = anomalies.filter(|anomaly| anomaly["code"] == code).filter_map(|anomaly| anomaly["count"].as_u64());
    (verdicts, met.sum())
}

/// The grounds of the only leg.
fn grounds(run: &Run) -> Vec<String> {
    let report = run.report();
    let word = |ground: &Value| ground["reason"].as_str().expect("a reason").to_owned();
    list(&report["calls"][0]["legs"][0]["grounds"]).iter().map(word).collect()
}

/// A granted call of `seconds` on some ports with what happens in it.
fn call(ports: u16, seconds: u32, reinvites: &[String]) -> String {
    format!(
        "{{ call_id = \"{ports}@x\", from = \"carrier\", to = \"platform\", consent = \"true\", ports = [{ports}, {}], \
         bye = {seconds}, without = [\"rtp\"], reinvites = [\n{}\n] }}",
        ports + 10_000,
        reinvites.join(",\n"),
    )
}

/// A re-INVITE that closes the stream, and an UPDATE that withdraws consent then.
fn closed_and_withdrawn(at: u32) -> [String; 2] {
    [
        format!("{{ at = {at}, sdp = [\"audio carrier:0 PCMU\"], answer_sdp = [\"audio platform:0 PCMU\"] }}"),
        format!("{{ at = {}, method = \"UPDATE\", consent = \"false\" }}", at + 1),
    ]
}

fn hundredths(number: u32) -> String {
    format!("{}.{:02}", 2 + number / 10, number % 10 * 10)
}

#[test]
fn requests_that_describe_no_media_use_no_limit_up() {
    let updates = (0..1_100).map(|number| format!("{{ at = {}, method = \"UPDATE\" }}", hundredths(number)));
    let reinvites: Vec<String> = updates.chain(closed_and_withdrawn(120)).collect();
    let run = run(&format!("calls = [{}]", call(4000, 200, &reinvites)));
    assert_eq!((told(&run, "limit_media"), run.code), ((vec!["clear".to_owned()], 0), Some(0)));
}

#[test]
fn more_offers_than_are_followed_accuse_nobody_and_are_named() {
    for (offers, expected) in [(1_000, ("clear", 0, 0)), (1_100, ("indeterminate", 1, 3))] {
        let offers = (0..offers).map(|number| format!("{{ at = {} }}", hundredths(number)));
        let reinvites: Vec<String> = offers.chain(closed_and_withdrawn(120)).collect();
        let run = run(&format!("calls = [{}]", call(4000, 200, &reinvites)));
        let (verdict, met, code) = expected;
        assert_eq!((told(&run, "limit_media"), run.code), ((vec![verdict.to_owned()], met), Some(code)));
        assert_eq!(grounds(&run).contains(&"limit_media".to_owned()), met > 0);
    }
}

#[test]
fn media_behind_more_offers_than_are_followed_is_not_seen_to_be_none() {
    let rejected = "sdp = [\"audio carrier:4000 PCMU\"], answer_sdp = [\"audio platform:0 PCMU\"]";
    let offers = (0..1_100).map(|number| format!("{{ at = {}, {rejected} }}", hundredths(number)));
    let reinvites: Vec<String> = offers.collect();
    let call = call(4000, 200, &reinvites).replacen("bye", &format!("{rejected}, bye"), 1);
    let run = run(&format!("calls = [{call}]"));
    assert_eq!((told(&run, "limit_media"), run.code), ((vec!["indeterminate".to_owned()], 1), Some(3)));
}

#[test]
fn answers_are_found_before_their_requests_however_many_there_are() {
    // By the clock of a second tap every answer to a re-INVITE comes before it; the last one rejects the stream.
    let message = |at: String, down: bool, send: &str, more: String| {
        let (from, to) = if down { ("carrier", "platform") } else { ("platform", "carrier") };
        format!("{{ at = {at}, from = \"{from}\", to = \"{to}\", send = \"{send}\", call_id = \"a@x\", {more} }}")
    };
    let offer = "sdp = [\"audio carrier:4000 PCMU\"]";
    let mut messages = vec![
        message("0".into(), true, "INVITE", format!("consent = \"true\", {offer}")),
        message(
            "1".into(),
            false,
            "200",
            "to_tag = \"t\", cseq = \"1 INVITE\", sdp = [\"audio platform:6000 PCMU\"]".into(),
        ),
        message("1.1".into(), true, "ACK", "to_tag = \"t\", cseq = \"1 ACK\"".into()),
    ];
    for number in 2..=80 {
        let port = if number == 80 { 0 } else { 6000 };
        let answer = format!("to_tag = \"t\", cseq = \"{number} INVITE\", sdp = [\"audio platform:{port} PCMU\"]");
        messages.push(message(format!("{number}.1"), false, "200", answer));
        messages.push(message(
            format!("{number}.2"),
            true,
            "INVITE",
            format!("to_tag = \"t\", cseq = \"{number} INVITE\", {offer}"),
        ));
    }
    messages.push(message(
        "90".into(),
        true,
        "UPDATE",
        "to_tag = \"t\", cseq = \"81 UPDATE\", consent = \"false\"".into(),
    ));
    messages.push(message("99".into(), true, "BYE", "to_tag = \"t\", cseq = \"82 BYE\"".into()));
    let run = run(&format!("messages = [{}]", messages.join(",\n")));
    assert_eq!((told(&run, "limit_media"), run.code), ((vec!["clear".to_owned()], 0), Some(0)));
}

#[test]
fn more_forks_than_are_told_apart_accuse_nobody_and_are_named() {
    for (forks, expected) in [(15, ("clear", 0)), (16, ("indeterminate", 1)), (40, ("indeterminate", 1))] {
        let early = |number: u32| {
            format!(
                "{{ at = 0.{:02}, from = \"platform\", to = \"carrier\", send = \"183\", call_id = \"4000@x\", to_tag = \"e{number}\", \
                 cseq = \"1 INVITE\", sdp = [\"audio platform:{} PCMU\"] }}",
                20 + number,
                7000 + 2 * number
            )
        };
        let early: Vec<String> = (0..forks).map(early).collect();
        let call = call(4000, 20, &[]).replacen("[\"rtp\"]", "[\"rtp\", \"provisional\"]", 1);
        let call = call.replacen("bye", "to_tag = \"confirmed\", bye", 1);
        let rtp = "rtp = [{ from = \"pstn:9\", to = \"platform:14000\", at = 1.5, seconds = 8 }]";
        let run = run(&format!("calls = [{call}]\nmessages = [{}]\n{rtp}", early.join(",\n")));
        let (verdict, met) = expected;
        assert_eq!(told(&run, "limit_media"), (vec![verdict.to_owned()], met), "{forks} forks");
        // The dialog that was confirmed has its packets all the same.
        let report = run.report();
        assert_eq!(report["calls"][0]["legs"][0]["streams"][0]["rtp"][0]["packets"], 81, "{forks} forks");
    }
}

#[test]
fn more_streams_on_one_port_than_are_told_apart_accuse_nobody_and_are_named() {
    for legs in [16, 17] {
        let withdrawn = ["{ at = 9, method = \"UPDATE\", consent = \"false\" }".to_owned()];
        let own = |leg: u32| call(4000, 40, &withdrawn).replacen("4000@x", &format!("{leg}@x"), 1);
        let calls: Vec<String> = (0..legs).map(own).collect();
        let rtp = "rtp = [{ from = \"carrier:4000\", to = \"platform:14000\", at = 1.5, seconds = 6 }]";
        let run = run(&format!("calls = [{}]\n{rtp}", calls.join(",\n")));
        let (verdict, met) = if legs == 16 { ("clear", 0) } else { ("indeterminate", 17) };
        assert_eq!(told(&run, "limit_media"), (vec![verdict.to_owned(); legs as usize], met));
    }
}

#[test]
fn more_flows_of_one_leg_than_are_kept_accuse_nobody_and_are_named() {
    for (flows, expected) in [(512, ("clear", 0)), (513, ("indeterminate", 1))] {
        let two = "sdp = [\"audio carrier:4000 PCMU\", \"video carrier:4002 H264\"], \
                   answer_sdp = [\"audio platform:14000 PCMU\", \"video platform:14002 H264\"]";
        let withdrawn = ["{ at = 29, method = \"UPDATE\", consent = \"false\" }".to_owned()];
        let call = call(4000, 40, &withdrawn).replacen("bye", &format!("{two}, bye"), 1);
        let flow = |number: u32| {
            format!(
                "{{ from = \"carrier:{}\", to = \"platform:{}\", at = 2.{:03}, seconds = 0.1, ssrc = {number} }}",
                4000 + number % 2 * 2,
                14_000 + number % 2 * 2,
                number / 2
            )
        };
        let rtp: Vec<String> = (0..2 * flows).map(flow).collect();
        let run = run(&format!("calls = [{call}]\nrtp = [{}]", rtp.join(",\n")));
        let (verdict, met) = expected;
        assert_eq!(told(&run, "limit_media"), (vec![verdict.to_owned()], met), "{flows} flows of each stream");
    }
}

/// A chain of calls, each sharing one identifier with the next, and what the API answered for the conversation of one.
fn chain(calls: u32, log: &str) -> String {
    let own = |number: u32| {
        format!(
            "{{ call_id = \"{number}@x\", from = \"carrier\", to = \"platform\", at = {number}, without = [\"rtp\", \"provisional\"], headers = [\
             \"Session-ID: {:032x};remote={:032x}\", \"x-inin-cnv: c{number}\"] }}",
            number + 1,
            number + 2
        )
    };
    let calls: Vec<String> = (0..calls).map(own).collect();
    format!("calls = [{}]\nlog = [{log}]", calls.join(",\n"))
}

#[test]
fn a_chain_of_more_legs_than_a_call_has_joins_nothing_and_is_named() {
    let refused = "{ at = 900, target = \"/api/v2/conversations/c5/recordings\", status = 403 }";
    for (legs, informed, met) in [(256, 256, 0), (257, 1, 1)] {
        let run = run(&chain(legs, refused));
        let report = run.report();
        let all = list(&report["calls"]).iter().flat_map(|call| list(&call["legs"]));
        let asked: Vec<&str> =
            all.filter(|leg| !list(&leg["requests"]).is_empty()).filter_map(|leg| leg["call_id"].as_str()).collect();
        assert_eq!((asked.len(), asked.contains(&"5@x")), (informed, true));
        assert_eq!(told(&run, "limit_call").1, met);
        let notices = list(&report["notices"]).iter().filter(|notice| notice["code"] == "limit_call").count();
        assert_eq!((list(&report["calls"]).len() == 1, notices as u64), (met == 0, met));
    }
}

#[test]
fn a_leg_of_a_chain_is_not_exposed_by_what_may_be_another_legs() {
    let served = "{ at = 900, target = \"/api/v2/conversations/c5/recordings/r1\", status = 200 }";
    let (verdicts, met) = told(&run(&chain(257, served)), "limit_call");
    assert!(verdicts.iter().all(|verdict| verdict == "unconsented") && met == 1, "{verdicts:?}");
}

#[test]
fn a_request_that_informs_several_legs_has_one_row() {
    let folder = TempDir::new().expect("a folder");
    let refused = "{ at = 900, target = \"/api/v2/conversations/c1/recordings\", status = 403 }";
    let scene = format!("purpose = \"\"\nclause = \"\"\n{}", chain(3, refused));
    Scene::parse(&scene).expect("a scene").evidence().write_to(folder.path());
    let settings = Settings::read(&here(CONFIG)).expect("a configuration");
    let report = audit(&[folder.path().to_owned()], &settings, Some(2)).expect("an audit").report;
    let rows: Vec<_> = report.calls[0].legs.iter().map(|leg| &leg.requests[0].request).collect();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| Arc::ptr_eq(row, rows[0])), "legs times requests may be more than have room");
}

/// A call without the signal and an UPDATE that grants before its media begins, of which the packets that `is_deep` says
/// stand within nine IP headers.
fn within_nine_headers(is_deep: fn(&[u8]) -> bool) -> Run {
    let update = "{ at = 0.5, method = \"UPDATE\", consent = \"true\" }".to_owned();
    let call = call(4000, 20, &[update]).replace("consent = \"true\", ports", "ports").replace("[\"rtp\"]", "[]");
    let scene = Scene::parse(&format!("purpose = \"\"\nclause = \"\"\ncalls = [{call}]")).expect("a scene");
    let mut file = packet::pcap(&[]);
    for packet in scene.packets() {
        let mut frame = packet::frame(&packet);
        for _ in 0..if is_deep(&packet.payload) { 9 } else { 0 } {
            let total = u16::try_from(frame.len() - 14 + 20).expect("a packet fits").to_be_bytes();
            let header = [0x45, 0, total[0], total[1], 0, 1, 0, 0, 64, 4, 0, 0, 198, 51, 100, 1, 198, 51, 100, 2];
            frame.splice(14..14, header);
        }
        let length = u32::try_from(frame.len()).expect("a frame is short");
        let time = [packet.at_us / 1_000_000, packet.at_us % 1_000_000].map(|part| u32::try_from(part).expect("small"));
        file.extend([time[0], time[1], length, length].iter().flat_map(|word| word.to_le_bytes()));
        file.extend(frame);
    }
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("capture.pcap"), file).expect("evidence");
    let config = here(CONFIG).to_string_lossy().into_owned();
    let run = run::audit(folder.path(), &["--config", &config, "--hash", "none", "capture.pcap"]);
    assert_eq!(laws::broken(&run.report(), run.code), Vec::<String>::new());
    run
}

#[test]
fn packets_that_a_limit_leaves_out_leave_the_legs_of_their_time_unknown() {
    let seconds = |run: &Run| {
        let stream = &run.report()["calls"][0]["legs"][0]["streams"][0];
        ["consented_s", "unconsented_s", "unknown_s"].map(|kind| stream[kind].as_f64().expect("seconds"))
    };
    assert_eq!(seconds(&within_nine_headers(|_| false)), [9.0, 0.0, 0.0]);
    let run = within_nine_headers(|payload| payload.starts_with(b"UPDATE"));
    assert_eq!((seconds(&run), told(&run, "limit_tunnels").1, run.code), ([0.0, 0.0, 9.0], 1, Some(3)));
    assert!(grounds(&run).contains(&"limit_signalling".to_owned()));
    // Their RTP may be the leg's.
    let run = within_nine_headers(|payload| payload.first() == Some(&0x80));
    assert_eq!((told(&run, "limit_media").0, run.code), (vec!["indeterminate".to_owned()], Some(3)));
}
