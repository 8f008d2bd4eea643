//! Trunks of the platform's inventory: base settings, instances, and the same from Terraform.
//!
//! The models TrunkBase and Trunk of the platform's SDK; a property of the former is `properties.{name}.value.instance`.
//! Terraform's resource says the same with `trunk_meta_base_id` and `trunk_type`, its properties as an object or as
//! JSON in a text. Credentials, custom header fields and lists of addresses are never looked at.

use serde_json::Value;

use super::json::{as_truth, field, list, plain, text, truth};
use crate::evidence::Locus;
use crate::facts::{InventoryKind, TrunkSettings};

/// How the ids of the metabases of BYOC trunks begin, and what the property `trunk_type` of theirs holds.
const BYOC_METABASE: &[u8] = b"external_sip_pcv_byoc";
const BYOC_TYPE: &[u8] = b".byoc";

/// Whether an object looks like a trunk.
pub(super) fn is_one(value: &Value) -> bool {
    let told = ["trunkmetabase", "trunkmetabaseid", "trunkbase", "trunktype"];
    told.iter().any(|name| field(value, name).is_some())
}

/// Reads one; `None` where it has neither id nor name.
pub(super) fn read(value: &Value, locus: Locus) -> Option<TrunkSettings> {
    // Terraform may hold the properties as JSON in a text.
    let properties = field(value, "properties");
    let parsed = properties.and_then(Value::as_str).and_then(|text| serde_json::from_str::<Value>(text).ok());
    let properties = parsed.as_ref().or(properties);
    let property = |name: &str| {
        let value = field(field(properties?, name)?, "value")?;
        field(value, "instance")
    };
    let (id, name) = (text(value, "id"), text(value, "name"));
    if id.is_none() && name.is_none() {
        return None;
    }
    let metabase = field(value, "trunkmetabase").and_then(|base| text(base, "id").or_else(|| plain(base)));
    let metabase = metabase.or_else(|| text(value, "trunkmetabaseid"));
    let state = text(value, "state");
    let off = ["inactive", "deleted"]
        .iter()
        .any(|word| state.as_ref().is_some_and(|state| state.eq_ignore_ascii_case(word.as_bytes())));
    let disabled = truth(value, "enabled") == Some(false) || property("trunkenabled").and_then(as_truth) == Some(false);
    Some(TrunkSettings {
        locus,
        id,
        name,
        base: field(value, "trunkbase").and_then(|base| text(base, "id")),
        kind: kind(metabase.as_deref(), text(value, "trunktype").as_deref(), property("trunktype").and_then(plain)),
        active: !off && !disabled,
        recording: property("trunkrecordingenabled").and_then(as_truth),
        consent_required: property("trunkrecordingconsentrequired").and_then(as_truth),
        registered: all(list(value, "registersstatus").map(|status| truth(status, "registerstate"))),
        options_answered: all(list(value, "optionsstatus").map(|status| truth(status, "optionstate"))),
    })
}

/// Whether all are; `None` where none says or one is unreadable and no other denies.
fn all(mut states: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let first = states.next()?;
    states.fold(first, |all, state| match (all, state) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    })
}

fn kind(metabase: Option<&[u8]>, trunk_type: Option<&[u8]>, property: Option<Box<[u8]>>) -> InventoryKind {
    let begins = |text: &[u8], head: &[u8]| text.get(..head.len()).is_some_and(|own| own.eq_ignore_ascii_case(head));
    let byoc = metabase.is_some_and(|metabase| begins(metabase, BYOC_METABASE))
        || property.as_ref().is_some_and(|text| memchr::memmem::find(&text.to_ascii_lowercase(), BYOC_TYPE).is_some());
    if byoc {
        return InventoryKind::Byoc;
    }
    match trunk_type {
        Some(word) if word.eq_ignore_ascii_case(b"external") => InventoryKind::External,
        Some(word) if word.eq_ignore_ascii_case(b"phone") || word.eq_ignore_ascii_case(b"edge") => {
            InventoryKind::Internal
        }
        _ if metabase.is_some_and(|metabase| begins(metabase, b"external_")) => InventoryKind::External,
        _ if metabase.is_some_and(|metabase| begins(metabase, b"phone_") || begins(metabase, b"tie_")) => {
            InventoryKind::Internal
        }
        _ => InventoryKind::Unsaid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::SourceId;
    use serde_json::json;

    const LOCUS: Locus = Locus { source: SourceId(0), record: 1 };

    #[test]
    fn base_settings_say_kind_and_recording_and_no_secret() {
        let instance = |value: Value| json!({"value": {"default": null, "instance": value}, "type": "x"});
        let value = json!({
            "id": "5160", "name": "Carrier SG1", "state": "active", "trunkType": "EXTERNAL",
            "trunkMetabase": {"id": "external_sip_pcv_byoc_carrier.json", "name": "Generic BYOC Carrier"},
            "properties": {
                "trunk_recording_enabled": instance(json!(true)),
                "trunk_recording_consent_required": instance(json!(false)),
                "trunk_sip_authentication_credentials_password": instance(json!("hunter2")),
                "trunk_sip_authentication_credentials_username": instance(json!("someone")),
                "trunk_enabled": instance(json!(true)),
            }
        });
        assert!(is_one(&value));
        let trunk = read(&value, LOCUS).expect("a trunk");
        assert_eq!((trunk.kind, trunk.active), (InventoryKind::Byoc, true));
        assert_eq!((trunk.recording, trunk.consent_required), (Some(true), Some(false)));
        let all = format!("{trunk:?}");
        assert!(!all.contains("hunter2") && !all.contains("someone"));
    }

    #[test]
    fn an_instance_names_its_base_and_its_health() {
        let value = json!({
            "id": "i", "name": "n", "trunkBase": {"id": "b"}, "trunkType": "EXTERNAL", "enabled": true,
            "trunkMetabase": {"id": "external_sip_pcv_aws.json"},
            "registersStatus": [{"proxyAddress": "1", "registerState": true}, {"registerState": false}],
            "optionsStatus": [{"proxyAddress": "1", "optionState": true}]
        });
        let trunk = read(&value, LOCUS).expect("a trunk");
        assert_eq!((trunk.base.as_deref(), trunk.kind), (Some(b"b".as_slice()), InventoryKind::External));
        assert_eq!((trunk.registered, trunk.options_answered, trunk.recording), (Some(false), Some(true), None));
    }

    #[test]
    fn terraform_says_the_same() {
        let properties = r#"{"trunk_recording_enabled":{"value":{"instance":false}},"trunk_type":{"value":{"instance":"external.pcv.byoc.carrier"}}}"#;
        let value = json!({"name": "SG1", "trunk_type": "EXTERNAL", "state": "inactive", "properties": properties});
        let trunk = read(&value, LOCUS).expect("a trunk");
        assert_eq!((trunk.kind, trunk.recording, trunk.active), (InventoryKind::Byoc, Some(false), false));
        let phone = json!({"name": "p", "trunk_meta_base_id": "phone_connections_webrtc.json"});
        assert_eq!(read(&phone, LOCUS).expect("one").kind, InventoryKind::Internal);
        assert_eq!(read(&json!({"trunkType": "EXTERNAL"}), LOCUS), None);
    }
}
