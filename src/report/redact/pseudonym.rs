//! Pseudonyms by the kind of thing they stand for.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::Key;
use crate::diagnosis::{bare_code, is_of_permission, is_public_code, is_public_segment};
use crate::sip::uri;

/// Digits of base 32, those of RFC 4648 in lower case: they stand in host names, URIs and paths alike.
const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Digits of a pseudonym: 60 bits.
const LENGTH: usize = 12;

/// Gives pseudonyms.
pub(super) struct Pseudonyms<'k> {
    key: &'k Key,
    /// The Call-IDs of the report: what is equal to one, in a request target or anywhere, is shown as one.
    pub(super) call_ids: BTreeSet<Vec<u8>>,
    /// The conversation ids of the report, likewise.
    pub(super) identifiers: BTreeSet<Vec<u8>>,
    /// Words that stay: names of the built-in rule and trunk.
    pub(super) kept: BTreeSet<String>,
}

impl<'k> Pseudonyms<'k> {
    pub(super) fn new(key: &'k Key) -> Self {
        Self { key, call_ids: BTreeSet::new(), identifiers: BTreeSet::new(), kept: BTreeSet::new() }
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
        pseudonym
    }

    /// An address of the documentation range 2001:db8::/32.
    pub(super) fn address(&self, address: IpAddr) -> IpAddr {
        let address = address.to_canonical();
        let digest = self.key.digest("address", address.to_string().as_bytes());
        let bits = u64::from_be_bytes(std::array::from_fn(|place| digest.get(place).copied().unwrap_or(0)));
        IpAddr::V6(Ipv6Addr::from(0x2001_0db8 << 96 | u128::from(bits)))
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
        format!("{}/{}", Ipv6Addr::from(pseudonym), 128 - free)
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
        format!("{}.invalid", self.plain("host", &host.to_ascii_lowercase()))
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
        match user {
            Some(user) => format!("{scheme}:{}@{host}", self.plain("user", user)),
            None => format!("{scheme}:{host}"),
        }
    }

    /// An identifier: one that the report knows as such, else by its kind.
    pub(super) fn identifier(&self, text: &[u8]) -> String {
        self.known(text).unwrap_or_else(|| self.plain("id", text))
    }

    /// A text that is a Call-ID or an identifier of the report, or a UUID: as it is shown there. `None` for any other.
    pub(super) fn known(&self, text: &[u8]) -> Option<String> {
        if self.call_ids.contains(text) {
            return Some(self.call_id(text));
        }
        match uuid(text) {
            Some(hex) => Some(self.uuid(&hex)),
            None => self.identifiers.contains(text).then(|| self.plain("id", text)),
        }
    }

    /// A UUID for a UUID (version 8 of RFC 9562), of its lower-case digits.
    fn uuid(&self, hex: &str) -> String {
        let digest = self.key.digest("uuid", hex.as_bytes());
        let mut digits: Vec<u8> = digest.iter().take(16).flat_map(|byte| format!("{byte:02x}").into_bytes()).collect();
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
        shown
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

    /// An error code: one that the platform or a known gateway publishes stays; the permissions in brackets behind it are
    /// shown as such.
    pub(super) fn code(&self, text: &[u8]) -> String {
        let bare = bare_code(text);
        match is_public_code(bare) {
            true => {
                let behind = text.get(bare.len()..).unwrap_or_default();
                format!("{}{}", String::from_utf8_lossy(bare), self.permissions(behind))
            }
            false => self.plain("code", text),
        }
    }

    /// A text that names permissions, name by name; what stands between them stays.
    pub(super) fn permissions(&self, text: &[u8]) -> String {
        let runs = text.chunk_by(|one, other| is_of_permission(*one) == is_of_permission(*other));
        let shown = runs.map(|run| match run.first() {
            Some(first) if is_of_permission(*first) => self.permission(run),
            _ => String::from_utf8_lossy(run).into_owned(),
        });
        shown.collect()
    }

    /// A permission: one that is put together of the platform's words stays. A single word may be of any sentence.
    pub(super) fn permission(&self, name: &[u8]) -> String {
        let mut words = name.split(|byte| *byte == b':').filter(|word| !word.is_empty());
        let known = |word: &[u8]| PERMISSION_WORDS.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(word));
        match name.contains(&b':') && words.all(known) {
            true => String::from_utf8_lossy(name).into_owned(),
            false => self.known(name).unwrap_or_else(|| self.plain("value", name)),
        }
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
        shown.collect::<Vec<_>>().join("/")
    }

    /// A request target: the words of the platform's API stay, what a segment or a parameter holds does not.
    pub(super) fn target(&self, target: &[u8]) -> String {
        let end = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
        let (path, query) = target.split_at(end);
        let path = path.split(|byte| *byte == b'/').map(|segment| match is_public_segment(segment) {
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
        let known = self.known(raw).or_else(|| self.known(&decoded));
        known.unwrap_or_else(|| self.plain("value", raw))
    }
}

/// Words of the platform's permissions (domain, entity, action) that have to do with recordings.
const PERMISSION_WORDS: [&str; 20] = [
    "recording",
    "recordingSegment",
    "screenRecording",
    "orphan",
    "annotation",
    "media",
    "metadata",
    "analytics",
    "conversationDetail",
    "conversation",
    "communication",
    "call",
    "quality",
    "byoc",
    "consent",
    "view",
    "viewSensitiveData",
    "edit",
    "delete",
    "all",
];

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
