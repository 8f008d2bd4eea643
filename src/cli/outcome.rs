//! How a run ends: the exit statuses of contract §2.

use std::process::ExitCode;

use crate::report::model::Report;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Complete, nothing found, every leg on BYOC trunks decided.
    Clear,
    /// Complete, with findings.
    Findings,
    /// Not complete: a run that could not do, read or write all that it was asked.
    Incomplete,
    /// Complete, no finding, but not all decided.
    Undecided,
}

impl Outcome {
    /// The exit status.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Clear => 0,
            Self::Findings => 1,
            Self::Incomplete => 2,
            Self::Undecided => 3,
        }
    }

    /// The exit status in words, as a report ends.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Clear => "Exit status 0: complete, nothing found, every leg on BYOC trunks decided.",
            Self::Findings => "Exit status 1: complete, with findings.",
            Self::Incomplete => {
                "Exit status 2: not complete: something could not be read, or --strict met anomalies; EVIDENCE says \
                 what."
            }
            Self::Undecided => {
                "Exit status 3: complete, no finding, but not all decided: indeterminate legs, unbound refusals, or no \
                 leg on a BYOC trunk in the evidence."
            }
        }
    }

    /// The outcome of an audit that gave `report`; `complete` is whether all else of the run went well.
    #[must_use]
    pub(super) fn of(report: &Report, complete: bool) -> Self {
        let summary = &report.summary;
        if !complete || !report.complete {
            Self::Incomplete
        } else if summary.verdicts.findings() > 0 {
            Self::Findings
        } else if summary.verdicts.indeterminate > 0 || summary.requests.unbound_refusals > 0 || summary.byoc_legs == 0
        {
            Self::Undecided
        } else {
            Self::Clear
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::Verdicts;
    use crate::report::sample;

    /// The exit status for these verdicts and unbound refusals among as many BYOC legs.
    fn status(verdicts: Verdicts, unbound: u64, complete: bool) -> u8 {
        let mut report = sample::incident();
        report.summary.byoc_legs = verdicts.findings() + verdicts.indeterminate + verdicts.clear;
        report.summary.verdicts = verdicts;
        report.summary.requests.unbound_refusals = unbound;
        let whole = Outcome::of(&report, complete);
        report.complete = false;
        assert_eq!(Outcome::of(&report, complete), Outcome::Incomplete);
        whole.code()
    }

    #[test]
    fn two_goes_before_one_before_three_before_nought() {
        let none = Verdicts::default;
        let clear = || Verdicts { clear: 1, ..none() };
        assert_eq!(status(clear(), 0, true), 0);
        assert_eq!(status(clear(), 0, false), 2);
        assert_eq!(status(clear(), 1, true), 3);
        assert_eq!(status(none(), 0, true), 3, "no BYOC leg at all");
        assert_eq!(status(Verdicts { not_byoc: 5, unclassified: 2, ..none() }, 0, true), 3);
        assert_eq!(status(Verdicts { indeterminate: 1, ..clear() }, 0, true), 3);
        for finding in [
            Verdicts { exposed_unconsented: 1, ..none() },
            Verdicts { blocked_unconsented: 1, ..none() },
            Verdicts { unconsented: 1, ..none() },
            Verdicts { blocked_consented: 1, ..none() },
        ] {
            assert_eq!(status(finding.clone(), 0, true), 1);
            assert_eq!(status(Verdicts { indeterminate: 1, clear: 1, ..finding.clone() }, 1, true), 1);
            assert_eq!(status(finding, 0, false), 2);
        }
    }

    #[test]
    fn the_words_name_the_status() {
        for outcome in [Outcome::Clear, Outcome::Findings, Outcome::Incomplete, Outcome::Undecided] {
            assert!(outcome.meaning().starts_with(&format!("Exit status {}: ", outcome.code())));
        }
    }
}
