//! Which identifiers name which legs, which legs are one call, and what binds an API request to them.
//!
//! Every link says by what and how strongly it holds (contract §3): `exact` by the Call-ID itself, `bridged` by an
//! identifier that some message of the dialog carries or that an export of the platform ties to its Call-ID, `weak` by a
//! Call-ID equal but for its host. A leg that names another by its Call-ID (Replaces, Refer-To, Join, Target-Dialog) is
//! joined to it. Time alone
//! never binds. An identifier that too many legs share joins nothing and is reported. [`super::edges`] tells what joined
//! the legs of a call.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::OnceLock;

use hashbrown::HashMap;
use hashbrown::hash_table::{self, HashTable};

use super::exported::{self, Tied, Ties};
use super::identifier::{halves, normal, user, written};
use super::inventory::Inventory;
use super::outline::Outline;
use super::references::{self, Asked, Reference, Transfer};
use crate::evidence::{Locus, Timestamp};
use crate::facts::{ApiRequest, Exports, NameKind, Place, Subject};
use crate::http::percent_decode;
use crate::settings::{Settings, TrunkKind};

/// Legs that may share an identifier before it joins nothing. A recording session is a leg like any other, and counts.
pub const MOST_LEGS_OF_AN_IDENTIFIER: usize = 32;

/// Legs of one call. Identifiers that chain more of them, few by few, join nothing: each request for such a call would inform
/// each of its legs.
pub const MOST_LEGS_OF_A_CALL: usize = 256;

type Seed = foldhash::fast::RandomState;

/// An identifier that more than [`MOST_LEGS_OF_AN_IDENTIFIER`] legs share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooCommon {
    /// As the report shows it.
    pub shown: Box<[u8]>,
    /// How many legs.
    pub legs: usize,
}

/// What the identifiers of all legs say.
#[derive(Debug)]
pub struct Identity {
    /// The calls.
    pub calls: Calls,
    /// Identifiers that too many legs share.
    pub too_common: BTreeMap<Box<[u8]>, TooCommon>,
    /// For each chain of more than [`MOST_LEGS_OF_A_CALL`] legs the first one, and how many.
    pub too_long: Vec<(usize, usize)>,
    /// For each leg whether it is of such a chain; none where there is none.
    chained: Vec<bool>,
    named: Named,
    by_identifier: HashMap<Box<[u8]>, Vec<(usize, By)>, Seed>,
    /// Links of exports that join nothing, by the conversation they name.
    loose: HashMap<Box<[u8]>, Vec<Link>, Seed>,
    /// Entries of exports that contradict a leg's signalling, or each other, on its conversation.
    pub disagreeing: Vec<Locus>,
    /// The conversations that the messages of a leg, or an export, name, by leg; legs of which none is named are left out.
    conversations: Vec<(usize, Vec<Box<[u8]>>)>,
    /// What exports tie, firmly or not, by leg.
    pub(super) tied: Vec<Tied>,
    /// Legs whose own word on their conversation an export's outweighs, sorted.
    pub(super) overruled: Vec<usize>,
    /// Legs that name another, sorted.
    pub(super) references: Vec<Reference>,
    transfers: HashMap<Transfer, Asked, Seed>,
}

/// What a leg replaces.
#[derive(Clone, Debug)]
pub struct Replaced<'i> {
    /// The legs that it may be; empty where none was captured. Of more than an identifier may join all, whenever they were.
    pub legs: Cow<'i, [usize]>,
    /// The INVITE that says so.
    pub locus: Locus,
}

/// The legs by their Call-IDs, whole and without the host. Most evidence asks for neither table, so each is made when it
/// is asked for first.
#[derive(Debug, Default)]
struct Named {
    by_call_id: OnceLock<Table>,
    by_user: OnceLock<Table>,
}

