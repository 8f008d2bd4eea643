//! The TOML configuration (contract §7) into [`Settings`]: every mistake is one line that names the place and what
//! would be valid there.
//!
//! The `toml` crate reads the text (TOML 1.1) and keeps where each key and value stands; what the keys mean is decided
//! here, in the order of the text, and the first mistake ends it. Called by `cli`; knows no evidence.
//!
//! Keeps: a configuration is either taken whole and validated, or refused; no key of it is passed over.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;

use sha2::Digest as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{
    AccessLog, ConsentRule, LogFields, Network, RuleDirection, RuleMessage, RulePlace, Settings, Timezone, Trunk,
    TrunkKind, builtin,
};
use crate::error::Error;

/// Bytes that a configuration file may have.
const LONGEST: u64 = 16 << 20;

impl Settings {
    /// Reads a configuration file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is not UTF-8, or is no valid configuration.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes));
        read.map_err(|cause| Error::ReadConfig { path: path.to_owned(), cause })?;
        if bytes.len() as u64 > LONGEST {
            let message = format!("more than {LONGEST} bytes; that is no configuration");
            return Err(Error::Config { path: Some(path.to_owned()), line: None, message });
        }
        match std::str::from_utf8(&bytes) {
            Ok(text) => Self::from_toml(text, Some(path)),
            Err(wrong) => {
                let before = bytes.iter().take(wrong.valid_up_to()).filter(|byte| **byte == b'\n').count();
                let message = "not UTF-8; a configuration is TOML, which is UTF-8 text".to_owned();
                Err(Error::Config { path: Some(path.to_owned()), line: Some(before + 1), message })
            }
        }
    }

    /// The settings that the text of a configuration file says: what it leaves out is as in [`Settings::default`].
    /// `path` is named in errors.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with the line of the first mistake.
    pub fn from_toml(text: &str, path: Option<&Path>) -> Result<Self, Error> {
        let settings = DeTable::parse(text)
            .map_err(|error| Mistake { at: error.span().map(|span| span.start), message: syntax(&error) })
            .and_then(|document| root(&Section::new("the configuration", &document)));
        match settings {
            Ok(mut settings) => {
                let digest = sha2::Sha256::digest(text.as_bytes());
                settings.config_sha256 = Some(digest.iter().map(|byte| format!("{byte:02x}")).collect());
                Ok(settings)
            }
            Err(Mistake { at, message }) => {
                let line = at.map(|at| {
                    let before = text.bytes().take(at).filter(|byte| *byte == b'\n').count();
                    before + 1
                });
                Err(Error::Config { path: path.map(Path::to_owned), line, message })
            }
        }
    }
}

/// What is wrong, and the byte it begins at.
struct Mistake {
    at: Option<usize>,
    message: String,
}

type Checked<T> = Result<T, Mistake>;

fn mistake<T>(span: &Range<usize>, message: impl Into<String>) -> Checked<T> {
    Err(Mistake { at: Some(span.start), message: message.into() })
}

fn syntax(error: &toml::de::Error) -> String {
    let lines: Vec<_> = error.message().lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    format!("not TOML: {}", lines.join("; "))
}

/// One table of the configuration.
struct Section<'a> {
    /// How messages name it, such as `[[trunk]]`.
    title: &'static str,
    /// Its first line.
    span: Range<usize>,
    /// Its entries, in the order of the text.
    entries: Vec<Entry<'a>>,
}

/// One key with its value.
struct Entry<'a> {
    key: &'a str,
    at: Range<usize>,
    value: &'a Spanned<DeValue<'a>>,
}

/// A value with its place.
struct Placed<T> {
    value: T,
    span: Range<usize>,
}

impl<'a> Section<'a> {
    fn new(title: &'static str, table: &'a Spanned<DeTable<'a>>) -> Self {
        Self::of(title, table.span(), table.get_ref())
    }

    fn of(title: &'static str, span: Range<usize>, table: &'a DeTable<'a>) -> Self {
        let mut entries: Vec<_> =
            table.iter().map(|(key, value)| Entry { key: key.get_ref(), at: key.span(), value }).collect();
        entries.sort_by_key(|entry| entry.at.start);
        Self { title, span, entries }
    }

    fn unknown<T>(&self, entry: &Entry<'_>, valid: &[&str]) -> Checked<T> {
        let Self { title, .. } = self;
        mistake(&entry.at, format!("unknown key `{}` in {title}; valid keys: {}", entry.key, valid.join(", ")))
    }

