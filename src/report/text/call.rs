//! One leg on a terminal, whole: what is said of it, its ladder of messages, media and requests on one clock, and its
//! consent over time.

use std::io::{self, Write};

use anstyle::Style;
use unicode_width::UnicodeWidthStr as _;

use super::super::escape;
use super::super::model::{Call, EvidenceText, Instant, Leg, Message};
use super::layout::{FAINT, GOOD, GRAVE, PLAIN, Page, Phrase, STRONG, WARNING};
use super::{Sheet, counted, leg};

/// Columns of a rung: the time's, and what stands right of the hosts.
const INDENT: usize = 2;
const NOTES: usize = 28;

/// Fewest columns between two hosts that leave room for an arrow with its message.
const FEWEST: usize = 16;

/// Most columns between two hosts that a reader follows with ease.
const MOST: usize = 44;

/// Writes all there is of one leg.
pub(super) fn whole<W: Write>(sheet: &Sheet<'_>, page: &mut Page<'_, W>, call: &Call, leg: &Leg) -> io::Result<()> {
    leg::full(sheet, page, "", call, leg)?;
    ladder(sheet, page, leg)?;
    timeline(page, leg)
}

/// What stands on a ladder, by time.
enum Rung<'a> {
    Message(&'a Message),
    Line(Phrase),
}