impl Named {
    fn bearing(&self, legs: &[Outline<'_>], call_id: &[u8]) -> &[usize] {
        self.by_call_id.get_or_init(|| Table::of(legs, |leg| leg.call_id)).get(legs, |leg| leg.call_id, call_id)
    }

    fn of_user(&self, legs: &[Outline<'_>], name: &[u8]) -> &[usize] {
        self.by_user.get_or_init(|| Table::of(legs, |leg| user(leg.call_id))).get(legs, |leg| user(leg.call_id), name)
    }
}

/// The legs of each name. Their names stand in the legs.
#[derive(Debug, Default)]
struct Table {
    seed: Seed,
    bearers: HashTable<Bearers>,
}

impl Table {
    fn of(legs: &[Outline<'_>], name: for<'l> fn(&'l Outline<'_>) -> &'l [u8]) -> Self {
        let mut table = Self { seed: Seed::default(), bearers: HashTable::with_capacity(legs.len()) };
        let Self { seed, bearers } = &mut table;
        for (place, leg) in legs.iter().enumerate() {
            let own = name(leg);
            let of = |known: &Bearers| known.as_slice().first().and_then(|leg| legs.get(*leg)).map(name);
            match bearers.entry(
                seed.hash_one(own),
                |known| of(known) == Some(own),
                |known| seed.hash_one(of(known).unwrap_or_default()),
            ) {
                hash_table::Entry::Occupied(mut known) => known.get_mut().add(place),
                hash_table::Entry::Vacant(vacant) => {
                    vacant.insert(Bearers::One([place]));
                }
            }
        }
        table
    }

    fn get(&self, legs: &[Outline<'_>], name: for<'l> fn(&'l Outline<'_>) -> &'l [u8], wanted: &[u8]) -> &[usize] {
        let of = |known: &Bearers| known.as_slice().first().and_then(|leg| legs.get(*leg)).map(name);
        let found = self.bearers.find(self.seed.hash_one(wanted), |known| of(known) == Some(wanted));
        found.map_or(&[], Bearers::as_slice)
    }
}

/// The legs of one name, in order. Of most names there is one, which needs no list of its own.
#[derive(Debug)]
enum Bearers {
    One([usize; 1]),
    Several(Vec<usize>),
}

impl Bearers {
    fn add(&mut self, leg: usize) {
        match self {
            Self::One([first]) => *self = Self::Several(vec![*first, leg]),
            Self::Several(legs) => legs.push(leg),
        }
    }

    fn as_slice(&self) -> &[usize] {
        match self {
            Self::One(leg) => leg,
            Self::Several(legs) => legs,
        }
    }
}

/// What a link goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// The Call-ID itself.
    CallId,
    /// A field that some message of the dialog carries.
    Field(Subject),
    /// Analytics conversation details, which name the Call-ID.
    ProtocolCallId,
    /// A SIP trace record, which names the Call-ID.
    SipTrace,
    /// The Replaces of an INVITE, which names the other leg's Call-ID.
    Replaces,
    /// The Refer-To of a REFER, whose Replaces names the other leg's Call-ID.
    ReferTo,
    /// The Join of an INVITE, which names the other leg's Call-ID.
    Join,
    /// The Target-Dialog of a request, which names the other leg's Call-ID.
    TargetDialog,
}

impl By {
    /// The word the report uses: the field's own name, where it is one.
    #[must_use]
    pub fn name(self, settings: &Settings) -> &str {
        match self {
            Self::CallId => "call_id",
            Self::Field(Subject::Conversation(header)) => {
                settings.identity_headers.get(usize::from(header)).map_or("", String::as_str)
            }
            Self::Field(_) => "Session-ID",
            Self::ProtocolCallId => "protocolCallId",
            Self::SipTrace => "sip_trace",
            Self::Replaces => "Replaces",
            Self::ReferTo => "Refer-To",
            Self::Join => "Join",
            Self::TargetDialog => "Target-Dialog",
        }
    }
}

/// How strong a link is: as strong as its weakest step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// By the Call-ID itself.
    Exact,
    /// By an identifier that the dialog carries, or that an export ties to its Call-ID.
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
    /// What it goes by.
    pub by: By,
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

impl Identity {
    /// Reads the identifiers of `legs`, which are sorted by first message, and what `exports` tie to their Call-IDs.
    #[must_use]
    pub fn of(legs: &[Outline<'_>], exports: &Exports, settings: &Settings) -> Self {
        let known = Named::default();
        let by_call_id = |call_id: &[u8]| known.bearing(legs, call_id).to_vec();
        let ties = exported::ties(exports, legs, by_call_id, |name| known.of_user(legs, name).to_vec(), settings);
        let Ties { tied, loose, overruled, disagreeing } = ties;
        let mut firm = tied.iter().filter(|tied| tied.firm).peekable();
        let mut sharing: BTreeMap<Box<[u8]>, Vec<(usize, By)>> = BTreeMap::new();
        let mut share = |place: usize, identifier: &[u8], by: By| {
            let sharers = sharing.entry(normal(identifier)).or_default();
            // Legs come in order, so one that is known stands last.
            if sharers.last().is_none_or(|(known, _)| *known != place) {
                sharers.push((place, by));
            }
        };
        let mut conversations = Vec::new();
        for (place, leg) in legs.iter().enumerate() {
            let mut own = Vec::new();
            let is_overruled = overruled.binary_search(&place).is_ok();
            for identifier in leg.identifiers() {
                let names_conversation = matches!(identifier.subject, Subject::Conversation(_));
                if names_conversation && is_overruled {
                    continue;
                }
                for half in halves(identifier.subject, identifier.value) {
                    share(place, half, By::Field(identifier.subject));
                    if names_conversation {
                        own.push(written(half));
                    }
                }
            }
            while let Some(tied) = firm.next_if(|tied| tied.leg == place) {
                share(place, &tied.conversation, tied.by);
                own.push(written(&tied.conversation));
            }
            own.sort_unstable();
            own.dedup();
            if !own.is_empty() {
                conversations.push((place, own));
            }
        }
        let mut union = Union::new(legs.len());
        let mut too_common = BTreeMap::new();
        sharing.retain(|key, sharers| {
            let is_common = sharers.len() > MOST_LEGS_OF_AN_IDENTIFIER;
            if is_common {
                let own = sharers.first().and_then(|(leg, _)| of_leg(&conversations, *leg));
                let written = own.and_then(|own| own.iter().find(|own| normal(own) == *key));
                let shown = written.unwrap_or(key).clone();
                too_common.insert(key.clone(), TooCommon { shown, legs: sharers.len() });
            }
            !is_common
        });
        let join = |union: &mut Union, sharers: &[(usize, By)]| {
            for pair in sharers.windows(2) {
                if let [(one, _), (other, _)] = pair {
                    union.join(*one, *other);
                }
            }
        };
        sharing.values().for_each(|sharers| join(&mut union, sharers));
        let (mut references, hubs) = references::references(legs, |call_id| known.bearing(legs, call_id));
        for reference in &references {
            union.join(reference.naming, reference.named);
        }
        let mut calls = union.calls();
        let too_long: Vec<(usize, usize)> = (calls.iter().filter(|call| call.len() > MOST_LEGS_OF_A_CALL))
            .filter_map(|call| Some((*call.first()?, call.len())))
            .collect();
        let mut chained = Vec::new();
        if !too_long.is_empty() {
            chained.resize(legs.len(), false);
            for leg in too_long.iter().flat_map(|(first, _)| calls.of(*first)) {
                chained.get_mut(*leg).into_iter().for_each(|chained| *chained = true);
            }
            let is_chained = |leg: &usize| chained.get(*leg).is_some_and(|chained| *chained);
            references.retain(|reference| !is_chained(&reference.naming));
            let mut union = Union::new(legs.len());
            let apart = sharing.values().filter(|sharers| !sharers.first().is_some_and(|(leg, _)| is_chained(leg)));
            apart.for_each(|sharers| join(&mut union, sharers));
            references.iter().for_each(|reference| union.join(reference.naming, reference.named));
            calls = union.calls();
        }
        let is_chain = |sharers: &[(usize, By)]| match sharers {
            [(leg, _), _, ..] => chained.get(*leg).is_some_and(|chained| *chained),
            _ => false,
        };
        for (_, own) in &mut conversations {
            own.retain(|conversation| {
                let key = normal(conversation);
                !too_common.contains_key(&key) && !sharing.get(&key).is_some_and(|sharers| is_chain(sharers))
            });
        }
        let by_identifier = sharing.into_iter().collect();
        let hubs = hubs.into_iter().map(|(shown, legs): (Box<[u8]>, usize)| (shown.clone(), TooCommon { shown, legs }));
        too_common.extend(hubs);
        for leg in legs.iter().filter(|leg| leg.nth_use as usize == MOST_LEGS_OF_A_CALL) {
            let (shown, legs): (Box<[u8]>, usize) = (leg.call_id.into(), known.bearing(legs, leg.call_id).len());
            too_common.insert(shown.clone(), TooCommon { shown, legs });
        }
        Self {
            calls,
            too_common,
            too_long,
            chained,
            named: known,
            by_identifier,
            loose,
            disagreeing,
            conversations,
            tied,
            overruled,
            references,
            transfers: references::transfers(legs),
        }
    }

    /// The conversation ids that the legs of a call name, sorted.
    #[must_use]
    pub fn conversation_ids(&self, call: &[usize]) -> Vec<Box<[u8]>> {
        let mut ids: Vec<_> =
            call.iter().filter_map(|leg| of_leg(&self.conversations, *leg)).flatten().cloned().collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The legs that bear a Call-ID, by index.
    #[must_use]
    pub fn bearing(&self, legs: &[Outline<'_>], call_id: &[u8]) -> &[usize] {
        self.named.bearing(legs, call_id)
    }

    /// The legs in which a transfer is asked for.
    #[must_use]
    pub fn asking(&self, transfer: &Transfer) -> &[usize] {
        self.transfers.get(transfer).map_or(&[], |asked| &asked.legs)
    }

    /// What the leg at `place` replaces, or was transferred from.
    #[must_use]
    pub fn replaced<'i>(&'i self, legs: &'i [Outline<'_>], place: usize) -> Option<Replaced<'i>> {
        let leg = legs.get(place)?;
        if let Some((call_id, locus)) = leg.replaces() {
            return Some(Replaced { legs: Cow::Borrowed(self.bearing(legs, call_id)), locus });
        }
        let (transfer, locus) = leg.transferred()?;
        let legs = match self.transfers.get(transfer) {
            Some(asked) if asked.legs.len() > MOST_LEGS_OF_AN_IDENTIFIER => Cow::Borrowed(asked.legs.as_slice()),
            Some(asked) => Cow::Owned(asked.by(leg.first().at).filter(|asking| *asking != place).collect()),
            None => Cow::Borrowed(&[][..]),
        };
        Some(Replaced { legs, locus: *locus })
    }

    /// Binds a recording request by what it names and when it came.
    #[must_use]
    pub fn bind(
        &self,
        request: &ApiRequest,
        legs: &[Outline<'_>],
        inventory: &Inventory<'_>,
        settings: &Settings,
    ) -> Binding {
        let Some(at) = request.at else { return Binding::Nothing(Unbound::NoTime) };
        let mut found = Found::default();
        for name in request.names() {
            match (name.kind, name.place) {
                (NameKind::Trunk, _) => {
                    found.trunk_named = true;
                    found.trunk = found.trunk.or_else(|| inventory.named(&name.value));
                }
                (NameKind::CallId, place) => {
                    found.named = true;
                    // A field may hold the Call-ID as it is, or encoded as in a target.
                    let mut readings = vec![Cow::Borrowed(&*name.value)];
                    if matches!(place, Place::Body | Place::Field) {
                        readings.extend(Some(percent_decode(&name.value)).filter(|decoded| **decoded != *name.value));
                    }
                    let mut exact = false;
                    for value in &readings {
                        exact = exact || self.exact(value, legs, &mut found);
                        self.bridged(value, legs, settings, &mut found);
                    }
                    if !exact && place != Place::Path {
                        readings.iter().for_each(|value| self.weak(value, legs, &mut found));
                    }
                }
                (kind @ (NameKind::Conversation | NameKind::Other | NameKind::Segment), place) => {
                    found.named |= kind != NameKind::Other;
                    if place == Place::Path {
                        self.exact(&name.value, legs, &mut found);
                    }
                    self.bridged(&name.value, legs, settings, &mut found);
                }
            }
        }
        found.conclude(at, legs, &self.calls, settings)
    }

    fn exact(&self, value: &[u8], legs: &[Outline<'_>], found: &mut Found) -> bool {
        let bearing = self.bearing(legs, value);
        if bearing.len() > MOST_LEGS_OF_A_CALL {
            found.too_common = true;
            return true;
        }
        for leg in bearing {
            found.add(Link { leg: *leg, by: By::CallId, strength: Strength::Exact, exposes: bearing.len() == 1 });
        }
        !bearing.is_empty()
    }

    fn bridged(&self, value: &[u8], legs: &[Outline<'_>], settings: &Settings, found: &mut Found) {
        if self.by_identifier.is_empty() && self.loose.is_empty() && self.too_common.is_empty() {
            return;
        }
        let key = normal(value);
        found.too_common |= self.too_common.contains_key(&key);
        found.loose.extend(self.loose.get(&key).into_iter().flatten());
        let Some(sharers) = self.by_identifier.get(&key) else { return };
        let Some((first, bridge)) = sharers.first() else { return };
        // What a leg of a chain shares with no other one names it all the same; its call may have others.
        let is_chained = self.is_chained(*first);
        if is_chained && sharers.len() > 1 {
            found.too_common = true;
            return;
        }
        let call = self.calls.of(*first);
        let single = !is_chained && call.iter().filter(|leg| crosses_byoc(legs, **leg, settings)).count() == 1;
        for leg in call {
            let by = sharers.iter().find(|(sharer, _)| sharer == leg).map_or(*bridge, |(_, by)| *by);
            found.add(Link { leg: *leg, by, strength: Strength::Bridged, exposes: single });
        }
    }

    /// Whether a leg is of a chain that is too long for a call.
    pub(super) fn is_chained(&self, leg: usize) -> bool {
        self.chained.get(leg).is_some_and(|chained| *chained)
    }

    fn weak(&self, value: &[u8], legs: &[Outline<'_>], found: &mut Found) {
        match self.named.of_user(legs, user(value)) {
            [leg] => found.add(Link { leg: *leg, by: By::CallId, strength: Strength::Weak, exposes: false }),
            [_, ..] => found.ambiguous = true,
            [] => {}
        }
    }
}

/// Whether the leg carries a call over a BYOC trunk. A recording session that shares the call's identifier carries nobody's
/// call of its own.
fn crosses_byoc(legs: &[Outline<'_>], leg: usize, settings: &Settings) -> bool {
    legs.get(leg).is_some_and(|leg| !leg.is_recording_session && leg.kind(settings) == TrunkKind::Byoc)
}

/// The conversations of a leg, among those of all legs that name any.
fn of_leg(conversations: &[(usize, Vec<Box<[u8]>>)], leg: usize) -> Option<&Vec<Box<[u8]>>> {
    let place = conversations.binary_search_by_key(&leg, |(leg, _)| *leg).ok()?;
    conversations.get(place).map(|(_, own)| own)
}

/// What the names of one request lead to.
#[derive(Default)]
struct Found {
    links: Vec<Link>,
    /// What exports add that join nothing.
    loose: Vec<Link>,
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

    fn conclude(mut self, at: Timestamp, legs: &[Outline<'_>], calls: &Calls, settings: &Settings) -> Binding {
        let any = !self.links.is_empty() || !self.loose.is_empty();
        // A log that writes whole seconds says that it came in that second.
        let latest = at.latest_ns();
        let has_begun = |link: &Link| {
            legs.get(link.leg).is_some_and(|leg| latest >= leg.first().at.ns.saturating_sub(settings.clock_skew_ns))
        };
        self.links.retain(has_begun);
        self.places = self.links.iter().enumerate().map(|(place, link)| (link.leg, place)).collect();
        // Of a request that names several calls nothing tells whose recording it was.
        if self
            .links
            .iter()
            .any(|link| self.links.first().is_some_and(|first| calls.of(first.leg) != calls.of(link.leg)))
        {
            self.links.iter_mut().for_each(|link| link.exposes = false);
        }
        for link in std::mem::take(&mut self.loose).into_iter().filter(has_begun) {
            self.add(link);
        }
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

/// The requests of each leg, with their links, in the order of the requests.
#[derive(Debug, Default)]
pub struct Bound {
    /// Sorted; for each the link at the same place.
    legs: Vec<usize>,
    links: Vec<(usize, Link)>,
}

impl Bound {
    /// What these bindings, one for each request, bind to legs.
    #[must_use]
    pub fn of(bindings: &[Binding]) -> Self {
        let mut links: Vec<(usize, Link)> = Vec::new();
        for (request, binding) in bindings.iter().enumerate() {
            if let Binding::Legs(own) = binding {
                links.extend(own.iter().map(|link| (request, *link)));
            }
        }
        links.sort_by_key(|(_, link)| link.leg);
        Self { legs: links.iter().map(|(_, link)| link.leg).collect(), links }
    }

    /// The requests of a leg, each by its place.
    #[must_use]
    pub fn of_leg(&self, leg: usize) -> &[(usize, Link)] {
        let start = self.legs.partition_point(|known| *known < leg);
        let own = self.legs.get(start..).unwrap_or_default();
        let end = start + own.partition_point(|known| *known == leg);
        self.links.get(start..end).unwrap_or_default()
    }
}

/// Legs by index in calls: each call sorted, the calls by their first leg.
///
/// In flat lists: there may be millions, of one leg each.
#[derive(Debug, Default)]
pub struct Calls {
    /// The legs, call by call.
    legs: Vec<usize>,
    /// Where each call ends among them.
    ends: Vec<u32>,
    /// The call of each leg.
    of: Vec<u32>,
}

impl Calls {
    /// How many calls there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The calls.
    pub fn iter(&self) -> impl Iterator<Item = &[usize]> {
        (0..self.len()).map(|call| self.get(call))
    }

    /// The legs of the call that a leg belongs to.
    #[must_use]
    pub fn of(&self, leg: usize) -> &[usize] {
        self.of.get(leg).map_or(&[], |call| self.get(*call as usize))
    }

    fn get(&self, call: usize) -> &[usize] {
        let end = |call: usize| self.ends.get(call).copied().unwrap_or_default() as usize;
        let start = call.checked_sub(1).map_or(0, end);
        self.legs.get(start..end(call)).unwrap_or_default()
    }
}

/// Sets of legs that grow together.
struct Union {
    parent: Vec<u32>,
}

impl Union {
    /// Of so many legs. Each takes more than a hundred bytes, so that their number has 32 bits wherever they have room.
    fn new(len: usize) -> Self {
        Self { parent: (0..len as u32).collect() }
    }

    fn root(&mut self, of: usize) -> usize {
        let mut of = of;
        while let Some(parent) = self.parent.get(of).map(|parent| *parent as usize)
            && parent != of
        {
            let above = self.parent.get(parent).copied().unwrap_or(parent as u32);
            if let Some(slot) = self.parent.get_mut(of) {
                *slot = above;
            }
            of = above as usize;
        }
        of
    }

    /// The earlier leg becomes the root, so that a set is known by its first leg.
    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        if let Some(parent) = self.parent.get_mut(one.max(other)) {
            *parent = one.min(other) as u32;
        }
    }

    /// The sets.
    fn calls(self) -> Calls {
        // In place: whom a leg points at stands before it, and was told its call already.
        let (mut of, mut ends): (Vec<u32>, Vec<u32>) = (self.parent, Vec::new());
        for leg in 0..of.len() {
            let parent = of.get(leg).map_or(leg, |parent| *parent as usize);
            let call = if parent == leg {
                ends.push(0);
                ends.len() as u32 - 1
            } else {
                of.get(parent).copied().unwrap_or_default()
            };
            if let Some(slot) = of.get_mut(leg) {
                *slot = call;
            }
            if let Some(size) = ends.get_mut(call as usize) {
                *size += 1;
            }
        }
        // From how many legs each call has to where each begins; put there, each begins where the next one did.
        let mut begin = 0;
        for size in &mut ends {
            begin += std::mem::replace(size, begin);
        }
        let mut legs = vec![0; of.len()];
        for (leg, call) in of.iter().enumerate() {
            if let Some(next) = ends.get_mut(*call as usize) {
                if let Some(place) = legs.get_mut(*next as usize) {
                    *place = leg;
                }
                *next += 1;
            }
        }
        Calls { legs, ends, of }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_known_by_their_first_member() {
        let mut union = Union::new(5);
        union.join(3, 1);
        union.join(4, 3);
        let calls = union.calls();
        assert!(calls.iter().eq([&[0][..], &[1, 3, 4], &[2]]));
        assert!([&[0][..], &[1, 3, 4], &[2], &[1, 3, 4], &[1, 3, 4]].into_iter().eq((0..5).map(|leg| calls.of(leg))));
        assert_eq!((calls.len(), calls.of(5)), (3, &[][..]));
    }
}
