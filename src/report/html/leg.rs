//! One leg in full: what it is, its ladder, and each claim with the rows, packets and lines behind it.

use maud::{Markup, html};

use super::super::model::{BoundRequest, Call, CallExport, Ground, Ladder, Leg, MediaDescription, Message, Stream};
use super::super::words::{self, VERDICTS};
use super::page::Sheet;
use super::summary::{chip, state};
use super::{inert, ladder, wireshark};

/// Pointers of one ground, and rows of one table, that are shown.
const POINTERS: usize = 12;
const ROWS: usize = 256;

/// Header sections that are shown as captured.
const HEADS: usize = 12;

pub(super) fn article(sheet: &Sheet<'_>, number: usize, call: &Call, leg: &Leg) -> Markup {
    let heading = format!("leg-{number}-h");
    let meaning = VERDICTS.iter().find(|(verdict, _)| *verdict == leg.verdict).map_or("", |(_, meaning)| *meaning);
    html! {
        article.leg #(format!("leg-{number}")) aria-labelledby=(heading) {
            h3 #(heading) tabindex="-1" { (number) ". " (chip(leg.verdict)) " " span.call-id { (inert::text(&leg.call_id)) } }
            p { "Seen: " (meaning) "." }
            dl.facts {
                dt { "Parties" } dd { (inert::optional(leg.from.as_ref())) " → " (inert::optional(leg.to.as_ref())) }
                @if !call.conversation_ids.is_empty() {
                    dt { "Conversation" } dd { @for (index, id) in call.conversation_ids.iter().enumerate() { @if index > 0 { ", " } (inert::text(id)) } @if call.legs.len() > 1 { " (" (call.legs.len()) " legs)" } }
                }
                @if call.legs.len() > 1 || !call.links.is_empty() {
                    dt { "Call" } dd { (joined(sheet, call, leg)) }
                }
                @if let Some(export) = &call.export { dt { "Export" } dd { (exported(sheet, export)) } }
                dt { "Trunk" } dd { (trunk(leg)) ", " (leg.direction) }
                dt { "Consent" } dd { (state(leg.consent.state)) }
                dt { "Began" } dd { (leg.first.0.rfc3339()) }
                dt { "Answered" } dd { @match leg.answered { Some(at) => (at.0.rfc3339()), None => (inert::none()) } }
                dt { "Ended" } dd { @match leg.ended { Some(at) => (at.0.rfc3339()), None => "not seen" } }
                dt { "Final status" } dd { @match leg.final_status { Some(status) => (words::status(status)), None => "not seen" } }
            }
            @if let Some(ladder) = &leg.ladder {
                h4 { "Ladder" }
                (ladder::figure(leg, ladder, number))
                details { summary { "The messages as a table" } (messages(sheet, leg, ladder)) }
            }
            h4 { "Why" }
            (grounds(sheet, &leg.grounds))
            h4 { "Consent" }
            (observations(sheet, leg))
            (of_recording(sheet, leg))
            @if let Some(ladder) = &leg.ladder { (rows(sheet, leg, ladder)) }
            h4 { "Media" }
            (streams(leg))
            h4 { "Recording requests" }
            (requests(sheet, leg))
            @if let Some(ladder) = &leg.ladder {
                h4 { "In Wireshark" }
                (filters(sheet, leg, ladder))
            }
        }
    }
}

/// The other legs of the call with the trunks they crossed, and what makes them one call.
fn joined(sheet: &Sheet<'_>, call: &Call, leg: &Leg) -> Markup {
    let others = || call.legs.iter().filter(|other| !std::ptr::eq(*other, leg));
    let links = || call.links.iter().filter(|link| link.legs.contains(&leg.call_id));
    html! {
        @if call.legs.len() > 1 {
            "This leg and "
            @for (index, other) in others().take(ROWS).enumerate() {
                @if index > 0 { ", " }
                (inert::text(&other.call_id)) " (" (trunk(other)) ", " (other.verdict) ")"
            }
            @if others().count() > ROWS { " and " (others().count() - ROWS) " more" }
            ". "
        }
        @for link in links() {
            @if link.legs.len() > 1 { "One call by " } @else { "Tied by " }
            @for (index, by) in link.by.iter().enumerate() { @if index > 0 { ", " } (inert::plain(by)) }
            " " (inert::text(&link.identifier)) " (" (link.strength) ") "
            @for pointer in link.sources.iter().take(POINTERS) { (sheet.pointer(*pointer)) " " }
        }
    }
}

