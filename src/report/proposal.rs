//! A configuration proposed from a report: the trunks that its INVITEs show, with what was seen written beside them.
//!
//! INVITEs are grouped by the host that their Request-URI names, else by the address they went to. A group becomes a
//! trunk when its kind is known: its host is one that the built-in trunk matches. Of every other group the evidence does
//! not say whether it is BYOC or the control, so it stands there as a comment to be completed: a wrong guess would turn
//! findings into controls. The text is always a valid configuration. Called by `cli`; reads only the model.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::escape;
use super::model::{Evidence, Leg, Message, Report};
use super::words;
use crate::settings::{builtin, pattern};
use crate::sip::uri;

/// Addresses and hosts of one group that are written out; more are counted.
const MOST: usize = 32;

/// What INVITEs to one host show.
#[derive(Default)]
struct Group {
    invites: u64,
    sources: BTreeMap<String, u64>,
    destinations: BTreeMap<String, u64>,
}

/// The configuration as text, commented.
#[must_use]
pub fn propose(report: &Report) -> String {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut fields: BTreeMap<(String, String), u64> = BTreeMap::new();
    for leg in report.calls.iter().flat_map(|call| &call.legs) {
        for message in initial(leg) {
            let (source, destination) = (address(&message.hop.source), address(&message.hop.destination));
            let host = message.request_uri.as_ref().and_then(|uri| uri::host(&uri.0));
            let host = host.map_or_else(|| destination.clone(), |host| escape::bytes(host).to_ascii_lowercase());
            let group = groups.entry(host).or_default();
            group.invites += 1;
            *group.sources.entry(source).or_default() += 1;
            *group.destinations.entry(destination).or_default() += 1;
            for field in message.head.iter().flat_map(|head| candidates(&head.0)) {
                *fields.entry(field).or_default() += 1;
            }
        }
    }
    let mut text = opening(report);
    let (known, open): (Vec<_>, Vec<_>) = groups.iter().partition(|(host, _)| is_builtin(host));
    for (host, group) in &known {
        trunk(&mut text, host, group, true);
    }
    if known.is_empty() {
        text.push_str(
            "# No INVITE of the evidence went to one of Genesys Cloud's own BYOC host names. Without [[trunk]] a built-in\n\
             # trunk matches those names, and every leg stays unclassified.\n\n",
        );
    }
    if !open.is_empty() {
        text.push_str(
            "# What follows was seen too. The evidence does not say which of it is BYOC (the trunk in question) and which\n\
             # is a standard trunk (the control group): decide, take off the \"# \", and set the kind. A host may be the\n\
             # other direction of a trunk above: then add its addresses there instead.\n\n",
        );
    }
    for (host, group) in open {
        trunk(&mut text, host, group, false);
    }
    consent(&mut text, &fields);
    logs(&mut text, &report.evidence);
    text
}

/// The INVITEs that set a leg up, one for each hop.
fn initial(leg: &Leg) -> Vec<&Message> {
    let mut hops = BTreeSet::new();
    let messages = leg.ladder.iter().flat_map(|ladder| &ladder.messages);
    let invites = messages.filter(|message| message.method == Some("INVITE") && message.status.is_none());
    let first = leg.consent.observations.first().and_then(|observation| observation.cseq);
    invites.filter(|message| message.cseq == first && hops.insert(&message.hop)).collect()
}

/// The address of `address:port`, an IPv6 address without its brackets.
fn address(endpoint: &str) -> String {
    let address = endpoint.rsplit_once(':').map_or(endpoint, |(address, _)| address);
    address.trim_start_matches('[').trim_end_matches(']').to_owned()
}

/// A name with a dot at its end is the same name (RFC 1034 §3.1).
fn is_builtin(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    builtin::trunk().hosts.iter().any(|pattern| pattern::fits_host(pattern.as_bytes(), name.as_bytes()))
}

fn opening(report: &Report) -> String {
    let summary = &report.summary;
    let mut text = format!(
        "# sipconsent: a configuration proposed from {} in {}. Check every line.\n#\n\
         # Trunks are tried in this order; the first that fits a leg counts. \"addresses\" is the carrier's side (SBC,\n\
         # softswitch), \"platform_addresses\" the platform's, \"hosts\" the platform's host names (* stands for any run of\n\
         # characters). Addresses may be ranges, such as \"203.0.113.0/24\".\n\n",
        words::counted(summary.legs, "leg"),
        words::counted(report.evidence.len() as u64, "source"),
    );
    if summary.legs == 0 {
        text.push_str("# No INVITE was found in the evidence, so no trunk can be proposed.\n\n");
    }
    text
}

