//! A terminal of any width that the program is run in: what it shows there, as it is shown.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, OutputModes, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

/// One run of the program whose standard error is a terminal, and its standard output too where that is asked for.
pub(crate) struct Terminal {
    screen: File,
    child: Child,
    shown: Vec<u8>,
}

/// Whether standard output is the terminal's, or a pipe that nobody looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Elsewhere,
    Terminal,
}

impl Terminal {
    /// Starts the program in `folder` on a terminal of so many columns. Its standard input is a pipe.
    pub(crate) fn start(folder: &Path, columns: u16, output: Output, arguments: &[&str]) -> Self {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&screen).expect("granted");
        unlockpt(&screen).expect("unlocked");
        let name = ptsname(&screen, Vec::new()).expect("a name");
        let line = rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("its line");
        let size = Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&screen, size).expect("its size");
        // As the program writes it, without a carriage return before each line's end.
        let mut modes = tcgetattr(&line).expect("its modes");
        modes.output_modes.remove(OutputModes::OPOST);
        tcsetattr(&line, OptionalActions::Now, &modes).expect("its modes");
        let again = line.try_clone().expect("the line twice");
        let mut command = Command::new(env!("CARGO_BIN_EXE_sipconsent"));
        command.current_dir(folder).args(arguments).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        command.env("TERM", "xterm").stdin(Stdio::piped()).stderr(Stdio::from(line));
        command.stdout(if output == Output::Terminal { Stdio::from(again) } else { Stdio::null() });
        let child = command.spawn().expect("the program starts");
        Self { screen: File::from(screen), child, shown: Vec::new() }
    }

    /// Feeds standard input.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.child.stdin.as_mut().expect("a pipe").write_all(bytes).expect("the program reads");
    }

    /// Waits until `text` was shown.
    pub(crate) fn wait_for(&mut self, text: &str) {
        while !String::from_utf8_lossy(&self.shown).contains(text) {
            assert!(self.look(), "ended without `{text}`: {:?}", String::from_utf8_lossy(&self.shown));
        }
    }

    /// Ends standard input, and gives the exit status and all that was shown.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        drop(self.child.stdin.take());
        while self.look() {}
        let status = self.child.wait().expect("the program ends");
        (status.code(), String::from_utf8_lossy(&self.shown).into_owned())
    }

    /// Takes what is shown next; `false` when nothing follows.
    fn look(&mut self) -> bool {
        let mut piece = [0; 4096];
        // A terminal whose last user went away fails to be read on Linux, and ends elsewhere.
        match self.screen.read(&mut piece) {
            Ok(count) if count > 0 => {
                self.shown.extend_from_slice(&piece[..count]);
                true
            }
            Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => true,
            _ => false,
        }
    }
}

/// The text without `ESC [ … m`.
pub(crate) fn without_colour(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    plain
}
