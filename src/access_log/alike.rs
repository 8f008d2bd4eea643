//! Targets that differ from an earlier one in nothing but their UUIDs are about the same, and name things in the same places.
//!
//! A client calls a handful of endpoints, each with a conversation and a recording of its own. What a target of one block
//! was about is remembered with the places of its UUIDs, so that the next one like it need not be taken apart.
//!
//! Keeps: [`Alike::about`] gives what [`Targets::about`] and [`without_secrets`] give. For that, a UUID counts as one only
//! where it is a whole segment of the path, or ends a value that begins with it: there it is no word, no name of a parameter
//! and no part of a token, whatever its digits are. Where another one stands elsewhere, where two are the same (then they
//! are one name), or where a site has recording paths of its own (which may hold digits), nothing is remembered.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr;

use super::fields::Table;
use super::target::Targets;
use crate::facts::{Audience, Name, NameKind, Place, is_uuid};
use crate::http::without_secrets;

/// Targets remembered at once.
const KNOWN: usize = 16;

/// Targets learned from one block before learning stops: such a log repeats none.
const LEARNED: usize = 64;

/// Bytes of the longest target that is remembered.
const LONGEST: usize = 512;

/// UUIDs in one target.
const UUIDS: usize = 4;

/// Bytes of a UUID.
const UUID: usize = 36;

/// What a target is about, what it names, and how it is shown.
pub(super) type About<'t> = (Audience, Vec<Name<'t>>, Cow<'t, [u8]>);

/// The targets of one block that others are like.
#[derive(Debug)]
pub(super) struct Alike {
    known: Vec<Known>,
    /// How many may still be learned.
    left: usize,
}

/// A target, and what it and those like it are about.
#[derive(Debug)]
struct Known {
    target: Box<[u8]>,
    uuids: Places,
    /// `None` where that is no recording.
    about: Option<(Audience, Vec<Named>)>,
}

/// A name, by its place in the target.
type Named = (NameKind, Place, Range<usize>);

/// Where the UUIDs of a target begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Places {
    count: usize,
    starts: [usize; UUIDS],
}

impl Alike {
    pub(super) fn new() -> Self {
        Self { known: Vec::new(), left: LEARNED }
    }

    /// What `target`, which [may be](Targets::may_be_recording) one of a recording, is about; see [`Targets::about`].
    pub(super) fn about<'t>(&mut self, targets: &Targets, table: &Table, target: &'t [u8]) -> Option<About<'t>> {
        let places = Places::of(target).filter(|_| !targets.are_configured());
        if let Some(places) = &places
            && let Some(known) = self.known.iter().find(|known| known.is_like(target, places))
        {
            let (audience, named) = known.about.as_ref()?;
            let name = |(kind, place, range): &Named| {
                let value = target.get(range.clone()).unwrap_or_default();
                Name { kind: *kind, place: *place, value: Cow::Borrowed(value) }
            };
            return Some((*audience, named.iter().map(name).collect(), Cow::Borrowed(target)));
        }
        let about = targets.about(target, table).map(|(audience, names)| (audience, names, without_secrets(target)));
        if let Some(uuids) = places.filter(|_| self.left > 0)
            && let Some(about) = learned(target, about.as_ref())
        {
            self.left -= 1;
            self.known.truncate(KNOWN - 1);
            self.known.insert(0, Known { target: target.into(), uuids, about });
        }
        about
    }
}

/// What holds of every target like this one; `None` where something was decoded or hidden.
fn learned(target: &[u8], about: Option<&About<'_>>) -> Option<Option<(Audience, Vec<Named>)>> {
    let Some((audience, names, shown)) = about else { return Some(None) };
    let Cow::Borrowed(_) = shown else { return None };
    let name = |name: &Name<'_>| {
        let Cow::Borrowed(value) = &name.value else { return None };
        let start = value.as_ptr().addr().checked_sub(target.as_ptr().addr())?;
        let range = start..start + value.len();
        (target.get(range.clone())? == *value).then_some((name.kind, name.place, range))
    };
    let named: Option<Vec<Named>> = names.iter().map(name).collect();
    Some(Some((*audience, named?)))
}

impl Known {
    /// Whether `target`, whose UUIDs stand at `places`, is the same but for them.
    fn is_like(&self, target: &[u8], places: &Places) -> bool {
        if self.target.len() != target.len() || self.uuids != *places {
            return false;
        }
        let mut start = 0;
        let ends = places.starts().iter().map(|uuid| (*uuid, *uuid + UUID)).chain([(target.len(), 0)]);
        ends.into_iter().all(|(end, next)| {
            let same = self.target.get(start..end) == target.get(start..end);
            start = next;
            same
        })
    }
}

