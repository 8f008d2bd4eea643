//! One leg for people: in full as a finding is shown, or in two lines.

use std::io::{self, Write};

use anstyle::Style;

use super::super::escape;
use super::super::model::{
    Awareness, BoundRequest, Call, CallExport, EvidenceText, Leg, Observation, Pointer, Request, Stream,
};
use super::super::words;
use super::layout::{FAINT, GOOD, GRAVE, Label, ODD, PLAIN, Page, Phrase, STRONG, WARNING};
use super::{Sheet, counted};
use crate::settings::ConsentRule;

/// The column of labels, and that of what they label.
const LABEL: usize = 4;
const VALUE: usize = 18;

/// Observations, rows of requests and pointers of one list that are enough for a first look.
const OBSERVATIONS: usize = 8;
const REQUESTS: usize = 12;
const POINTERS: usize = 4;

/// Other legs of a call that are enough for a first look.
const LEGS: usize = 8;

/// The style of a verdict.
pub(super) fn style(verdict: &str) -> Style {
    match verdict {
        "exposed_unconsented" | "blocked_unconsented" => GRAVE,
        "unconsented" => WARNING,
        "blocked_consented" | "indeterminate" => ODD,
        "clear" => GOOD,
        _ => PLAIN,
    }
}

/// A leg with all that its verdict rests on, under a mark such as `1.`.
pub(super) fn full<W: Write>(
    sheet: &Sheet<'_>,
    page: &mut Page<'_, W>,
    mark: &str,
    call: &Call,
    leg: &Leg,
) -> io::Result<()> {
    let head = Phrase::default().and_whole_styled(style(leg.verdict), leg.verdict);
    page.subheading(mark, LABEL.max(mark.len() + 1), &head)?;
    let mut row = |label: &str, phrase: Phrase| page.hanging(Label::new(LABEL, label), VALUE, &phrase);
    row("Call-ID", Phrase::default().and_whole_styled(STRONG, shown(&leg.call_id)))?;
    if !call.conversation_ids.is_empty() {
        row("Conversation", separated(call.conversation_ids.iter().map(shown)))?;
    }
    if let Some(export) = &call.export {
        row("Export", exported(sheet, export))?;
    }
    let joined = joined(sheet, call, leg);
    if let Some((first, others)) = joined.split_first() {
        row("Call", first.clone())?;
        for other in others {
            page.indented(VALUE, other)?;
        }
    }
    let mut row = |label: &str, phrase: Phrase| page.hanging(Label::new(LABEL, label), VALUE, &phrase);
    row("Parties", parties(leg))?;
    row("Trunk", trunk(leg))?;
    row("Time", time(leg))?;
    row("Consent", Phrase::default().and_whole_styled(STRONG, leg.consent.state))?;
    let most = sheet.at_most(OBSERVATIONS);
    for observation in leg.consent.observations.iter().take(most) {
        page.indented(VALUE, &observed(sheet, observation))?;
    }
    left_out(page, leg.consent.observations.len(), most, "more message")?;
    if !leg.recording_awareness.is_empty() {
        let label = Label::new(LABEL, "RFC 7866");
        page.hanging(label, VALUE, &Phrase::words("said of being recorded; neutral unless a rule reads it"))?;
        for said in leg.recording_awareness.iter().take(most) {
            page.indented(VALUE, &aware(sheet, said))?;
        }
        left_out(page, leg.recording_awareness.len(), most, "more signal")?;
    }
    for (index, records) in leg.records.iter().enumerate() {
        let phrase = Phrase::default()
            .and_whole(shown(&records.call_id))
            .and(&format!("by {} of its metadata", records.by))
            .and_phrase(sheet.names.one(records.source));
        page.grouped(Label::new(LABEL, if index == 0 { "Records" } else { "" }), VALUE, &phrase)?;
    }
    media(sheet, page, leg)?;
    requests(sheet, page, &leg.requests)?;
    for (index, ground) in leg.grounds.iter().enumerate() {
        let mut phrase = Phrase::default().and_whole(ground.reason);
        let meaning = words::ground(ground.reason);
        if !meaning.is_empty() {
            phrase = phrase.and_glued(":").and(meaning);
        }
        if !ground.sources.is_empty() {
            let sources = sheet.names.list(&ground.sources, sheet.at_most(POINTERS));
            phrase = phrase.and_phrase(sources);
        }
        page.grouped(Label::new(LABEL, if index == 0 { "Grounds" } else { "" }), VALUE, &phrase)?;
    }
    Ok(())
}

