//! Data blocks of the page: JSON, deflated, in base64, which no parser of HTML and no script engine reads as anything.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde::Serialize;

/// Writes `rows` as a block of class `class` whose first row has the number `first`.
pub(super) fn write(out: &mut impl Write, class: &str, first: usize, rows: &[impl Serialize]) -> io::Result<()> {
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
    deflate.write_all(&serde_json::to_vec(rows)?)?;
    let packed = STANDARD.encode(deflate.finish()?);
    let last = first + rows.len();
    writeln!(
        out,
        r#"<script type="application/octet-stream" class="{class}" data-first="{first}" data-last="{last}">{packed}</script>"#
    )
}
