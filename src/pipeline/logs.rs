//! Access logs through the block engine: lines are cut under the source's lock, read outside it, added up in order.

use std::io::Read;

use crate::access_log::{Format, LogReader, LogSum, Part, Walk};
use crate::evidence::{Block, Reading, SourceId, Stage};
use crate::settings::Settings;

/// How the bytes of one access log become API requests.
pub struct LogStage {
    reader: LogReader,
}

/// Begins to read the access log `source`, shown as `shown`, whose first bytes were recognised as `format`.
#[must_use]
pub fn reading(
    source: SourceId,
    shown: &str,
    reader: Box<dyn Read + Send>,
    format: Format,
    settings: &Settings,
) -> Reading<LogStage> {
    let stage = LogStage { reader: LogReader::new(source, shown, settings) };
    Reading::new(stage, Walk::default(), LogSum::new(format), reader)
}

impl Stage for LogStage {
    type Walk = Walk;
    type Head = Part;
    type Part = LogSum;
    type Sum = LogSum;

    fn cut(&self, walk: &mut Walk, bytes: &[u8], end: bool) -> (usize, Part) {
        walk.cut(bytes, end)
    }

    fn decode(&self, block: Block<'_, Part>) -> LogSum {
        self.reader.read(block.bytes, block.head)
    }

    fn absorb(&self, sum: &mut LogSum, part: LogSum) {
        sum.append(part);
    }
}