    /// The value of a key that must be there.
    fn required<T>(&self, value: Option<T>, key: &str, valid: &str) -> Checked<T> {
        match value {
            Some(value) => Ok(value),
            None => mistake(&self.span, format!("{} has no `{key}`; write {valid}", self.title)),
        }
    }
}

impl<'a> Entry<'a> {
    fn wrong<T>(&self, value: &Spanned<DeValue<'_>>, valid: &str) -> Checked<T> {
        let found = match value.get_ref() {
            DeValue::Array(_) => "a list",
            DeValue::Boolean(_) => "true or false without quotes",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Float(_) | DeValue::Integer(_) => "a number",
            DeValue::String(_) => "a text",
            DeValue::Table(_) => "a table",
        };
        mistake(&value.span(), format!("`{}` is {found}; write {valid}", self.key))
    }

    /// A text that is not blank.
    fn text(&self) -> Checked<Placed<&'a str>> {
        self.text_of(self.value, &format!("{} = \"…\"", self.key))
    }

    fn text_of(&self, value: &'a Spanned<DeValue<'a>>, valid: &str) -> Checked<Placed<&'a str>> {
        match value.get_ref() {
            DeValue::String(text) if text.trim().is_empty() => {
                mistake(&value.span(), format!("`{}` holds an empty text; write {valid}", self.key))
            }
            DeValue::String(text) => Ok(Placed { value: text, span: value.span() }),
            _ => self.wrong(value, valid),
        }
    }

    /// A list of texts that are not blank.
    fn texts(&self) -> Checked<Vec<Placed<&'a str>>> {
        let valid = format!("{} = [\"…\", …]", self.key);
        match self.value.get_ref() {
            DeValue::Array(values) => values.iter().map(|value| self.text_of(value, &valid)).collect(),
            _ => self.wrong(self.value, &valid),
        }
    }

    fn owned_texts(&self) -> Checked<Vec<String>> {
        Ok(self.texts()?.into_iter().map(|text| text.value.to_owned()).collect())
    }

    /// Host names, with `*` for any run of characters, and addresses.
    fn hosts(&self) -> Checked<Vec<String>> {
        let inner =
            |host: &str| host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host).to_owned();
        let is_host = |host: &str| {
            let named = |byte: u8| !byte.is_ascii() || byte.is_ascii_alphanumeric() || b"-._*".contains(&byte);
            host.bytes().all(named) || inner(host).parse::<std::net::Ipv6Addr>().is_ok()
        };
        self.texts()?
            .into_iter()
            .map(|text| match is_host(text.value) {
                true => Ok(text.value.to_owned()),
                false => mistake(
                    &text.span,
                    format!(
                        "`{}`: `{}` is no host name; write the host alone, without scheme, user, port and parameters, such \
                         as *.byoc.example.com",
                        self.key, text.value
                    ),
                ),
            })
            .collect()
    }

    /// Paths of requests, with `*` for any run of characters.
    fn paths(&self) -> Checked<Vec<String>> {
        self.texts()?
            .into_iter()
            .map(|text| match text.value.starts_with(['/', '*']) {
                true => Ok(text.value.to_owned()),
                false => mistake(
                    &text.span,
                    format!(
                        "`{}`: `{}` fits no path; write the whole path from its first /, or * for what stands before, such as \
                         /internal/rec/*",
                        self.key, text.value
                    ),
                ),
            })
            .collect()
    }

    fn networks(&self) -> Checked<Vec<Network>> {
        let parse = |text: Placed<&str>| {
            text.value.parse().or_else(|message| mistake(&text.span, format!("`{}`: {message}", self.key)))
        };
        self.texts()?.into_iter().map(parse).collect()
    }

    /// The name of a header field: a token (RFC 3261 §25.1).
    fn header(&self, text: &Placed<&str>) -> Checked<String> {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
        if text.value.bytes().all(token) {
            return Ok(text.value.to_owned());
        }
        mistake(
            &text.span,
            format!("`{}` is `{}`, no name of a header field; write it without colon and blanks", self.key, text.value),
        )
    }

    /// The name of a parameter or an attribute.
    fn word(&self, text: &Placed<&str>) -> Checked<String> {
        let separates = |byte: u8| !byte.is_ascii_graphic() || b";,=:\"<>@?".contains(&byte);
        if !text.value.bytes().any(separates) {
            return Ok(text.value.to_owned());
        }
        let valid = "write it without blanks and without any of ; , = : \" < > @ ?";
        mistake(&text.span, format!("`{}` is `{}`; {valid}", self.key, text.value))
    }

    /// The messages that a rule reads, each once and in a fixed order.
    fn messages(&self, place: RulePlace) -> Checked<Vec<RuleMessage>> {
        // INFO describes no session.
        let valid = |message: &RuleMessage| place != RulePlace::SdpAttribute || *message != RuleMessage::Info;
        let known: Vec<_> = RuleMessage::ALL.into_iter().filter(valid).collect();
        let names = || known.iter().map(|message| format!("\"{}\"", message.name())).collect::<Vec<_>>().join(", ");
        let mut messages = Vec::new();
        for text in self.texts()? {
            let Some(message) = known.iter().find(|message| message.name() == text.value) else {
                return mistake(&text.span, format!("`{}` is `{}`; write some of {}", self.key, text.value, names()));
            };
            messages.push(*message);
        }
        if messages.is_empty() {
            return mistake(&self.value.span(), format!("`{}` is empty; write some of {}", self.key, names()));
        }
        messages.sort_unstable();
        messages.dedup();
        Ok(messages)
    }

    fn timezone(&self) -> Checked<Timezone> {
        let text = self.text()?;
        text.value.parse().or_else(|message| mistake(&text.span, format!("`{}`: {message}", self.key)))
    }

    fn table(&self, title: &'static str) -> Checked<Section<'a>> {
        match self.value.get_ref() {
            DeValue::Table(table) => Ok(Section::of(title, self.value.span(), table)),
            _ => self.wrong(self.value, &format!("a table: {title}")),
        }
    }

    /// The tables written `[[…]]`.
    fn tables(&self, title: &'static str) -> Checked<Vec<Section<'a>>> {
        let valid = format!("{title} above each of them");
        let DeValue::Array(values) = self.value.get_ref() else { return self.wrong(self.value, &valid) };
        let section = |value: &'a Spanned<DeValue<'a>>| match value.get_ref() {
            DeValue::Table(table) => Ok(Section::of(title, value.span(), table)),
            _ => self.wrong(value, &valid),
        };
        values.iter().map(section).collect()
    }
}

fn root(section: &Section<'_>) -> Checked<Settings> {
    let mut settings = Settings::default();
    for entry in &section.entries {
        match entry.key {
            "access_log" => {
                settings.access_logs =
                    entry.tables("[[access_log]]")?.iter().map(access_log).collect::<Checked<_>>()?;
            }
            "consent" => settings.rules = consent(&entry.table("[consent]")?)?,
            "identity" => identity(&entry.table("[identity]")?, &mut settings.identity_headers)?,
            "trunk" => settings.trunks = trunks(&entry.tables("[[trunk]]")?)?,
            _ => return section.unknown(entry, &["trunk", "consent", "identity", "access_log"]),
        }
    }
    Ok(settings)
}

fn trunks(sections: &[Section<'_>]) -> Checked<Vec<Trunk>> {
    let (mut names, mut ids) = (BTreeSet::new(), BTreeSet::new());
    let mut trunks = Vec::new();
    for section in sections {
        let trunk = trunk(section)?;
        let again = |key: &str, value: &str| {
            let entry = section.entries.iter().find(|entry| entry.key == key);
            let at = entry.map_or_else(|| section.span.clone(), |entry| entry.value.span());
            mistake(&at, format!("`{key}` `{value}` is another [[trunk]]'s too; give each its own"))
        };
        if !names.insert(trunk.name.clone()) {
            return again("name", &trunk.name);
        }
        if let Some(id) = &trunk.id
            && !ids.insert(id.to_ascii_lowercase())
        {
            return again("id", id);
        }
        trunks.push(trunk);
    }
    Ok(trunks)
}

fn trunk(section: &Section<'_>) -> Checked<Trunk> {
    let mut trunk = Trunk::default();
    let (mut name, mut kind) = (None, None);
    for entry in &section.entries {
        match entry.key {
            "name" => name = Some(entry.text()?.value.to_owned()),
            "kind" => {
                let text = entry.text()?;
                kind = Some(match text.value {
                    "byoc" => TrunkKind::Byoc,
                    "standard" => TrunkKind::Standard,
                    other => {
                        return mistake(&text.span, format!("`kind` is `{other}`; write \"byoc\" or \"standard\""));
                    }
                });
            }
            "id" => trunk.id = Some(entry.text()?.value.to_owned()),
            "addresses" => trunk.addresses = entry.networks()?,
            "platform_addresses" => trunk.platform_addresses = entry.networks()?,
            "hosts" => trunk.hosts = entry.hosts()?,
            "capabilities" => trunk.capabilities = Some(entry.owned_texts()?),
            _ => {
                let valid = ["name", "kind", "id", "addresses", "platform_addresses", "hosts", "capabilities"];
                return section.unknown(entry, &valid);
            }
        }
    }
    trunk.name = section.required(name, "name", "name = \"…\"")?;
    trunk.kind = section.required(kind, "kind", "kind = \"byoc\" or kind = \"standard\"")?;
    Ok(trunk)
}

/// A table of consent rules: how messages name it, what stands in it beside the values and the direction, and what its
/// name is the name of.
const RULE_TABLES: [(RulePlace, &str, &[&str], &str); 4] = [
    (
        RulePlace::Header,
        "[[consent.header]]",
        &["name", "granted", "denied", "direction", "parameter", "messages"],
        "the header field's",
    ),
    (
        RulePlace::UserToUser,
        "[[consent.user_to_user]]",
        &["name", "granted", "denied", "direction", "parameter", "messages", "pd"],
        "the header field's",
    ),
    (
        RulePlace::UriParameter,
        "[[consent.uri_parameter]]",
        &["name", "granted", "denied", "direction"],
        "the parameter's",
    ),
    (
        RulePlace::SdpAttribute,
        "[[consent.sdp_attribute]]",
        &["name", "granted", "denied", "direction", "messages"],
        "the attribute's",
    ),
];

fn consent(section: &Section<'_>) -> Checked<Vec<ConsentRule>> {
    let mut rules: Vec<ConsentRule> = Vec::new();
    for entry in &section.entries {
        let Some(table) = RULE_TABLES.iter().find(|(place, ..)| place.name() == entry.key) else {
            return section.unknown(entry, &RULE_TABLES.map(|(place, ..)| place.name()));
        };
        let (place, title, keys, whose) = *table;
        for section in entry.tables(title)? {
            let rule = rule(&section, place, keys, whose)?;
            if rules.iter().any(|known| known.meets(&rule)) {
                let what = rule.parameter.as_ref().map_or_else(String::new, |name| format!(" for its `{name}`"));
                let message = format!(
                    "`{}` already has a {title}{what} for calls of this direction; keep one of them",
                    rule.name
                );
                return mistake(&section.span, message);
            }
            rules.push(rule);
        }
    }
    // `[consent]` alone, and `header = []`: nothing replaces the built-in rule.
    if rules.is_empty() { Ok(Settings::default().rules) } else { Ok(rules) }
}

fn rule(section: &Section<'_>, place: RulePlace, keys: &[&str], whose: &str) -> Checked<ConsentRule> {
    let (mut name, mut granted, mut denied) = (None, None, Vec::new());
    let (mut parameter, mut discriminator) = (None, None);
    let mut direction = RuleDirection::default();
    let mut messages = match place {
        RulePlace::UriParameter => vec![RuleMessage::Invite],
        RulePlace::Header | RulePlace::SdpAttribute | RulePlace::UserToUser => RuleMessage::REQUESTS.to_vec(),
    };
    for entry in &section.entries {
        if !keys.contains(&entry.key) {
            return section.unknown(entry, keys);
        }
        match entry.key {
            "name" => {
                name = Some(match place {
                    RulePlace::Header | RulePlace::UserToUser => entry.header(&entry.text()?)?,
                    RulePlace::SdpAttribute | RulePlace::UriParameter => entry.word(&entry.text()?)?,
                });
            }
            "granted" => {
                let values = entry.texts()?;
                if values.is_empty() {
                    let message = "`granted` is empty, so nothing could grant consent; write granted = [\"…\"]";
                    return mistake(&entry.value.span(), message);
                }
                granted = Some(values);
            }
            "denied" => denied = entry.texts()?,
            "direction" => {
                let text = entry.text()?;
                direction = match text.value {
                    "any" => RuleDirection::Any,
                    "inbound" => RuleDirection::Inbound,
                    "outbound" => RuleDirection::Outbound,
                    other => {
                        let message = format!("`direction` is `{other}`; write \"inbound\", \"outbound\" or \"any\"");
                        return mistake(&text.span, message);
                    }
                };
            }
            "parameter" => parameter = Some(entry.word(&entry.text()?)?),
            "messages" => messages = entry.messages(place)?,
            "pd" => {
                let text = entry.text()?;
                let digits = text.value.len() == 2 && text.value.bytes().all(|byte| byte.is_ascii_hexdigit());
                let Some(octet) = u8::from_str_radix(text.value, 16).ok().filter(|_| digits) else {
                    return mistake(&text.span, format!("`pd` is `{}`; write two hex digits: pd = \"04\"", text.value));
                };
                discriminator = Some(octet);
            }
            _ => return section.unknown(entry, keys),
        }
    }
    if place == RulePlace::UserToUser {
        name = name.or_else(|| Some(builtin::USER_TO_USER.to_owned()));
    }
    let name = section.required(name, "name", &format!("name = \"…\", {whose}"))?;
    let granted = section.required(granted, "granted", "granted = [\"…\"], the values that grant consent")?;
    for value in &denied {
        if granted.iter().any(|grants| grants.value.trim().eq_ignore_ascii_case(value.value.trim())) {
            return mistake(&value.span, format!("`{}` is granted and denied; keep it in one of them", value.value));
        }
    }
    let owned = |values: Vec<Placed<&str>>| values.iter().map(|value| value.value.trim().to_owned()).collect();
    let (granted, denied) = (owned(granted), owned(denied));
    Ok(ConsentRule { name, granted, denied, direction, place, parameter, discriminator, messages })
}

/// Adds to the headers already known; one known by another spelling is not added again.
fn identity(section: &Section<'_>, headers: &mut Vec<String>) -> Checked<()> {
    for entry in &section.entries {
        let "headers" = entry.key else { return section.unknown(entry, &["headers"]) };
        for text in entry.texts()? {
            let header = entry.header(&text)?;
            if !headers.iter().any(|known| known.eq_ignore_ascii_case(&header)) {
                headers.push(header);
            }
        }
    }
    Ok(())
}

fn access_log(section: &Section<'_>) -> Checked<AccessLog> {
    let mut log = AccessLog::default();
    for entry in &section.entries {
        match entry.key {
            "files" => log.files = Some(entry.text()?.value.to_owned()),
            "timezone" => log.timezone = Some(entry.timezone()?),
            "fields" => log.fields = fields(&entry.table("[access_log.fields]")?)?,
            "recording_paths" => log.recording_paths = entry.paths()?,
            _ => return section.unknown(entry, &["files", "timezone", "fields", "recording_paths"]),
        }
    }
    Ok(log)
}

fn fields(section: &Section<'_>) -> Checked<LogFields> {
    let mut fields = LogFields::default();
    for entry in &section.entries {
        let names = match entry.key {
            "time" => &mut fields.time,
            "method" => &mut fields.method,
            "target" => &mut fields.target,
            "status" => &mut fields.status,
            "client" => &mut fields.client,
            "error_code" => &mut fields.error_code,
            "request_id" => &mut fields.request_id,
            "call_id" => &mut fields.call_id,
            "conversation_id" => &mut fields.conversation_id,
            "correlation_id" => &mut fields.correlation_id,
            "user" => &mut fields.user,
            _ => {
                let valid = [
                    "time",
                    "method",
                    "target",
                    "status",
                    "client",
                    "error_code",
                    "request_id",
                    "call_id",
                    "conversation_id",
                    "correlation_id",
                    "user",
                ];
                return section.unknown(entry, &valid);
            }
        };
        *names = entry.owned_texts()?;
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The configuration of the contract, every key used.
    const WHOLE: &str = r#"
[[trunk]]
name = "SG1"
kind = "byoc"
id = "0b5e6a3c-0000-4000-8000-00000000abcd"
addresses = ["203.0.113.0/24", "2001:db8:b::/48"]
platform_addresses = ["192.0.2.7"]
hosts = ["*.byoc.mypurecloud.com"]
capabilities = ["analytics:byoc"]

[[trunk]]
name = "Office"
kind = "standard"

[[consent.header]]
name = "X-Consent"
granted = ["yes", " true "]
denied = ["no"]
direction = "any"

[identity]
headers = ["X-Inin-Cnv", "X-Conversation", "x-conversation"]

[[access_log]]
files = "*gateway*"
timezone = "Asia/Singapore"
fields = { call_id = ["sip.callid"], status = ["resp.code"] }
recording_paths = ["/internal/rec/*"]

[[access_log]]
timezone = "-03:30"
"#;

    fn read(text: &str) -> Settings {
        Settings::from_toml(text, None).expect(text)
    }

    fn refusal(text: &str) -> String {
        let error = Settings::from_toml(text, Some(Path::new("site.toml"))).expect_err(text);
        error.to_string()
    }

    #[test]
    fn every_key_of_the_contract_is_read() {
        let settings = read(WHOLE);
        let [sg1, office] = settings.trunks.as_slice() else { panic!("two trunks") };
        assert_eq!((sg1.name.as_str(), sg1.kind), ("SG1", TrunkKind::Byoc));
        assert_eq!(sg1.id.as_deref(), Some("0b5e6a3c-0000-4000-8000-00000000abcd"));
        assert_eq!(sg1.addresses.len(), 2);
        assert!(sg1.platform_addresses[0].contains("192.0.2.7".parse().expect("address")));
        assert_eq!(sg1.hosts, ["*.byoc.mypurecloud.com"]);
        assert_eq!(sg1.capabilities.as_deref(), Some(&["analytics:byoc".to_owned()][..]));
        assert_eq!((office.kind, &office.capabilities), (TrunkKind::Standard, &None));
        let rule = ConsentRule {
            name: "X-Consent".to_owned(),
            granted: vec!["yes".to_owned(), "true".to_owned()],
            denied: vec!["no".to_owned()],
            direction: RuleDirection::Any,
            ..builtin::rule()
        };
        assert!(rule.is_plain());
        assert_eq!(settings.rules, [rule]);
        assert_eq!(settings.identity_headers, ["x-inin-cnv", "X-Conversation"]);
        let [gateway, other] = settings.access_logs.as_slice() else { panic!("two logs") };
        assert_eq!(gateway.files.as_deref(), Some("*gateway*"));
        assert_eq!(gateway.timezone.as_ref().map(|zone| zone.name.as_str()), Some("Asia/Singapore"));
        assert_eq!(gateway.fields.call_id, ["sip.callid"]);
        assert_eq!(gateway.fields.status, ["resp.code"]);
        assert_eq!(gateway.recording_paths, ["/internal/rec/*"]);
        assert_eq!(other.timezone.as_ref().map(|zone| zone.name.as_str()), Some("-03:30"));
    }

    #[test]
    fn a_rule_may_read_other_places_and_messages() {
        let settings = read(
            "[[consent.header]]\nname = \"X\"\nparameter = \"r\"\nmessages = [\"2xx\", \"INVITE\", \"2xx\"]\ngranted = [\"y\"]\n\
             [[consent.header]]\nname = \"X\"\nparameter = \"s\"\ngranted = [\"y\"]\n\
             [[consent.user_to_user]]\npd = \"4F\"\ngranted = [\"y\"]\n\
             [[consent.user_to_user]]\nname = \"X-Uui\"\ngranted = [\"y\"]\n\
             [[consent.uri_parameter]]\nname = \"c\"\ngranted = [\"y\"]\ndirection = \"any\"\n\
             [[consent.sdp_attribute]]\nname = \"x-c\"\nmessages = [\"1xx\"]\ngranted = [\"y\"]\n",
        );
        let shown: Vec<String> = settings.rules.iter().map(|rule| rule.shown().to_string()).collect();
        let expected = [
            "r of X",
            "s of X",
            "User-to-User (decoded, pd 4f)",
            "X-Uui (decoded)",
            "Request-URI parameter c",
            "a=x-c",
        ];
        assert_eq!(shown, expected);
        let messages: Vec<Vec<RuleMessage>> = settings.rules.into_iter().map(|rule| rule.messages).collect();
        let [invite, success] = [RuleMessage::Invite, RuleMessage::Success];
        let requests = RuleMessage::REQUESTS.to_vec();
        let provisional = vec![RuleMessage::Provisional];
        let expected = [vec![invite, success], requests.clone(), requests.clone(), requests, vec![invite], provisional];
        assert_eq!(messages, expected);
    }

    #[test]
    fn what_is_left_out_stays_built_in() {
        let built_in = Settings::default();
        for text in ["", "# only a comment\n", "[consent]\n[identity]\n", "\u{feff}# with a byte order mark"] {
            let settings = read(text);
            assert_eq!(settings.config_sha256.as_deref().map(str::len), Some(64));
            assert_eq!(Settings { config_sha256: None, ..settings }, built_in, "{text}");
        }
        let trunk_only = read("[[trunk]]\nname = \"A\"\nkind = \"byoc\"\n");
        assert_eq!(trunk_only.rules, built_in.rules);
        assert_eq!(trunk_only.trunks.len(), 1);
    }

    #[test]
    fn the_digest_is_that_of_the_text_as_given() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(read("").config_sha256.as_deref(), Some(empty));
        assert_ne!(read("\n").config_sha256.as_deref(), Some(empty));
        assert_eq!(Settings::default().config_sha256, None);
    }

    #[test]
    fn every_mistake_names_its_line_and_what_would_be_valid() {
        let trunk = "[[trunk]]\nname = \"A\"\nkind = \"byoc\"\n";
        let header = "[[consent.header]]\nname = \"X\"\ngranted = [\"1\"]\n";
        let cases: &[(String, &str)] = &[
            (
                format!("{trunk}adress = []\n"),
                "4: unknown key `adress` in [[trunk]]; valid keys: name, kind, id, addresses, platform_addresses, \
                 hosts, capabilities",
            ),
            (
                "\n[trunks]\n".to_owned(),
                "2: unknown key `trunks` in the configuration; valid keys: trunk, consent, identity, access_log",
            ),
            (
                "[consent]\nheaders = []".to_owned(),
                "2: unknown key `headers` in [consent]; valid keys: header, user_to_user, uri_parameter, sdp_attribute",
            ),
            (
                format!("{header}grant = []"),
                "4: unknown key `grant` in [[consent.header]]; valid keys: name, granted, denied, direction, \
                 parameter, messages",
            ),
            (
                "[[consent.uri_parameter]]\nname = \"c\"\ngranted = [\"y\"]\nmessages = [\"INVITE\"]".to_owned(),
                "4: unknown key `messages` in [[consent.uri_parameter]]; valid keys: name, granted, denied, direction",
            ),
            (
                format!("{header}messages = [\"INVITE\",\n\"BYE\"]"),
                "5: `messages` is `BYE`; write some of \"INVITE\", \"UPDATE\", \"INFO\", \"1xx\", \"2xx\"",
            ),
            (
                format!("{header}messages = []"),
                "4: `messages` is empty; write some of \"INVITE\", \"UPDATE\", \"INFO\", \"1xx\", \"2xx\"",
            ),
            (
                "[[consent.sdp_attribute]]\nname = \"c\"\ngranted = [\"y\"]\nmessages = [\"INFO\"]".to_owned(),
                "4: `messages` is `INFO`; write some of \"INVITE\", \"UPDATE\", \"1xx\", \"2xx\"",
            ),
            (
                "[[consent.sdp_attribute]]\ngranted = [\"y\"]".to_owned(),
                "1: [[consent.sdp_attribute]] has no `name`; write name = \"…\", the attribute's",
            ),
            (
                "[[consent.sdp_attribute]]\nname = \"a=x\"".to_owned(),
                "2: `name` is `a=x`; write it without blanks and without any of ; , = : \" < > @ ?",
            ),
            (
                format!("{header}parameter = \"a b\""),
                "4: `parameter` is `a b`; write it without blanks and without any of ; , = : \" < > @ ?",
            ),
            (
                "[[consent.user_to_user]]\ngranted = [\"y\"]\npd = \"4\"".to_owned(),
                "3: `pd` is `4`; write two hex digits: pd = \"04\"",
            ),
            (
                format!("{header}parameter = \"r\"\n{header}parameter = \"R\"\ndirection = \"any\""),
                "5: `X` already has a [[consent.header]] for its `R` for calls of this direction; keep one of them",
            ),
            ("[identity]\nheader = []".to_owned(), "2: unknown key `header` in [identity]; valid keys: headers"),
            (
                "[[access_log]]\nfile = \"x\"".to_owned(),
                "2: unknown key `file` in [[access_log]]; valid keys: files, timezone, fields, recording_paths",
            ),
            (
                "[[access_log]]\n\nfields = { callid = [\"x\"] }".to_owned(),
                "3: unknown key `callid` in [access_log.fields]; valid keys: time, method, target, status, client, \
                 error_code, request_id, call_id, conversation_id, correlation_id, user",
            ),
            ("[trunk]\nname = \"A\"".to_owned(), "1: `trunk` is a table; write [[trunk]] above each of them"),
            ("consent = 1".to_owned(), "1: `consent` is a number; write a table: [consent]"),
            ("[[consent]]\n".to_owned(), "1: `consent` is a list; write a table: [consent]"),
            ("[[trunk]]\nkind = \"byoc\"".to_owned(), "1: [[trunk]] has no `name`; write name = \"…\""),
            (
                format!("{trunk}\n[[trunk]]\nname = \"B\""),
                "5: [[trunk]] has no `kind`; write kind = \"byoc\" or kind = \"standard\"",
            ),
            ("[[trunk]]\nname = 5".to_owned(), "2: `name` is a number; write name = \"…\""),
            ("[[trunk]]\nname = \" \"".to_owned(), "2: `name` holds an empty text; write name = \"…\""),
            (
                "[[trunk]]\nname = \"A\"\nkind = \"BYOC\"".to_owned(),
                "3: `kind` is `BYOC`; write \"byoc\" or \"standard\"",
            ),
            (format!("{trunk}\n{trunk}"), "6: `name` `A` is another [[trunk]]'s too; give each its own"),
            (
                format!("{trunk}id = \"AB\"\n[[trunk]]\nname = \"B\"\nkind = \"standard\"\nid = \"ab\""),
                "8: `id` `ab` is another [[trunk]]'s too; give each its own",
            ),
            (
                format!("{trunk}addresses = [\n  \"192.0.2.0/24\",\n  \"192.0.2.0/33\",\n]"),
                "6: `addresses`: `192.0.2.0/33` is no address range; write an address such as 192.0.2.1 or a range \
                 such as 192.0.2.0/24",
            ),
            (format!("{trunk}addresses = \"192.0.2.0/24\""), "4: `addresses` is a text; write addresses = [\"…\", …]"),
            (
                format!("{trunk}hosts = [\"a\", true]"),
                "4: `hosts` is true or false without quotes; write hosts = [\"…\", …]",
            ),
            (
                "[[consent.header]]\ngranted = [\"1\"]".to_owned(),
                "1: [[consent.header]] has no `name`; write name = \"…\", the header field's",
            ),
            (
                "[[consent.header]]\nname = \"\"\ngranted = [\"1\"]".to_owned(),
                "2: `name` holds an empty text; write name = \"…\"",
            ),
            (
                "[[consent.header]]\nname = \"X: \"".to_owned(),
                "2: `name` is `X: `, no name of a header field; write it without colon and blanks",
            ),
            (
                "[[consent.header]]\nname = \"X\"".to_owned(),
                "1: [[consent.header]] has no `granted`; write granted = [\"…\"], the values that grant consent",
            ),
            (
                "[[consent.header]]\nname = \"X\"\ngranted = []".to_owned(),
                "3: `granted` is empty, so nothing could grant consent; write granted = [\"…\"]",
            ),
            (format!("{header}denied = [\"0\", \" 1 \"]"), "4: ` 1 ` is granted and denied; keep it in one of them"),
            (
                format!("{header}direction = \"in\""),
                "4: `direction` is `in`; write \"inbound\", \"outbound\" or \"any\"",
            ),
            (
                format!("{header}[[consent.header]]\nname = \"x\"\ngranted = [\"y\"]\ndirection = \"any\""),
                "4: `x` already has a [[consent.header]] for calls of this direction; keep one of them",
            ),
            (
                "[identity]\nheaders = [\"a b\"]".to_owned(),
                "2: `headers` is `a b`, no name of a header field; write it without colon and blanks",
            ),
            (
                "[[access_log]]\ntimezone = \"Asia/Singapur\"".to_owned(),
                "2: `timezone`: `Asia/Singapur` is no time zone; write a name such as Asia/Singapore or an offset such \
                 as +08:00",
            ),
            (
                "[[access_log]]\n[access_log.fields]\ntime = \"t\"".to_owned(),
                "3: `time` is a text; write time = [\"…\", …]",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(refusal(text), format!("site.toml:{expected}"), "{text}");
        }
    }

    #[test]
    fn what_is_not_toml_is_refused_with_its_line() {
        for (text, start) in [
            ("[[trunk]]\nname = \n", "site.toml:2: not TOML: "),
            ("[[trunk]]\nname = \"A\"\nname = \"B\"\n", "site.toml:3: not TOML: duplicate key"),
            ("[[trunk]\n", "site.toml:1: not TOML: "),
            ("\n\nname = \"é\" x\n", "site.toml:3: not TOML: "),
        ] {
            let message = refusal(text);
            assert!(message.starts_with(start) && !message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn the_first_mistake_of_the_text_is_told() {
        assert!(refusal("[zzz]\n[aaa]\n").starts_with("site.toml:1: unknown key `zzz`"));
        assert!(refusal("[[trunk]]\nzzz = 1\naaa = 1\n").starts_with("site.toml:2: unknown key `zzz`"));
    }

    #[test]
    fn a_file_that_is_not_text_is_refused_with_its_line() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("bad.toml");
        std::fs::write(&path, b"# one\n# tw\xff\n").expect("write");
        let message = Settings::read(&path).expect_err("not UTF-8").to_string();
        assert!(message.ends_with("bad.toml:2: not UTF-8; a configuration is TOML, which is UTF-8 text"), "{message}");
        let missing = Settings::read(&folder.path().join("none.toml")).expect_err("missing");
        assert!(matches!(missing, Error::ReadConfig { .. }));
    }

    #[test]
    fn a_file_that_is_longer_than_any_configuration_is_refused() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("endless.toml");
        File::create(&path).and_then(|file| file.set_len(LONGEST + 1)).expect("a file");
        let error = Settings::read(&path).expect_err("too long").to_string();
        assert!(error.contains("more than 16777216 bytes"), "{error}");
    }
}
