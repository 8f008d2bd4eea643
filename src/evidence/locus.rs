//! Where in the evidence a statement stands: the pointer behind every claim.

/// One evidence source, as its rank in the report's evidence list (from 0).
///
/// Sources are ranked by the path shown, then by content, never by the order of arrival or of the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// A record of a source.
///
/// Orders by source, then record: the end of every total sort key of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locus {
    /// The source.
    pub source: SourceId,
    /// Packet number or line number, from 1, as Wireshark and editors show it; for a document the entry's position.
    pub record: u64,
}
