//! Pseudonyms by the kind of thing they stand for.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::Key;
use crate::diagnosis::{is_public_code, is_public_segment};
use crate::report::model::EvidenceText;
use crate::sip::uri;

/// Digits of base 32, those of RFC 4648 in lower case: they stand in host names, URIs and paths alike.
const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Digits of a pseudonym: 60 bits.
const LENGTH: usize = 12;

/// Gives pseudonyms and remembers what they stand for, to be found again in prose.
pub(super) struct Pseudonyms<'k> {
    key: &'k Key,
    /// The Call-IDs of the report: they are looked for in request targets.
    pub(super) call_ids: BTreeSet<Vec<u8>>,
    /// Words that stay: names of the built-in rule and trunk.
    pub(super) kept: BTreeSet<String>,
    given: RefCell<BTreeMap<String, String>>,
}

impl<'k> Pseudonyms<'k> {
    pub(super) fn new(key: &'k Key) -> Self {
        Self { key, call_ids: BTreeSet::new(), kept: BTreeSet::new(), given: RefCell::default() }
    }

    /// `kind-xxxxxxxxxxxx` for a text; nothing for none.
    pub(super) fn plain(&self, kind: &str, text: &[u8]) -> String {
        if text.is_empty() {
            return String::new();
        }
        let digest = self.key.digest(kind, text);
        let mut pseudonym = format!("{kind}-");
        let mut bits = u64::from_be_bytes(std::array::from_fn(|place| digest.get(place).copied().unwrap_or(0)));
        for _ in 0..LENGTH {
            let digit = (bits >> 59) as usize;
            pseudonym.push(char::from(DIGITS.get(digit).copied().unwrap_or(b'a')));
            bits <<= 5;
        }
        self.given(text, &pseudonym);
        pseudonym
    }

    /// What the texts so far became, the longest first.
    pub(super) fn replacements(&self) -> Vec<(String, String)> {
        let mut all: Vec<_> =
            self.given.borrow().iter().map(|(text, pseudonym)| (text.clone(), pseudonym.clone())).collect();
        all.sort_by(|one, other| other.0.len().cmp(&one.0.len()).then_with(|| one.0.cmp(&other.0)));
        all
    }

    fn given(&self, text: &[u8], pseudonym: &str) {
        let text = EvidenceText(text.to_vec()).lossless().0.into_owned();
        self.given.borrow_mut().entry(text).or_insert_with(|| pseudonym.to_owned());
    }

    /// An address of the documentation range 2001:db8::/32.
    pub(super) fn address(&self, address: IpAddr) -> IpAddr {
        let address = address.to_canonical();
        let digest = self.key.digest("address", address.to_string().as_bytes());
        let bits = u64::from_be_bytes(std::array::from_fn(|place| digest.get(place).copied().unwrap_or(0)));
        let pseudonym = IpAddr::V6(Ipv6Addr::from(0x2001_0db8 << 96 | u128::from(bits)));
        self.given(address.to_string().as_bytes(), &pseudonym.to_string());
        pseudonym
    }

    /// A range of the same size: as many bits of the address are fixed.
    pub(super) fn network(&self, network: &str) -> String {
        let (address, prefix) = network.split_once('/').unwrap_or((network, ""));
        let Ok(address) = address.parse::<IpAddr>() else { return "2001:db8::/32".to_owned() };
        let widest: u8 = if address.is_ipv4() { 32 } else { 128 };
        let free = widest.saturating_sub(prefix.parse().unwrap_or(widest)).min(96);
        let pseudonym = match (free, self.address(address)) {
            (0, IpAddr::V6(single)) => u128::from(single),
            _ => {
                let digest = self.key.digest("network", network.as_bytes());
                let bits = u64::from_be_bytes(std::array::from_fn(|place| digest.get(place).copied().unwrap_or(0)));
                (0x2001_0db8 << 96 | u128::from(bits) << 32) & (u128::MAX << free)
            }
        };
        let shown = format!("{}/{}", Ipv6Addr::from(pseudonym), 128 - free);
        self.given(network.as_bytes(), &shown);
        shown
    }

