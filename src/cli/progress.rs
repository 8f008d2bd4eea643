//! The progress of a long run, on one line of standard error that is taken away when the run ends.
//!
//! [`watch`] does the work on a thread of its own and looks at its [`Progress`] a few times a second from this one. Only
//! where standard error is a terminal, and only when the work takes longer than [`Pace::after`]; the line is drawn with
//! carriage returns and blanks alone, so that any terminal takes it. The work knows nothing of who watches it.
//!
//! # Design
//!
//! A few lines of our own: of a progress library one bar would be used, whose line would still be worded here.

use std::io::Write;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::Stream;
use crate::evidence::{Phase, Progress, Seen};

/// When the line is drawn.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// A run that ends sooner shows nothing.
    after: Duration,
    /// From one drawing to the next.
    every: Duration,
}

const PACE: Pace = Pace { after: Duration::from_secs(1), every: Duration::from_millis(200) };

/// Columns of the bar itself: as many as there is room for within these.
const BAR: std::ops::RangeInclusive<usize> = 10..=40;

/// Does `work`, and shows how far it is where `wanted` and where there is a terminal to show it on.
pub(super) fn watch<W: Write + Send, T: Send>(
    err: &mut Stream<W>,
    wanted: bool,
    work: impl FnOnce(&Progress, &Watched<'_, W>) -> T + Send,
) -> T {
    watch_at(PACE, err, wanted, work)
}

fn watch_at<W: Write + Send, T: Send>(
    pace: Pace,
    err: &mut Stream<W>,
    wanted: bool,
    work: impl FnOnce(&Progress, &Watched<'_, W>) -> T + Send,
) -> T {
    let progress = Progress::default();
    let width = err.width.filter(|_| wanted);
    let drawn = Drawn { err, width: width.unwrap_or_default(), columns: 0, pass: (0, Instant::now()), is_over: false };
    let watched = Watched(Mutex::new(drawn));
    if width.is_none() {
        return work(&progress, &watched);
    }
    let (done, finished) = channel();
    thread::scope(|scope| {
        let (progress, watched) = (&progress, &watched);
        // What ends in a panic gives `done` back, and so ends the watch, too.
        let worker = scope.spawn(move || {
            let given = work(progress, watched);
            // Told at once; nobody listens any more only where this thread has panicked.
            let _ = done.send(());
            given
        });
        let mut wait = pace.after;
        while finished.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            watched.lock().draw(progress.seen());
            wait = pace.every;
        }
        watched.end(|_| ());
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Standard error while somebody works: maybe a line stands on it.
pub(super) struct Watched<'e, W>(Mutex<Drawn<'e, W>>);

impl<'e, W: Write> Watched<'e, W> {
    /// Takes the line away for good, and lets `say` have the stream: what is written from then on stands undisturbed.
    pub(super) fn end<T>(&self, say: impl FnOnce(&mut Stream<W>) -> T) -> T {
        let mut drawn = self.lock();
        drawn.say("");
        drawn.is_over = true;
        say(drawn.err)
    }

    fn lock(&self) -> MutexGuard<'_, Drawn<'e, W>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What stands on the terminal.
struct Drawn<'e, W> {
    err: &'e mut Stream<W>,
    /// Columns of the terminal.
    width: usize,
    /// Columns that are taken.
    columns: usize,
    /// The pass over the evidence that is drawn, and when it was first seen.
    pass: (u64, Instant),
    /// Whether nothing is drawn any more.
    is_over: bool,
}

impl<W: Write> Drawn<'_, W> {
    fn draw(&mut self, seen: Seen) {
        if self.is_over {
            return;
        }
        if self.pass.0 != seen.pass {
            // What passed before the first look belongs to the first pass.
            let since = if self.pass.0 == 0 { self.pass.1 } else { Instant::now() };
            self.pass = (seen.pass, since);
        }
        let text = line(seen, self.pass.1.elapsed(), self.width.saturating_sub(1));
        self.say(&text);
    }

    /// Puts `text` in the place of what stands there. A terminal that went away is shown nothing.
    fn say(&mut self, text: &str) {
        if text.is_empty() && self.columns == 0 {
            return;
        }
        let columns = text.chars().count();
        let blanks = self.columns.saturating_sub(columns);
        self.columns = columns;
        let back = if text.is_empty() { "\r" } else { "" };
        let to = &mut self.err.to;
        let _ = write!(to, "\r{text}{:blanks$}{back}", "").and_then(|()| to.flush());
    }
}

/// How far a run is, in at most `width` columns: what is done, a bar, bytes, rate and time left, as far as there is room.
fn line(seen: Seen, elapsed: Duration, width: usize) -> String {
    let doing = match seen.phase {
        Phase::Reading => "reading",
        Phase::Judging => return clipped("reading is done; following the calls", width),
        Phase::Copying => "copying",
    };
    let seconds = elapsed.as_secs_f64();
    let rate = if seconds > 0.0 { seen.read as f64 / seconds } else { 0.0 };
    // A file that grows while it is read has no end that is known.
    let total = seen.total.filter(|total| *total > 0 && *total >= seen.read);
    let mut parts = match total {
        Some(total) => {
            let share = seen.read as f64 / total as f64;
            let mut parts = vec![
                format!("{doing} {:>3.0} %", (share * 100.0).floor()),
                format!("{} of {}", bytes(seen.read as f64), bytes(total as f64)),
            ];
            if rate > 0.0 {
                parts.push(format!("{}/s", bytes(rate)));
                parts.push(format!("{} left", duration((total - seen.read) as f64 / rate)));
            }
            parts
        }
        None => vec![format!("{doing} {}", bytes(seen.read as f64)), format!("{}/s", bytes(rate))],
    };
    let mut columns = 0;
    let fit = parts.iter().take_while(|part| {
        columns += part.len() + 2;
        columns <= width + 2
    });
    let fit = fit.count().max(1);
    parts.truncate(fit);
    let room = width.saturating_sub(parts.iter().map(|part| part.len() + 2).sum());
    if let Some(total) = total.filter(|_| room >= BAR.start() + 2) {
        let room = (room - 2).min(*BAR.end());
        let full = ((seen.read as f64 / total as f64) * room as f64) as usize;
        parts.insert(1, format!("[{}{}]", "#".repeat(full), "-".repeat(room.saturating_sub(full))));
    }
    clipped(&parts.join("  "), width)
}

fn clipped(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}

/// Bytes with three digits and their unit: `1.25 GB`.
fn bytes(count: f64) -> String {
    let mut count = count;
    for unit in ["B", "kB", "MB", "GB"] {
        if count < 999.5 {
            return digits(count, unit);
        }
        count /= 1_000.0;
    }
    digits(count, "TB")
}

fn digits(count: f64, unit: &str) -> String {
    match count {
        _ if unit == "B" => format!("{count:.0} {unit}"),
        0.0..9.995 => format!("{count:.2} {unit}"),
        0.0..99.95 => format!("{count:.1} {unit}"),
        _ => format!("{count:.0} {unit}"),
    }
}

/// A time to wait: `8 s`, `1 min 5 s`, `2 h 3 min`.
fn duration(seconds: f64) -> String {
    let seconds = seconds.ceil().min(1e9) as u64;
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Sender;

    use super::*;

    const GIGABYTE: u64 = 1_000_000_000;

    fn seen(read: u64, total: Option<u64>) -> Seen {
        Seen { phase: Phase::Reading, pass: 1, read, total }
    }

    #[test]
    fn the_line_says_bytes_rate_and_time_left() {
        let at = |read, total, seconds, width| line(seen(read, total), Duration::from_secs(seconds), width);
        assert_eq!(
            at(GIGABYTE, Some(4 * GIGABYTE), 2, 79),
            "reading  25 %  [#####-----------------]  1.00 GB of 4.00 GB  500 MB/s  6 s left"
        );
        assert_eq!(at(0, Some(GIGABYTE), 1, 60), "reading   0 %  [---------------------------]  0 B of 1.00 GB");
        assert_eq!(at(12_345_678, None, 3, 79), "reading 12.3 MB  4.12 MB/s");
        assert_eq!(at(700, Some(500), 1, 79), "reading 700 B  700 B/s", "a file that grows");
        assert_eq!(at(0, Some(0), 1, 79), "reading 0 B  0 B/s");
    }

    #[test]
    fn the_line_is_never_wider_than_the_terminal() {
        for width in 0..200 {
            for total in [Some(7 * GIGABYTE), None] {
                for phase in [Phase::Reading, Phase::Judging, Phase::Copying] {
                    let line = line(Seen { phase, ..seen(GIGABYTE, total) }, Duration::from_secs(5), width);
                    assert!(line.chars().count() <= width, "{width}: {line}");
                }
            }
        }
    }

    #[test]
    fn figures_are_short() {
        let shown = |count: f64| bytes(count);
        assert_eq!(shown(0.0), "0 B");
        assert_eq!(shown(999.0), "999 B");
        assert_eq!(shown(1_000.0), "1.00 kB");
        assert_eq!(shown(999_499.0), "999 kB");
        assert_eq!(shown(999_600.0), "1.00 MB");
        assert_eq!(shown(12_340_000.0), "12.3 MB");
        assert_eq!(shown(5e15), "5000 TB");
        assert_eq!(duration(0.2), "1 s");
        assert_eq!(duration(65.0), "1 min 5 s");
        assert_eq!(duration(7_400.0), "2 h 3 min");
    }

    /// A terminal that says when something is drawn on it.
    struct Terminal {
        text: Vec<u8>,
        drawn: Sender<()>,
    }

    impl Write for Terminal {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.text.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            // Drawn once more after the work has ended: nobody waits then.
            let _ = self.drawn.send(());
            Ok(())
        }
    }

    #[test]
    fn what_was_drawn_is_taken_away() {
        let (drawn, look) = channel();
        let mut err = Stream { to: Terminal { text: Vec::new(), drawn }, color: false, width: Some(40) };
        let pace = Pace { after: Duration::ZERO, every: Duration::from_millis(1) };
        let given = watch_at(pace, &mut err, true, move |progress, _| {
            progress.begin(Phase::Reading, Some(500));
            // As long as it takes until two more lines stand there: the first may have been begun before.
            while look.try_recv().is_ok() {}
            look.recv().and_then(|()| look.recv()).map(|()| 7)
        });
        assert_eq!(given, Ok(7));
        let text = String::from_utf8(err.to.text).expect("UTF-8");
        let lines: Vec<&str> = text.split('\r').collect();
        let said = "reading   0 %  0 B of 500 B";
        assert!(lines.iter().any(|line| line.trim_end() == said), "{text:?}");
        let (last, before) = (lines.last(), lines.len().checked_sub(2).and_then(|place| lines.get(place)));
        assert_eq!((last, before.map(|blanks| blanks.trim())), (Some(&""), Some("")), "{text:?}");
        assert!(!text.contains('\u{1b}') && !text.contains('\n'), "{text:?}");
    }

    #[test]
    fn nothing_is_drawn_over_what_is_said_while_the_work_goes_on() {
        let (drawn, look) = channel();
        let mut err = Stream { to: Terminal { text: Vec::new(), drawn }, color: false, width: Some(40) };
        let pace = Pace { after: Duration::ZERO, every: Duration::from_millis(1) };
        watch_at(pace, &mut err, true, move |progress, watched| {
            progress.begin(Phase::Reading, Some(500));
            look.recv().expect("a line");
            watched.end(|err| write!(err.to, "said")).expect("memory");
            // What was drawn before; and what would be drawn from now on, many times.
            while look.try_recv().is_ok() {}
            assert_eq!(look.recv_timeout(Duration::from_millis(100)), Err(RecvTimeoutError::Timeout));
        });
        let text = String::from_utf8(err.to.text).expect("UTF-8");
        assert!(text.ends_with("\rsaid") && text.contains("\rreading "), "{text:?}");
    }

    #[test]
    #[should_panic(expected = "what went wrong")]
    fn work_that_panics_is_watched_no_longer() {
        let (drawn, _look) = channel();
        let mut err = Stream { to: Terminal { text: Vec::new(), drawn }, color: false, width: Some(40) };
        let pace = Pace { after: Duration::ZERO, every: Duration::from_millis(1) };
        watch_at(pace, &mut err, true, |_, _| panic!("what went wrong"))
    }

    #[test]
    fn nothing_is_drawn_of_a_short_run_or_where_none_is_wanted() {
        let short = Pace { after: Duration::from_secs(600), every: Duration::from_secs(600) };
        let (drawn, _look) = channel();
        let mut err = Stream { to: Terminal { text: Vec::new(), drawn }, color: false, width: Some(60) };
        assert_eq!(watch_at(short, &mut err, true, |_, _| 1), 1);
        let eager = Pace { after: Duration::ZERO, every: Duration::ZERO };
        assert_eq!(watch_at(eager, &mut err, false, |_, _| 2), 2);
        err.width = None;
        assert_eq!(watch_at(eager, &mut err, true, |_, _| 3), 3);
        assert_eq!(err.to.text, b"");
    }
}
