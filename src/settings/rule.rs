//! Consent rules: which part of which messages grants or denies, and in which direction it can be expected.
//!
//! A rule names a place (a header field, decoded User-to-User data, a parameter of the Request-URI, an attribute of the
//! session description), the messages that it is read in, and the values that grant or deny.

use serde::{Serialize, Serializer};

use crate::sentence::{Kind, Sentence};

/// A consent rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConsentRule {
    /// The name of the field, parameter or attribute.
    pub name: String,
    /// Values that grant, compared without regard to case and surrounding blanks.
    pub granted: Vec<String>,
    /// Values that deny.
    pub denied: Vec<String>,
    /// The direction in which the field's absence says something.
    pub direction: RuleDirection,
    /// What is read.
    pub place: RulePlace,
    /// The parameter of the value that is read instead of the whole value; null for the whole.
    pub parameter: Option<String>,
    /// The protocol discriminator of the User-to-User data that is read, two hex digits; null for any.
    #[serde(rename = "pd", serialize_with = "hex")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub discriminator: Option<u8>,
    /// The messages that are read, in the order of [`RuleMessage::ALL`].
    pub messages: Vec<RuleMessage>,
}

fn hex<S: Serializer>(discriminator: &Option<u8>, serializer: S) -> Result<S::Ok, S::Error> {
    discriminator.map(|octet| format!("{octet:02x}")).serialize(serializer)
}

impl ConsentRule {
    /// Whether the rule reads messages of this kind.
    #[must_use]
    pub fn reads(&self, message: RuleMessage) -> bool {
        self.messages.contains(&message)
    }

    /// Whether it is one of contract §7 without any further key: a whole header field of INVITE and UPDATE.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.place == RulePlace::Header && self.parameter.is_none() && self.messages == RuleMessage::REQUESTS
    }

    /// Whether both read the same thing in calls of one direction.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self.place == other.place
            && self.name.eq_ignore_ascii_case(&other.name)
            && same(self.parameter.as_deref(), other.parameter.as_deref())
            && self.discriminator == other.discriminator
            && (self.direction == other.direction
                || self.direction == RuleDirection::Any
                || other.direction == RuleDirection::Any)
    }

    /// What is read, as reports name it: `X-Consent`, `recording of X-Consent`, `a=x-consent`.
    #[must_use]
    pub fn shown(&self) -> Sentence {
        let (before, behind) = match self.place {
            RulePlace::Header => ("", String::new()),
            RulePlace::SdpAttribute => ("a=", String::new()),
            RulePlace::UriParameter => ("Request-URI parameter ", String::new()),
            RulePlace::UserToUser => match self.discriminator {
                Some(octet) => ("", format!(" (decoded, pd {octet:02x})")),
                None => ("", " (decoded)".to_owned()),
            },
        };
        let shown = match &self.parameter {
            Some(parameter) => Sentence::default().naming(Kind::Parameter, parameter).and(" of "),
            None => Sentence::default(),
        };
        shown.and(before).naming(Kind::Field, &self.name).and(&behind)
    }
}

fn same(one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        (one, other) => one == other,
    }
}

/// What a consent rule reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum RulePlace {
    /// A header field.
    #[default]
    Header,
    /// An attribute of the session description, of the session or of single media descriptions.
    SdpAttribute,
    /// A parameter of the initial INVITE's Request-URI.
    UriParameter,
    /// The decoded data of a User-to-User header field (RFC 7433).
    UserToUser,
}

impl RulePlace {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Header, Self::UserToUser, Self::UriParameter, Self::SdpAttribute];

    /// The word the configuration and the report use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::SdpAttribute => "sdp_attribute",
            Self::UriParameter => "uri_parameter",
            Self::UserToUser => "user_to_user",
        }
    }
}

/// Messages that a consent rule may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum RuleMessage {
    /// INVITE, also within a dialog.
    #[serde(rename = "INVITE")]
    Invite,
    /// UPDATE (RFC 3311).
    #[serde(rename = "UPDATE")]
    Update,
    /// INFO (RFC 6086).
    #[serde(rename = "INFO")]
    Info,
    /// Provisional responses to INVITE and UPDATE, but for 100.
    #[serde(rename = "1xx")]
    Provisional,
    /// Success responses to INVITE and UPDATE.
    #[serde(rename = "2xx")]
    Success,
}

impl RuleMessage {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 5] = [Self::Invite, Self::Update, Self::Info, Self::Provisional, Self::Success];

    /// What is read where a rule does not say.
    pub const REQUESTS: [Self; 2] = [Self::Invite, Self::Update];

    /// The word the configuration and the report use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Invite => "INVITE",
            Self::Provisional => "1xx",
            Self::Success => "2xx",
            Self::Update => "UPDATE",
        }
    }
}

/// The direction of calls that a consent rule speaks of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum RuleDirection {
    /// Calls of either direction.
    Any,
    /// Calls towards the platform.
    #[default]
    Inbound,
    /// Calls from the platform.
    Outbound,
}

impl RuleDirection {
    /// The word the configuration and the report use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}
