//! The zone of times that carry none, and what is reported of the zones that a source's times were read in.
//!
//! One rule for all sources whose times somebody may have written without a zone: access logs and the platform's exports.

use jiff::tz::TimeZone;

use super::{Settings, Timezone, pattern};

/// Where the zone of a source's times came from; the greatest is the weakest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ZoneFrom {
    /// The times carry it.
    Written,
    /// The configuration or the command line names it.
    Configured,
    /// Nobody names it: UTC.
    Assumed,
}

impl ZoneFrom {
    /// The word the report uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Configured => "configured",
            Self::Assumed => "assumed",
        }
    }
}

/// The zone of a source's times, by the weakest source that any of them needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// `UTC`, an offset such as `+03:30`, a span of offsets such as `+01:00 to +02:00`, or the zone's configured name.
    pub name: String,
    /// Where it came from.
    pub from: ZoneFrom,
}

/// Which zones the times of a source were read in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Zones {
    /// The least and the greatest offset written, in seconds east of UTC. Epoch numbers count as offset 0.
    written: Option<(i32, i32)>,
    /// Whether any time carried none.
    local: bool,
}

impl Zones {
    /// Notes a time that was read, with its offset where one was written.
    pub fn note(&mut self, offset: Option<i32>) {
        match offset {
            Some(offset) => self.write(offset),
            None => self.local = true,
        }
    }

    /// Adds those of another part of the source.
    pub fn merge(&mut self, other: Self) {
        self.local |= other.local;
        if let Some((least, greatest)) = other.written {
            self.write(least);
            self.write(greatest);
        }
    }

    fn write(&mut self, offset: i32) {
        self.written = Some(match self.written {
            None => (offset, offset),
            Some((least, greatest)) => (least.min(offset), greatest.max(offset)),
        });
    }
}

/// The zone of one source's times that carry none.
#[derive(Clone, Debug)]
pub struct SourceZone {
    zone: Timezone,
    from: ZoneFrom,
    /// The zone's offset in seconds where it never changes.
    fixed: Option<i32>,
}

impl SourceZone {
    /// That of the source shown as `shown`: of the first table of the configuration that fits it and has a zone, else the
    /// general one.
    #[must_use]
    pub fn new(settings: &Settings, shown: &str) -> Self {
        let fits = |files: &Option<String>| {
            files.as_ref().is_none_or(|files| pattern::fits(files.as_bytes(), shown.as_bytes()))
        };
        let own = settings.access_logs.iter().filter(|log| fits(&log.files)).find_map(|log| log.timezone.clone());
        let (zone, from) = match own.or_else(|| settings.log_timezone.clone()) {
            Some(zone) => (zone, ZoneFrom::Configured),
            None => (Timezone::utc(), ZoneFrom::Assumed),
        };
        let fixed = zone.zone.to_fixed_offset().ok().map(jiff::tz::Offset::seconds);
        Self { zone, from, fixed }
    }

    /// The seconds in UTC of a wall clock's seconds since the epoch, `offset` seconds east of UTC where that was written,
    /// and whether the local time happened twice or never: then it is the earlier one, or the one after the gap.
    #[must_use]
    pub fn utc(&self, seconds: i64, offset: Option<i32>) -> Option<(i64, bool)> {
        match offset.or(self.fixed) {
            Some(offset) => Some((seconds - i64::from(offset), false)),
            None => {
                let civil = jiff::Timestamp::from_second(seconds).ok()?.to_zoned(TimeZone::UTC).datetime();
                let ambiguous = self.zone.zone.to_ambiguous_timestamp(civil);
                let is_ambiguous = ambiguous.is_ambiguous();
                Some((ambiguous.compatible().ok()?.as_second(), is_ambiguous))
            }
        }
    }

    /// The zone to report for times that were read in `zones`; `None` where no time was read.
    #[must_use]
    pub fn reported(&self, zones: Zones) -> Option<Zone> {
        if zones.local {
            return Some(Zone { name: self.zone.name.clone(), from: self.from });
        }
        let (least, greatest) = zones.written?;
        let name = match least == greatest {
            true => offset_name(least),
            false => format!("{} to {}", offset_name(least), offset_name(greatest)),
        };
        Some(Zone { name, from: ZoneFrom::Written })
    }
}

fn offset_name(seconds: i32) -> String {
    if seconds == 0 {
        return "UTC".to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}
