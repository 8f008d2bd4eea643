//! `sipconsent schema` against the reports themselves, by a validator that knows nothing of the program.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::calls::Case;
use crate::support::here;
use crate::support::run::program;
use crate::support::truth::list;

/// Where a value does not fit a schema; empty when it does. Reads what the schema uses of JSON Schema 2020-12 and nothing
/// else: any other keyword is a failure itself, so that nothing of the schema goes unchecked.
fn misfits(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut no = |why: String| found.push(format!("{at}: {why}"));
    let Some(keywords) = schema.as_object() else {
        return if schema == &Value::Bool(false) { vec![format!("{at}: not allowed")] } else { Vec::new() };
    };
    let fits = |schema: &Value| misfits(root, schema, value, at).is_empty();
    for (keyword, wanted) in keywords {
        match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" | "default" => {}
            "$ref" => {
                let pointer = wanted.as_str().and_then(|reference| reference.strip_prefix('#')).expect("a reference");
                let target = root.pointer(pointer).unwrap_or_else(|| panic!("nothing at {pointer}"));
                misfits(root, target, value, at).into_iter().for_each(&mut no);
            }
            "type" => {
                let types: Vec<&Value> = wanted.as_array().map_or_else(|| vec![wanted], |types| types.iter().collect());
                if !types.iter().any(|kind| is_a(kind.as_str().expect("a type"), value)) {
                    no(format!("{value} is no {wanted}"));
                }
            }
            "const" if wanted != value => no(format!("{value} is not {wanted}")),
            "enum" if !list(wanted).contains(value) => no(format!("{value} is none of {wanted}")),
            "const" | "enum" => {}
            "minimum" if value.as_f64() < wanted.as_f64() => no(format!("{value} is below {wanted}")),
            "maximum" if value.as_f64() > wanted.as_f64() => no(format!("{value} is above {wanted}")),
            // The times are read as times: that says more than the pattern.
            "minimum" | "maximum" | "pattern" => {}
            "format" => match (wanted.as_str().unwrap_or_default(), value.as_str()) {
                ("date-time", Some(text)) if text.parse::<jiff::Timestamp>().is_err() => {
                    no(format!("{text} is no time"))
                }
                ("date-time" | "uint8" | "uint16" | "uint32" | "uint64" | "uint" | "double", _) => {}
                (other, _) => no(format!("this test does not know the format {other}")),
            },
            "required" => {
                for key in list(wanted).iter().filter_map(Value::as_str) {
                    if value.is_object() && value.get(key).is_none() {
                        no(format!("{key} is missing"));
                    }
                }
            }
            "properties" => {
                for (key, schema) in wanted.as_object().expect("properties") {
                    if let Some(value) = value.get(key) {
                        misfits(root, schema, value, &format!("{at}/{key}")).into_iter().for_each(&mut no);
                    }
                }
            }
            "additionalProperties" => {
                let described = schema["properties"].as_object();
                for (key, value) in value.as_object().into_iter().flatten() {
                    if !described.is_some_and(|described| described.contains_key(key)) {
                        misfits(root, wanted, value, &format!("{at}/{key}")).into_iter().for_each(&mut no);
                    }
                }
            }
            "items" => {
                for (place, value) in value.as_array().into_iter().flatten().enumerate() {
                    misfits(root, wanted, value, &format!("{at}/{place}")).into_iter().for_each(&mut no);
                }
            }
            "allOf" => list(wanted).iter().flat_map(|one| misfits(root, one, value, at)).for_each(&mut no),
            "anyOf" if !list(wanted).iter().any(fits) => no("fits nothing of anyOf".to_owned()),
            "oneOf" if list(wanted).iter().filter(|one| fits(one)).count() != 1 => {
                let why: Vec<_> = list(wanted).iter().map(|one| misfits(root, one, value, at)).collect();
                no(format!("fits not exactly one: {why:?}"));
            }
            "anyOf" | "oneOf" => {}
            "not" if fits(wanted) => no(format!("fits {wanted}")),
            "not" => {}
            other => no(format!("this test does not know the keyword {other}")),
        }
    }
    found
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "array" => value.is_array(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "object" => value.is_object(),
        "string" => value.is_string(),
        other => panic!("no type {other}"),
    }
}

/// What is wrong with a value, if anything.
fn wrong(schema: &Value, value: &Value) -> Option<String> {
    let found = misfits(schema, schema, value, "");
    (!found.is_empty()).then(|| found.join("\n").chars().take(2000).collect())
}

