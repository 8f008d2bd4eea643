//! Lines of an access log: one in twenty asks for a recording, and 8 in 23 of those are refused.

use std::io::{self, Write};

use super::plan::{BEGIN_S, Draw, Plan, Truth};

/// What differs between the lines.
pub(crate) struct Request {
    number: u64,
    draw: u64,
    target: String,
    status: u16,
}

impl Request {
    /// The civil time of the line: a thousand requests a second, from 08:00:00 on; days of January.
    fn civil(&self) -> [u64; 5] {
        let millis = self.number + 3_600_000;
        let seconds = BEGIN_S % 86_400 + millis / 1_000;
        [5 + seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60, millis % 1_000]
    }
}

/// Writes the log; gives its truth.
pub(crate) fn write<W: Write>(plan: &Plan, line: fn(&Request) -> String, out: &mut W) -> io::Result<Truth> {
    let mut truth = Truth::default();
    for number in 0..plan.lines {
        let draw = plan.draw(Draw::Request, number);
        let recording = (number % 20 == 7).then_some(number / 20);
        let refused = recording.is_some_and(|n| !plan.consents(n));
        let target = match recording {
            Some(n) => {
                let id = format!("{:08x}-{:04x}-4000-8000-{:012x}", draw >> 32, draw & 0xffff, n);
                format!("/api/v2/conversations/{}/recordings/{id}?formatId=WAV", plan.conversation(n))
            }
            None => format!(
                "/api/v2/users/{:08x}-{:04x}-4000-8000-{:012x}/routingstatus?expand=presence,station",
                draw >> 32,
                draw & 0xffff,
                draw >> 16
            ),
        };
        let status = match recording {
            Some(_) if refused => 403,
            Some(_) => 200,
            None => [200, 200, 200, 204, 404][(draw % 5) as usize],
        };
        let request = Request { number, draw, target, status };
        let text = line(&request);
        out.write_all(text.as_bytes())?;
        truth.bytes += text.len() as u64;
        truth.records += 1;
        truth.recording_requests += u64::from(recording.is_some());
        truth.refused += u64::from(refused);
        truth.allowed += u64::from(recording.is_some() && !refused);
    }
    Ok(truth)
}

/// One JSON object.
pub(crate) fn json(request: &Request) -> String {
    let [day, hour, minute, second, millis] = request.civil();
    let Request { draw, target, status, .. } = request;
    format!(
        concat!(
            r#"{{"time":"2026-01-{:02}T{:02}:{:02}:{:02}.{:03}Z","request_id":"{:016x}{:016x}","remote_addr":"10.9.{}.{}","client_id":"integration-{}","#,
            r#""method":"GET","host":"api.mypurecloud.com","uri":"{}","status":{},"bytes_sent":{},"#,
            r#""request_time":0.{:03},"upstream":"10.0.0.{}:8443","user_agent":"PureCloud SDK/python 257.1.0"}}"#,
            "\n"
        ),
        day,
        hour,
        minute,
        second,
        millis,
        draw,
        draw.rotate_left(17),
        draw % 256,
        draw / 7 % 256,
        draw % 12,
        target,
        status,
        draw % 10_000,
        draw % 999,
        draw % 8
    )
}

/// One line of combined log format.
pub(crate) fn combined(request: &Request) -> String {
    let [day, hour, minute, second, _] = request.civil();
    let Request { draw, target, status, .. } = request;
    format!(
        "10.9.{}.{} - integration-{} [{day:02}/Jan/2026:{hour:02}:{minute:02}:{second:02} +0000] \"GET {target} HTTP/1.1\" {status} {} \"-\" \"PureCloud SDK/python 257.1.0\"\n",
        draw % 256,
        draw / 7 % 256,
        draw % 12,
        draw % 10_000,
    )
}
