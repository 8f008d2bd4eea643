//! The incident over time: calls as they began, requests refused and allowed, registrations, and what the evidence covers.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::super::model::{Instant, Pointer, Report, Request};
use super::super::show::FINDINGS;
use super::super::words::counted;
use crate::evidence::Timestamp;

/// Columns the time is divided into.
const COLUMNS: usize = 80;
const COLUMN: i32 = 11;
const LEFT: i32 = 150;
const LANE: i32 = 52;
const TOP: i32 = 8;

/// What a lane counts: its name, and the classes its bars stack, the gravest first.
const LANES: [(&str, &[&str]); 4] = [
    ("Legs begun", &["finding", "undecided", "clear", "other"]),
    ("Requests refused", &["refused"]),
    ("Requests allowed", &["served", "allowed"]),
    ("Registrations", &["failed", "registered"]),
];

/// Every class with what it is called.
const CLASSES: [(&str, &str); 9] = [
    ("finding", "finding"),
    ("undecided", "undecided leg"),
    ("clear", "clear leg"),
    ("other", "other leg"),
    ("refused", "refused request (403)"),
    ("served", "allowed request whose leg is exposed"),
    ("allowed", "allowed request (2xx)"),
    ("failed", "failed registration"),
    ("registered", "successful registration"),
];

/// The instants of every class.
fn events(report: &Report) -> Vec<(&'static str, Instant)> {
    let mut events = Vec::new();
    let mut requests: BTreeMap<Pointer, (&'static str, Option<Instant>)> = BTreeMap::new();
    let mut add = |request: &Request, exposed: bool| {
        let class = match request.status {
            403 => "refused",
            200..=299 if exposed => "served",
            200..=299 => "allowed",
            _ => return,
        };
        // One request may be bound to several legs.
        requests.entry(request.source).or_insert((class, request.at));
    };
    for leg in report.calls.iter().flat_map(|call| &call.legs) {
        let class = match leg.verdict {
            verdict if FINDINGS.contains(&verdict) => "finding",
            "indeterminate" => "undecided",
            "clear" => "clear",
            _ => "other",
        };
        events.push((class, leg.first));
        leg.requests.iter().for_each(|bound| add(&bound.request, leg.verdict == "exposed_unconsented"));
    }
    report.unbound_refusals.iter().for_each(|refusal| add(&refusal.request, false));
    for trunk in &report.trunks {
        trunk.refusals.iter().for_each(|refusal| add(&refusal.0, false));
        events.extend(trunk.registrations.iter().map(|one| match one.status {
            Some(200..=299) => ("registered", one.at),
            _ => ("failed", one.at),
        }));
    }
    events.extend(requests.into_values().filter_map(|(class, at)| Some((class, at?))));
    events
}

/// The columns of the time axis.
struct Axis {
    from: i64,
    step: i64,
}

impl Axis {
    fn of(events: &[(&str, Instant)]) -> Option<Self> {
        let from = events.iter().map(|(_, at)| at.0.ns).min()?;
        let until = events.iter().map(|(_, at)| at.0.ns).max()?;
        Some(Self { from, step: (until.saturating_sub(from) / COLUMNS as i64 + 1).max(1_000_000) })
    }

    fn column(&self, at: Timestamp) -> usize {
        ((at.ns.saturating_sub(self.from) / self.step).max(0) as usize).min(COLUMNS - 1)
    }

    /// When a column begins, to the second, or to the millisecond where columns are narrow.
    fn begins(&self, column: usize) -> String {
        let digits = if self.step < 1_000_000_000 { 3 } else { 0 };
        Timestamp::new(self.from.saturating_add(self.step.saturating_mul(column as i64)), digits).rfc3339()
    }
}

pub(super) fn section(report: &Report) -> Markup {
    let events = events(report);
    let Some(axis) = Axis::of(&events) else { return html! {} };
    let mut counts: BTreeMap<(&str, usize), u64> = BTreeMap::new();
    for (class, at) in &events {
        *counts.entry((class, axis.column(at.0))).or_insert(0) += 1;
    }
    let lanes: Vec<_> =
        LANES.iter().filter(|(_, classes)| events.iter().any(|(class, _)| classes.contains(class))).collect();
    let covered = lanes.len() as i32 * LANE + TOP;
    let (width, height) = (LEFT + COLUMN * COLUMNS as i32 + 20, covered + 62);
    html! {
        section #timeline aria-labelledby="timeline-h" {
            h2 #timeline-h { "Timeline" }
            div.scroll tabindex="0" role="region" aria-label="Timeline" {
                svg.timeline viewBox=(format!("0 0 {width} {height}")) width=(width) height=(height) role="img" aria-labelledby="timeline-t" {
                    title #timeline-t { (counted(events.len() as u64, "event")) " from " (axis.begins(0)) " on; the table below has the numbers." }
                    @for (place, (name, classes)) in lanes.iter().enumerate() {
                        (lane(name, classes, place as i32 * LANE + TOP, &counts))
                    }
                    (coverage(report, &axis, covered))
                    @for tick in 0..=4_i32 {
                        @let x = LEFT + COLUMN * (COLUMNS as i32) * tick / 4;
                        line.tick x1=(x) x2=(x) y1=(TOP) y2=(covered + 36) {}
                        text.tick x=(x) y=(covered + 52) .start[tick == 0] .end[tick == 4] { (label(&axis, COLUMNS * tick as usize / 4)) }
                    }
                }
            }
            p.small.legend {
                @for (class, name) in CLASSES { @if events.iter().any(|(known, _)| *known == class) { span.key.(format!("k-{class}")) { (name) } " " } }
            }
            details {
                summary { "The timeline as a table" }
                div.scroll tabindex="0" role="region" aria-label="Timeline as a table" { (table(&axis, &counts)) }
            }
        }
    }
}

