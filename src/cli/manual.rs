//! What the program says of itself: completion scripts, manual pages and the report's schema.

use std::io::Write;

use clap::CommandFactory as _;

use super::args::{self, Cli};
use super::run::{Stop, to_stdout};
use super::{Outcome, Stream};
use crate::report::schema;

/// The program's name, as completions and pages call it.
const NAME: &str = "sipconsent";

/// Prints the completion script of a shell.
pub(super) fn completions<O: Write + Send>(shell: clap_complete::Shell, out: &mut Stream<O>) -> Result<Outcome, Stop> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut script);
    to_stdout(&mut out.to, |to| to.write_all(&script))?;
    Ok(Outcome::Clear)
}

/// Prints the manual page of the program, or of the command of that name.
pub(super) fn page<O: Write + Send>(command: Option<&str>, out: &mut Stream<O>) -> Result<Outcome, Stop> {
    let mut program = Cli::command();
    program.build();
    let described = match command {
        None => program,
        Some(name) => {
            let Some(command) = program.find_subcommand(name) else {
                let known: Vec<&str> = program.get_subcommands().map(clap::Command::get_name).collect();
                let message = format!("no command has the name {name}; the commands are {}", known.join(", "));
                return Err(Stop::Usage(args::usage("man", message)));
            };
            command.clone()
        }
    };
    let mut page = Vec::new();
    // Writing into memory cannot fail.
    let _ = clap_mangen::Man::new(described).render(&mut page);
    to_stdout(&mut out.to, |to| to.write_all(&page))?;
    Ok(Outcome::Clear)
}

/// Prints the report's JSON Schema.
pub(super) fn schema<O: Write + Send>(out: &mut Stream<O>) -> Result<Outcome, Stop> {
    to_stdout(&mut out.to, |to| to.write_all(schema::SCHEMA.as_bytes()))?;
    Ok(Outcome::Clear)
}
