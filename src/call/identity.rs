//! Which identifiers name which legs, which legs are one call, and what binds an API request to them.
//!
//! Every link says by what and how strongly it holds (contract §3): `exact` by the Call-ID itself, `bridged` by an
//! identifier that some message of the dialog carries, `weak` by a Call-ID equal but for its host. Time alone never
//! binds. An identifier that too many legs share joins nothing and is reported.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::legs::Leg;
use crate::evidence::Timestamp;
use crate::facts::{ApiRequest, NameKind, Place, Subject};
use crate::settings::{Settings, TrunkKind};

/// Legs that may share an identifier before it joins nothing.
pub const MOST_LEGS_OF_AN_IDENTIFIER: usize = 32;

type Seed = foldhash::fast::RandomState;

/// What the identifiers of all legs say.
#[derive(Debug)]
pub struct Identity<'a> {
    /// The calls: legs by index, each call sorted, the calls by their first leg.
    pub calls: Vec<Vec<usize>>,
    /// Identifiers that too many legs share, with their number of legs.
    pub too_common: BTreeMap<Box<[u8]>, usize>,
    call_of: Vec<usize>,
    by_call_id: HashMap<&'a [u8], Vec<usize>, Seed>,
    by_user: HashMap<&'a [u8], Vec<usize>, Seed>,
    by_identifier: HashMap<Box<[u8]>, Vec<(usize, Subject)>, Seed>,
    /// For each leg the conversations that its messages name.
    conversations: Vec<Vec<Box<[u8]>>>,
}

/// How strong a link is: as strong as its weakest step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// By the Call-ID itself.
    Exact,
    /// By an identifier that the dialog carries.
    Bridged,
    /// By a Call-ID equal but for its host.
    Weak,
}

impl Strength {
    /// The word the report uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Bridged => "bridged",
            Self::Weak => "weak",
        }
    }
}

/// What binds a request to a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The leg.
    pub leg: usize,
    /// The bridging field; `None` for the Call-ID itself.
    pub by: Option<Subject>,
    /// How strong it is.
    pub strength: Strength,
    /// Whether the link may support an exposure, time apart.
    pub exposes: bool,
}

/// Why a request is bound to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unbound {
    /// Several legs fit a weak name.
    Ambiguous,
    /// It came before every leg it names.
    BeforeCall,
    /// What it names is shared by too many legs.
    IdentifierTooCommon,
    /// It names nothing.
    NoIdentifier,
    /// What it names is no call of the evidence.
    NoSuchCall,
    /// Its record has no readable time.
    NoTime,
    /// What it names is no call of the evidence, and may be one whose signalling is encrypted.
    SignallingNotCaptured,
    /// It names a trunk that is not configured.
    UnknownTrunk,
}

impl Unbound {
    /// The word the report uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ambiguous => "ambiguous",
            Self::BeforeCall => "before_call",
            Self::IdentifierTooCommon => "identifier_too_common",
            Self::NoIdentifier => "no_identifier",
            Self::NoSuchCall => "no_such_call",
            Self::NoTime => "no_time",
            Self::SignallingNotCaptured => "signalling_not_captured",
            Self::UnknownTrunk => "unknown_trunk",
        }
    }
}

/// What a request is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// To these legs, one link each, sorted by leg.
    Legs(Vec<Link>),
    /// To the trunk of that index in the settings.
    Trunk(usize),
    /// To nothing.
    Nothing(Unbound),
}

