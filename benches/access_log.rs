//! Bytes a second of the log path: generated logs of a fixed seed, 5 % recording requests, and a count of lines beside.

use sipconsent::access_log::{LogReader, Part};
use sipconsent::evidence::SourceId;
use sipconsent::settings::Settings;

use divan::Bencher;
use divan::counter::BytesCount;

fn main() {
    // Cargo says that it measures, rather than tries whether the benches run.
    if std::env::args().any(|argument| argument == "--bench") {
        say_ratios();
    }
    divan::main();
}

/// What a log costs beside a plain count of its lines, as the best of many rounds in turn.
#[expect(clippy::print_stdout, reason = "it is what the bench measures")]
fn say_ratios() {
    for (name, text) in [("json", log(json_line)), ("combined", log(combined_line))] {
        let reader = LogReader::new(SourceId(0), "bench.log", &Settings::default());
        let time = |work: &dyn Fn() -> u64| {
            let start = std::time::Instant::now();
            divan::black_box(work());
            start.elapsed()
        };
        let (mut read, mut count) = (std::time::Duration::MAX, std::time::Duration::MAX);
        for _ in 0..200 {
            read = read.min(time(&|| reader.read(divan::black_box(&text), Part::WHOLE).total));
            count = count.min(time(&|| memchr::memchr_iter(b'\n', divan::black_box(&text)).count() as u64));
        }
        let speed = |time: std::time::Duration| text.len() as f64 / time.as_secs_f64() / 1e9;
        let ratio = read.as_secs_f64() / count.as_secs_f64();
        println!(
            "{name}: {:.2} GB/s, lines counted at {:.2} GB/s: {ratio:.1} times as long",
            speed(read),
            speed(count)
        );
    }
}

/// Bytes of each log: more than a block, small enough to stay in the cache that a block would be in.
const BYTES: usize = 1 << 20;

/// What differs between the lines of a log.
struct Line {
    second: usize,
    id: u64,
    path: String,
    status: u16,
}

fn log(write: fn(&Line) -> String) -> Vec<u8> {
    let (mut text, mut state) = (Vec::with_capacity(BYTES + 1024), 1_u64);
    let mut number = 0;
    while text.len() < BYTES {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let id = state >> 16;
        let path = match number % 20 {
            0 => format!("/api/v2/conversations/{id:012x}-4c1f-8a2b/recordings/{state:016x}?formatId=WAV"),
            _ => format!("/api/v2/users/{id:012x}-4c1f-8a2b/routingstatus?expand=presence&x={state:016x}"),
        };
        let status = [200, 200, 403, 204, 404][(id % 5) as usize];
        text.extend(write(&Line { second: number / 50 % 3600, id, path, status }).bytes());
        number += 1;
    }
    text
}

fn json_line(line: &Line) -> String {
    let (minute, second) = (line.second / 60, line.second % 60);
    format!(
        concat!(
            r#"{{"time":"2026-11-22T07:{:02}:{:02}.{:03}+00:00","request_id":"{:032x}","remote_addr":"10.9.{}.{}","client_id":"c-{:x}","#,
            r#""method":"GET","host":"api.mypurecloud.com","uri":"{}","protocol":"HTTP/2.0","status":{},"bytes_sent":{},"#,
            r#""request_time":0.{:03},"upstream":"10.0.0.5:8443","user_agent":"PureCloud SDK/python 257.1.0 (linux; x86_64)"}}"#,
            "\n"
        ),
        minute,
        second,
        line.id % 1000,
        line.id,
        line.id % 256,
        line.id / 7 % 256,
        line.id % 40,
        line.path,
        line.status,
        line.id % 10000,
        line.id % 999
    )
}