/// A leg in two lines: what it is, and why.
pub(super) fn short<W: Write>(sheet: &Sheet<'_>, page: &mut Page<'_, W>, call: &Call, leg: &Leg) -> io::Result<()> {
    if sheet.verbose {
        page.blank()?;
        return full(sheet, page, "-", call, leg);
    }
    let head =
        Phrase::default().and_whole_styled(STRONG, shown(&leg.call_id)).and_whole_styled(FAINT, leg.first.0.rfc3339());
    page.indented(2, &head)?;
    let mut phrase = Phrase::default().and_whole_styled(style(leg.verdict), leg.verdict).and_glued(",");
    phrase = phrase.and_phrase(trunk(leg)).and_glued(",").and("consent").and(leg.consent.state).and_glued(";");
    let last = leg.grounds.len().saturating_sub(1);
    for (index, ground) in leg.grounds.iter().enumerate() {
        phrase = phrase.and_whole(ground.reason);
        let meaning = words::ground(ground.reason);
        if !meaning.is_empty() {
            phrase = phrase.and(&format!("({meaning})"));
        }
        if !ground.sources.is_empty() {
            phrase = phrase.and_phrase(sheet.names.list(&ground.sources, POINTERS));
        }
        if index < last {
            phrase = phrase.and_glued(";");
        }
    }
    page.indented(LABEL, &phrase)
}

/// Evidence as one piece of inert text.
pub(super) fn shown(text: &EvidenceText) -> String {
    escape::bytes(&text.0).into_owned()
}

/// Evidence between quotation marks, so that blanks at its ends can be seen.
pub(super) fn quoted(text: &EvidenceText) -> String {
    format!("\"{}\"", shown(text).replace('"', "\\\""))
}

/// The other legs of the call with the trunks they crossed, and what makes them one call. With `-v` also what ties a leg to
/// its conversation alone.
fn joined(sheet: &Sheet<'_>, call: &Call, leg: &Leg) -> Vec<Phrase> {
    let mut lines = Vec::new();
    let most = sheet.at_most(LEGS);
    if call.legs.len() > 1 {
        let byoc = call.legs.iter().filter(|leg| leg.trunk.kind == "byoc").count();
        lines.push(Phrase::words(&format!("{} legs, {byoc} of them on BYOC trunks; beside this one", call.legs.len())));
        let others = call.legs.iter().filter(|other| !std::ptr::eq(*other, leg));
        lines.extend(others.take(most).map(|other| {
            let phrase = Phrase::default().and_whole(shown(&other.call_id)).and_glued(":").and_phrase(trunk(other));
            phrase.and_glued(",").and_whole_styled(style(other.verdict), other.verdict)
        }));
        let left = (call.legs.len() - 1).saturating_sub(most);
        if left > 0 {
            lines.push(Phrase::words(&format!("and {left} more; -v lists them")));
        }
    }
    let shown_links = call.links.iter().filter(|link| link.legs.contains(&leg.call_id));
    for link in shown_links.filter(|link| sheet.verbose || link.legs.len() > 1) {
        let mut phrase = Phrase::words(if link.legs.len() > 1 { "one call by" } else { "tied by" });
        for (index, by) in link.by.iter().enumerate() {
            phrase = if index > 0 { phrase.and_glued(",") } else { phrase };
            phrase = phrase.and_whole(escape::text(by));
        }
        let sources = sheet.names.list(&link.sources, sheet.at_most(POINTERS));
        lines.push(phrase.and_whole(shown(&link.identifier)).and(&format!("({})", link.strength)).and_phrase(sources));
    }
    lines
}

