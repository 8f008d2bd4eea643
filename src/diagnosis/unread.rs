//! Hypotheses whose evidence this version does not read: what would test them, by the export's and the field's name.
//!
//! Where a reader of the platform's exports exists, its facts are weighed here. Until then these are untested, and never
//! anything else.

use super::hypothesis::Weighing;

/// Whether the call's flow recorded at all.
pub(super) fn flow() -> Weighing {
    Weighing::untested(
        "No export of the platform is among the evidence that would show whether the refused calls were recorded. Analytics \
         conversation details would tell (/api/v2/analytics/conversations/details/query: participants[].sessions[].recording \
         beside protocolCallId), and an export of the inbound flow (suppressRecording; Enable Participant Recording).",
    )
}

/// Whether refused and allowed calls differ in what permissions depend on.
pub(super) fn division() -> Weighing {
    Weighing::untested(
        "No export of the platform is among the evidence that would show the division, queue or agent of the calls. \
         Analytics conversation details of refused and allowed calls would tell \
         (/api/v2/analytics/conversations/details/query: divisionIds, participants[].userId, segments[].queueId).",
    )
}
