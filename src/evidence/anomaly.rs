//! What the evidence could not show, counted by stable code.

use std::collections::BTreeMap;

use crate::sentence::Sentence;

/// One kind of anomaly in one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// How often it was met.
    pub count: u64,
    /// The first record (from 1) it was met at; `None` where no record can be named.
    pub first_record: Option<u64>,
    /// The measured quantities of the first one, in plain words such as `needs 1500 bytes, 96 captured`.
    pub detail: Sentence,
}

/// The anomalies of one source by code, such as `truncated_packet`. Codes are stable words, listed in the README.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anomalies(BTreeMap<&'static str, Anomaly>);

impl Anomalies {
    /// Counts one anomaly of `code` at `record`. `detail` is asked only for the earliest record.
    pub fn note<D: Into<Sentence>>(&mut self, code: &'static str, record: Option<u64>, detail: impl FnOnce() -> D) {
        match self.0.get_mut(code) {
            None => {
                self.0.insert(code, Anomaly { count: 1, first_record: record, detail: detail().into() });
            }
            Some(known) => {
                known.count += 1;
                if earlier(record, known.first_record) {
                    known.first_record = record;
                    known.detail = detail().into();
                }
            }
        }
    }

    /// Replaces the detail of `code`, if it was met: for what only the whole source tells.
    pub fn describe(&mut self, code: &'static str, detail: impl Into<Sentence>) {
        if let Some(known) = self.0.get_mut(code) {
            known.detail = detail.into();
        }
    }

    /// Adds those of a part of the source whose records are counted from `offset` + 1 of the whole.
    pub fn absorb(&mut self, part: Self, offset: u64) {
        for (code, anomaly) in part.0 {
            let first_record = anomaly.first_record.map(|record| record + offset);
            match self.0.get_mut(code) {
                None => {
                    self.0.insert(code, Anomaly { first_record, ..anomaly });
                }
                Some(known) => {
                    known.count += anomaly.count;
                    if earlier(first_record, known.first_record) {
                        known.first_record = first_record;
                        known.detail = anomaly.detail;
                    }
                }
            }
        }
    }

    /// The same, all of them at `record`: those of a part of one record.
    #[must_use]
    pub fn at(mut self, record: u64) -> Self {
        for anomaly in self.0.values_mut() {
            anomaly.first_record = Some(record);
        }
        self
    }

    /// Codes with their anomalies, by code.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Anomaly)> {
        self.0.iter().map(|(code, anomaly)| (*code, anomaly))
    }

    /// Whether none was met.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether `record` stands before `known`; a named record wins over none.
fn earlier(record: Option<u64>, known: Option<u64>) -> bool {
    match (record, known) {
        (Some(record), Some(known)) => record < known,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_record_and_its_detail_are_kept_whatever_the_order() {
        let mut late_first = Anomalies::default();
        late_first.note("bad_record", Some(9), || "nine".to_owned());
        let mut part = Anomalies::default();
        part.note("bad_record", Some(2), || "three".to_owned());
        late_first.absorb(part, 1);
        let (code, anomaly) = late_first.iter().next().expect("one code");
        assert_eq!((code, anomaly.count, anomaly.first_record), ("bad_record", 2, Some(3)));
        assert_eq!(anomaly.detail, "three");
    }
}