impl<'a> Identity<'a> {
    /// Reads the identifiers of `legs`, which are sorted by first message.
    #[must_use]
    pub fn of(legs: &[Leg<'a>]) -> Self {
        let mut by_call_id: HashMap<&'a [u8], Vec<usize>, Seed> = HashMap::default();
        let mut by_user: HashMap<&'a [u8], Vec<usize>, Seed> = HashMap::default();
        let mut sharing: BTreeMap<Box<[u8]>, Vec<(usize, Subject)>> = BTreeMap::new();
        let mut conversations = Vec::with_capacity(legs.len());
        for (place, leg) in legs.iter().enumerate() {
            by_call_id.entry(leg.call_id).or_default().push(place);
            by_user.entry(user(leg.call_id)).or_default().push(place);
            let mut own = Vec::new();
            for identifier in &leg.identifiers {
                for half in halves(identifier.subject, identifier.value) {
                    let key = normal(half);
                    let legs = sharing.entry(key.clone()).or_default();
                    // Legs come in order, so one that is known stands last.
                    if legs.last().is_none_or(|(known, _)| *known != place) {
                        legs.push((place, identifier.subject));
                    }
                    if matches!(identifier.subject, Subject::Conversation(_)) {
                        own.push(written(half));
                    }
                }
            }
            own.sort_unstable();
            own.dedup();
            conversations.push(own);
        }
        let mut union = Union::new(legs.len());
        let mut too_common = BTreeMap::new();
        let mut by_identifier: HashMap<Box<[u8]>, Vec<(usize, Subject)>, Seed> = HashMap::default();
        for (key, sharers) in sharing {
            if sharers.len() > MOST_LEGS_OF_AN_IDENTIFIER {
                too_common.insert(key, sharers.len());
                continue;
            }
            for pair in sharers.windows(2) {
                if let [(one, _), (other, _)] = pair {
                    union.join(*one, *other);
                }
            }
            by_identifier.insert(key, sharers);
        }
        for own in &mut conversations {
            own.retain(|conversation| !too_common.contains_key(&normal(conversation)));
        }
        let (calls, call_of) = union.sets();
        Self { calls, too_common, call_of, by_call_id, by_user, by_identifier, conversations }
    }

    /// The conversation ids that the legs of a call name, sorted.
    #[must_use]
    pub fn conversation_ids(&self, call: &[usize]) -> Vec<Box<[u8]>> {
        let mut ids: Vec<_> = call.iter().filter_map(|leg| self.conversations.get(*leg)).flatten().cloned().collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The legs that bear a Call-ID, by index.
    #[must_use]
    pub fn bearing(&self, call_id: &[u8]) -> &[usize] {
        self.by_call_id.get(call_id).map_or(&[], Vec::as_slice)
    }

    /// Binds a recording request by what it names and when it came.
    #[must_use]
    pub fn bind(&self, request: &ApiRequest, legs: &[Leg<'_>], settings: &Settings) -> Binding {
        let Some(at) = request.at else { return Binding::Nothing(Unbound::NoTime) };
        let mut found = Found::default();
        for name in &request.names {
            match (name.kind, name.place) {
                (NameKind::Trunk, _) => {
                    found.trunk_named = true;
                    found.trunk = found.trunk.or_else(|| {
                        settings.trunks.iter().position(|trunk| {
                            trunk.id.as_ref().is_some_and(|id| normal(id.as_bytes()) == normal(&name.value))
                        })
                    });
                }
                (NameKind::CallId, place) => {
                    found.named = true;
                    let exact = self.exact(&name.value, &mut found);
                    self.bridged(&name.value, legs, settings, &mut found);
                    if !exact && place != Place::Path {
                        self.weak(&name.value, &mut found);
                    }
                }
                (NameKind::Conversation | NameKind::Segment, place) => {
                    found.named = true;
                    if place == Place::Path {
                        self.exact(&name.value, &mut found);
                    }
                    self.bridged(&name.value, legs, settings, &mut found);
                }
            }
        }
        found.conclude(at, legs, settings)
    }

    fn exact(&self, value: &[u8], found: &mut Found) -> bool {
        let bearing = self.bearing(value);
        for leg in bearing {
            found.add(Link { leg: *leg, by: None, strength: Strength::Exact, exposes: bearing.len() == 1 });
        }
        !bearing.is_empty()
    }

    fn bridged(&self, value: &[u8], legs: &[Leg<'_>], settings: &Settings, found: &mut Found) {
        let key = normal(value);
        found.too_common |= self.too_common.contains_key(&key);
        let Some(sharers) = self.by_identifier.get(&key) else { return };
        let Some((first, bridge)) = sharers.first() else { return };
        let Some(call) = self.call_of.get(*first).and_then(|call| self.calls.get(*call)) else { return };
        let byoc = call.iter().filter(|leg| legs.get(**leg).is_some_and(|leg| kind(leg, settings) == TrunkKind::Byoc));
        let single = byoc.count() == 1;
        for leg in call {
            let by = sharers.iter().find(|(sharer, _)| sharer == leg).map_or(*bridge, |(_, subject)| *subject);
            found.add(Link { leg: *leg, by: Some(by), strength: Strength::Bridged, exposes: single });
        }
    }

    fn weak(&self, value: &[u8], found: &mut Found) {
        match self.by_user.get(user(value)).map(Vec::as_slice) {
            Some([leg]) => found.add(Link { leg: *leg, by: None, strength: Strength::Weak, exposes: false }),
            Some([_, ..]) => found.ambiguous = true,
            Some([]) | None => {}
        }
    }
}

/// The kind of the trunk that a leg crossed.
#[must_use]
pub fn kind(leg: &Leg<'_>, settings: &Settings) -> TrunkKind {
    leg.trunk.and_then(|trunk| settings.trunks.get(trunk)).map_or(TrunkKind::Unknown, |trunk| trunk.kind)
}

/// What the names of one request lead to.
#[derive(Default)]
struct Found {
    links: Vec<Link>,
    /// Where each leg's link stands.
    places: HashMap<usize, usize, Seed>,
    named: bool,
    trunk_named: bool,
    trunk: Option<usize>,
    too_common: bool,
    ambiguous: bool,
}

impl Found {
    /// Keeps the strongest link to each leg.
    fn add(&mut self, link: Link) {
        let known = self.places.get(&link.leg).and_then(|place| self.links.get_mut(*place));
        match known {
            Some(known) if link.strength < known.strength => *known = link,
            Some(known) if link.strength == known.strength => known.exposes |= link.exposes,
            Some(_) => {}
            None => {
                self.places.insert(link.leg, self.links.len());
                self.links.push(link);
            }
        }
    }

    fn conclude(mut self, at: Timestamp, legs: &[Leg<'_>], settings: &Settings) -> Binding {
        let any = !self.links.is_empty();
        self.links.retain(|link| {
            legs.get(link.leg).is_some_and(|leg| at.ns >= leg.first.at.ns.saturating_sub(settings.clock_skew_ns))
        });
        if !self.links.is_empty() {
            self.links.sort_by_key(|link| link.leg);
            return Binding::Legs(self.links);
        }
        if let Some(trunk) = self.trunk {
            return Binding::Trunk(trunk);
        }
        Binding::Nothing(if any {
            Unbound::BeforeCall
        } else if self.too_common {
            Unbound::IdentifierTooCommon
        } else if self.ambiguous {
            Unbound::Ambiguous
        } else if self.trunk_named {
            Unbound::UnknownTrunk
        } else if self.named {
            Unbound::NoSuchCall
        } else {
            Unbound::NoIdentifier
        })
    }
}

/// The part of a Call-ID before its `@host`.
fn user(call_id: &[u8]) -> &[u8] {
    memchr::memchr(b'@', call_id).map_or(call_id, |at| call_id.get(..at).unwrap_or_default())
}

/// The identifiers that a field's value holds: both halves of a Session-ID (RFC 7989 §6), never the nil one; else the
/// value itself.
fn halves(subject: Subject, value: &[u8]) -> Vec<&[u8]> {
    let nil = |half: &[u8]| half.iter().all(|byte| matches!(byte, b'0' | b'-'));
    if subject != Subject::SessionId {
        return vec![value].into_iter().filter(|value| !nil(value)).collect();
    }
    let mut parts = value.split(|byte| *byte == b';');
    let local = parts.next().map(<[u8]>::trim_ascii);
    let remote = parts.filter_map(|part| {
        let part = part.trim_ascii();
        let (name, value) = part.split_at_checked(7)?;
        name.eq_ignore_ascii_case(b"remote=").then_some(value)
    });
    local.into_iter().chain(remote).filter(|half| !nil(half)).collect()
}

/// The hex digits of a UUID, with or without its hyphens; `None` for anything else.
fn uuid(value: &[u8]) -> Option<[u8; 32]> {
    let mut digits = [0; 32];
    let mut count = 0;
    for byte in value {
        match byte {
            b'-' => {}
            byte if byte.is_ascii_hexdigit() => {
                *digits.get_mut(count)? = byte.to_ascii_lowercase();
                count += 1;
            }
            _ => return None,
        }
    }
    (count == 32).then_some(digits)
}

/// An identifier as it is compared: a UUID without regard to case and hyphens, anything else byte by byte.
fn normal(value: &[u8]) -> Box<[u8]> {
    let value = value.trim_ascii();
    uuid(value).map_or_else(|| value.into(), |digits| Box::new(digits) as Box<[u8]>)
}

/// A conversation id as the report shows it: a UUID in lower case, anything else as written.
fn written(value: &[u8]) -> Box<[u8]> {
    if uuid(value).is_some() { value.to_ascii_lowercase().into() } else { value.into() }
}

/// Sets of legs that grow together.
struct Union {
    parent: Vec<usize>,
}

impl Union {
    fn new(len: usize) -> Self {
        Self { parent: (0..len).collect() }
    }

    fn root(&mut self, mut of: usize) -> usize {
        while let Some(parent) = self.parent.get(of).copied()
            && parent != of
        {
            let above = self.parent.get(parent).copied().unwrap_or(parent);
            if let Some(slot) = self.parent.get_mut(of) {
                *slot = above;
            }
            of = above;
        }
        of
    }

    /// The earlier leg becomes the root, so that a set is known by its first leg.
    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        if let Some(parent) = self.parent.get_mut(one.max(other)) {
            *parent = one.min(other);
        }
    }

    /// The sets by their first leg, and for each leg its set.
    fn sets(mut self) -> (Vec<Vec<usize>>, Vec<usize>) {
        let mut sets: Vec<Vec<usize>> = Vec::new();
        let mut of: Vec<usize> = Vec::with_capacity(self.parent.len());
        for leg in 0..self.parent.len() {
            let root = self.root(leg);
            let set = if root == leg {
                sets.push(Vec::new());
                sets.len() - 1
            } else {
                of.get(root).copied().unwrap_or_default()
            };
            if let Some(set) = sets.get_mut(set) {
                set.push(leg);
            }
            of.push(set);
        }
        (sets, of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_the_same_in_any_case_with_or_without_hyphens() {
        let one = normal(b"0F1E2D3C-4b5a-6978-8796-a5b4c3d2e1f0");
        assert_eq!(one, normal(b"0f1e2d3c4b5a69788796a5b4c3d2e1f0"));
        assert_ne!(normal(b"Abc"), normal(b"abc"));
    }

    #[test]
    fn a_session_id_has_two_halves_and_the_nil_one_is_none() {
        let value = b"ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000";
        assert_eq!(halves(Subject::SessionId, value), [b"ab30317f1a784dc48ff824d0d3715d86"]);
        let value = b"ab30317f1a784dc48ff824d0d3715d86; remote=47755a9de7794ba387653f2099600ef2";
        assert_eq!(halves(Subject::SessionId, value).len(), 2);
    }

    #[test]
    fn sets_are_known_by_their_first_member() {
        let mut union = Union::new(5);
        union.join(3, 1);
        union.join(4, 3);
        let (sets, of) = union.sets();
        assert_eq!(sets, [vec![0], vec![1, 3, 4], vec![2]]);
        assert_eq!(of, [0, 1, 2, 1, 1]);
    }

    #[test]
    fn the_user_part_ends_at_the_first_at_sign() {
        assert_eq!(user(b"abc@192.0.2.1"), b"abc");
        assert_eq!(user(b"abc"), b"abc");
    }
}
