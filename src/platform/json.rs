//! Fields of a JSON object by name, whoever wrote it.

use serde_json::Value;

/// The field `name`, as [`is_called`] compares the object's names; none where it is null.
pub(super) fn field<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    value.as_object()?.iter().find(|(key, value)| !value.is_null() && is_called(key, name)).map(|(_, value)| value)
}

/// Whether an object has the field `name`, whatever it holds, be it null.
pub(super) fn mentions(value: &Value, name: &str) -> bool {
    value.as_object().is_some_and(|object| object.keys().any(|key| is_called(key, name)))
}

/// Whether a key is `name`, which is written in lower case without `_` and `-`.
fn is_called(key: &str, name: &str) -> bool {
    let mut folded = key.bytes().filter(|byte| !matches!(byte, b'_' | b'-')).map(|byte| byte.to_ascii_lowercase());
    name.bytes().all(|byte| folded.next() == Some(byte)) && folded.next().is_none()
}

/// The text or number at the field; blank text is none.
pub(super) fn text(value: &Value, name: &str) -> Option<Box<[u8]>> {
    plain(field(value, name)?)
}

/// A text or number as text; blank text is none.
pub(super) fn plain(value: &Value) -> Option<Box<[u8]>> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then(|| text.into_bytes().into())
}

/// The truth at the field, also written as a text.
pub(super) fn truth(value: &Value, name: &str) -> Option<bool> {
    as_truth(field(value, name)?)
}

/// A truth, also written as a text.
pub(super) fn as_truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// The elements of the list at the field.
pub(super) fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    field(value, name).and_then(Value::as_array).into_iter().flatten()
}

/// Sorts values and keeps each once: however many an entry repeats, it costs no more.
pub(super) fn distinct<T: Ord>(values: &mut Vec<T>) {
    values.sort_unstable();
    values.dedup();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_without_case_and_underscores() {
        for written in ["protocolCallId", "protocol_call_id", "ProtocolCallID", "protocol-call-id"] {
            let value = serde_json::json!({ written: " a " });
            assert_eq!(text(&value, "protocolcallid").as_deref(), Some(b"a".as_slice()), "{written}");
        }
        let value = serde_json::json!({"protocolCallIds": "a", "protocolCall": "b", "x": 7, "y": "", "z": null});
        assert_eq!(text(&value, "protocolcallid"), None);
        assert_eq!(text(&value, "x").as_deref(), Some(b"7".as_slice()));
        assert_eq!((text(&value, "y"), field(&value, "z")), (None, None));
        assert!(mentions(&value, "z") && mentions(&value, "protocolcall") && !mentions(&value, "protocol"));
    }
}