    /// A host as URIs and descriptions name it: an address or a name.
    pub(super) fn host(&self, host: &[u8]) -> String {
        let text = String::from_utf8_lossy(host);
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            let pseudonym = self.address(address);
            return if text.starts_with('[') { format!("[{pseudonym}]") } else { pseudonym.to_string() };
        }
        if host.is_empty() {
            return String::new();
        }
        let pseudonym = format!("{}.invalid", self.plain("host", &host.to_ascii_lowercase()));
        self.given(host, &pseudonym);
        pseudonym
    }

    /// `address:port`; the port stays.
    pub(super) fn endpoint(&self, endpoint: &str) -> String {
        match endpoint.parse::<SocketAddr>() {
            Ok(socket) => SocketAddr::new(self.address(socket.ip()), socket.port()).to_string(),
            Err(_) => self.host(endpoint.as_bytes()),
        }
    }

    /// A SIP, SIPS or TEL URI: its scheme, user and host; parameters and headers are left out, they hold anything.
    pub(super) fn uri(&self, uri: &[u8]) -> String {
        let colon = uri.iter().position(|byte| *byte == b':').unwrap_or(0);
        let scheme = uri.get(..colon).unwrap_or_default().to_ascii_lowercase();
        let (scheme, known) = match scheme.as_slice() {
            b"sip" => ("sip", true),
            b"sips" => ("sips", true),
            b"tel" => ("tel", false),
            _ => return self.plain("uri", uri),
        };
        let rest = uri.get(colon + 1..).unwrap_or_default();
        if !known {
            let number = rest.split(|byte| *byte == b';').next().unwrap_or_default();
            return format!("{scheme}:{}", self.plain("user", number));
        }
        let user = uri::user(uri).map(|user| user.split(|byte| matches!(byte, b':' | b';')).next().unwrap_or_default());
        let host = match uri::host(uri) {
            // An IPv6 address stands between brackets in a URI.
            Some(host) => match self.host(host) {
                address if address.parse::<Ipv6Addr>().is_ok() => format!("[{address}]"),
                host => host,
            },
            None => String::new(),
        };
        self.given(uri, "uri");
        match user {
            Some(user) => format!("{scheme}:{}@{host}", self.plain("user", user)),
            None => format!("{scheme}:{host}"),
        }
    }

    /// An identifier: a UUID for a UUID (version 8 of RFC 9562), whatever its case.
    pub(super) fn identifier(&self, text: &[u8]) -> String {
        match uuid(text) {
            Some(hex) => {
                let digest = self.key.digest("uuid", hex.as_bytes());
                let mut digits: Vec<u8> =
                    digest.iter().take(16).flat_map(|byte| format!("{byte:02x}").into_bytes()).collect();
                for (place, digit) in [(12, b'8'), (16, b'8')] {
                    if let Some(slot) = digits.get_mut(place) {
                        *slot = digit;
                    }
                }
                let mut shown = String::with_capacity(36);
                for (place, digit) in digits.into_iter().enumerate() {
                    if [8, 12, 16, 20].contains(&place) {
                        shown.push('-');
                    }
                    shown.push(char::from(digit));
                }
                self.given(text, &shown);
                self.given(&text.to_ascii_lowercase(), &shown);
                shown
            }
            None => self.plain("id", text),
        }
    }

    /// A Call-ID, byte by byte.
    pub(super) fn call_id(&self, text: &[u8]) -> String {
        self.plain("call", text)
    }

    /// Who asked: an address as one, anything else as a client.
    pub(super) fn client(&self, text: &[u8]) -> String {
        match std::str::from_utf8(text).ok().and_then(|text| text.parse::<IpAddr>().ok()) {
            Some(address) => self.address(address).to_string(),
            None => self.plain("client", text),
        }
    }

    /// An error code: one that the platform or a known gateway publishes stays.
    pub(super) fn code(&self, text: &[u8]) -> String {
        if is_public_code(text) { String::from_utf8_lossy(text).into_owned() } else { self.plain("code", text) }
    }

    /// A word: one of those that are anybody's stays.
    pub(super) fn word(&self, kind: &str, text: &[u8], anybodys: &[&str]) -> String {
        let known = anybodys.iter().find(|word| word.as_bytes().eq_ignore_ascii_case(text.trim_ascii()));
        match known {
            Some(_) => String::from_utf8_lossy(text).into_owned(),
            None => self.plain(kind, text),
        }
    }

    /// A shown path of the evidence: folders and file by name, a known ending stays.
    pub(super) fn path(&self, path: &str) -> String {
        const ENDINGS: [&str; 15] = [
            "pcap", "pcapng", "cap", "snoop", "log", "txt", "json", "jsonl", "ndjson", "csv", "gz", "zst", "bz2", "xz",
            "lz4",
        ];
        if path == "-" {
            return path.to_owned();
        }
        let parts: Vec<&str> = path.split('/').collect();
        let last = parts.len() - 1;
        let shown = parts.iter().enumerate().map(|(place, part)| match place == last {
            true => {
                let endings: Vec<&str> = part.split('.').skip(1).filter(|ending| ENDINGS.contains(ending)).collect();
                let endings: String = endings.iter().map(|ending| format!(".{ending}")).collect();
                format!("{}{endings}", self.plain("file", part.as_bytes()))
            }
            false => self.plain("folder", part.as_bytes()),
        });
        let shown = shown.collect::<Vec<_>>().join("/");
        self.given(path.as_bytes(), &shown);
        shown
    }

    /// A request target: the words of the platform's API stay, what a segment or a parameter holds does not.
    pub(super) fn target(&self, target: &[u8]) -> String {
        let end = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
        let (path, query) = target.split_at(end);
        // Other public endpoints that the report's own sentences name.
        const PUBLIC: [&[u8]; 3] = [b"analytics", b"details", b"query"];
        let public = |segment: &[u8]| is_public_segment(segment) || PUBLIC.contains(&segment);
        let path = path.split(|byte| *byte == b'/').map(|segment| match public(segment) {
            true => String::from_utf8_lossy(segment).into_owned(),
            false => self.value(segment),
        });
        let mut shown = path.collect::<Vec<_>>().join("/");
        for (place, parameter) in query.get(1..).unwrap_or_default().split(|byte| *byte == b'&').enumerate() {
            if query.is_empty() {
                break;
            }
            shown.push(if place == 0 { '?' } else { '&' });
            let equals = parameter.iter().position(|byte| *byte == b'=');
            let (name, value) = match equals {
                Some(at) => (parameter.get(..at).unwrap_or_default(), parameter.get(at + 1..)),
                None => (parameter, None),
            };
            shown.push_str(&self.word("name", name, &PARAMETERS));
            if let Some(value) = value {
                shown.push('=');
                shown.push_str(&self.parameter(value));
            }
        }
        self.given(target, "target");
        shown
    }

    /// A parameter's value: `name:value` as filters have it, else a value.
    fn parameter(&self, value: &[u8]) -> String {
        let decoded = decoded(value);
        let named = decoded.iter().position(|byte| *byte == b':').and_then(|at| {
            let (name, value) = decoded.split_at(at);
            let known = PARAMETERS.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name));
            known.then(|| {
                format!("{}:{}", String::from_utf8_lossy(name), self.value(value.get(1..).unwrap_or_default()))
            })
        });
        named.unwrap_or_else(|| self.value(value))
    }

    /// A segment or a value: a Call-ID or an identifier as itself, so that it can be joined; anything else hidden.
    fn value(&self, raw: &[u8]) -> String {
        const ANYBODYS: [&str; 2] = ["true", "false"];
        let decoded = decoded(raw);
        if raw.is_empty() || ANYBODYS.iter().any(|word| word.as_bytes() == raw) {
            return String::from_utf8_lossy(raw).into_owned();
        }
        for text in [raw, &decoded] {
            if self.call_ids.contains(text) {
                return self.call_id(text);
            }
        }
        let shown = match uuid(&decoded) {
            Some(_) => self.identifier(&decoded),
            None => self.plain("value", raw),
        };
        self.given(&decoded, &shown);
        shown
    }
}