fn ladder<W: Write>(sheet: &Sheet<'_>, page: &mut Page<'_, W>, leg: &Leg) -> io::Result<()> {
    let messages = leg.ladder.as_ref().map_or(&[][..], |ladder| &ladder.messages);
    page.heading(&format!("LADDER: {}", counted(messages.len() as u64, "message")))?;
    let mut rungs: Vec<(Instant, Rung<'_>)> =
        messages.iter().map(|message| (message.at, Rung::Message(message))).collect();
    for stream in &leg.streams {
        for flow in &stream.rtp {
            let text = format!("RTP {} {} → {},", leg::shown(&stream.media), flow.source, flow.destination);
            let phrase = Phrase::words(&text).and(&counted(flow.packets, "packet")).and("until").and(&clock(flow.last));
            rungs.push((flow.first, Rung::Line(phrase)));
        }
    }
    for bound in &leg.requests {
        if let Some(at) = bound.request.at {
            let phrase = Phrase::words("API")
                .and_phrase(leg::answer(&bound.request))
                .and_whole(leg::shown(&bound.request.target))
                .and_phrase(sheet.names.one(bound.request.source));
            rungs.push((at, Rung::Line(phrase)));
        }
    }
    // Stable: what is as early stands as it was pushed, messages first.
    rungs.sort_by_key(|(at, _)| at.0.ns);
    let Some((first, _)) = rungs.first() else {
        return page.indented(INDENT, &Phrase::words("no message of it was kept"));
    };
    let day = |at: Instant| at.0.rfc3339().split('T').next().unwrap_or_default().to_owned();
    let mut today = day(*first);
    let times = rungs.iter().map(|(at, _)| clock(*at).len()).max().unwrap_or(0);
    let grid = Grid::of(messages, page.width().saturating_sub(INDENT + times + 2));
    let prefixed = messages
        .iter()
        .any(|message| messages.first().is_some_and(|first| first.source.evidence != message.source.evidence));
    page.indented(INDENT, &Phrase::words(&format!("{today}, UTC")))?;
    if let Some(grid) = &grid {
        page.line(&[(PLAIN, " ".repeat(INDENT + times + 2)), (STRONG, grid.head())])?;
    }
    for (at, rung) in &rungs {
        if day(*at) != today {
            today = day(*at);
            page.indented(INDENT, &Phrase::words(&today))?;
        }
        let time = format!("{:INDENT$}{:times$}  ", "", clock(*at));
        match (rung, &grid) {
            (Rung::Message(message), Some(grid)) => {
                let mut line = vec![(FAINT, time)];
                line.extend(grid.rung(message));
                line.push((PLAIN, " ".to_owned()));
                line.extend(notes(message, prefixed));
                page.line(&line)?;
            }
            (Rung::Message(message), None) => {
                let hop = format!("{} → {}", message.hop.source, message.hop.destination);
                let mut line = vec![(FAINT, time), (STRONG, label(message)), (PLAIN, format!("  {hop} "))];
                line.extend(notes(message, prefixed));
                page.line(&line)?;
            }
            (Rung::Line(phrase), _) => {
                page.hanging(super::layout::Label::new(INDENT, time.trim()), INDENT + times + 2, phrase)?;
            }
        }
    }
    let left_out = leg.ladder.as_ref().map_or(0, |ladder| ladder.left_out);
    if left_out > 0 {
        page.indented(INDENT, &Phrase::words(&format!("and {} not listed", counted(left_out, "message"))))?;
    }
    if prefixed {
        let ids: std::collections::BTreeSet<_> = messages.iter().map(|message| message.source.evidence).collect();
        for source in sheet.report.evidence.iter().filter(|source| ids.contains(&source.id)) {
            let phrase = Phrase::words(&source.id.to_string()).and("is").and_whole(escape::path(source));
            page.indented(INDENT, &phrase)?;
        }
    }
    Ok(())
}

/// The time of day, as exact as the source wrote it.
fn clock(at: Instant) -> String {
    let text = at.0.rfc3339();
    text.split_once('T').map_or(text.as_str(), |(_, time)| time.trim_end_matches('Z')).to_owned()
}

/// What a message is, in short.
fn label(message: &Message) -> String {
    let method = message.method.unwrap_or("?");
    let what = match message.status {
        Some(status) => format!("{status} {method}"),
        None => method.to_owned(),
    };
    if message.media.is_some() { format!("{what} SDP") } else { what }
}

/// What stands beside a rung: its packet, what it says of consent, and what was not captured of it.
fn notes(message: &Message, prefixed: bool) -> Vec<(Style, String)> {
    let prefix = if prefixed { format!("{} ", message.source.evidence) } else { String::new() };
    let mut notes = vec![(FAINT, format!("{prefix}#{}", message.source.record))];
    if message.copies_count > 0 {
        notes.push((FAINT, format!(" +{}", message.copies_count)));
    }
    if let Some(state) = message.consent {
        notes.push((of_state(state), format!(" {state}")));
    }
    if !message.header_whole {
        notes.push((WARNING, " header cut".to_owned()));
    } else if !message.body_whole {
        notes.push((WARNING, " body cut".to_owned()));
    }
    notes
}

fn of_state(state: &str) -> Style {
    match state {
        "granted" => GOOD,
        "denied" | "invalid" | "missing" => GRAVE,
        _ => WARNING,
    }
}

/// The hosts as columns.
struct Grid {
    hosts: Vec<String>,
    /// Addresses that talk to themselves: their ports are hosts of their own.
    own: Vec<String>,
    span: usize,
}

impl Grid {
    /// The columns for these messages; `None` where they do not fit `width` or there is none.
    fn of(messages: &[Message], width: usize) -> Option<Self> {
        let mut own: Vec<String> = Vec::new();
        for message in messages {
            let (source, destination) = (address(&message.hop.source), address(&message.hop.destination));
            if source == destination && !own.contains(&source) {
                own.push(source);
            }
        }
        let mut grid = Self { hosts: Vec::new(), own, span: 0 };
        for message in messages {
            for end in [&message.hop.source, &message.hop.destination] {
                let host = grid.host(end);
                if !grid.hosts.contains(&host) {
                    grid.hosts.push(host);
                }
            }
        }
        let gaps = grid.hosts.len().checked_sub(1).filter(|gaps| *gaps > 0)?;
        let widest = grid.hosts.iter().map(|host| host.len() + 2).max().unwrap_or(0);
        grid.span = (width.checked_sub(NOTES)? / gaps).min(MOST.max(widest));
        (grid.span >= FEWEST.max(widest)).then_some(grid)
    }

    fn host(&self, endpoint: &str) -> String {
        let host = address(endpoint);
        if self.own.contains(&host) { endpoint.to_owned() } else { host }
    }

    /// The hosts' names, each where its line stands.
    fn head(&self) -> String {
        let mut head = String::new();
        for (place, host) in self.hosts.iter().enumerate() {
            head.push_str(&" ".repeat((place * self.span).saturating_sub(head.width())));
            head.push_str(host);
        }
        head
    }

    /// A message as an arrow from host to host.
    fn rung(&self, message: &Message) -> Vec<(Style, String)> {
        let place = |endpoint: &str| self.hosts.iter().position(|host| *host == self.host(endpoint)).unwrap_or(0);
        let (from, to) = (place(&message.hop.source), place(&message.hop.destination));
        let (left, right) = (from.min(to), from.max(to));
        let bar = |count: usize| format!("│{}", " ".repeat(self.span - 1)).repeat(count);
        let label = label(message);
        let style = match message.status {
            Some(400..) => WARNING,
            _ => STRONG,
        };
        if left == right {
            return vec![(FAINT, format!("{}│", bar(left))), (PLAIN, " to itself: ".to_owned()), (style, label)];
        }
        let room = (right - left) * self.span - 1;
        let dashes = room.saturating_sub(label.len() + 3);
        let (before, after) = (dashes / 2, dashes - dashes / 2);
        let (start, end) = if from < to { ("", ">") } else { ("<", "") };
        let last = self.hosts.len() - 1;
        let tail = match last - right {
            0 => "│".to_owned(),
            more => format!("{}│", bar(more)),
        };
        vec![
            (FAINT, format!("{}│", bar(left))),
            (PLAIN, format!("{start}{} ", "─".repeat(before))),
            (style, label),
            (PLAIN, format!(" {}{end}", "─".repeat(after))),
            (FAINT, tail),
        ]
    }
}

/// The address of `address:port`.
fn address(endpoint: &str) -> String {
    endpoint.rsplit_once(':').map_or(endpoint, |(address, _)| address).to_owned()
}

/// Consent and media over time, as bars that say by letters what colour says too.
fn timeline<W: Write>(page: &mut Page<'_, W>, leg: &Leg) -> io::Result<()> {
    page.heading("TIMELINE: consent while media flowed")?;
    for entry in &leg.consent.timeline {
        let phrase = Phrase::words("from").and(&entry.from.0.rfc3339()).and_styled(of_state(entry.state), entry.state);
        page.indented(INDENT, &phrase)?;
    }
    let ends = leg.streams.iter().filter_map(|stream| stream.end).chain(leg.ended).chain(leg.answered);
    let (start, Some(end)) = (leg.first.0.ns, ends.map(|end| end.0.ns).max()) else { return Ok(()) };
    let length = i128::from(end) - i128::from(start);
    if length <= 0 {
        return Ok(());
    }
    let labels = leg.streams.iter().map(|stream| leg::shown(&stream.media).width()).max().unwrap_or(0).max(7);
    let width = page.width().saturating_sub(INDENT + labels + 2).min(100);
    // The instant in the middle of a column.
    let instant = |column: usize| i128::from(start) + length * (2 * column as i128 + 1) / (2 * width as i128);
    let state = |at: i128| {
        let held = leg.consent.timeline.iter().rev().find(|entry| i128::from(entry.from.0.ns) <= at);
        held.or(leg.consent.timeline.first()).map_or("unknown", |entry| entry.state)
    };
    let mut bar = |label: &str, drawn: &dyn Fn(i128) -> bool| {
        let mut line =
            vec![(FAINT, format!("{:INDENT$}{label}{}  ", "", " ".repeat(labels.saturating_sub(label.width()))))];
        for column in 0..width {
            let at = instant(column);
            let (style, letter) = match drawn(at) {
                true => (of_state(state(at)), state(at).chars().next().unwrap_or('?').to_ascii_uppercase()),
                false => (FAINT, '·'),
            };
            match line.last_mut() {
                Some((last, text)) if *last == style && text.chars().all(|character| character != ' ') => {
                    text.push(letter)
                }
                _ => line.push((style, letter.to_string())),
            }
        }
        page.line(&line)
    };
    bar("consent", &|_| true)?;
    for stream in &leg.streams {
        let within = |at: i128| {
            stream.start.is_some_and(|start| i128::from(start.0.ns) <= at)
                && stream.end.is_some_and(|end| at < i128::from(end.0.ns))
        };
        bar(&leg::shown(&stream.media), &within)?;
    }
    let seconds = super::super::model::Seconds(length).rounded();
    let legend = format!(
        "{seconds:.3} s from the first message; G granted, D denied, I invalid, M missing, U unknown, · no media"
    );
    page.indented(INDENT, &Phrase::default().and_styled(FAINT, &legend))
}

/// Call-IDs of the report near to one that was asked for, the nearest first: those that hold it or begin alike.
pub(super) fn near<'a>(wanted: &str, known: impl Iterator<Item = &'a EvidenceText>) -> Vec<String> {
    let fold = |text: &str| text.to_ascii_lowercase();
    let wanted = fold(wanted);
    let mut near: Vec<(usize, String)> = known
        .map(leg::shown)
        .filter_map(|shown| {
            let text = fold(&shown);
            let alike = text.chars().zip(wanted.chars()).take_while(|(one, other)| one == other).count();
            let holds = !wanted.is_empty() && text.contains(&wanted);
            (holds || alike >= 4 || alike * 2 >= wanted.chars().count().max(1)).then_some((usize::MAX - alike, shown))
        })
        .collect();
    near.sort();
    near.dedup();
    near.into_iter().map(|(_, shown)| shown).collect()
}