/// What the platform's own exports state of the call.
fn exported(sheet: &Sheet<'_>, export: &CallExport) -> Phrase {
    let recorded = match export.recorded {
        Some(true) => "recorded",
        Some(false) => "not recorded",
        None => "recording not stated",
    };
    let mut phrase = Phrase::words(recorded);
    let lists = [
        ("division", &export.divisions),
        ("queue", &export.queues),
        ("agent", &export.agents),
        ("flow", &export.flows),
    ];
    for (name, values) in lists.into_iter().filter(|(_, values)| !values.is_empty()) {
        let most = sheet.at_most(POINTERS);
        phrase = phrase.and_glued(";").and(name).and_phrase(separated(values.iter().take(most).map(shown)));
        if values.len() > most {
            phrase = phrase.and(&format!("and {} more", values.len() - most));
        }
    }
    phrase.and_phrase(sheet.names.list(&export.sources, sheet.at_most(POINTERS)))
}

fn separated(items: impl Iterator<Item = String>) -> Phrase {
    let mut phrase = Phrase::default();
    for (index, item) in items.enumerate() {
        if index > 0 {
            phrase = phrase.and_glued(",");
        }
        phrase = phrase.and_whole(item);
    }
    phrase
}

fn parties(leg: &Leg) -> Phrase {
    let party = |uri: &Option<EvidenceText>| uri.as_ref().map_or_else(|| "(not read)".to_owned(), shown);
    Phrase::default().and_whole(party(&leg.from)).and("→").and_whole(party(&leg.to))
}

fn trunk(leg: &Leg) -> Phrase {
    let phrase = match &leg.trunk.name {
        Some(name) => Phrase::default().and_whole(escape::text(name)).and(&format!("({})", leg.trunk.kind)),
        None => Phrase::words("no configured trunk"),
    };
    let direction = if leg.direction == "unknown" { "direction unknown" } else { leg.direction };
    phrase.and_glued(",").and(direction)
}

fn time(leg: &Leg) -> Phrase {
    let mut phrase = Phrase::words("first message").and(&leg.first.0.rfc3339()).and_glued(",");
    phrase = match leg.answered {
        Some(answered) => phrase.and("answered").and(&answered.0.rfc3339()),
        None => phrase.and("no answer seen"),
    };
    phrase = match leg.ended {
        Some(ended) => phrase.and_glued(",").and("ended").and(&ended.0.rfc3339()),
        None => phrase.and_glued(",").and("end not seen"),
    };
    match leg.final_status {
        Some(status) => phrase.and_glued(",").and(&format!("final status {status}")),
        None => phrase.and_glued(",").and("no final status seen"),
    }
}

fn observed(sheet: &Sheet<'_>, observation: &Observation) -> Phrase {
    let Observation { at, method, cseq, header, value, escaped: _, state, source } = observation;
    let mut phrase = Phrase::default().and_whole(at.0.rfc3339()).and_whole(escape::text(method));
    if let Some(cseq) = cseq {
        phrase = phrase.and(&format!("(CSeq {cseq})"));
    }
    phrase = phrase.and_glued(":");
    phrase = match (header, *state) {
        (Some(header), _) => {
            let value = value.as_ref().map_or_else(|| "no value".to_owned(), quoted);
            phrase.and_whole(format!("{}: {value}", shown(header))).and("→").and(state)
        }
        (None, "missing") => phrase.and("no").and_phrase(fields(sheet)).and("→ missing"),
        (None, "unknown") => phrase.and("no").and_phrase(fields(sheet)).and("seen → unknown"),
        (None, state) => phrase.and("no").and_phrase(fields(sheet)).and_glued(",").and(state).and("stays"),
    };
    phrase.and_phrase(sheet.names.one(*source))
}