fn combined_line(line: &Line) -> String {
    let (minute, second) = (line.second / 60, line.second % 60);
    format!(
        "10.9.{}.{} - - [22/Nov/2026:07:{minute:02}:{second:02} +0000] \"GET {} HTTP/1.1\" {} {} \"-\" \"PureCloud SDK/python 257.1.0\"\n",
        line.id % 256,
        line.id / 7 % 256,
        line.path,
        line.status,
        line.id % 10000
    )
}

/// Go's zap and others write only what there is: the keys differ from line to line.
fn ragged_line(line: &Line) -> String {
    let more: String = (0..9)
        .filter(|bit| line.id >> bit & 1 == 1)
        .map(|bit| format!(",\"field{bit}\":\"value {}\"", line.id % 97))
        .collect();
    json_line(line).replace(",\"protocol\"", &format!("{more},\"protocol\""))
}

fn read(bencher: Bencher<'_, '_>, write: fn(&Line) -> String) {
    read_under(bencher, b"", write);
}

fn read_under(bencher: Bencher<'_, '_>, header: &[u8], write: fn(&Line) -> String) {
    let text = [header, &log(write)].concat();
    let reader = LogReader::new(SourceId(0), "bench.log", &Settings::default());
    bencher.counter(BytesCount::of_slice(&text)).bench_local(|| reader.read(divan::black_box(&text), Part::WHOLE));
}

#[divan::bench]
fn json(bencher: Bencher<'_, '_>) {
    read(bencher, json_line);
}

#[divan::bench]
fn json_ragged(bencher: Bencher<'_, '_>) {
    read(bencher, ragged_line);
}

#[divan::bench]
fn combined(bencher: Bencher<'_, '_>) {
    read(bencher, combined_line);
}

fn haproxy_line(line: &Line) -> String {
    format!(
        "Nov 22 07:{:02}:{:02} lb1 haproxy[77]: 10.9.{}.{}:4711 [22/Nov/2026:07:{:02}:{:02}.{:03}] in~ api/srv1 0/0/1/5/6 {} {} - - \
         ---- 1/1/0/0/0 0/0 {{api.example|}} {{}} \"GET {} HTTP/1.1\"\n",
        line.second / 60,
        line.second % 60,
        line.id % 256,
        line.id / 7 % 256,
        line.second / 60,
        line.second % 60,
        line.id % 1000,
        line.status,
        line.id % 10000,
        line.path
    )
}

fn w3c_line(line: &Line) -> String {
    let (minute, second) = (line.second / 60, line.second % 60);
    let (path, query) = line.path.split_once('?').unwrap_or((&line.path, "-"));
    format!(
        "2026-11-22 07:{minute:02}:{second:02} 10.0.0.1 GET {path} {query} 443 - 10.9.{}.{} SDK/257 - {} 0 0 {}\n",
        line.id % 256,
        line.id / 7 % 256,
        line.status,
        line.id % 999
    )
}

fn csv_line(line: &Line) -> String {
    let (minute, second) = (line.second / 60, line.second % 60);
    format!(
        "2026-11-22T07:{minute:02}:{second:02}Z,10.9.{}.{},GET,\"{}\",{}\n",
        line.id % 256,
        line.id / 7 % 256,
        line.path,
        line.status
    )
}

#[divan::bench]
fn haproxy_behind_syslog(bencher: Bencher<'_, '_>) {
    read(bencher, haproxy_line);
}

#[divan::bench]
fn w3c(bencher: Bencher<'_, '_>) {
    let header = b"#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) \
                   sc-status sc-substatus sc-win32-status time-taken\n";
    read_under(bencher, header, w3c_line);
}

#[divan::bench]
fn csv(bencher: Bencher<'_, '_>) {
    read_under(bencher, b"time,client_ip,method,uri,status\n", csv_line);
}

#[divan::bench]
fn line_count(bencher: Bencher<'_, '_>) {
    let text = log(json_line);
    bencher
        .counter(BytesCount::of_slice(&text))
        .bench_local(|| memchr::memchr_iter(b'\n', divan::black_box(&text)).count());
}