impl Places {
    /// The places of all UUIDs of a target; `None` where what it is about may depend on them, or is not remembered.
    fn of(target: &[u8]) -> Option<Self> {
        if target.len() > LONGEST {
            return None;
        }
        let mut places = Self::default();
        let mut at = 0;
        while let Some(hyphen) = memchr(b'-', target.get(at..)?).map(|found| at + found) {
            at = hyphen + 1;
            let Some(start) = hyphen.checked_sub(8) else { continue };
            let Some(uuid) = target.get(start..start + UUID).filter(|text| is_uuid(text)) else { continue };
            let before = target.get(..start)?;
            let in_path = memchr(b'?', before).is_none();
            let is_whole = match target.get(start + UUID) {
                None | Some(b'?' | b'#') => true,
                Some(b'/') => in_path,
                Some(b'&' | b',') => !in_path,
                Some(_) => false,
            };
            let begins = matches!((before.last()?, in_path), (b'/', true) | (b'=' | b':' | b',', false));
            let is_own = places.starts().iter().all(|other| target.get(*other..*other + UUID) != Some(uuid));
            if !(is_whole && begins && is_own) {
                return None;
            }
            *places.starts.get_mut(places.count)? = start;
            places.count += 1;
            at = start + UUID;
        }
        Some(places)
    }

