//! Settings as a report recorded them, back into [`Settings`]: an audit can be run again from its report.
//!
//! Takes what [`effective`](super::effective) writes. A key that this version does not know is a mistake: it may have
//! changed the result.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{
    AccessLog, ConsentRule, LogFields, Network, RuleDirection, RuleMessage, RulePlace, Settings, Timezone, Trunk,
    TrunkKind,
};
use crate::evidence::{HashKind, Timestamp};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    trunks: Vec<RecordedTrunk>,
    rules: Vec<RecordedRule>,
    identity: Identity,
    access_logs: Vec<RecordedLog>,
    options: Options,
    config_sha256: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedTrunk {
    name: String,
    kind: String,
    id: Option<String>,
    addresses: Vec<Parsed<Network>>,
    platform_addresses: Vec<Parsed<Network>>,
    hosts: Vec<String>,
    capabilities: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedRule {
    name: String,
    granted: Vec<String>,
    denied: Vec<String>,
    direction: String,
    place: String,
    parameter: Option<String>,
    pd: Option<String>,
    messages: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    headers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedLog {
    files: Option<String>,
    timezone: Option<Parsed<Timezone>>,
    fields: RecordedFields,
    recording_paths: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedFields {
    time: Vec<String>,
    method: Vec<String>,
    target: Vec<String>,
    status: Vec<String>,
    client: Vec<String>,
    error_code: Vec<String>,
    request_id: Vec<String>,
    call_id: Vec<String>,
    conversation_id: Vec<String>,
    correlation_id: Vec<String>,
    user: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    from: Option<Parsed<Timestamp>>,
    to: Option<Parsed<Timestamp>>,
    clock_skew_s: f64,
    log_timezone: Parsed<Timezone>,
    hash: String,
}

/// A value written as its text.
struct Parsed<T>(T);

impl<'de, T: std::str::FromStr<Err = String>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

impl Settings {
    /// The settings of a report's `settings`.
    ///
    /// # Errors
    ///
    /// What in it this version cannot take, in words.
    pub fn recorded(settings: &serde_json::Value) -> Result<Self, String> {
        let recorded = Recorded::deserialize(settings).map_err(|error| error.to_string())?;
        let Recorded { trunks, rules, identity, access_logs, options, config_sha256 } = recorded;
        let hash = match options.hash.as_str() {
            "blake3" => HashKind::Blake3,
            "none" => HashKind::None,
            "sha256" => HashKind::Sha256,
            other => return Err(format!("no digest has the name {other}")),
        };
        let skew = (options.clock_skew_s * 1e9).round();
        if !(0.0..=1e14).contains(&skew) {
            return Err(format!("{} s is no clock skew", options.clock_skew_s));
        }
        Ok(Self {
            trunks: trunks.into_iter().map(trunk).collect::<Result<_, _>>()?,
            rules: rules.into_iter().map(rule).collect::<Result<_, _>>()?,
            identity_headers: identity.headers,
            access_logs: access_logs.into_iter().map(log).collect(),
            clock_skew_ns: skew as i64,
            // UTC is what is assumed where nobody said otherwise.
            log_timezone: Some(options.log_timezone.0).filter(|zone| *zone != Timezone::utc()),
            from: options.from.map(|time| time.0),
            to: options.to.map(|time| time.0),
            hash,
            memory_limit: None,
            config_sha256,
        })
    }
}

fn trunk(trunk: RecordedTrunk) -> Result<Trunk, String> {
    let RecordedTrunk { name, kind, id, addresses, platform_addresses, hosts, capabilities } = trunk;
    let kinds = [TrunkKind::Byoc, TrunkKind::Standard];
    let kind =
        kinds.into_iter().find(|known| known.name() == kind).ok_or_else(|| format!("no trunk is of kind {kind}"))?;
    let networks = |networks: Vec<Parsed<Network>>| networks.into_iter().map(|network| network.0).collect();
    let (addresses, platform_addresses) = (networks(addresses), networks(platform_addresses));
    Ok(Trunk { name, kind, id, addresses, platform_addresses, hosts, capabilities })
}

fn rule(rule: RecordedRule) -> Result<ConsentRule, String> {
    let RecordedRule { name, granted, denied, direction, place, parameter, pd, messages } = rule;
    let known = [RuleDirection::Any, RuleDirection::Inbound, RuleDirection::Outbound];
    let found = known.into_iter().find(|known| known.name() == direction);
    let direction = found.ok_or_else(|| format!("no rule has the direction {direction}"))?;
    let found = RulePlace::ALL.into_iter().find(|known| known.name() == place);
    let place = found.ok_or_else(|| format!("no rule reads a {place}"))?;
    let octet = |pd: String| u8::from_str_radix(&pd, 16).ok().ok_or_else(|| format!("{pd} is no octet"));
    let message = |name: String| {
        let found = RuleMessage::ALL.into_iter().find(|known| known.name() == name);
        found.ok_or_else(|| format!("no rule reads the message {name}"))
    };
    let messages = messages.into_iter().map(message).collect::<Result<_, _>>()?;
    let discriminator = pd.map(octet).transpose()?;
    Ok(ConsentRule { name, granted, denied, direction, place, parameter, discriminator, messages })
}

fn log(log: RecordedLog) -> AccessLog {
    let RecordedLog { files, timezone, fields, recording_paths } = log;
    let RecordedFields {
        time,
        method,
        target,
        status,
        client,
        error_code,
        request_id,
        call_id,
        conversation_id,
        correlation_id,
        user,
    } = fields;
    let fields = LogFields {
        time,
        method,
        target,
        status,
        client,
        error_code,
        request_id,
        call_id,
        conversation_id,
        correlation_id,
        user,
    };
    AccessLog { files, timezone: timezone.map(|zone| zone.0), fields, recording_paths }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_as_they_were_written() {
        let text = "[[trunk]]\nname = \"SG1\"\nkind = \"byoc\"\nid = \"x\"\naddresses = [\"203.0.113.0/24\", \"2001:db8::1\"]\n\
                    hosts = [\"*.a.example\"]\ncapabilities = [\"analytics:byoc\"]\n[[trunk]]\nname = \"B\"\nkind = \"standard\"\n\
                    hosts = [\"b\"]\n[[consent.header]]\nname = \"X\"\ngranted = [\"y\"]\ndenied = [\"n\"]\ndirection = \"any\"\n\
                    parameter = \"r\"\nmessages = [\"2xx\", \"INFO\"]\n[[consent.user_to_user]]\ngranted = [\"y\"]\npd = \"04\"\n\
                    [[consent.uri_parameter]]\nname = \"c\"\ngranted = [\"y\"]\n[[consent.sdp_attribute]]\nname = \"c\"\n\
                    granted = [\"y\"]\n[identity]\nheaders = [\"X-Id\"]\n[[access_log]]\nfiles = \"*a*\"\ntimezone = \"Asia/Singapore\"\n\
                    fields = { call_id = [\"c\"] }\nrecording_paths = [\"/r/*\"]\n";
        let mut settings = Settings::from_toml(text, None).expect("configuration");
        settings.clock_skew_ns = 1_500_000_000;
        settings.from = "2026-01-02T03:04:05.250Z".parse().ok();
        settings.log_timezone = "+08:00".parse().ok();
        settings.hash = HashKind::Blake3;
        for settings in [settings, Settings::default()] {
            let written = serde_json::to_value(&settings).expect("JSON");
            assert_eq!(Settings::recorded(&written), Ok(settings));
        }
    }

    #[test]
    fn what_this_version_does_not_know_is_a_mistake() {
        let written = serde_json::to_value(Settings::default()).expect("JSON");
        for (pointer, value) in [
            ("/options/hash", "md5".into()),
            ("/options/log_timezone", "Mars".into()),
            ("/options/clock_skew_s", serde_json::json!(-1)),
            ("/trunks/0/kind", "unknown".into()),
            ("/rules/0/direction", "up".into()),
            ("/rules/0/place", "body".into()),
            ("/rules/0/pd", "xyz".into()),
            ("/rules/0/messages", serde_json::json!(["BYE"])),
            ("/trunks", serde_json::json!([{"name": "x"}])),
        ] {
            let mut spoiled = written.clone();
            *spoiled.pointer_mut(pointer).expect(pointer) = value;
            assert!(Settings::recorded(&spoiled).is_err(), "{pointer}");
        }
        let mut more = written;
        more["new"] = 1.into();
        assert!(Settings::recorded(&more).expect_err("refused").contains("new"));
    }
}