/// The time of day where all is one day, else the date too.
fn label(axis: &Axis, column: usize) -> String {
    let begins = axis.begins(column);
    let same_day = axis.begins(0).split('T').next() == axis.begins(COLUMNS).split('T').next();
    match begins.split_once('T') {
        Some((_, time)) if same_day && column > 0 => time.to_owned(),
        _ => begins.replace('T', " "),
    }
}

fn lane(name: &str, classes: &[&str], top: i32, counts: &BTreeMap<(&str, usize), u64>) -> Markup {
    let of = |class: &str, column: usize| counts.get(&(class, column)).copied().unwrap_or(0);
    let sum = |column: usize| classes.iter().map(|class| of(class, column)).sum::<u64>();
    let most = (0..COLUMNS).map(sum).max().unwrap_or(0).max(1);
    let room = f64::from(LANE - 14);
    let floor = f64::from(top + LANE - 6);
    html! {
        text.name x="6" y=(top + LANE - 20) { (name) }
        text.most x=(LEFT - 8) y=(top + 14) { (most) }
        line.floor x1=(LEFT) x2=(LEFT + COLUMN * COLUMNS as i32) y1=(floor) y2=(floor) {}
        @for column in 0..COLUMNS {
            @if sum(column) > 0 {
                (stack(classes.iter().map(|class| (*class, of(class, column))), LEFT + COLUMN * column as i32, floor, room / most as f64))
            }
        }
    }
}

fn stack<'a>(parts: impl Iterator<Item = (&'a str, u64)>, x: i32, floor: f64, unit: f64) -> Markup {
    let mut y = floor;
    html! {
        @for (class, count) in parts {
            @if count > 0 {
                @let height = (count as f64 * unit).max(2.0);
                ({ y -= height; html! { rect.(format!("k-{class}")) x=(x + 1) width=(COLUMN - 2) y=(format!("{y:.1}")) height=(format!("{height:.1}")) { title { (count) } } } })
            }
        }
    }
}

/// What captures and logs cover: where nothing is covered, nothing seen means nothing.
fn coverage(report: &Report, axis: &Axis, top: i32) -> Markup {
    let kinds = [("capture", "Captured"), ("access_log", "Logged")];
    html! {
        @for (place, (kind, name)) in kinds.iter().enumerate() {
            @let y = top + 4 + place as i32 * 16;
            text.name x="6" y=(y + 9) { (name) }
            @for source in report.evidence.iter().filter(|source| source.kind == *kind) {
                @if let (Some(first), Some(last)) = (source.first, source.last) {
                    @let (from, to) = (axis.column(first.0), axis.column(last.0));
                    rect.covered x=(LEFT + COLUMN * from as i32) width=(COLUMN * (to - from.min(to) + 1) as i32) y=(y) height="10" { title { (source.id) } }
                }
            }
        }
    }
}

fn table(axis: &Axis, counts: &BTreeMap<(&str, usize), u64>) -> Markup {
    let of = |class: &str, column: usize| counts.get(&(class, column)).copied().unwrap_or(0);
    let used: Vec<&(&str, &str)> =
        CLASSES.iter().filter(|(class, _)| counts.keys().any(|(known, _)| known == class)).collect();
    html! {
        table {
            thead { tr { th scope="col" { "From" } @for (_, name) in &used { th.number scope="col" { (name) } } } }
            tbody {
                @for column in (0..COLUMNS).filter(|column| counts.keys().any(|(_, known)| known == column)) {
                    tr { th scope="row" { (axis.begins(column)) } @for (class, _) in &used { td.number { (of(class, column)) } } }
                }
            }
        }
    }
}
