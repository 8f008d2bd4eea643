//! Settings as the report states them: the effective configuration in full, and the options that change the result,
//! so that an audit can be run again from its report.
//!
//! Keys are the configuration's own (contract §7) and always all there, in this order, whatever was left out.

use serde::{Serialize, Serializer};

use super::{AccessLog, ConsentRule, Network, Settings, Timezone, Trunk};
use crate::evidence::{HashKind, Timestamp};

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Effective<'a> {
    trunks: &'a [Trunk],
    rules: &'a [ConsentRule],
    identity: Identity<'a>,
    access_logs: &'a [AccessLog],
    options: Options<'a>,
    config_sha256: Option<&'a str>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Identity<'a> {
    headers: &'a [String],
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Options<'a> {
    from: Option<String>,
    to: Option<String>,
    clock_skew_s: f64,
    log_timezone: &'a str,
    hash: &'static str,
}

impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            trunks,
            rules,
            identity_headers,
            access_logs,
            clock_skew_ns,
            log_timezone,
            from,
            to,
            hash,
            memory_limit: _,
            config_sha256,
        } = self;
        let hash = match hash {
            HashKind::Blake3 => "blake3",
            HashKind::None => "none",
            HashKind::Sha256 => "sha256",
        };
        let effective = Effective {
            trunks,
            rules,
            identity: Identity { headers: identity_headers },
            access_logs,
            options: Options {
                from: from.map(Timestamp::rfc3339),
                to: to.map(Timestamp::rfc3339),
                clock_skew_s: *clock_skew_ns as f64 / 1e9,
                log_timezone: log_timezone.as_ref().map_or("UTC", |zone| &zone.name),
                hash,
            },
            config_sha256: config_sha256.as_deref(),
        };
        effective.serialize(serializer)
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Settings {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Settings".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Effective::json_schema(generator)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Timezone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::TrunkKind;

    #[test]
    fn keys_stand_in_the_documented_order_and_are_always_all_there() {
        let settings = Settings {
            trunks: vec![Trunk {
                name: "SG1".to_owned(),
                kind: TrunkKind::Byoc,
                addresses: vec!["203.0.113.0/24".parse().expect("range")],
                ..Trunk::default()
            }],
            access_logs: vec![AccessLog { timezone: "+08:00".parse().ok(), ..AccessLog::default() }],
            ..Settings::default()
        };
        let expected = concat!(
            r#"{"trunks":[{"name":"SG1","kind":"byoc","id":null,"addresses":["203.0.113.0/24"],"#,
            r#""platform_addresses":[],"hosts":[],"capabilities":null}],"#,
            r#""rules":[{"name":"X-Genesys-Recording-Consent","granted":["true"],"denied":["false"],"#,
            r#""direction":"inbound","place":"header","parameter":null,"pd":null,"messages":["INVITE","UPDATE"]}],"identity":{"headers":["x-inin-cnv"]},"#,
            r#""access_logs":[{"files":null,"timezone":"+08:00","fields":{"time":[],"method":[],"target":[],"#,
            r#""status":[],"client":[],"error_code":[],"request_id":[],"call_id":[],"conversation_id":[],"#,
            r#""correlation_id":[],"user":[]},"#,
            r#""recording_paths":[]}],"#,
            r#""options":{"from":null,"to":null,"clock_skew_s":2.0,"log_timezone":"UTC","hash":"sha256"},"config_sha256":null}"#,
        );
        assert_eq!(serde_json::to_string(&settings).expect("JSON"), expected);
    }
}
