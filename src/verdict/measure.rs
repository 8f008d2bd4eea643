//! The streams' seconds split by the consent that held.

use crate::call::{Leg, Stream};
use crate::evidence::Timestamp;
use crate::facts::Run;
use crate::few::Few;

use super::consent::{Consent, State};

/// Where the interval of a stream comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From RTP that was captured for it.
    Rtp,
    /// From the signalling: answer to BYE, or to the last message.
    Signalling,
}

impl Source {
    /// The word the report uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rtp => "rtp",
            Self::Signalling => "signalling",
        }
    }
}

/// Nanoseconds of media by the state that held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByState([i128; State::ALL.len()]);

impl ByState {
    /// Under one state.
    #[must_use]
    pub fn of(&self, state: State) -> i128 {
        self.0.get(state as usize).copied().unwrap_or(0)
    }

    /// Under denied, invalid or missing consent.
    #[must_use]
    pub fn unconsented(&self) -> i128 {
        State::UNCONSENTED.into_iter().map(|state| self.of(state)).sum()
    }

    /// Under any.
    #[must_use]
    pub fn total(&self) -> i128 {
        self.0.iter().sum()
    }

    fn add(&mut self, state: State, ns: i128) {
        if let Some(sum) = self.0.get_mut(state as usize) {
            *sum += ns;
        }
    }
}

/// The time of one stream.
#[derive(Clone, Debug)]
pub struct StreamTime {
    /// The stream's index in the leg.
    pub index: u32,
    /// When media began; `None` where nothing shows it.
    pub start: Option<Timestamp>,
    /// When it ended.
    pub end: Option<Timestamp>,
    /// What the interval comes from.
    pub source: Source,
    /// Its open parts, first and last instant of each, as far as they are known.
    pub open: Few<(Timestamp, Timestamp), 1>,
    /// Nanoseconds by state. Their sum is the interval, or its open parts where the signalling closed it in between; time
    /// that only packets show that may have been captured twice is unknown, and all of it where a limit left packets out.
    pub by_state: ByState,
}

impl StreamTime {
    /// Nanoseconds under granted consent.
    #[must_use]
    pub fn consented_ns(&self) -> i128 {
        self.by_state.of(State::Granted)
    }

    /// Nanoseconds under denied, invalid or missing consent.
    #[must_use]
    pub fn unconsented_ns(&self) -> i128 {
        self.by_state.unconsented()
    }

    /// Nanoseconds under unknown consent.
    #[must_use]
    pub fn unknown_ns(&self) -> i128 {
        self.by_state.of(State::Unknown)
    }
}

/// The streams of a leg, measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// One for each stream of the leg, in its order.
    pub streams: Few<StreamTime, 1>,
    /// Nanoseconds by state over all streams.
    pub by_state: ByState,
}

impl Measured {
    /// Nanoseconds under `state`.
    #[must_use]
    pub fn of(&self, state: State) -> i128 {
        self.by_state.of(state)
    }

    /// Nanoseconds under denied, invalid or missing consent.
    #[must_use]
    pub fn unconsented_ns(&self) -> i128 {
        self.by_state.unconsented()
    }

    /// Whether media flowed under denied, invalid or missing consent at any time from `from` to `until`, in nanoseconds.
    #[must_use]
    pub fn unconsented_between(&self, consent: &Consent, from: i64, until: i64) -> bool {
        self.streams.iter().any(|stream| {
            let mut by_state = ByState::default();
            for (start, end) in &stream.open {
                split((consent, stream.index), start.ns.max(from), end.ns.min(until), &mut by_state);
            }
            by_state.unconsented() > 0
        })
    }

    /// Nanoseconds of media at all.
    #[must_use]
    pub fn total_ns(&self) -> i128 {
        self.by_state.total()
    }

    /// The unconsented time of its streams.
    #[must_use]
    pub fn unconsented(&self) -> Unconsented {
        let mut unconsented = Unconsented::default();
        self.streams.iter().for_each(|stream| unconsented.add(stream));
        unconsented
    }
}

/// The unconsented time of the streams of a leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unconsented {
    /// Streams that have any.
    pub streams: u32,
    /// Nanoseconds of them all.
    pub ns: i128,
}