/// What the platform's own exports state of the call.
fn exported(sheet: &Sheet<'_>, export: &CallExport) -> Markup {
    let lists = [
        ("division", &export.divisions),
        ("queue", &export.queues),
        ("agent", &export.agents),
        ("flow", &export.flows),
    ];
    html! {
        @match export.recorded { Some(true) => "recorded", Some(false) => "not recorded", None => "recording not stated" }
        @for (name, values) in lists.into_iter().filter(|(_, values)| !values.is_empty()) {
            "; " (name) " "
            @for (index, value) in values.iter().take(POINTERS).enumerate() { @if index > 0 { ", " } (inert::text(value)) }
            @if values.len() > POINTERS { " and " (values.len() - POINTERS) " more" }
        }
        " " (sheet.pointers(&export.sources, POINTERS))
    }
}

/// The trunk's name and kind.
pub(super) fn trunk(leg: &Leg) -> Markup {
    html! { @match &leg.trunk.name { Some(name) => { (inert::plain(name)) " (" (leg.trunk.kind) ")" }, None => "no trunk fits" } }
}

fn messages(sheet: &Sheet<'_>, leg: &Leg, ladder: &Ladder) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="SIP messages" {
            table {
                thead { tr {
                    th scope="col" { "Time" } th.number scope="col" { "Since first" } th scope="col" { "From" } th scope="col" { "To" } th scope="col" { "Message" }
                    th.number scope="col" { "CSeq" } th scope="col" { "Session description" } th scope="col" { "Consent" } th scope="col" { "Packet" }
                } }
                tbody {
                    @for message in &ladder.messages {
                        tr {
                            td.time { (message.at.0.rfc3339()) } td.number { (ladder::elapsed(leg.first, message.at)) }
                            td { (message.hop.source) } td { (message.hop.destination) " " span.small { (message.transport) } }
                            td {
                                (words::message(message))
                                @if let Some(uri) = &message.request_uri { " " span.small { (inert::text(uri)) } }
                                @if message.copies_count > 0 { span.small { " captured " (message.copies_count + 1) " times" } }
                                @if !message.header_whole { span.small.warn { " header cut" } }
                            }
                            td.number { @if let Some(cseq) = message.cseq { (cseq) } }
                            td { (description(message)) }
                            td { @if let Some(consent) = message.consent { (state(consent)) } }
                            td { (sheet.pointer(message.source)) }
                        }
                    }
                }
            }
        }
    }
}

fn description(message: &Message) -> Markup {
    let one = |media: &MediaDescription| {
        html! {
            (inert::text(&media.media)) " " (inert::text(&media.endpoint.address)) ":" @match media.endpoint.port { Some(0) => "0 (rejected)", Some(port) => (port), None => "?" }
            " " @for codec in media.codecs.iter().take(8) { (inert::text(codec)) " " } @if media.codecs.len() > 8 { "… " } (media.direction)
        }
    };
    html! {
        @if let Some(media) = &message.media { @for media in media.iter().take(8) { div { (one(media)) } } @if media.len() > 8 { div.small { "and " (media.len() - 8) " more" } } }
        @if !message.body_whole { span.small.warn { "body cut" } }
    }
}

fn grounds(sheet: &Sheet<'_>, grounds: &[Ground]) -> Markup {
    html! {
        ul.grounds {
            @for ground in grounds.iter().take(ROWS) {
                li { code { (ground.reason) } ": " (words::ground(ground.reason)) " " (sheet.pointers(&ground.sources, POINTERS)) }
            }
            (more(grounds.len()))
        }
    }
}

/// How many rows a bounded list leaves out.
fn more(count: usize) -> Markup {
    html! { @if count > ROWS { li.small.warn { "and " (count - ROWS) " more, which the JSON report lists" } } }
}

/// What is said of being recorded, and what a recording session records.
fn of_recording(sheet: &Sheet<'_>, leg: &Leg) -> Markup {
    let (said, records) = (&leg.recording_awareness, &leg.records);
    html! {
        @if !said.is_empty() {
            p { "Said of being recorded (RFC 7866); neutral unless a rule reads it:" }
            ul {
                @for one in said.iter().take(ROWS) {
                    li {
                        code.row { (inert::text(&one.name)) ": " (inert::text(&one.value)) }
                        @if let Some(stream) = one.stream { " stream " (stream) }
                        " " (one.at.0.rfc3339()) " " (sheet.pointer(one.source))
                    }
                }
                (more(said.len()))
            }
        }
        @if !records.is_empty() {
            p { "Records, by its metadata:" }
            ul {
                @for one in records.iter().take(ROWS) {
                    li { (inert::text(&one.call_id)) " by " (one.by) " " (sheet.pointer(one.source)) }
                }
                (more(records.len()))
            }
        }
    }
}