fn aware(sheet: &Sheet<'_>, said: &Awareness) -> Phrase {
    let mut phrase = Phrase::default().and_whole(said.at.0.rfc3339());
    phrase = phrase.and_whole(format!("{}: {}", shown(&said.name), quoted(&said.value)));
    if let Some(stream) = said.stream {
        phrase = phrase.and(&format!("(stream {stream})"));
    }
    phrase.and_phrase(sheet.names.one(said.source))
}

/// The fields that the rules look for.
fn fields(sheet: &Sheet<'_>) -> Phrase {
    let mut names: Vec<String> = Vec::new();
    for name in sheet.report.settings.rules.iter().map(ConsentRule::shown) {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            names.push(name.to_string());
        }
    }
    let phrase = Phrase::default().and_whole(escape::text(&names.join(" or ")));
    if sheet.report.settings.rules.iter().all(ConsentRule::is_plain) { phrase.and("field") } else { phrase }
}

fn media<W: Write>(sheet: &Sheet<'_>, page: &mut Page<'_, W>, leg: &Leg) -> io::Result<()> {
    if leg.streams.is_empty() {
        return page.hanging(Label::new(LABEL, "Media"), VALUE, &Phrase::words("no media stream seen accepted"));
    }
    for (index, stream) in leg.streams.iter().enumerate() {
        page.grouped(Label::new(LABEL, if index == 0 { "Media" } else { "" }), VALUE, &summed(stream))?;
        if sheet.verbose {
            for rtp in &stream.rtp {
                let line = format!(
                    "RTP {} {} → {}: {}, {}, {} lost, {} to {}",
                    rtp.ssrc,
                    rtp.source,
                    rtp.destination,
                    counted(rtp.packets, "packet"),
                    counted(rtp.bytes, "byte"),
                    rtp.lost,
                    rtp.first.0.rfc3339(),
                    rtp.last.0.rfc3339(),
                );
                page.indented(VALUE + 2, &Phrase::words(&line))?;
            }
        }
    }
    Ok(())
}

fn summed(stream: &Stream) -> Phrase {
    let mut phrase = Phrase::default().and_whole(shown(&stream.media));
    if !stream.codecs.is_empty() {
        let codecs: Vec<_> = stream.codecs.iter().map(shown).collect();
        phrase = phrase.and_whole(format!("({})", codecs.join(", ")));
    }
    phrase = phrase.and_glued(":");
    let spans = [
        (stream.unconsented_s, "unconsented", WARNING),
        (stream.consented_s, "consented", GOOD),
        (stream.unknown_s, "unknown", ODD),
    ];
    let mut none = true;
    for (seconds, word, style) in spans.into_iter().filter(|(seconds, ..)| seconds.0 != 0) {
        phrase = phrase.and_styled(style, &format!("{:.3} s {word},", seconds.rounded()));
        none = false;
    }
    if none {
        phrase = phrase.and("no duration,");
    }
    if let (Some(start), Some(end)) = (stream.start, stream.end) {
        phrase = phrase.and(&format!("{} to {},", start.0.rfc3339(), end.0.rfc3339()));
    }
    phrase = match stream.measured_by {
        "rtp" => {
            let packets = stream.rtp.iter().map(|flow| flow.packets).sum();
            let lost: u64 = stream.rtp.iter().map(|flow| flow.lost).sum();
            let flows = counted(stream.rtp.len() as u64, "flow");
            phrase.and(&format!("by RTP ({flows}, {}, {lost} lost)", counted(packets, "packet")))
        }
        _ => phrase.and("by signalling"),
    };
    if stream.end_seen { phrase } else { phrase.and_glued(",").and("the dialog's end not seen") }
}

