//! Trunk base settings in Terraform's language, as CX as Code exports them.
//!
//! Reads `resource "…_trunkbasesettings" "…" { … }` blocks of HCL's native syntax into the values that the JSON of the same
//! resource has, so that one reader serves both: attributes with literal values, objects, lists, and `jsonencode(…)`
//! around either.
//!
//! # Incomplete support
//!
//! References, templates (`${…}`), conditionals and operators have no value here: an attribute written so is absent.

use serde_json::{Map, Value};

/// The resource's type.
const TRUNK: &str = "genesyscloud_telephony_providers_edges_trunkbasesettings";

/// Blocks and values that may lie in one another.
const DEPTH: usize = 64;

/// Whether a text holds such a resource.
pub(super) fn holds_trunks(text: &[u8]) -> bool {
    memchr::memmem::find_iter(text, TRUNK.as_bytes()).any(|at| {
        let before = text.get(..at).unwrap_or_default();
        before.strip_suffix(b"\"").is_some_and(|before| before.trim_ascii_end().ends_with(b"resource"))
    })
}

/// The trunk base settings of a text in the language itself, in order.
pub(super) fn read(text: &[u8]) -> Vec<Value> {
    let mut tokens = Tokens { text, at: 0 };
    let mut found = Vec::new();
    while let Some(token) = tokens.next() {
        if token != Token::Word(b"resource") {
            continue;
        }
        let labels = (tokens.next(), tokens.next());
        let (Some(Token::Text(kind)), Some(Token::Text(_))) = labels else { continue };
        if tokens.next() == Some(Token::Mark(b'{')) {
            let body = body(&mut tokens, 0);
            if kind == TRUNK {
                found.push(Value::Object(body));
            }
        }
    }
    found
}

/// The trunk base settings of an entry of Terraform's JSON that stands at `path`: of a configuration
/// (`resource.{type}.{label}`), or a resource of a state. `None` where it is of another type.
pub(super) fn json<'v>(value: &'v Value, path: &[u8]) -> Option<Vec<&'v Value>> {
    if let Some(instances) = value.get("instances").and_then(Value::as_array) {
        let is_trunk = value.get("type").and_then(Value::as_str) == Some(TRUNK);
        return is_trunk.then(|| instances.iter().filter_map(|instance| instance.get("attributes")).collect());
    }
    let is_trunk = path.split(|byte| *byte == b'.').any(|key| key == TRUNK.as_bytes());
    is_trunk.then(|| several(value).iter().collect())
}

fn several(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

/// One token of the language.
#[derive(Debug, PartialEq)]
enum Token<'t> {
    Word(&'t [u8]),
    Number(&'t [u8]),
    /// A quoted text without templates.
    Text(String),
    /// A text with a template, or a here document: no value.
    Template,
    Mark(u8),
    /// The end of a line.
    End,
}

#[derive(Clone)]
struct Tokens<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Tokens<'t> {
    fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take_while(&mut self, fits: impl Fn(&u8) -> bool) -> &'t [u8] {
        let rest = self.rest();
        let len = rest.iter().take_while(|byte| fits(byte)).count();
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    fn skip_line(&mut self) {
        self.take_while(|byte| *byte != b'\n');
    }

    fn quoted(&mut self) -> Token<'t> {
        let (mut text, mut template) = (Vec::new(), false);
        loop {
            let plain = self.take_while(|byte| !matches!(byte, b'"' | b'\\' | b'$' | b'%' | b'\n'));
            text.extend_from_slice(plain);
            match self.rest() {
                [b'"', ..] => {
                    self.at += 1;
                    break;
                }
                [b'\\', letter, ..] => {
                    self.at += 2;
                    text.push(match letter {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        other => *other,
                    });
                }
                [b'$' | b'%', b'{', ..] => {
                    template = true;
                    self.at += 2;
                }
                [byte @ (b'$' | b'%'), ..] => {
                    text.push(*byte);
                    self.at += 1;
                }
                // A text ends in its line.
                _ => {
                    template = true;
                    break;
                }
            }
        }
        match String::from_utf8(text) {
            Ok(text) if !template => Token::Text(text),
            _ => Token::Template,
        }
    }

    fn here_document(&mut self) -> Token<'t> {
        self.take_while(|byte| matches!(byte, b'<' | b'-'));
        let mark = self.take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        self.skip_line();
        while self.at < self.text.len() {
            self.at += 1;
            let line = self.take_while(|byte| *byte != b'\n');
            if line.trim_ascii() == mark {
                break;
            }
        }
        Token::Template
    }
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        loop {
            self.take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
            match self.rest() {
                [] => return None,
                [b'#', ..] | [b'/', b'/', ..] => self.skip_line(),
                [b'/', b'*', rest @ ..] => {
                    self.at += memchr::memmem::find(rest, b"*/").map_or(rest.len() + 2, |end| end + 4);
                }
                [b'<', b'<', ..] => return Some(self.here_document()),
                [b'"', ..] => {
                    self.at += 1;
                    return Some(self.quoted());
                }
                [b'\n', ..] => {
                    self.at += 1;
                    return Some(Token::End);
                }
                [byte, ..] if byte.is_ascii_digit() => {
                    return Some(Token::Number(self.take_while(|byte| byte.is_ascii_digit() || *byte == b'.')));
                }
                [byte, ..] if byte.is_ascii_alphabetic() || *byte == b'_' => {
                    let word = self.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
                    return Some(Token::Word(word));
                }
                [byte, ..] => {
                    self.at += 1;
                    return Some(Token::Mark(*byte));
                }
            }
        }
    }
}