fn observations(sheet: &Sheet<'_>, leg: &Leg) -> Markup {
    let observations = &leg.consent.observations;
    html! {
        @if observations.is_empty() { p { "No INVITE, re-INVITE or UPDATE was captured." } } @else {
            div.scroll tabindex="0" role="region" aria-label="Consent signals" {
                table {
                    thead { tr { th scope="col" { "Time" } th scope="col" { "Request" } th scope="col" { "Field" } th scope="col" { "Says" } th scope="col" { "Packet" } } }
                    tbody {
                        @for seen in observations.iter().take(ROWS) {
                            tr {
                                td.time { (seen.at.0.rfc3339()) }
                                td { (seen.method) @if let Some(cseq) = seen.cseq { " " span.small { "CSeq " (cseq) } } }
                                td { @match (&seen.header, &seen.value) { (Some(header), Some(value)) => code.row { (inert::text(header)) ": " (inert::text(value)) }, _ => span.none { "no field that a rule reads" } } }
                                td { (state(seen.state)) }
                                td { (sheet.pointer(seen.source)) }
                            }
                        }
                    }
                }
            }
            @if observations.len() > ROWS { ul { (more(observations.len())) } }
        }
    }
}

/// The header field rows behind the claims: whole header sections of the requests that may speak of consent, single rows
/// of the other messages.
fn rows(sheet: &Sheet<'_>, _leg: &Leg, ladder: &Ladder) -> Markup {
    let heads: Vec<&Message> = ladder.messages.iter().filter(|message| message.head.is_some()).collect();
    let kept: Vec<&Message> =
        ladder.messages.iter().filter(|message| message.head.is_none() && !message.rows.is_empty()).collect();
    html! {
        @for message in heads.iter().take(HEADS) {
            details.head {
                summary { "Header of " (words::message(message)) " as captured " (sheet.pointer(message.source)) }
                @if let Some(head) = &message.head { pre tabindex="0" { (inert::lines(&head.0)) } }
                @if !message.header_whole { p.small.warn { "The header section was not captured to its end." } }
            }
        }
        @if heads.len() > HEADS { p.small.warn { "and " (heads.len() - HEADS) " more header sections" } }
        @if !kept.is_empty() {
            details.head {
                summary { "Header field rows of other messages that identify the call" }
                table {
                    thead { tr { th scope="col" { "Message" } th scope="col" { "Row" } th scope="col" { "Packet" } } }
                    tbody {
                        @for message in kept.iter().take(HEADS) { @for row in message.rows.iter().take(HEADS) {
                            tr { td { (words::message(message)) } td { code.row { (inert::text(&row.name)) ": " (inert::text(&row.value)) } } td { (sheet.pointer(message.source)) } }
                        } }
                    }
                }
                @if kept.len() > HEADS { p.small.warn { "and " (kept.len() - HEADS) " more messages" } }
            }
        }
    }
}

fn streams(leg: &Leg) -> Markup {
    let endpoint = |endpoint: &Option<super::super::model::Endpoint>| {
        html! { @match endpoint { Some(endpoint) => { (inert::text(&endpoint.address)) ":" @match endpoint.port { Some(port) => (port), None => "?" } }, None => span.none { "not captured" } } }
    };
    html! {
        @if leg.streams.is_empty() { p { "No media stream was accepted." } } @else {
            div.scroll tabindex="0" role="region" aria-label="Media streams" {
                table {
                    thead { tr {
                        th scope="col" { "Stream" } th scope="col" { "Offer" } th scope="col" { "Answer" } th scope="col" { "From" } th scope="col" { "To" } th scope="col" { "Measured by" }
                        th.number scope="col" { "Consented" } th.number scope="col" { "Unconsented" } th.number scope="col" { "Unknown" } th scope="col" { "RTP" }
                    } }
                    tbody { @for stream in leg.streams.iter().take(ROWS) {
                        tr {
                            th scope="row" { (inert::text(&stream.media)) " " span.small { @for codec in stream.codecs.iter().take(8) { (inert::text(codec)) " " } } }
                            td.endpoint { (endpoint(&stream.offer)) } td.endpoint { (endpoint(&stream.answer)) }
                            td.time { @match stream.start { Some(at) => (at.0.rfc3339()), None => (inert::none()) } }
                            td.time { @match stream.end { Some(at) => (at.0.rfc3339()), None => (inert::none()) } @if !stream.end_seen { span.small { " end not seen" } } }
                            td { (stream.measured_by) }
                            td.number { (seconds(stream.consented_s.rounded())) } td.number { (seconds(stream.unconsented_s.rounded())) } td.number { (seconds(stream.unknown_s.rounded())) }
                            td { (flows(stream)) }
                        }
                    } }
                }
            }
            @if leg.streams.len() > ROWS { ul { (more(leg.streams.len())) } }
        }
    }
}