impl Unconsented {
    pub(super) fn add(&mut self, stream: &StreamTime) {
        let ns = stream.unconsented_ns();
        self.streams += u32::from(ns > 0);
        self.ns += ns;
    }
}

/// Splits the seconds of every stream of `leg` by the consent that held.
#[must_use]
pub fn measure(leg: &Leg<'_>, consent: &Consent) -> Measured {
    let mut streams = Few::new();
    let by_state = each_stream(leg, consent, |stream| streams.push(stream));
    Measured { streams, by_state }
}

/// Shows the time of every stream of `leg`, in its order; gives what they sum up to by state.
pub(super) fn each_stream(leg: &Leg<'_>, consent: &Consent, mut show: impl FnMut(StreamTime)) -> ByState {
    let mut by_state = ByState::default();
    for stream in &leg.streams {
        let time = stream_time(leg, stream, consent);
        for (sum, own) in by_state.0.iter_mut().zip(&time.by_state.0) {
            *sum += own;
        }
        show(time);
    }
    by_state
}

fn stream_time(leg: &Leg<'_>, stream: &Stream<'_>, consent: &Consent) -> StreamTime {
    let life_end = leg.ended.unwrap_or(leg.last).at;
    let shown = |run: &&Run| !run.repeats;
    let runs = || stream.flows.iter().flat_map(|flow| &flow.runs);
    // Packets on their way when the dialog ends are no media after its end.
    let span = |(first, last): (Timestamp, Timestamp)| {
        let last = leg.ended.map_or(last, |ended| if ended.at.ns < last.ns { ended.at } else { last });
        (first, if last.ns < first.ns { first } else { last })
    };
    let mut by_state = ByState::default();
    let length = |(from, until): &(Timestamp, Timestamp)| i128::from(until.ns) - i128::from(from.ns);
    let (source, whole, mut intervals) = match span_of(runs()).map(span) {
        Some(whole) => {
            let shown: Few<_, 1> = span_of(runs().filter(shown)).map(span).into_iter().collect();
            // What may have been captured twice shows media or does not.
            by_state.add(State::Unknown, length(&whole) - shown.iter().map(length).sum::<i128>());
            (Source::Rtp, Some(whole), shown)
        }
        None => {
            let open: Few<_, 1> = stream
                .windows
                .iter()
                .map(|(from, until)| (*from, until.filter(|until| until.ns < life_end.ns).unwrap_or(life_end)))
                .filter(|(from, until)| from.ns <= until.ns)
                .collect();
            let ends = open.first().zip(open.last()).map(|((from, _), (_, until))| (*from, *until));
            (Source::Signalling, ends, open)
        }
    };
    if stream.beyond_limits {
        // What was left out may have shown another interval.
        by_state.add(State::Unknown, intervals.iter().map(length).sum());
        intervals = Few::new();
    }
    for (from, until) in &intervals {
        split((consent, stream.index), from.ns, until.ns, &mut by_state);
    }
    StreamTime {
        index: stream.index,
        start: whole.map(|(from, _)| from),
        end: whole.map(|(_, until)| until),
        source,
        open: intervals,
        by_state,
    }
}

/// From the first packet of all runs to the last.
fn span_of<'r>(runs: impl Iterator<Item = &'r Run>) -> Option<(Timestamp, Timestamp)> {
    runs.map(|run| (run.first, run.last)).reduce(|all, run| (all.0.min(run.0), all.1.max(run.1)))
}

/// Adds the nanoseconds from `from` to `until` to the states that held.
fn split((consent, index): (&Consent, u32), from: i64, until: i64, by_state: &mut ByState) {
    let mut add = |(begins, state): (i64, State), ends: i64| {
        let (start, end) = (from.max(begins), until.min(ends));
        if start < end {
            by_state.add(state, i128::from(end) - i128::from(start));
        }
    };
    let mut held = (i64::MIN, consent.before(index));
    for (next, state) in consent.of_stream(index) {
        add(held, next.ns);
        held = (next.ns, *state);
    }
    add(held, i64::MAX);
}