fn trunk(text: &mut String, host: &str, group: &Group, known: bool) {
    let comment = if known { "" } else { "# " };
    // Writing into a String cannot fail.
    let _ = writeln!(text, "# {} INVITE{} to {host}", group.invites, if group.invites == 1 { "" } else { "s" });
    for (word, addresses) in [("from", &group.sources), ("to", &group.destinations)] {
        let seen: Vec<String> =
            addresses.iter().take(MOST).map(|(address, count)| format!("{address} ({count})")).collect();
        let _ = writeln!(text, "#   {word} {}{}", seen.join(", "), more(addresses.len()));
    }
    let _ = writeln!(text, "{comment}[[trunk]]");
    let _ = writeln!(text, "{comment}name = {}", quoted(host));
    if known {
        text.push_str(
            "kind = \"byoc\"           # the host is one of Genesys Cloud's own for BYOC; change it if that is wrong\n",
        );
    } else {
        text.push_str("# kind = \"\"             # \"byoc\" or \"standard\": nothing in the evidence says which\n");
    }
    text.push_str("# id = \"\"               # the trunk's UUID, as API queries name it\n");
    let hosts: Vec<&str> = is_host(host).then_some(host).into_iter().collect();
    let _ = writeln!(text, "{comment}hosts = {}", array(&hosts));
    let shown = |addresses: &BTreeMap<String, u64>| array(&addresses.keys().take(MOST).collect::<Vec<_>>());
    let _ = writeln!(text, "{comment}addresses = {}", shown(&group.sources));
    let _ = writeln!(text, "{comment}platform_addresses = {}", shown(&group.destinations));
    text.push_str("# capabilities = []      # as the admin page shows them; leave out when unknown\n\n");
}

fn more(count: usize) -> String {
    match count.saturating_sub(MOST) {
        0 => String::new(),
        left => format!(" and {left} more"),
    }
}

/// Whether a host can stand in `hosts`: a name, not an address, and no pattern.
fn is_host(host: &str) -> bool {
    let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !host.is_empty() && host.bytes().all(name) && host.parse::<std::net::IpAddr>().is_err()
}

fn consent(text: &mut String, fields: &BTreeMap<(String, String), u64>) {
    text.push_str("# The consent signal. Without [[consent.header]] the built-in rule holds, which the vendor does not document:\n");
    let rule = builtin::rule();
    let _ = writeln!(text, "# [[consent.header]]\n# name = {}", quoted(&rule.name));
    text.push_str(
        "# granted = [\"true\"]\n# denied = [\"false\"]\n# direction = \"inbound\"   # or \"outbound\", \"any\"\n",
    );
    if !fields.is_empty() {
        text.push_str("#\n# Fields of the INVITEs that speak of consent or recording:\n");
    }
    for ((name, value), count) in fields.iter().take(MOST) {
        let _ = writeln!(text, "#   {name}: {value} ({count})");
    }
    text.push_str("\n# Header fields whose value names the conversation, beside the built-in x-inin-cnv:\n# [identity]\n# headers = []\n\n");
}

/// Fields of a header section that may be a consent signal, with their values, as inert text.
fn candidates(head: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(head);
    let rows = text.lines().skip(1).filter_map(|row| row.split_once(':'));
    let telling = rows.filter(|(name, _)| {
        let name = name.trim().to_ascii_lowercase();
        name != "record-route" && ["consent", "record"].iter().any(|word| name.contains(word))
    });
    let shown = |text: &str| escape::text(text.trim()).chars().take(120).collect::<String>();
    telling.map(|(name, value)| (shown(name), shown(value))).collect()
}

fn logs(text: &mut String, evidence: &[Evidence]) {
    let logs: Vec<&Evidence> = evidence.iter().filter(|source| source.kind == "access_log").collect();
    if logs.is_empty() {
        text.push_str("# No access log was found in the evidence.\n");
        return;
    }
    text.push_str(
        "# The access logs. Zone of times that carry none, more names of fields, more paths of recordings:\n",
    );
    for log in logs {
        let zone = match &log.timezone {
            Some(zone) if zone.from == "assumed" => "its times carry no zone: UTC was assumed",
            _ => "its times carry their zone",
        };
        let _ = writeln!(
            text,
            "# [[access_log]]\n# files = {}\n# timezone = \"UTC\"       # {zone}\n\
             # fields = {{ call_id = [] }}\n# recording_paths = []",
            quoted(&log.path)
        );
    }
}

fn array(items: &[impl AsRef<str>]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item.as_ref())).collect();
    format!("[{}]", items.join(", "))
}