    fn starts(&self) -> &[usize] {
        self.starts.get(..self.count).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::noise::Noise;
    use super::super::target::targets;
    use super::*;

    const ONE: &str = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
    const TWO: &str = "c0ffee00-0000-4000-8000-00000000beef";

    #[track_caller]
    fn compare(alike: &mut Alike, (targets, table): &(Targets, Table), target: &[u8]) -> bool {
        let known = alike.known.len() + alike.left;
        let about = alike.about(targets, table, target);
        let plain = targets.about(target, table).map(|(audience, names)| (audience, names, without_secrets(target)));
        assert_eq!(about, plain, "{}", String::from_utf8_lossy(target));
        known == alike.known.len() + alike.left
    }

    #[test]
    fn where_uuids_stand() {
        let at = |starts: &[usize]| {
            let mut places = Places { count: starts.len(), ..Places::default() };
            places.starts[..starts.len()].copy_from_slice(starts);
            Some(places)
        };
        let upper = ONE.to_ascii_uppercase();
        for (target, expected) in [
            (format!("/recordings/{ONE}"), at(&[12])),
            (format!("/recordings/{ONE}/media"), at(&[12])),
            (format!("/a-b-c/recordings/{ONE}?x=y"), at(&[18])),
            (format!("/conversations/{ONE}/recordings/{TWO}"), at(&[15, 63])),
            (format!("/recordings?id={ONE},{TWO}&x=y"), at(&[15, 52])),
            (format!("/recordings?filter=callId:{ONE}#x"), at(&[26])),
            ("/recordings/1".to_owned(), at(&[])),
            ("--------".to_owned(), at(&[])),
            (String::new(), at(&[])),
            // In upper case it is a text like others.
            (format!("/recordings/{upper}"), at(&[])),
            (format!("/recordings/{}", ONE.trim_end_matches('0')), at(&[])),
            // Not the whole of a segment or a value.
            (ONE.to_owned(), None),
            (format!("/recordings/x{ONE}"), None),
            (format!("/recordings/{ONE}x"), None),
            (format!("/recordings/{ONE}:x"), None),
            (format!("/recordings/{ONE}&x"), None),
            (format!("/recordings?{ONE}=x"), None),
            (format!("/recordings?a/{ONE}"), None),
            (format!("/recordings?a={ONE}/b"), None),
            (format!("/recordings?filter={ONE}:x"), None),
            (format!("/recordings?a=x {ONE}"), None),
            // The same one twice is one name.
            (format!("/conversations/{ONE}/recordings/{ONE}"), None),
            (
                format!("/{ONE}/{TWO}/{}/{}/{}", ONE.replace('0', "1"), ONE.replace('0', "2"), ONE.replace('0', "3")),
                None,
            ),
            (format!("/recordings/{ONE}{}", "x".repeat(LONGEST)), None),
        ] {
            assert_eq!(Places::of(target.as_bytes()), expected, "{target}");
        }
    }

    #[test]
    fn one_like_another_is_about_the_same_with_names_of_its_own() {
        let tools = targets(&[]);
        let mut alike = Alike::new();
        let path = |one: &str, other: &str| format!("/api/v2/conversations/{one}/recordings/{other}?formatId=WAV");
        assert!(compare(&mut alike, &tools, path(ONE, TWO).as_bytes()));
        assert_eq!((alike.known.len(), alike.left), (1, LEARNED - 1));
        let (audience, names, shown) = alike
            .about(&tools.0, &tools.1, path(TWO, ONE).as_bytes())
            .map(|(audience, names, shown)| {
                (audience, names.iter().map(|name| name.value.to_vec()).collect::<Vec<_>>(), shown.into_owned())
            })
            .expect("a recording");
        assert_eq!(audience, Audience::RecordingMedia);
        assert_eq!(names, [TWO.as_bytes(), ONE.as_bytes()]);
        assert_eq!(shown, path(TWO, ONE).as_bytes());
        assert_eq!(alike.known.len(), 1, "it was known");
        // One letter of another kind, and the same twice.
        for target in [path(ONE, TWO).replace("recordings", "recordingx"), path(ONE, ONE), path(ONE, "x")] {
            compare(&mut alike, &tools, target.as_bytes());
        }
    }

    #[test]
    fn what_is_hidden_or_configured_is_not_remembered() {
        let mut alike = Alike::new();
        let secret = format!("/recordings/{ONE}?token=abc");
        compare(&mut alike, &targets(&[]), secret.as_bytes());
        let encoded = format!("/recordings/{ONE}?callId=a%40b");
        compare(&mut alike, &targets(&[]), encoded.as_bytes());
        let own = targets(&["/rec/c0ffee*"]);
        for uuid in [TWO, ONE, TWO] {
            compare(&mut alike, &own, format!("/rec/{uuid}").as_bytes());
        }
        assert_eq!(alike.known.len(), 0);
    }

    #[test]
    fn only_so_many_are_remembered() {
        let (tools, mut alike) = (targets(&[]), Alike::new());
        for number in 0..3 * LEARNED {
            compare(&mut alike, &tools, format!("/recordings/{number}").as_bytes());
        }
        assert_eq!((alike.known.len(), alike.left), (KNOWN, 0));
    }

    #[test]
    fn remembering_changes_nothing() {
        let (mut noise, tools) = (Noise::new(21), targets(&[]));
        let uuids: Vec<String> = (0..6)
            .map(|_| {
                let mut part = |mask: u64| noise.next() & mask;
                let [one, two, three] = [0xffff_ffff, 0xffff, 0xffff].map(&mut part);
                let [four, five] = [0xffff, 0xffff_ffff_ffff].map(&mut part);
                format!("{one:08x}-{two:04x}-{three:04x}-{four:04x}-{five:012x}")
            })
            .collect();
        let mut recordings = 0;
        for _ in 0..200 {
            let mut alike = Alike::new();
            for _ in 0..40 {
                let parts = [
                    "/api/v2",
                    "/conversations/",
                    "/recordings/",
                    "/recordings",
                    "/recordingmetadata/",
                    "/orphanrecordings/",
                    "/media",
                    "?",
                    "&",
                    "=",
                    ",",
                    "id",
                    "callId=",
                    "conversationId=",
                    "filter=",
                    "callId:",
                    "trunkId:",
                    "token=",
                    "eyJhbGciOiJ.",
                    "{",
                    "}",
                    "https://h/",
                    "#",
                    "@",
                    "%2F",
                    "%72",
                    "v2",
                    " ",
                    ":",
                    "/analytics/",
                ];
                let mut target = String::new();
                for _ in 0..2 + noise.below(6) {
                    let part: &str = parts[noise.below(parts.len())];
                    target.push_str(part);
                    if noise.below(2) == 0 {
                        target.push_str(noise.pick(uuids.as_slice()).as_str());
                    }
                }
                let target = if noise.below(4) == 0 {
                    noise.mutate(target.as_bytes(), b"/-?&=:,%0fR ")
                } else {
                    target.into_bytes()
                };
                for _ in 0..3 {
                    compare(&mut alike, &tools, &target);
                    recordings += usize::from(tools.0.about(&target, &tools.1).is_some());
                    // Another with the same around its UUIDs.
                    let other = uuids.iter().fold(String::from_utf8_lossy(&target).into_owned(), |text, uuid| {
                        text.replace(uuid.as_str(), noise.pick(uuids.as_slice()).as_str())
                    });
                    compare(&mut alike, &tools, other.as_bytes());
                }
            }
        }
        assert!(recordings > 1_000, "{recordings}");
    }
}
