//! Sentences without what they name.

use std::net::{IpAddr, SocketAddr};

use super::pseudonym::Pseudonyms;

/// A sentence: what the report's fields held becomes their pseudonyms, and so does anything shaped like an address, a
/// path, an identifier, a number of a telephone or a name of a host. The report's own words have none of these shapes.
pub(super) fn prose(names: &Pseudonyms<'_>, replacements: &[(String, String)], text: &str) -> String {
    let mut shown = text.to_owned();
    for (original, pseudonym) in replacements {
        // A short text is part of many words: it is replaced where it stands alone.
        if original.len() >= 4 && !is_count(original) && !names.kept.contains(original) {
            shown = shown.replace(original, pseudonym);
        }
    }
    let alone: std::collections::BTreeMap<&str, &str> =
        replacements.iter().map(|(original, pseudonym)| (original.as_str(), pseudonym.as_str())).collect();
    let given: std::collections::BTreeSet<&str> =
        replacements.iter().map(|(_, pseudonym)| pseudonym.as_str()).collect();
    let words = shown.split(' ').map(|word| {
        let core =
            word.trim_matches(|mark: char| matches!(mark, '(' | ')' | '"' | ',' | ';' | '.' | ':' | '`' | '\'' | '?'));
        if core.is_empty() || is_count(core) || given.contains(core) || names.kept.contains(core) {
            return word.to_owned();
        }
        let hidden = alone.get(core).map(|pseudonym| (*pseudonym).to_owned()).or_else(|| shaped(names, core));
        match hidden {
            Some(hidden) => word.replacen(core, &hidden, 1),
            None => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A number that is as well a count of something: it names nobody.
fn is_count(word: &str) -> bool {
    word.len() < 7 && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// The pseudonym of a word whose shape shows that it names something; `None` for an ordinary word.
fn shaped(names: &Pseudonyms<'_>, word: &str) -> Option<String> {
    if let Ok(address) = word.trim_matches(['[', ']']).parse::<IpAddr>() {
        let own = matches!(address, IpAddr::V6(own) if own.segments().starts_with(&[0x2001, 0x0db8]));
        return (!own).then(|| names.address(address).to_string());
    }
    if word.parse::<SocketAddr>().is_ok() {
        return Some(names.endpoint(word));
    }
    let pseudonym = word.contains(".invalid")
        || ["user-", "call-", "client-", "trunk-", "value-", "file-"].iter().any(|kind| word.contains(kind));
    if pseudonym {
        return None;
    }
    // Keys of the configuration and paths into the platform's answers, as the report's own sentences write them.
    let notation = word.contains("[]") || word.starts_with("[[");
    if notation && word.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'[' | b']' | b'.')) {
        return None;
    }
    if word.starts_with('/') {
        return Some(names.target(word.as_bytes()));
    }
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let letters = word.bytes().filter(u8::is_ascii_alphabetic).count();
    let number = digits >= 7 && letters == 0 && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'+');
    let dotted = word.contains('.') && letters > 0 && !crate::diagnosis::is_public_code(word.as_bytes());
    let mixed = digits >= 3 && letters >= 3 && !word.contains("T") && !word.starts_with("RFC");
    (word.contains('@')
        || word.contains("sip:")
        || word.contains("://")
        || word.contains('\\')
        || number
        || dotted
        || mixed
        || !word.is_ascii())
    .then(|| names.plain("text", word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::redact::Key;

    #[test]
    fn what_a_sentence_names_is_hidden_and_its_own_words_stay() {
        let key = Key::new(vec![1; 16]).expect("key");
        let names = Pseudonyms::new(&key);
        let trunk = names.plain("trunk", b"SG1");
        let client = names.plain("client", b"crm sync");
        let say = |text: &str| prose(&names, &names.replacements(), text);
        for own in [
            "Refused: 14 of 14 (100%) BYOC calls without consent, 0 of 8 (0%) with (p < 0.001, Fisher's exact test).",
            "more than 32; it joins nothing.",
            "The response field ININ-Correlation-Id, which the API sets, would tell (RFC 7866).",
            "9751 packets, 1.986 s",
            "A site sets its own with [[consent.header]].",
            "would tell (/api/v2/analytics/conversations/details/query: participants[].sessions[].recording beside it).",
        ] {
            assert_eq!(say(own), own);
        }
        assert_eq!(say("by crm sync, on SG1."), format!("by {client}, on {trunk}."));
        assert_eq!(say("SG10 stays"), "SG10 stays");
        for secret in [
            "192.0.2.7",
            "alice@example.com",
            "pbx.example.com",
            "+6561234567",
            "/home/alice/a.pcap",
            "a1b2c3d4",
            "zoë",
        ] {
            let shown = say(&format!("seen in ({secret}), twice"));
            assert!(!shown.contains(secret) && shown.ends_with(", twice"), "{shown}");
        }
    }
}
