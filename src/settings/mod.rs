//! What an audit is to look for: trunks, consent rules, identifiers, log fields. Plain, validated data.
//!
//! [`Settings::default`] holds the built-in rules; [`Settings::from_toml`] reads a configuration (contract §7). All
//! that is specific to one vendor stands in [`builtin`] and nowhere else. Serialised, settings are the report's
//! `settings`: in full and in a fixed order.

pub mod builtin;
mod config;
mod effective;
mod network;
pub mod pattern;
mod recorded;
mod rule;
mod timezone;
mod zones;

use serde::Serialize;

use crate::evidence::{HashKind, Timestamp};

pub use network::Network;
pub use rule::{ConsentRule, RuleDirection, RuleMessage, RulePlace};
pub use timezone::Timezone;
pub use zones::{SourceZone, Zone, ZoneFrom, Zones};

/// The effective configuration of one audit, and the options that change its result.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Trunks, in the order they are tried.
    pub trunks: Vec<Trunk>,
    /// Consent rules. At least one.
    pub rules: Vec<ConsentRule>,
    /// Names of header fields whose value names the conversation, the built-in ones first.
    pub identity_headers: Vec<String>,
    /// What is known of certain access logs.
    pub access_logs: Vec<AccessLog>,
    /// How far a log's clock may run behind the capture's, in nanoseconds; never negative.
    pub clock_skew_ns: i64,
    /// The zone of log times that carry none; `None` where nobody named one: then UTC is assumed.
    pub log_timezone: Option<Timezone>,
    /// Only calls that began at this time or later; `None` for all.
    pub from: Option<Timestamp>,
    /// Only calls that began before this time; `None` for all.
    pub to: Option<Timestamp>,
    /// The digest of every source.
    pub hash: HashKind,
    /// The bytes that may be kept of the evidence; `None` for any number. No part of the report: one that is beyond it
    /// is none.
    pub memory_limit: Option<u64>,
    /// SHA-256 of the configuration's text in lower-case hex; `None` with the built-in rules alone.
    pub config_sha256: Option<String>,
}

/// A trunk: a configured set of edge addresses and host names.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "ConfiguredTrunk"))]
pub struct Trunk {
    /// Its name in reports.
    pub name: String,
    /// What kind of trunk.
    pub kind: TrunkKind,
    /// Its identifier in API queries, a UUID as written.
    pub id: Option<String>,
    /// The carrier's side: SBC, softswitch.
    pub addresses: Vec<Network>,
    /// The platform's side.
    pub platform_addresses: Vec<Network>,
    /// The platform's host names, with `*` for any run of characters.
    pub hosts: Vec<String>,
    /// Capabilities as the admin page shows them; `None` when unknown.
    pub capabilities: Option<Vec<String>>,
}

impl Trunk {
    /// Whether it says by what a leg fits it.
    #[must_use]
    pub const fn can_fit(&self) -> bool {
        !(self.addresses.is_empty() && self.platform_addresses.is_empty() && self.hosts.is_empty())
    }
}

/// What kind of trunk carries a leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum TrunkKind {
    /// Bring your own carrier: the trunk in question.
    Byoc,
    /// A standard trunk: the control group.
    Standard,
    /// No configured trunk fits.
    #[default]
    Unknown,
}

impl TrunkKind {
    /// The word the report uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Byoc => "byoc",
            Self::Standard => "standard",
            Self::Unknown => "unknown",
        }
    }
}

/// What is known of the access logs whose shown path fits a pattern.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AccessLog {
    /// Glob on the shown path (`*` for any run of characters, `/` too); `None` for every log.
    pub files: Option<String>,
    /// The zone of times that carry none.
    pub timezone: Option<Timezone>,
    /// More names of fields, by what they hold.
    pub fields: LogFields,
    /// More request paths that are recording requests; `*` stands for any run of characters.
    pub recording_paths: Vec<String>,
}

/// Names of log fields by what they hold; a dot goes into nested objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are the configuration's own")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LogFields {
    pub time: Vec<String>,
    pub method: Vec<String>,
    pub target: Vec<String>,
    pub status: Vec<String>,
    pub client: Vec<String>,
    pub error_code: Vec<String>,
    pub request_id: Vec<String>,
    pub call_id: Vec<String>,
    pub conversation_id: Vec<String>,
    pub correlation_id: Vec<String>,
    pub user: Vec<String>,
}