/// Names of query parameters that are anybody's: the contract's and the platform's own.
const PARAMETERS: [&str; 22] = [
    "callId",
    "call_id",
    "sipCallId",
    "Call-ID",
    "X-Call-ID",
    "protocolCallId",
    "conversationId",
    "conversation_id",
    "trunkId",
    "filter",
    "pageSize",
    "pageNumber",
    "formatId",
    "mediaFormats",
    "maxWaitMs",
    "emailFormatId",
    "chatFormatId",
    "messageFormatId",
    "download",
    "fileName",
    "locale",
    "expand",
];

/// The 32 lower-case digits of a UUID.
fn uuid(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let groups: Vec<&str> = text.split('-').collect();
    let sizes: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let hex = groups.concat();
    let shaped = sizes == [8, 4, 4, 4, 12] || sizes == [32];
    (shaped && hex.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| hex.to_ascii_lowercase())
}

/// Percent-encoding taken off once (RFC 3986 §2.1); what is no encoding stays.
fn decoded(raw: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(byte) = raw.get(at) {
        match (byte, digit(raw.get(at + 1)), digit(raw.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::new(b"0123456789abcdef".to_vec()).expect("key")
    }

    #[test]
    fn the_kind_of_thing_stays_visible() {
        let key = key();
        let names = Pseudonyms::new(&key);
        let shaped = |text: &str, pattern: &str| {
            assert!(crate::settings::pattern::fits(pattern.as_bytes(), text.as_bytes()), "{text} is no {pattern}");
        };
        shaped(&names.uri(b"sip:+6561234567@Carrier.example:5060;transport=udp"), "sip:user-*@host-*.invalid");
        shaped(&names.uri(b"sips:alice@192.0.2.1"), "sips:user-*@[2001:db8::*]");
        shaped(&names.uri(b"tel:+6561234567;phone-context=x"), "tel:user-*");
        shaped(&names.uri(b"\xff\xfe"), "uri-*");
        shaped(&names.endpoint("203.0.113.5:4000"), "[2001:db8::*]:4000");
        shaped(&names.network("203.0.113.0/24"), "2001:db8:*/120");
        shaped(
            &names.identifier(b"6F1B7A52-3c0e-4f0e-9d55-0a1b2c3d4e5f"),
            "????????-*-8*-8*-*".replace('?', "*").as_str(),
        );
        shaped(&names.path("logs/acme/gateway.log.gz"), "folder-*/folder-*/file-*.log.gz");
        assert_eq!(names.code(b"not.authorized"), "not.authorized");
        shaped(&names.code(b"alice.not.allowed"), "code-*");
    }

    #[test]
    fn the_same_thing_has_the_same_pseudonym_wherever_it_stands() {
        let key = key();
        let mut names = Pseudonyms::new(&key);
        names.call_ids.insert(b"a/b@c".to_vec());
        let call_id = names.call_id(b"a/b@c");
        let id = names.identifier(b"6f1b7a52-3c0e-4f0e-9d55-0a1b2c3d4e5f");
        let target = names.target(
            b"/gw/api/v2/conversations/6F1B7A52-3C0E-4F0E-9D55-0A1B2C3D4E5F/recordings?callId=a%2Fb%40c&filter=protocolCallId:a%2Fb%40c",
        );
        let expected =
            format!("/api/v2/conversations/{id}/recordings?callId={call_id}&filter=protocolCallId:{call_id}");
        assert!(target.starts_with("/value-") && target.ends_with(&expected), "{target}\n{expected}");
        let address = names.address("192.0.2.1".parse().expect("address")).to_string();
        assert_eq!(names.client(b"192.0.2.1"), address);
        assert!(names.uri(b"sip:192.0.2.1").contains(&address) && names.network("192.0.2.1/32").starts_with(&address));
    }

    #[test]
    fn kinds_and_keys_tell_pseudonyms_apart() {
        let (key, other) = (key(), Key::new(b"0123456789abcdeF".to_vec()).expect("key"));
        let (names, others) = (Pseudonyms::new(&key), Pseudonyms::new(&other));
        let digits = |text: String| text.split_once('-').map(|(_, digits)| digits.to_owned());
        assert_ne!(digits(names.plain("user", b"1")), digits(names.plain("call", b"1")));
        assert_ne!(names.plain("user", b"1"), others.plain("user", b"1"));
        assert_eq!(names.plain("user", b"1"), names.plain("user", b"1"));
    }
}
