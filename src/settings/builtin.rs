//! The built-in rules: everything that is specific to one vendor, with where it comes from.

use super::{ConsentRule, RuleDirection, RuleMessage, RulePlace, Settings, Trunk, TrunkKind};
use crate::evidence::HashKind;

/// The name of the built-in trunk.
pub const TRUNK: &str = "BYOC";

/// Host names of Genesys Cloud's BYOC trunks: an integrator's published table (TELNYX in the project's fact sheet) and
/// the platform's own developer articles. `byoc` is the label that tells them from other hosts of the same domains, but in one region.
const BYOC_HOSTS: [&str; 22] = [
    "*.byoc.mypurecloud.com",
    "byoc.mypurecloud.com",
    "*.byoc.mypurecloud.ie",
    "byoc.mypurecloud.ie",
    "*.byoc.mypurecloud.de",
    "byoc.mypurecloud.de",
    "*.byoc.mypurecloud.jp",
    "byoc.mypurecloud.jp",
    "*.byoc.mypurecloud.com.au",
    "byoc.mypurecloud.com.au",
    "*.byoc.*.pure.cloud",
    "byoc.*.pure.cloud",
    "*.byoc.*.genesys.cloud",
    "byoc.*.genesys.cloud",
    "*.byoc.*.us-gov-pure.cloud",
    "byoc.*.us-gov-pure.cloud",
    "*.byoc.*.us-gov-genesys.cloud",
    "byoc.*.us-gov-genesys.cloud",
    "*.byoc.*.eusc-genesys.cloud",
    "byoc.*.eusc-genesys.cloud",
    "*.voice.edee1.eusc-genesys.cloud",
    "voice.edee1.eusc-genesys.cloud",
];

/// The header field of the forum thread behind this program. The vendor documents no such field.
const CONSENT_HEADER: &str = "X-Genesys-Recording-Consent";

/// Carries the conversation id on BYOC trunks with "Conversation Headers" on (the platform's developer blog, 2021-09).
const CONVERSATION_HEADER: &str = "x-inin-cnv";

/// The field of RFC 7433, which a rule for user-to-user data reads unless it names another.
pub const USER_TO_USER: &str = "User-to-User";

/// Read where a message has no User-to-User field: the platform takes both, and prefers that one (its help pages).
pub const OTHER_USER_TO_USER: &str = "x-User-To-User";

impl Default for Settings {
    fn default() -> Self {
        Self {
            trunks: vec![trunk()],
            rules: vec![rule()],
            identity_headers: vec![CONVERSATION_HEADER.to_owned()],
            access_logs: Vec::new(),
            clock_skew_ns: 2_000_000_000,
            log_timezone: None,
            from: None,
            to: None,
            hash: HashKind::default(),
            memory_limit: None,
            config_sha256: None,
        }
    }
}

/// The trunk that stands where none is configured.
#[must_use]
pub fn trunk() -> Trunk {
    Trunk {
        name: TRUNK.to_owned(),
        kind: TrunkKind::Byoc,
        hosts: BYOC_HOSTS.map(str::to_owned).to_vec(),
        ..Trunk::default()
    }
}

/// The rule that stands where none is configured.
#[must_use]
pub fn rule() -> ConsentRule {
    ConsentRule {
        name: CONSENT_HEADER.to_owned(),
        granted: vec!["true".to_owned()],
        denied: vec!["false".to_owned()],
        direction: RuleDirection::Inbound,
        place: RulePlace::Header,
        parameter: None,
        discriminator: None,
        messages: RuleMessage::REQUESTS.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::trunk;
    use crate::settings::pattern::fits_host;

    #[test]
    fn the_platforms_own_host_names_fit_and_names_that_only_begin_like_them_do_not() {
        let trunk = trunk();
        let fits = |host: &str| trunk.hosts.iter().any(|known| fits_host(known.as_bytes(), host.as_bytes()));
        for host in [
            "byoc.mypurecloud.com",
            "acme.byoc.mypurecloud.com.au",
            "acme.BYOC.mypurecloud.ie",
            "byoc.usw2.pure.cloud",
            "acme.byoc.euw1.genesys.cloud",
            "acme.byoc.use2.us-gov-pure.cloud",
            "byoc.edee1.eusc-genesys.cloud",
        ] {
            assert!(fits(host), "{host}");
        }
        for host in [
            "byoc.mypurecloud.com.example.org",
            "acme.byoc.mypurecloud.example",
            "byoc.usw2.pure.cloud.example.org",
            "api.mypurecloud.com",
            "evilbyoc.mypurecloud.com",
        ] {
            assert!(!fits(host), "{host}");
        }
    }
}
