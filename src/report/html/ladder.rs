//! The ladder diagram of one leg: its SIP messages between the hosts, the consent in force, the media under it and the
//! API requests below, all on one clock that runs down the page.
//!
//! The clock is not to scale: every message and request has a row, and a pause is said by its length. What the drawing
//! leaves out (hosts, streams and requests beyond a handful) is said below it and stands in the tables of the leg.

use maud::{Markup, html};

use super::super::escape;
use super::super::model::{BoundRequest, Instant, Ladder, Leg, Message, Observation, Stream};
use super::super::words;
use super::inert;

/// Hosts, streams and requests that are drawn.
const HOSTS: usize = 8;
const STREAMS: usize = 4;
const REQUESTS: usize = 24;

/// Where things stand, in the drawing's own units.
const CLOCK: i32 = 92;
const CONSENT: i32 = 104;
const FIRST_HOST: i32 = 190;
const TOP: i32 = 58;
const ROW: i32 = 40;
const PAUSE: i32 = 26;
const STREAM: i32 = 62;

/// A pause that is said.
const LONG_NS: i64 = 1_000_000_000;

/// One thing that happened.
#[derive(Clone, Copy)]
enum Event<'a> {
    Message(&'a Message),
    Request(&'a BoundRequest),
}

/// An event in its row.
struct Placed<'a> {
    at: Instant,
    y: i32,
    /// Nanoseconds since the row above, where that is worth saying.
    pause: Option<i64>,
    event: Event<'a>,
}

pub(super) fn figure(leg: &Leg, ladder: &Ladder, number: usize) -> Markup {
    let hosts = hosts(&ladder.messages);
    let left_hosts = hosts.len().saturating_sub(HOSTS);
    let hosts = hosts.get(..HOSTS).unwrap_or(&hosts);
    let by_port = by_port(&ladder.messages);
    let lane = |socket: &str| hosts.iter().position(|host| *host == name(socket, by_port));
    let gap = match hosts.len() {
        0..=2 => 420,
        3 => 280,
        _ => 230,
    };
    let x = |place: usize| FIRST_HOST + gap * place as i32;
    let last_host = x(hosts.len().max(1) - 1);
    let placed = place(leg, ladder);
    let bottom = placed.last().map_or(TOP, |last| last.y) + 24;
    let streams = leg.streams.get(..STREAMS).unwrap_or(&leg.streams);
    let first_stream = last_host + 96;
    let width = (first_stream + STREAM * streams.len().max(1) as i32).max(720);
    let title = format!("ladder-{number}");
    html! {
        div.scroll tabindex="0" role="region" aria-label="Ladder diagram" {
            svg.ladder viewBox=(format!("0 0 {width} {bottom}")) width=(width) height=(bottom) role="img" aria-labelledby=(title) {
                title #(title) { "Ladder diagram: " (ladder.messages.len()) " SIP messages between " (hosts.len()) " hosts, and " (leg.requests.len()) " recording requests. The tables below say the same." }
                @for (place, host) in hosts.iter().enumerate() {
                    text.host x=(x(place)) y="18" { (inert::short(&escape::text(host), 30)) }
                    line.lane x1=(x(place)) y1="28" x2=(x(place)) y2=(bottom) {}
                }
                text.clock x=(CLOCK) y="18" { "time" }
                (consent(leg, &placed, bottom))
                @for (place, stream) in streams.iter().enumerate() {
                    (media(leg, stream, first_stream + STREAM * place as i32, &placed))
                }
                @for row in &placed {
                    @if let Some(pause) = row.pause {
                        text.pause x=(CLOCK) y=(row.y - 30) { "⋮ " (seconds(pause)) }
                    }
                    text.clock x=(CLOCK) y=(row.y + 4) { (elapsed(leg.first, row.at)) }
                    @match row.event {
                        Event::Message(message) => (arrow(leg, message, row.y, lane(&message.hop.source).map(x), lane(&message.hop.destination).map(x))),
                        Event::Request(request) => (asked(request, row.y, width)),
                    }
                }
            }
        }
        p.small.legend {
            @for (state, name) in [("granted", "consent granted"), ("missing", "denied, missing or invalid"), ("unknown", "unknown")] {
                span.key-item { svg.swatch viewBox="0 0 24 12" aria-hidden="true" { rect.(format!("m-{state}")) width="24" height="12" {} } (name) } " "
            }
        }
        @let left = [
            (ladder.left_out as usize, "SIP message"),
            (left_hosts, "host"),
            (leg.streams.len() - streams.len(), "media stream"),
            (leg.requests.len().saturating_sub(REQUESTS), "request"),
        ];
        @if left.iter().any(|(count, _)| *count > 0) {
            p.small.warn { "Not drawn: " @for (index, (count, thing)) in left.iter().filter(|(count, _)| *count > 0).enumerate() { @if index > 0 { ", " } (words::counted(*count as u64, thing)) } "." }
        }
    }
}