/// The attributes of a block whose brace was taken, up to its end. Blocks within are read and left out.
fn body(tokens: &mut Tokens<'_>, depth: usize) -> Map<String, Value> {
    let mut attributes = Map::new();
    let mut name = None;
    while let Some(token) = tokens.next() {
        match token {
            Token::Mark(b'}') => break,
            Token::Mark(b'{') if depth < DEPTH => {
                body(tokens, depth + 1);
                name = None;
            }
            Token::Word(word) if name.is_none() => name = std::str::from_utf8(word).ok().map(str::to_owned),
            Token::Mark(b'=') => {
                let value = expression(tokens, depth);
                if let (Some(name), Some(value)) = (name.take(), value) {
                    attributes.insert(name, value);
                }
            }
            Token::End => name = None,
            _ => {}
        }
    }
    attributes
}

/// A value that is written out; the tokens of anything else are passed over up to its end.
fn expression(tokens: &mut Tokens<'_>, depth: usize) -> Option<Value> {
    let value = literal(tokens, depth);
    // What follows a value makes it an operand of something that has no value here.
    let mut whole = true;
    loop {
        let before = tokens.clone();
        match tokens.next() {
            None | Some(Token::End) => break,
            Some(Token::Mark(b',' | b'}' | b']' | b')')) => {
                *tokens = before;
                break;
            }
            Some(Token::Mark(open @ (b'(' | b'[' | b'{'))) => {
                whole = false;
                skip(tokens, open);
            }
            Some(_) => whole = false,
        }
    }
    value.filter(|_| whole)
}

/// Passes over what a bracket encloses.
fn skip(tokens: &mut Tokens<'_>, _open: u8) {
    let mut depth = 1_usize;
    while depth > 0 {
        match tokens.next() {
            None => return,
            Some(Token::Mark(b'(' | b'[' | b'{')) => depth += 1,
            Some(Token::Mark(b')' | b']' | b'}')) => depth -= 1,
            Some(_) => {}
        }
    }
}

fn literal(tokens: &mut Tokens<'_>, depth: usize) -> Option<Value> {
    if depth > DEPTH {
        return None;
    }
    let before = tokens.clone();
    match tokens.next()? {
        Token::Text(text) => Some(Value::String(text)),
        Token::Number(number) => serde_json::from_slice(number).ok(),
        Token::Word(b"true") => Some(Value::Bool(true)),
        Token::Word(b"false") => Some(Value::Bool(false)),
        Token::Word(b"jsonencode") if tokens.next() == Some(Token::Mark(b'(')) => {
            blank(tokens);
            let value = literal(tokens, depth + 1);
            blank(tokens);
            let before = tokens.clone();
            if tokens.next() == Some(Token::Mark(b')')) {
                return value;
            }
            *tokens = before;
            skip(tokens, b'(');
            None
        }
        Token::Mark(b'{') => Some(object(tokens, depth + 1)),
        Token::Mark(b'[') => {
            let mut values = Vec::new();
            loop {
                blank(tokens);
                let before = tokens.clone();
                match tokens.next() {
                    None | Some(Token::Mark(b']')) => break,
                    Some(Token::Mark(b',')) => {}
                    Some(Token::Mark(b')' | b'}')) => {
                        *tokens = before;
                        break;
                    }
                    Some(_) => {
                        *tokens = before;
                        values.extend(expression(tokens, depth + 1));
                    }
                }
            }
            Some(Value::Array(values))
        }
        // The end of the expression, or of what encloses it.
        Token::End | Token::Mark(b'}' | b']' | b')' | b',') => {
            *tokens = before;
            None
        }
        _ => None,
    }
}

