//! What of a message the consent rules read: whole header field values, parameters of them, decoded user-to-user data,
//! parameters of the Request-URI, attributes of the session description.
//!
//! Takes out the text that a rule compares with its values; what it means is the next stage's to say. Called by
//! [`dialog`](super::dialog) for the messages that some rule reads.
//!
//! Keeps: a value that does not hold what its rule reads (another parameter, another application's data) is no field of
//! that rule. Of a rejected media description (RFC 3264 §6) nothing is read.

use std::borrow::Cow;

use super::steps::{Start, Step};
use crate::facts::{Method, Signalling, StartLine, Subject};
use crate::few::Few;
use crate::settings::{ConsentRule, RuleMessage, RulePlace, Settings, builtin};
use crate::sip::address;
use crate::sip::uri;
use crate::sip::user_to_user::{self, Data};

/// What one rule reads in one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The rule's index in the settings.
    pub rule: u16,
    /// The media description it stands in, from 1; 0 for what concerns the whole message.
    pub section: u16,
    /// The name of the header field or the attribute as written; empty for the Request-URI.
    pub name: &'a [u8],
    /// The whole value as written.
    pub value: &'a [u8],
    /// What is compared with the rule's values; `None` where it could not be decoded.
    pub text: Option<Cow<'a, [u8]>>,
}

impl Field<'_> {
    /// Whether both are the same value of the same rule in the same place.
    pub(super) fn says_as(&self, other: &Field<'_>) -> bool {
        (self.rule, self.section, self.value) == (other.rule, other.section, other.value)
    }
}

/// What the rules of the settings read, so that most messages need no look at the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reads {
    /// Some rule reads INFO.
    pub(super) info: bool,
    /// Some rule reads provisional responses.
    pub(super) provisional: bool,
    /// Some rule reads success responses.
    pub(super) success: bool,
    /// Every rule reads whole header fields of INVITE and UPDATE.
    plain: bool,
    /// Some rule reads attributes of session descriptions.
    pub(super) attributes: bool,
}

impl Reads {
    pub(super) fn of(settings: &Settings) -> Self {
        let any = |message| settings.rules.iter().any(|rule| rule.reads(message));
        Self {
            info: any(RuleMessage::Info),
            provisional: any(RuleMessage::Provisional),
            success: any(RuleMessage::Success),
            plain: settings.rules.iter().all(ConsentRule::is_plain),
            attributes: settings.rules.iter().any(|rule| rule.place == RulePlace::SdpAttribute),
        }
    }

    /// What rules call a message, if it belongs into the ledger: every INVITE and UPDATE, and what some rule reads.
    #[inline]
    pub(super) fn message(&self, step: &Step) -> Option<RuleMessage> {
        match step.start() {
            Start::Request(Method::Invite) => Some(RuleMessage::Invite),
            Start::Request(Method::Update) => Some(RuleMessage::Update),
            Start::Request(Method::Info) if self.info => Some(RuleMessage::Info),
            Start::Response(status @ 101..=299)
                if (self.provisional || self.success)
                    && matches!(step.cseq(), Some(Method::Invite | Method::Update)) =>
            {
                match status {
                    200.. => Some(RuleMessage::Success).filter(|_| self.success),
                    _ => Some(RuleMessage::Provisional).filter(|_| self.provisional),
                }
            }
            _ => None,
        }
    }

    /// What the rules read in a message of that kind.
    pub(super) fn fields<'a>(
        &self,
        message: &Signalling<'a>,
        kind: RuleMessage,
        initial: bool,
        settings: &Settings,
    ) -> Few<Field<'a>, 1> {
        if self.plain {
            let whole = |rule, name, value| Field { rule, section: 0, name, value, text: Some(Cow::Borrowed(value)) };
            return message
                .rows()
                .filter_map(|row| match row.subject {
                    Subject::Consent(rule) => Some(whole(rule, row.name, row.value)),
                    _ => None,
                })
                .collect();
        }
        let mut fields = Few::new();
        for (place, rule) in (0..).zip(&settings.rules) {
            if !rule.reads(kind) {
                continue;
            }
            let mut add = |section, name, value, text| fields.push(Field { rule: place, section, name, value, text });
            match rule.place {
                RulePlace::Header | RulePlace::UserToUser => rows(message, place, rule, |name, value, text| {
                    add(0, name, value, text);
                }),
                RulePlace::SdpAttribute => {
                    for (section, name, value) in open_attributes(message, rule) {
                        add(section, name, value, Some(Cow::Borrowed(value)));
                    }
                }
                RulePlace::UriParameter => {
                    if let StartLine::Request { uri, .. } = message.start
                        && initial
                        && let Some(value) = uri::parameter(uri, rule.name.as_bytes())
                    {
                        add(0, b"", value, Some(Cow::Borrowed(value)));
                    }
                }
            }
        }
        fields
    }
}

/// Shows the rows of a rule's field that hold what it reads: name, value, text.
fn rows<'a>(
    message: &Signalling<'a>,
    place: u16,
    rule: &ConsentRule,
    mut show: impl FnMut(&'a [u8], &'a [u8], Option<Cow<'a, [u8]>>),
) {
    let own = || message.rows().filter(|row| row.subject == Subject::Consent(place));
    if rule.place == RulePlace::UserToUser {
        // Beside the field that the rule names, the one that stands in for it is not asked.
        let named = own().any(|row| row.name.eq_ignore_ascii_case(rule.name.as_bytes()));
        for row in own() {
            let stands_in = row.name.eq_ignore_ascii_case(builtin::OTHER_USER_TO_USER.as_bytes())
                && !rule.name.eq_ignore_ascii_case(builtin::OTHER_USER_TO_USER);
            if named && stands_in {
                continue;
            }
            for value in address::values(row.value) {
                match (user_to_user::decode(value, rule.discriminator), &rule.parameter) {
                    (Data::Other, _) => {}
                    (Data::Unreadable, _) => show(row.name, row.value, None),
                    (Data::Text(text), None) => show(row.name, row.value, Some(text)),
                    (Data::Text(text), Some(parameter)) => {
                        for found in address::every_parameter(&text, parameter.as_bytes()) {
                            show(row.name, row.value, Some(Cow::Owned(found.to_vec())));
                        }
                    }
                }
            }
        }
        return;
    }
    for row in own() {
        match &rule.parameter {
            None => show(row.name, row.value, Some(Cow::Borrowed(row.value))),
            Some(parameter) => {
                for found in address::every_parameter(row.value, parameter.as_bytes()) {
                    show(row.name, row.value, Some(Cow::Borrowed(found)));
                }
            }
        }
    }
}

/// The attributes of a rule's name, of the session and of media descriptions that are not rejected.
fn open_attributes<'a>(message: &Signalling<'a>, rule: &ConsentRule) -> Vec<(u16, &'a [u8], &'a [u8])> {
    let open = open_sections(message);
    let attribute = |row: crate::facts::Row<'a>| match row.subject {
        Subject::Attribute(section) if row.name.eq_ignore_ascii_case(rule.name.as_bytes()) => {
            (section == 0 || open.contains(&section)).then_some((section, row.name, row.value))
        }
        _ => None,
    };
    message.rows().filter_map(attribute).collect()
}

/// The numbers, from 1, of the media descriptions that are not rejected.
pub(super) fn open_sections(message: &Signalling<'_>) -> Box<[u16]> {
    let numbered = message.media().into_iter().flatten().zip(1..);
    numbered.filter(|(media, _)| media.port != Some(0)).map(|(_, section)| section).collect()
}