/// A basic string of TOML; what would act on a terminal is escaped as TOML writes it.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if character.is_control() || escape::acts(character) => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(character));
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::{EvidenceText, Hop, Ladder};
    use crate::report::sample;
    use crate::settings::{Settings, TrunkKind};

    /// A report of legs, each an INVITE from an address to an address for a Request-URI.
    fn report(invites: &[(&str, &str, &str)]) -> Report {
        let mut report = sample::incident();
        let leg = report.calls[0].legs[0].clone();
        let legs = invites.iter().map(|(source, destination, uri)| {
            let mut leg = leg.clone();
            let hop = Hop { source: (*source).to_owned(), destination: (*destination).to_owned() };
            let message = Message {
                at: leg.first,
                hop,
                transport: "udp",
                method: Some("INVITE"),
                status: None,
                request_uri: Some(sample::text(uri)),
                cseq: Some(1),
                consent: None,
                media: None,
                header_whole: true,
                body_whole: true,
                rows: Vec::new(),
                head: Some(EvidenceText(
                    b"INVITE x SIP/2.0\r\nRecord-Route: <sip:x>\r\nX-Consent: yes\x1b\r\n\r\n".to_vec(),
                )),
                source: sample::packet(1),
                copies: Vec::new(),
                copies_count: 0,
            };
            leg.ladder = Some(Ladder { messages: vec![message], left_out: 0 });
            leg
        });
        report.calls[0].legs = legs.collect();
        report.calls.truncate(1);
        report
    }

    fn settings(text: &str) -> Settings {
        Settings::from_toml(text, None).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn a_trunk_whose_host_is_the_platforms_own_is_proposed() {
        let text = propose(&report(&[
            ("203.0.113.5:5060", "192.0.2.1:5060", "sip:+1800@acme.byoc.mypurecloud.com"),
            ("203.0.113.6:5060", "192.0.2.1:5060", "sip:+1801@ACME.byoc.mypurecloud.com:5060"),
        ]));
        let settings = settings(&text);
        assert_eq!(settings.trunks.len(), 1);
        let trunk = &settings.trunks[0];
        assert_eq!((trunk.name.as_str(), trunk.kind), ("acme.byoc.mypurecloud.com", TrunkKind::Byoc));
        assert_eq!(trunk.hosts, ["acme.byoc.mypurecloud.com"]);
        assert_eq!(trunk.addresses.len(), 2);
        assert_eq!(trunk.platform_addresses.len(), 1);
        assert!(text.contains("# 2 INVITEs to acme.byoc.mypurecloud.com\n#   from 203.0.113.5 (1), 203.0.113.6 (1)\n"));
        assert!(text.contains("change it if that is wrong"));
    }

    #[test]
    fn a_kind_that_nothing_shows_is_left_to_the_reader() {
        let text = propose(&report(&[("[2001:db8::1]:5060", "[2001:db8::2]:5060", "sip:1@pbx.example")]));
        let built_in = Settings::default().trunks;
        assert_eq!(settings(&text).trunks, built_in, "nothing is decided");
        assert!(text.contains("# kind = \"\" "), "{text}");
        // Completed as the comments say, it is a configuration.
        let completed: String = text
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest) if rest.starts_with("kind") => "kind = \"standard\"\n".to_owned(),
                Some(rest)
                    if ["[[trunk", "name = \"pbx", "hosts", "addresses", "platform_a"]
                        .iter()
                        .any(|key| rest.starts_with(key)) =>
                {
                    format!("{rest}\n")
                }
                _ => format!("{line}\n"),
            })
            .collect();
        let trunk = &settings(&completed).trunks[0];
        assert_eq!((trunk.name.as_str(), trunk.kind), ("pbx.example", TrunkKind::Standard));
        assert!(trunk.addresses[0].contains("2001:db8::1".parse().expect("address")));
    }

    #[test]
    fn hostile_hosts_end_no_comment_and_no_string() {
        for host in
            ["a\n[[trunk]]\nx", "a\"]\nname", "*.byoc.mypurecloud.com", "\u{202e}.byoc.mypurecloud.com", "#", ""]
        {
            let uri = format!("sip:1@{host}");
            let text = propose(&report(&[("192.0.2.7:1", "192.0.2.8:1", &uri)]));
            settings(&text);
            assert!(
                !text.chars().any(|character| character != '\n' && (character.is_control() || escape::acts(character)))
            );
        }
    }

    #[test]
    fn fields_that_may_be_the_consent_signal_are_shown() {
        let text = propose(&report(&[("192.0.2.7:1", "192.0.2.8:1", "sip:1@x.example")]));
        assert!(text.contains("#   X-Consent: yes\\x1b (1)\n") && !text.contains("Record-Route"), "{text}");
    }

    #[test]
    fn evidence_without_calls_gives_a_configuration_too() {
        let mut report = report(&[]);
        report.summary = Default::default();
        report.evidence.clear();
        let text = propose(&report);
        settings(&text);
        assert!(text.contains("no trunk can be proposed") && text.contains("No access log was found"));
    }
}
