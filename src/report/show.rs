//! Which legs a report lists, and which of them are findings.

use serde::Serialize;

use super::calls::Whole;
use super::escape;
use super::model::{Leg, Verdicts};

/// The verdicts that are findings (contract §2), gravest first.
pub const FINDINGS: [&str; 4] = ["exposed_unconsented", "blocked_unconsented", "unconsented", "blocked_consented"];

/// The legs a report lists; everything else of a report stays whole.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Show {
    /// Every leg.
    All,
    /// Legs on BYOC trunks.
    Byoc,
    /// Legs with a finding.
    Findings,
}

/// What of a leg decides whether it is listed: known before it has a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark<'a> {
    /// Its verdict.
    pub verdict: &'static str,
    /// Its trunk's name; `None` where no trunk fits.
    pub trunk: Option<&'a str>,
    /// Its trunk's kind.
    pub kind: &'static str,
}

impl<'a> From<&'a Leg> for Mark<'a> {
    fn from(leg: &'a Leg) -> Self {
        Self { verdict: leg.verdict, trunk: leg.trunk.name.as_deref(), kind: leg.trunk.kind }
    }
}

impl Show {
    /// Whether a leg of this mark is listed.
    #[must_use]
    pub fn lists(self, mark: &Mark<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Byoc => mark.kind == "byoc",
            Self::Findings => FINDINGS.contains(&mark.verdict),
        }
    }

    /// The word of the option.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Byoc => "byoc",
            Self::Findings => "findings",
        }
    }
}

/// The legs a report lists, and the filters that narrow them further. The figures of a report are those of the whole
/// evidence whatever is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The legs to list.
    pub show: Show,
    /// Only legs of these verdicts; empty for any.
    pub only: Vec<&'static str>,
    /// Only legs on the trunks of these names; empty for any.
    pub trunks: Vec<String>,
}

impl From<Show> for Listing {
    fn from(show: Show) -> Self {
        Self { show, only: Vec::new(), trunks: Vec::new() }
    }
}

impl Listing {
    /// Whether `leg` is listed.
    #[must_use]
    pub fn lists(&self, leg: &Leg) -> bool {
        self.picks(&leg.into())
    }

    /// Whether a leg of this mark is listed.
    #[must_use]
    pub fn picks(&self, mark: &Mark<'_>) -> bool {
        self.show.lists(mark) && self.lets_through(mark)
    }

    /// Whether the filters let `leg` through.
    #[must_use]
    pub fn passes(&self, leg: &Leg) -> bool {
        self.lets_through(&leg.into())
    }

    /// Whether the filters let a leg of this mark through.
    pub(super) fn lets_through(&self, mark: &Mark<'_>) -> bool {
        let named = |name: &String| mark.trunk == Some(name.as_str());
        (self.only.is_empty() || self.only.contains(&mark.verdict))
            && (self.trunks.is_empty() || self.trunks.iter().any(named))
    }

    /// Whether a filter was asked for.
    #[must_use]
    pub const fn is_filtered(&self) -> bool {
        !self.only.is_empty() || !self.trunks.is_empty()
    }

    /// The options that list these legs, such as `--show all --only clear`, made inert.
    #[must_use]
    pub fn options(&self) -> String {
        let only = self.only.iter().map(|verdict| format!(" --only {verdict}"));
        let trunks = self.trunks.iter().map(|name| format!(" --trunk {}", escape::text(name)));
        format!("--show {}{}", self.show.name(), only.chain(trunks).collect::<String>())
    }

    /// What the filters leave out of `report`; `None` without a filter.
    #[must_use]
    pub fn listed<'r>(&self, report: impl Into<Whole<'r>>) -> Option<Listed> {
        let Whole { report, calls } = report.into();
        self.is_filtered().then(|| {
            let listed = calls.listed(self);
            Listed {
                show: self.show,
                only: self.only.clone(),
                trunks: self.trunks.clone(),
                legs: listed,
                not_listed: report.summary.legs.saturating_sub(listed),
            }
        })
    }
}

/// What a filtered report lists, so that its reader knows what it leaves out.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// `--show`: `all`, `byoc` or `findings`.
    pub show: Show,
    /// `--only`: the verdicts; empty for any.
    pub only: Vec<&'static str>,
    /// `--trunk`: the names; empty for any.
    pub trunks: Vec<String>,
    /// Legs listed.
    pub legs: u64,
    /// Legs of the evidence that are not listed. `summary` counts them all the same.
    pub not_listed: u64,
}

impl Listed {
    /// The filters as they were asked for, such as `--only clear --trunk SG1`.
    #[must_use]
    pub fn options(&self) -> String {
        let only = self.only.iter().map(|verdict| format!("--only {verdict}"));
        let trunks = self.trunks.iter().map(|name| format!("--trunk {name}"));
        only.chain(trunks).collect::<Vec<_>>().join(" ")
    }
}

impl Verdicts {
    /// How many legs are findings.
    #[must_use]
    pub const fn findings(&self) -> u64 {
        self.exposed_unconsented + self.blocked_unconsented + self.unconsented + self.blocked_consented
    }

    /// Every verdict's name with its count, in the order of the contract's table.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, u64); 10] {
        [
            ("not_byoc", self.not_byoc),
            ("unclassified", self.unclassified),
            ("recording_session", self.recording_session),
            ("no_media", self.no_media),
            ("exposed_unconsented", self.exposed_unconsented),
            ("blocked_unconsented", self.blocked_unconsented),
            ("unconsented", self.unconsented),
            ("indeterminate", self.indeterminate),
            ("blocked_consented", self.blocked_consented),
            ("clear", self.clear),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn listed(listing: &Listing) -> Vec<&'static str> {
        let report = sample::incident();
        let legs = report.calls.iter().flat_map(|call| &call.legs);
        legs.filter(|leg| listing.lists(leg)).map(|leg| leg.verdict).collect()
    }

    #[test]
    fn filters_narrow_what_is_shown() {
        let all = Listing::from(Show::All);
        assert_eq!(listed(&Listing { only: vec!["clear", "no_media"], ..all.clone() }), ["clear", "no_media"]);
        assert_eq!(listed(&Listing { trunks: vec!["Office".to_owned()], ..all.clone() }), ["not_byoc"]);
        let findings = Listing { only: vec!["clear", "unconsented"], ..Show::Findings.into() };
        assert_eq!(listed(&findings), ["unconsented"]);
        assert_eq!(listed(&Listing { only: vec!["clear"], trunks: vec!["Office".to_owned()], ..all }), [""; 0]);
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let report = sample::incident();
        assert_eq!(Listing::from(Show::Findings).listed(&report), None);
        let listing =
            Listing { only: vec!["clear", "unconsented"], trunks: vec!["SG1".to_owned()], ..Show::All.into() };
        let listed = listing.listed(&report).expect("filtered");
        assert_eq!((listed.legs, listed.not_listed), (2, 6));
        assert_eq!(listed.options(), "--only clear --only unconsented --trunk SG1");
    }
}