/// The same by Python's jsonschema, which has never seen this program. Where it is not installed only the reader above
/// judges, unless `SIPCONSENT_REQUIRE_JSONSCHEMA` is set, as CI does (Debian: python3-jsonschema).
fn second_opinion(schema: &Value, values: &[Value]) {
    const SCRIPT: &str = "import json, sys, jsonschema\n\
        schema, *values = map(json.loads, sys.stdin)\n\
        jsonschema.Draft202012Validator.check_schema(schema)\n\
        validator = jsonschema.Draft202012Validator(schema)\n\
        [validator.validate(value) for value in values]\n\
        print('valid')";
    let python = |script: &str, input: &str| {
        let mut child = Command::new("python3")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        child.stdin.take()?.write_all(input.as_bytes()).ok()?;
        child.wait_with_output().ok()
    };
    let installed =
        python("import jsonschema; jsonschema.Draft202012Validator", "").is_some_and(|run| run.status.success());
    if !installed {
        assert!(std::env::var_os("SIPCONSENT_REQUIRE_JSONSCHEMA").is_none(), "python3-jsonschema is not installed");
        return;
    }
    let lines: Vec<String> = std::iter::once(schema).chain(values).map(Value::to_string).collect();
    let run = python(SCRIPT, &lines.join("\n")).expect("python3");
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success() && run.stdout == b"valid\n", "{}", said.lines().last().unwrap_or_default());
}

fn printed() -> Value {
    let run = program(&here("."), ["schema"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    run.report()
}

/// The schema with closed objects: every key of a document must be described.
fn closed(mut schema: Value) -> Value {
    let definitions = schema["$defs"].as_object_mut().expect("definitions");
    for (name, definition) in definitions {
        if definition.get("properties").is_some() && name != "LegLine" {
            definition["additionalProperties"] = json!(false);
        }
    }
    schema
}

#[test]
fn the_reports_of_the_incident_and_of_every_case_fit_the_schema() {
    let (open, closed) = (printed(), closed(printed()));
    let mut documents = Vec::new();
    let mut checked = 0;
    let mut check = |folder: &std::path::Path, arguments: &[&str]| {
        let all = ["audit", "--hash", "blake3", "-f"];
        let report = program(folder, all.iter().chain(&["json"]).chain(arguments)).report();
        assert!(report.is_object(), "{folder:?}");
        assert_eq!(wrong(&closed, &report), None, "{folder:?}");
        let lines = program(folder, all.iter().chain(&["ndjson"]).chain(arguments)).text();
        for line in lines.lines() {
            let line: Value = serde_json::from_str(line).expect("a line of JSON");
            assert_eq!(wrong(&open, &line), None, "{folder:?}");
            documents.push(line);
        }
        documents.push(report);
        checked += 1;
    };
    check(&here("fixtures/incident"), &["-c", "sipconsent.toml", "evidence"]);
    check(&here("fixtures/incident"), &["--only", "clear,unclassified", "evidence"]);
    check(&here("fixtures/hostile"), &["."]);
    for name in ["log-damaged-lines", "request-weak", "trunk-query", "unbound-reasons", "verdict-no-media-rejected"] {
        let case = Case::open(&here("fixtures/calls").join(name)).expect(name);
        check(case.folder.path(), &["evidence"]);
    }
    assert_eq!(checked, 8);
    second_opinion(&open, &documents);
}

#[test]
fn a_report_that_says_otherwise_does_not_fit() {
    let schema = printed();
    let report =
        program(&here("fixtures/incident"), ["audit", "-f", "json", "-c", "sipconsent.toml", "evidence"]).report();
    let spoiled = |pointer: &str, value: Value| {
        let mut report = report.clone();
        *report.pointer_mut(pointer).unwrap_or_else(|| panic!("nothing at {pointer}")) = value;
        wrong(&schema, &report)
    };
    assert_eq!(wrong(&schema, &report), None);
    assert!(spoiled("/calls/0/legs/0/verdict", json!("guilty")).is_some());
    assert!(spoiled("/calls/0/legs/0/first", json!("yesterday")).is_some());
    assert!(spoiled("/evidence/0/id", json!(1)).is_some());
    assert!(spoiled("/schema", json!("sipconsent.report/2")).is_some());
    let mut without = report.clone();
    without.as_object_mut().expect("object").remove("summary");
    assert!(wrong(&schema, &without).is_some());
}