/// Whether two ends of a message share an address, so that only ports tell hosts apart.
fn by_port(messages: &[Message]) -> bool {
    messages.iter().any(|message| address(&message.hop.source) == address(&message.hop.destination))
}

/// What a host is called: its address, with the port where that alone tells hosts apart.
fn name(socket: &str, by_port: bool) -> &str {
    if by_port { socket } else { address(socket) }
}

/// `address:port` without the port.
fn address(socket: &str) -> &str {
    socket.rsplit_once(':').map_or(socket, |(address, _)| address)
}

/// The hosts in the order of their first message.
fn hosts(messages: &[Message]) -> Vec<&str> {
    let by_port = by_port(messages);
    let mut hosts: Vec<&str> = Vec::new();
    for message in messages {
        for socket in [&message.hop.source, &message.hop.destination] {
            let host = name(socket, by_port);
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
    }
    hosts
}

/// Every event in its row, by time.
fn place<'a>(leg: &'a Leg, ladder: &'a Ladder) -> Vec<Placed<'a>> {
    let messages = ladder.messages.iter().map(|message| (message.at, Event::Message(message)));
    let requests =
        leg.requests.iter().take(REQUESTS).filter_map(|bound| Some((bound.request.at?, Event::Request(bound))));
    let mut events: Vec<(Instant, Event<'a>)> = messages.chain(requests).collect();
    // Stable: messages of one instant stay in the order of the evidence.
    events.sort_by_key(|(at, _)| *at);
    let mut placed: Vec<Placed<'a>> = Vec::with_capacity(events.len());
    let mut y = TOP;
    for (at, event) in events {
        let since = placed.last().map_or(0, |last| at.0.ns.saturating_sub(last.at.0.ns));
        let pause = (since >= LONG_NS).then_some(since);
        y += if placed.is_empty() { 0 } else { ROW + pause.map_or(0, |_| PAUSE) };
        placed.push(Placed { at, y, pause, event });
    }
    placed
}

/// Where an instant stands between the rows.
fn height(placed: &[Placed<'_>], at: Instant) -> f64 {
    let after = placed.partition_point(|row| row.at.0.ns <= at.0.ns);
    let row = |place: usize| placed.get(place);
    match (after.checked_sub(1).and_then(row), row(after)) {
        (Some(before), Some(after)) => {
            let (from, to) = (before.at.0.ns as f64, after.at.0.ns as f64);
            let share = if to > from { (at.0.ns as f64 - from) / (to - from) } else { 0.0 };
            f64::from(before.y) + share * f64::from(after.y - before.y)
        }
        (Some(before), None) => f64::from(before.y) + 10.0,
        (None, Some(after)) => f64::from(after.y) - 10.0,
        (None, None) => f64::from(TOP),
    }
}

/// The strip of the consent in force, from the first message to the end of the signalling.
fn consent(leg: &Leg, placed: &[Placed<'_>], bottom: i32) -> Markup {
    let last = placed.iter().rev().find(|row| matches!(row.event, Event::Message(_)));
    let end = last.map_or(f64::from(bottom), |row| f64::from(row.y)) + 8.0;
    let held = &leg.consent.timeline;
    html! {
        text.lane-name x=(CONSENT + 4) y="36" { "consent" }
        @for (index, state) in held.iter().enumerate() {
            @let from = if index == 0 { f64::from(TOP) - 14.0 } else { height(placed, state.from) };
            @let until = held.get(index + 1).map_or(end, |next| height(placed, next.from)).min(end);
            @if until > from {
                rect.(format!("m-{}", state.state)) x=(CONSENT) width="8" y=(tenth(from)) height=(tenth(until - from)) { title { (state.state) } }
            }
        }
    }
}

/// The bar of a stream, in the colours of the consent that held.
fn media(leg: &Leg, stream: &Stream, x: i32, placed: &[Placed<'_>]) -> Markup {
    let shown = inert::short(&escape::bytes(&stream.media.0), 9);
    let seconds = stream.consented_s.rounded() + stream.unconsented_s.rounded() + stream.unknown_s.rounded();
    html! {
        text.lane-name x=(x) y="18" { (shown) }
        @if let (Some(start), Some(end)) = (stream.start, stream.end) {
            text.lane-name x=(x) y="36" { (format!("{seconds:.1} s")) }
            @let (top, bottom) = (height(placed, start), height(placed, end));
            @for (state, from, until) in pieces(leg, start, end) {
                @let (from, until) = (height(placed, from), height(placed, until));
                rect.media.(format!("m-{state}")) x=(x - 9) width="18" y=(tenth(from)) height=(tenth((until - from).max(2.0))) { title { (state) } }
            }
            rect.frame x=(x - 9) width="18" y=(tenth(top)) height=(tenth((bottom - top).max(2.0))) {}
        } @else {
            text.lane-name x=(x) y="36" { "no time" }
        }
    }
}

/// The interval of a stream by the state that held.
fn pieces(leg: &Leg, start: Instant, end: Instant) -> Vec<(&'static str, Instant, Instant)> {
    let held = &leg.consent.timeline;
    let pieces = held.iter().enumerate().filter_map(|(index, state)| {
        let from = if index == 0 { start } else { state.from.max(start) };
        let until = held.get(index + 1).map_or(end, |next| next.from.min(end));
        (from <= until && (from < until || start == end)).then_some((state.state, from, until))
    });
    pieces.collect()
}

/// One message between its hosts.
fn arrow(leg: &Leg, message: &Message, y: i32, from: Option<i32>, to: Option<i32>) -> Markup {
    let label = words::message(message);
    let copies = if message.copies_count > 0 { format!(" ×{}", message.copies_count + 1) } else { String::new() };
    let description = match &message.media {
        Some(_) => " · SDP",
        None if !message.body_whole => " · body cut",
        None => "",
    };
    let said = said(leg, message);
    let mut class = "message".to_owned();
    if message.status.is_some_and(|status| status >= 300) {
        class.push_str(" refused");
    }
    html! {
        @match (from, to) {
            (Some(from), Some(to)) => {
                @let (left, right) = (from.min(to), from.max(to));
                @let middle = (left + right) / 2;
                g.(class) {
                    @if from == to {
                        path.arrow d=(format!("M{from} {y}h30v10h-24")) {}
                        path.head d=(format!("M{} {}l7 -4v8z", from + 1, y + 10)) {}
                        text.label.start x=(from + 38) y=(y + 4) { (label) (copies) tspan.sdp { (description) } }
                    } @else {
                        line.arrow x1=(from) y1=(y) x2=(to) y2=(y) {}
                        @let back = if to > from { -8 } else { 8 };
                        path.head d=(format!("M{to} {y}l{back} -4v8z")) {}
                        text.label x=(middle) y=(y - 6) { (label) (copies) tspan.sdp { (description) } }
                        @if let Some((state, said)) = &said {
                            text.said.(format!("t-{state}")) x=(middle) y=(y + 14) { (inert::short(said, 60)) }
                        }
                    }
                }
            }
            _ => text.label.start x=(FIRST_HOST) y=(y) { (label) (copies) " between hosts that are not drawn" },
        }
    }
}

/// The observation of a message.
pub(super) fn observation<'a>(leg: &'a Leg, message: &Message) -> Option<&'a Observation> {
    message.consent?;
    let own = |seen: &&Observation| seen.source == message.source && seen.cseq == message.cseq;
    leg.consent.observations.iter().find(own)
}

/// What a message says of consent, in words.
fn said(leg: &Leg, message: &Message) -> Option<(&'static str, String)> {
    let seen = observation(leg, message)?;
    let said = match (&seen.header, &seen.value) {
        (Some(header), Some(value)) => format!("{}: {}", escape::bytes(&header.0), escape::bytes(&value.0)),
        _ if !message.header_whole => "header cut".to_owned(),
        _ => "no consent field".to_owned(),
    };
    Some((seen.state, format!("{} → {}", inert::short(&said, 60 - seen.state.len() - 3), seen.state)))
}

/// One API request across the hosts.
fn asked(bound: &BoundRequest, y: i32, width: i32) -> Markup {
    let request = &bound.request;
    let class = match request.status {
        403 => "api refused",
        200..=299 => "api allowed",
        _ => "api",
    };
    let target = escape::bytes(&request.target.0);
    let left = CONSENT + 24;
    // A letter of the target takes seven units.
    let room = ((width - left - 110) / 7).max(16) as usize;
    html! {
        g.(class) {
            rect x=(left) y=(y - 13) width=(width - left - 8) height="26" rx="4" {}
            text.status x=(left + 10) y=(y + 4) { (request.status) }
            text.target x=(left + 44) y=(y + 4) { (inert::short(&escape::text(&request.method), 8)) " " (inert::short(&target, room)) }
        }
    }
}

/// Seconds since the leg's first message.
pub(super) fn elapsed(first: Instant, at: Instant) -> String {
    format!("{:+.3} s", at.0.seconds_since(first.0))
}

fn seconds(ns: i64) -> String {
    let seconds = ns as f64 / 1e9;
    if seconds >= 120.0 { format!("{:.0} min", seconds / 60.0) } else { format!("{seconds:.1} s") }
}

/// A coordinate with one decimal.
fn tenth(value: f64) -> String {
    format!("{value:.1}")
}
