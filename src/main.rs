//! The `sipconsent` program: hands arguments and streams to the library, and its outcome to the system.

use std::process::ExitCode;

use sipconsent::cli::{self, Stream};

fn main() -> ExitCode {
    cli::run(std::env::args_os(), &mut Stream::stdout(), &mut Stream::stderr()).into()
}