fn flows(stream: &Stream) -> Markup {
    html! {
        @if stream.rtp.is_empty() { (inert::none()) }
        @for flow in stream.rtp.iter().take(8) {
            div.small { (flow.ssrc) " " (flow.source) " → " (flow.destination) ", " (words::counted(flow.packets, "packet")) ", " (flow.lost) " lost" }
        }
        @if stream.rtp.len() > 8 { div.small { "and " (stream.rtp.len() - 8) " more flows" } }
    }
}

fn seconds(seconds: f64) -> String {
    if seconds == 0.0 { "0".to_owned() } else { format!("{seconds:.3} s") }
}

fn requests(sheet: &Sheet<'_>, leg: &Leg) -> Markup {
    html! {
        @if leg.requests.is_empty() { p { "None bound to this leg." } } @else {
            div.scroll tabindex="0" role="region" aria-label="Recording requests" {
                table {
                    thead { tr {
                        th scope="col" { "Time" } th.number scope="col" { "Since first" } th scope="col" { "Status" } th scope="col" { "Request" } th scope="col" { "Client" } th scope="col" { "Bound by" } th scope="col" { "Record" }
                    } }
                    tbody { @for bound in leg.requests.iter().take(ROWS) { (request(sheet, leg, bound)) } }
                }
            }
            @if leg.requests.len() > ROWS { ul { (more(leg.requests.len())) } }
        }
    }
}

fn request(sheet: &Sheet<'_>, leg: &Leg, bound: &BoundRequest) -> Markup {
    let request = &bound.request;
    html! {
        tr {
            td.time { @if let Some(at) = request.at { (at.0.rfc3339()) } }
            td.number { @if let Some(at) = request.at { (ladder::elapsed(leg.first, at)) } }
            td.answer { (status(request.status)) @if let Some(code) = &request.error_code { div.small { (inert::text(code)) } } }
            td { (inert::plain(&request.method)) " " (inert::text(&request.target)) }
            td.client {
                (inert::optional(request.client.as_ref()))
                @if let Some(user) = request.user.as_ref().filter(|user| Some(*user) != request.client.as_ref()) { div.small { "user " (inert::text(user)) } }
                @if let Some(by) = request.answered_by { div.small { "answered by " (by.who) " (" (by.known_by) ")" } }
                @if !request.batch_errors.is_empty() { div.small.warn { (words::counted(request.batch_errors.len() as u64, "error")) " in its batch" } }
            }
            td { (inert::plain(&bound.link.by)) " " span.small { (bound.link.strength) } }
            td.where { (sheet.pointer(request.source)) }
        }
    }
}

/// A status code of the API.
pub(super) fn status(status: u16) -> Markup {
    let class = match status {
        403 => "refused",
        200..=299 => "allowed",
        _ => "other",
    };
    html! { span.code.(class) { (status) } }
}

fn filters(sheet: &Sheet<'_>, leg: &Leg, ladder: &Ladder) -> Markup {
    let filter = |what: Markup, filter: &str| {
        html! { tr { th scope="row" { (what) } td { code.filter { (filter) } } } }
    };
    html! {
        div.scroll tabindex="0" role="region" aria-label="Display filters" {
            table.filters {
                caption { "Display filters, ready to paste" }
                tbody {
                    @match wireshark::call_id(&leg.call_id) {
                        Some(text) => (filter(html! { "SIP of this Call-ID" }, &text)),
                        None => tr { th scope="row" { "SIP of this Call-ID" } td { "The Call-ID is not UTF-8; take the packet numbers." } },
                    }
                    @if let Some(text) = wireshark::media(leg) { (filter(html! { "RTP of its streams" }, &text)) }
                    @for (evidence, text, cut) in wireshark::frames(ladder) {
                        (filter(html! { "Its SIP packets in " (sheet.name(evidence)) @if cut { " (the first ones)" } }, &text))
                    }
                }
            }
        }
    }
}
