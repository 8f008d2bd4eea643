//! Access logs through the block engine: lines are cut under the source's lock, read outside it, added up in order.

use std::io::Read;

use crate::access_log::{Format, LogReader, LogSum, Part, Walk};
use crate::evidence::{Block, Extents, Reading, SourceId, Spool, Stage};
use crate::settings::Settings;

use super::documents;

/// How the bytes of one access log become API requests.
pub struct LogStage<'s> {
    reader: LogReader,
    /// Whether it may be none.
    is_unknown: bool,
    rejects: Option<&'s Spool>,
}

/// Begins to read the access log `source`, shown as `shown`, whose first bytes were recognised as `format`, or, without one,
/// a text that may be one further on: see [`LogSum::is_log`]. Records that give no request go to `rejects`, if anybody wants
/// them.
#[must_use]
pub fn reading<'s>(
    (source, shown): (SourceId, &str),
    reader: Box<dyn Read + Send>,
    format: Option<Format>,
    settings: &Settings,
    rejects: Option<&'s Spool>,
) -> Reading<LogStage<'s>> {
    let probe = documents::probe(false, shown, settings);
    let log = LogReader::new(source, shown, settings).keeping_rejects(rejects.is_some()).probing(Some(probe));
    let stage = LogStage { reader: log, is_unknown: format.is_none(), rejects };
    let (walk, sum) = match format {
        Some(format) => (Walk::new(format), LogSum::new(format)),
        None => (Walk::default(), LogSum::default()),
    };
    Reading::new(stage, walk, (sum, Extents::default()), reader)
}

impl Stage for LogStage<'_> {
    type Walk = Walk;
    type Head = Part;
    type Part = LogSum;
    type Sum = (LogSum, Extents);

    fn cut(&self, walk: &mut Walk, bytes: &[u8], end: bool) -> (usize, Part) {
        walk.cut(bytes, end, &self.reader)
    }

    fn decode(&self, block: Block<'_, Part>) -> LogSum {
        match self.is_unknown {
            true => self.reader.part_of_unknown(block.bytes, block.head),
            false => self.reader.part(block.bytes, block.head),
        }
    }

    fn absorb(&self, (sum, extents): &mut (LogSum, Extents), part: LogSum) -> u64 {
        let kept = part.reckoned();
        self.reader.append(sum, part);
        if let Some(spool) = self.rejects {
            spool.keep(extents, &std::mem::take(&mut sum.rejects));
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Timestamp, work};

    #[test]
    fn a_log_of_many_blocks_adds_up_the_same_on_any_number_of_threads() {
        let line = |number: u64| match number % 7 {
            0 => format!("{{\"time\":{},\"uri\":\"/recordings/r{number}\",\"status\":403}}\n", 1_767_323_045 + number),
            1 => "\n".to_owned(),
            2 => format!("torn {number}\n"),
            _ => format!("h - - [02/Jan/2026:03:04:{:02} +0000] \"GET /{number} HTTP/1.1\" 200 5\r\n", number % 60),
        };
        let text: Vec<u8> = (0..70_000).flat_map(|number| line(number).into_bytes()).collect();
        let sum = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            let bytes = Box::new(std::io::Cursor::new(text.clone()));
            let reading = reading((SourceId(1), "a.log"), bytes, Some(Format::JsonLines), &Settings::default(), None);
            work(&pool, std::slice::from_ref(&reading));
            reading.finish().0.0
        };
        let one = sum(1);
        assert_eq!(format!("{one:?}"), format!("{:?}", sum(4)));
        assert_eq!((one.records, one.total, one.tally.total()), (60_000, 50_000, 60_000));
        assert_eq!(one.requests.len(), 10_000);
        assert!(one.requests.iter().zip(0..).all(|(request, number)| request.locus.record == number * 7 + 1));
        assert_eq!(
            one.anomalies.iter().next().map(|(code, one)| (code, one.count, one.first_record)),
            Some(("bad_record", 10_000, Some(3)))
        );
        assert_eq!(one.first.map(Timestamp::rfc3339).as_deref(), Some("2026-01-02T03:04:00Z"));
        assert_eq!(one.last, Some(Timestamp::new((1_767_323_045 + 69_993) * 1_000_000_000, 0)));
    }
}
