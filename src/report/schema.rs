//! The JSON Schema (2020-12) of the report: what `sipconsent schema` prints.
//!
//! Covers the document of `--format json` and both kinds of line of `--format ndjson`. Generated from the types of
//! [`model`](super::model), whose documentation comments are its descriptions, by a test of this module: building the
//! program needs no generator, and the test fails when the file and the types differ. Fields may be added within one
//! version of the schema, so objects are open.

/// The schema as JSON text.
pub const SCHEMA: &str = include_str!("schema.json");

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use schemars::generate::SchemaSettings;
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use serde_json::{Value, json};

    use super::SCHEMA;
    use crate::report::model::{
        BoundRequest, EvidenceId, EvidenceText, Instant, Link, PlainRequest, Pointer, Report, Request, Seconds,
        UnboundRefusal, Verdicts,
    };
    use crate::report::show::Listed;
    use crate::sentence::Sentence;
    use crate::settings::{Network, Timezone};

    macro_rules! schema_of {
        ($($name:ident: $schema:tt;)+) => {
            $(impl JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!($schema)
                }
            })+
        };
    }

    schema_of! {
        EvidenceId: {
            "type": "string", "pattern": "^E[1-9][0-9]*$",
            "description": "A source by its rank in the evidence list."
        };
        EvidenceText: {
            "type": "string",
            "description": "Text of the evidence. Bytes that are not UTF-8 are \\xNN, the backslash doubled in such a text only."
        };
        Instant: {
            "type": "string", "format": "date-time", "pattern": "^-?[0-9]{4,}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?Z$",
            "description": "An instant, RFC 3339 in UTC with the source's precision."
        };
        Seconds: {"type": "number", "description": "Seconds, rounded to three decimals."};
        Network: {"type": "string", "description": "An address, or a range with its prefix length."};
    }

    impl JsonSchema for Sentence {
        fn inline_schema() -> bool {
            true
        }

        fn schema_name() -> Cow<'static, str> {
            String::schema_name()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            String::json_schema(generator)
        }
    }

    impl JsonSchema for Timezone {
        fn schema_name() -> Cow<'static, str> {
            "Zone".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({"type": "string", "description": "A zone's name, or its distance from UTC."})
        }
    }

    /// A request with what a certain place of the report adds to it.
    fn request(generator: &mut SchemaGenerator, description: &str, more: &[(&str, Schema)]) -> Schema {
        let mut schema = Request::json_schema(generator);
        let object = schema.ensure_object();
        object.insert("description".to_owned(), description.into());
        for (name, field) in more {
            object["properties"][name] = field.clone().to_value();
            object["required"].as_array_mut().expect("required").push((*name).into());
        }
        schema
    }

    impl JsonSchema for BoundRequest {
        fn schema_name() -> Cow<'static, str> {
            "BoundRequest".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let fields = [
                ("link", generator.subschema_for::<Link>()),
                ("lag_s", generator.subschema_for::<Seconds>()),
                ("source", generator.subschema_for::<Pointer>()),
            ];
            request(generator, "A request bound to a leg.", &fields)
        }
    }

    impl JsonSchema for PlainRequest {
        fn schema_name() -> Cow<'static, str> {
            "TrunkRefusal".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let fields = [("source", generator.subschema_for::<Pointer>())];
            request(generator, "A refused query by trunk.", &fields)
        }
    }

    impl JsonSchema for UnboundRefusal {
        fn schema_name() -> Cow<'static, str> {
            "UnboundRefusal".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let fields = [
                ("source", generator.subschema_for::<Pointer>()),
                ("reason", json_schema!({"type": "string", "description": "Why it is unbound."})),
            ];
            request(generator, "A refusal that nothing explains.", &fields)
        }
    }

    /// The document of `--format json`.
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is asked for")]
    struct Document {
        #[serde(flatten)]
        report: Report,
        /// What a report lists that --only or --trunk narrowed; absent without them.
        #[serde(skip_serializing_if = "Option::is_none")]
        listing: Option<Listed>,
    }

    /// The words that fields of the types hold, beside what their Rust types say.
    fn words(definitions: &mut Value) {
        let states = ["granted", "denied", "missing", "invalid", "unknown"];
        let verdicts = Verdicts::default().named().map(|(name, _)| name);
        let kinds = ["byoc", "standard", "unknown"];
        for (definition, field, words) in [
            ("Leg", "verdict", &verdicts[..]),
            ("Leg", "direction", &["inbound", "outbound", "unknown"]),
            ("Consent", "state", &["granted", "denied", "missing", "invalid", "unknown", "partial"]),
            ("Observation", "state", &states),
            ("StateFrom", "state", &states),
            ("Stream", "measured_by", &["rtp", "signalling"]),
            ("TrunkRef", "kind", &kinds),
            ("Trunk", "kind", &kinds),
            ("Link", "strength", &["exact", "bridged", "weak"]),
            ("CallLink", "strength", &["exact", "bridged", "weak"]),
            ("Evidence", "kind", &["capture", "access_log", "genesys_export", "unrecognised"]),
            ("Timezone", "from", &["written", "configured", "assumed"]),
            ("Hypothesis", "status", &["supported", "contradicted", "inconclusive", "untested"]),
            ("Remedy", "basis", &["verified", "claimed"]),
            (
                "UnboundRefusal",
                "reason",
                &[
                    "no_identifier",
                    "no_such_call",
                    "before_call",
                    "ambiguous",
                    "unknown_trunk",
                    "identifier_too_common",
                    "signalling_not_captured",
                    "no_time",
                ],
            ),
        ] {
            let field = &mut definitions[definition]["properties"][field];
            assert!(field.is_object(), "{definition} has no such field");
            field["enum"] = json!(words);
        }
    }

    /// The schema of the types as they are now.
    fn generated() -> String {
        let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
        let mut document = generator.root_schema_for::<Document>().to_value();
        let object = document.as_object_mut().expect("object");
        let mut definitions = object.remove("$defs").expect("definitions");
        object.remove("$schema");
        document["properties"]["schema"] = json!({"const": crate::report::model::SCHEMA});
        words(&mut definitions);
        let mut rest = document.clone();
        document["not"] = json!({"required": ["type"]});
        rest["title"] = json!("ReportLine");
        rest["description"] = json!("The last line of --format ndjson: the report without its calls.");
        rest["properties"].as_object_mut().expect("properties").remove("calls");
        rest["properties"]["type"] = json!({"const": "report"});
        let required = rest["required"].as_array_mut().expect("required");
        required.retain(|field| field != "calls");
        required.push(json!("type"));
        definitions["LegLine"] = json!({
            "title": "LegLine",
            "description": "A line of --format ndjson: a leg, and what its call knows.",
            "type": "object",
            "allOf": [{"$ref": "#/$defs/Leg"}],
            "properties": {
                "type": {"const": "leg"},
                "call": {"type": "integer", "minimum": 1, "description": "The call's number in the report's order."},
                "conversation_ids": {"type": "array", "items": {"$ref": "#/$defs/EvidenceText"}},
                "escaped": {"type": "boolean", "description": "Also present and true when one of `conversation_ids` is escaped."},
                "export": {
                    "$ref": "#/$defs/CallExport",
                    "description": "What the platform's exports state of its call; absent where they do not describe it."
                },
                "links": {
                    "type": "array", "items": {"$ref": "#/$defs/CallLink"},
                    "description": "What ties the leg to others and to its conversation; absent where nothing does."
                },
            },
            "required": ["type", "call", "conversation_ids"],
        });
        definitions["ReportLine"] = rest;
        definitions["Document"] = document;
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": "urn:sipconsent:report:1",
            "title": "A report of sipconsent",
            "description": "The document of --format json, or one line of --format ndjson.",
            "oneOf": [
                {"$ref": "#/$defs/Document"},
                {"$ref": "#/$defs/LegLine"},
                {"$ref": "#/$defs/ReportLine"},
            ],
            "$defs": definitions,
        });
        format!("{}\n", serde_json::to_string_pretty(&schema).expect("JSON"))
    }

    #[test]
    fn the_schema_is_that_of_the_types() {
        let generated = generated();
        if std::env::var_os("SIPCONSENT_WRITE_SCHEMA").is_some() {
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/report/schema.json"), &generated)
                .expect("written");
        }
        assert!(
            generated == SCHEMA || std::env::var_os("SIPCONSENT_WRITE_SCHEMA").is_some(),
            "the types say otherwise than src/report/schema.json; look at what changed, then run this test with \
             SIPCONSENT_WRITE_SCHEMA=1"
        );
    }
}
