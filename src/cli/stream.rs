//! An output stream with what is known of who reads it.

use std::io::{self, Stderr, Stdout, Write};

use anstream::{AutoStream, ColorChoice, stream::RawStream};

/// Standard output or standard error, or what stands for them.
#[derive(Debug)]
pub struct Stream<W> {
    /// Where bytes go.
    pub to: W,
    /// Whether the reader wants colour: a terminal that can show it, unless the environment says otherwise
    /// (`NO_COLOR`, `CLICOLOR_FORCE`).
    pub color: bool,
    /// Columns of the terminal; `None` where there is none.
    pub width: Option<usize>,
}

impl Stream<Stdout> {
    /// The process's standard output.
    #[must_use]
    pub fn stdout() -> Self {
        let width = terminal_size::terminal_size_of(io::stdout());
        Self::of(io::stdout(), width)
    }
}

impl Stream<Stderr> {
    /// The process's standard error.
    #[must_use]
    pub fn stderr() -> Self {
        let width = terminal_size::terminal_size_of(io::stderr());
        Self::of(io::stderr(), width)
    }
}

impl<W: Write> Stream<W> {
    /// A stream that is no terminal.
    #[must_use]
    pub const fn plain(to: W) -> Self {
        Self { to, color: false, width: None }
    }

    fn of(to: W, size: Option<(terminal_size::Width, terminal_size::Height)>) -> Self
    where
        W: RawStream,
    {
        let color = AutoStream::choice(&to) != ColorChoice::Never;
        Self { to, color, width: size.map(|(width, _)| usize::from(width.0)) }
    }
}