fn requests<W: Write>(sheet: &Sheet<'_>, page: &mut Page<'_, W>, requests: &[BoundRequest]) -> io::Result<()> {
    if requests.is_empty() {
        return page.hanging(Label::new(LABEL, "Requests"), VALUE, &Phrase::words("none for this leg in the logs"));
    }
    let groups = polls(requests);
    let most = sheet.at_most(REQUESTS);
    for (index, group) in groups.iter().take(most).enumerate() {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let mut head = answer(&first.request).and_phrase(time_of(&first.request));
        let mut lags = lag(first.lag_s.rounded(), true);
        if group.len() > 1 {
            head = head.and("to").and_phrase(time_of(&last.request)).and_glued(",");
            head = head.and_styled(STRONG, &format!("{} times", group.len()));
            let (begin, end) = (first.lag_s.rounded(), last.lag_s.rounded());
            lags = format!("{} to {}", lag(begin, (begin < 0.0) != (end < 0.0)), lag(end, true));
        }
        page.grouped(Label::new(LABEL, if index == 0 { "Requests" } else { "" }), VALUE, &head)?;
        page.indented(VALUE + 2, &Phrase::default().and_whole(shown(&first.request.target)))?;
        let bound = format!("bound by {} ({}), {lags} the first message", first.link.by, first.link.strength);
        let sources: Vec<Pointer> = group.iter().map(|bound| bound.request.source).collect();
        let asker = asker(&first.request);
        let asker = if asker.is_empty() { asker } else { asker.and_glued(",") };
        let tail = asker.and(&escape::text(&bound));
        page.indented(VALUE + 2, &tail.and_phrase(sheet.names.list(&sources, sheet.at_most(POINTERS))))?;
    }
    left_out(page, groups.len(), most, "more row")
}

/// How long after or before, with the word where it `is_said`.
fn lag(seconds: f64, is_said: bool) -> String {
    let length = format!("{:.3}", seconds.abs());
    match (is_said, seconds < 0.0) {
        (false, _) => length,
        (true, false) => format!("{length} s after"),
        (true, true) => format!("{length} s before"),
    }
}

/// The time of a request.
pub(super) fn time_of(request: &Request) -> Phrase {
    let time = request.at.map_or_else(|| "(no readable time)".to_owned(), |at| at.0.rfc3339());
    Phrase::default().and_whole(time)
}

/// What was answered to which method.
pub(super) fn answer(request: &Request) -> Phrase {
    let style = match request.status {
        403 => GRAVE,
        200..=299 => GOOD,
        _ => STRONG,
    };
    Phrase::default().and_styled(style, &request.status.to_string()).and_whole(escape::text(&request.method))
}

/// The error it gave, who answered and who asked, where logged.
pub(super) fn asker(request: &Request) -> Phrase {
    let error = request.error_code.as_ref().map(|code| Phrase::words("error").and_whole(shown(code)));
    let answered = request.answered_by.map(|by| Phrase::words(&format!("answered by {} ({})", by.who, by.known_by)));
    let client = request.client.as_ref().map(|client| Phrase::words("client").and_whole(shown(client)));
    let user = request.user.as_ref().filter(|user| Some(*user) != request.client.as_ref());
    let user = user.map(|user| Phrase::words("user").and_whole(shown(user)));
    let said = [error, answered, client, user].into_iter().flatten();
    said.reduce(|before, next| before.and_glued(",").and_phrase(next)).unwrap_or_default()
}

/// Requests that ask the same of the same and get the same answer, together where the first of them stands.
fn polls(requests: &[BoundRequest]) -> Vec<Vec<&BoundRequest>> {
    let mut places = std::collections::BTreeMap::new();
    let mut groups: Vec<Vec<&BoundRequest>> = Vec::new();
    for bound in requests {
        let Request { method, target, status, client, error_code, user, answered_by, .. } = &*bound.request;
        let answer = (status, error_code, answered_by.map(|by| (by.who, by.known_by)));
        let key = (method, target, answer, client, user, &bound.link.by, bound.link.strength);
        let place = *places.entry(key).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(bound),
            None => groups.push(vec![bound]),
        }
    }
    groups
}

fn left_out<W: Write>(page: &mut Page<'_, W>, all: usize, most: usize, thing: &str) -> io::Result<()> {
    match all.saturating_sub(most) {
        0 => Ok(()),
        left => page.indented(VALUE, &Phrase::words(&format!("and {}; -v lists them", counted(left as u64, thing)))),
    }
}