/// An object whose brace was taken: keys with `=` or `:` and a value, comments and commas between.
fn object(tokens: &mut Tokens<'_>, depth: usize) -> Value {
    let mut fields = Map::new();
    let mut key = None;
    loop {
        let before = tokens.clone();
        match tokens.next() {
            None | Some(Token::Mark(b'}')) => break,
            Some(Token::Mark(b')' | b']')) => {
                *tokens = before;
                break;
            }
            Some(Token::Text(text)) => key = Some(text),
            Some(Token::Word(word)) => key = Some(String::from_utf8_lossy(word).into_owned()),
            Some(Token::Mark(b'=' | b':')) => {
                let value = expression(tokens, depth);
                if let (Some(key), Some(value)) = (key.take(), value) {
                    fields.insert(key, value);
                }
            }
            Some(_) => {}
        }
    }
    Value::Object(fields)
}

fn blank(tokens: &mut Tokens<'_>) {
    loop {
        let before = tokens.clone();
        if tokens.next() != Some(Token::End) {
            *tokens = before;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const EXPORT: &str = r#"
# exported
resource "genesyscloud_location" "home" {
  name = "trunk_recording_enabled"
  address {
    city = "X"
  }
}
resource "genesyscloud_telephony_providers_edges_trunkbasesettings" "Carrier_SG1" {
  name               = "Carrier \"SG1\""
  trunk_meta_base_id = "external_sip_pcv_byoc_carrier.json"
  inbound_site_id    = genesyscloud_telephony_providers_edges_site.site.id
  description        = "${var.x} trunk"
  notes              = <<-EOT
    }
    name = "wrong"
  EOT
  managed            = false
  count              = 1 + 1
  properties         = jsonencode({
		"trunk_recording_enabled": {
				"value": {
						"instance": true
				}
		},
    // HCL's own way of writing it
    "trunk_recording_consent_required" = { value = { instance = false } }
    /* "trunk_label" = 1 */
    "trunk_access_acl_allowList" = { "value" = { "instance" = ["a", "b",] } }
    "trunk_sip_authentication_credentials_password" = { "value" = { "instance" = var.password } }
	})
  trunk_type = "EXTERNAL"
}
"#;

    #[test]
    fn the_language_says_what_its_json_says() {
        assert!(holds_trunks(EXPORT.as_bytes()));
        let expected = json!({
            "name": "Carrier \"SG1\"", "trunk_meta_base_id": "external_sip_pcv_byoc_carrier.json", "managed": false,
            "properties": {
                "trunk_recording_enabled": {"value": {"instance": true}},
                "trunk_recording_consent_required": {"value": {"instance": false}},
                "trunk_access_acl_allowList": {"value": {"instance": ["a", "b"]}},
                "trunk_sip_authentication_credentials_password": {"value": {}},
            },
            "trunk_type": "EXTERNAL",
        });
        assert_eq!(read(EXPORT.as_bytes()), [expected]);
    }

    #[test]
    fn json_configurations_and_states_hold_them_too() {
        let trunk = json!({"name": "x", "trunk_type": "EXTERNAL"});
        let path = format!("resource.{TRUNK}.label");
        assert_eq!(super::json(&trunk, path.as_bytes()), Some(vec![&trunk]));
        assert_eq!(super::json(&json!([trunk]), path.as_bytes()), Some(vec![&trunk]));
        assert_eq!(super::json(&trunk, b"resource.genesyscloud_flow.label"), None);
        let state = json!({"mode": "managed", "type": TRUNK, "instances": [{"attributes": trunk}]});
        assert_eq!(super::json(&state, b"resources"), Some(vec![&trunk]));
        assert_eq!(super::json(&json!({"type": "genesyscloud_user", "instances": []}), b"resources"), None);
    }

    #[test]
    fn every_prefix_ends() {
        for end in 0..EXPORT.len() {
            assert!(read(EXPORT.as_bytes().get(..end).expect("a prefix")).len() <= 1);
        }
        let deep = format!("resource \"{TRUNK}\" \"x\" {{ a = {} }}", "[{a=".repeat(100_000));
        assert!(read(deep.as_bytes()).len() <= 1);
        assert!(read(format!("resource \"{TRUNK}\" \"x\" {{ {}", "{".repeat(100_000)).as_bytes()).len() <= 1);
    }
}
