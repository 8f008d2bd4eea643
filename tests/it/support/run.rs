//! Runs the program as a user would and keeps all it said.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What one run of the program left.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The exit status; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Run {
    /// The JSON report on standard output; `Null` where there is none.
    pub(crate) fn report(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or(Value::Null)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// One line that says how the run ended, for failures of tests.
    pub(crate) fn ending(&self) -> String {
        format!("exit {:?}, {} bytes of output, standard error: {}", self.code, self.stdout.len(), self.stderr.trim())
    }
}

/// Runs the program with `arguments` in `folder`.
pub(crate) fn program<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(folder: &Path, arguments: I) -> Run {
    program_with(folder, arguments, b"", &[])
}

/// The same, with standard input and variables of the environment.
pub(crate) fn program_with<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
    folder: &Path,
    arguments: I,
    input: &[u8],
    variables: &[(&str, &str)],
) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sipconsent"));
    command.current_dir(folder).args(arguments).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    command.env("TZ", "UTC").envs(variables.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("standard input is piped");
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || {
        // A program that reads no standard input closes it early; that is its right.
        let _closed = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("the program ends");
    feeder.join().expect("the feeder ends");
    Run {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// `sipconsent audit --format json` over evidence named relative to `folder`.
pub(crate) fn audit(folder: &Path, arguments: &[&str]) -> Run {
    let mut all = vec!["audit", "--format", "json"];
    all.extend(arguments);
    program(folder, all)
}
