//! Which legs a report lists, and which of them are findings.

use super::model::{Leg, Verdicts};

/// The verdicts that are findings (contract §2), gravest first.
pub const FINDINGS: [&str; 4] = ["exposed_unconsented", "blocked_unconsented", "unconsented", "blocked_consented"];

/// The legs a report lists; everything else of a report stays whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Every leg.
    All,
    /// Legs on BYOC trunks.
    Byoc,
    /// Legs with a finding.
    Findings,
}

impl Show {
    /// Whether `leg` is listed.
    #[must_use]
    pub fn lists(self, leg: &Leg) -> bool {
        match self {
            Self::All => true,
            Self::Byoc => leg.trunk.kind == "byoc",
            Self::Findings => FINDINGS.contains(&leg.verdict),
        }
    }
}

impl Show {
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

impl Verdicts {
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

    /// How many legs are findings.
    #[must_use]
    pub const fn findings(&self) -> u64 {
        self.exposed_unconsented + self.blocked_unconsented + self.unconsented + self.blocked_consented
    }
}
