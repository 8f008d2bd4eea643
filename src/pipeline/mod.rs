//! Stand-in for the pipeline: the call the command line makes.

use std::path::PathBuf;

use crate::error::Error;
use crate::report::model::Report;
use crate::settings::Settings;

/// What an audit gives.
#[derive(Debug)]
pub struct Audit {
    /// The report, `complete` false when there are failures.
    pub report: Report,
    /// Sources that could not be opened or read whole, or that were named and nobody recognises.
    pub failures: Vec<Error>,
}

/// Audits the evidence.
///
/// # Errors
///
/// When nothing could be audited.
pub fn audit(evidence: &[PathBuf], settings: &Settings, threads: Option<usize>) -> Result<Audit, Error> {
    let _ = (evidence, settings, threads);
    Err(Error::Threads { message: "the pipeline is not built yet".to_owned() })
}
