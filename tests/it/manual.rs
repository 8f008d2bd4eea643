//! What the program says of itself, and what it proposes: completion scripts, manual pages, a configuration.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::here;
use crate::support::run::{Run, program};

const COMMANDS: [&str; 8] = ["audit", "show", "verify", "carve", "init", "schema", "completions", "man"];

/// The output of a run that did what was asked, and said nothing beside it.
fn said(arguments: &[&str]) -> String {
    let run = program(&here("."), arguments);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{arguments:?}: {}", run.ending());
    run.text()
}

/// The long options that the help of a command lists.
fn options(command: &str) -> Vec<String> {
    let help = said(&[command, "--help"]);
    let rows = help.lines().map(str::trim_start).filter(|row| row.starts_with('-'));
    let long = rows.filter_map(|row| row.split([' ', ',']).find(|word| word.starts_with("--")));
    long.map(str::to_owned).collect()
}

#[test]
fn every_shell_completes_every_command_and_option() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = said(&["completions", shell]);
        for command in COMMANDS {
            assert!(script.contains(command), "{shell}: {command}");
            for option in options(command) {
                let name = option.trim_start_matches('-');
                assert!(script.contains(name), "{shell}: {option} of {command}");
            }
        }
    }
    let run = program(&here("."), ["completions", "tcsh"]);
    assert_eq!((run.code, run.text().as_str()), (Some(2), ""));
    assert!(run.stderr.contains("bash") && run.stderr.contains("zsh"), "{}", run.stderr);
}

#[test]
fn the_bash_script_is_one() {
    let shell = Command::new("bash").arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    // Where there is no bash, nobody completes in it.
    let Ok(mut shell) = shell else { return };
    shell.stdin.take().expect("piped").write_all(said(&["completions", "bash"]).as_bytes()).expect("read");
    let output = shell.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn every_command_has_a_page_with_all_its_options() {
    let whole = said(&["man"]);
    assert!(whole.contains(".SH NAME") && whole.contains(".TH sipconsent 1"), "{whole}");
    for command in COMMANDS {
        assert!(whole.contains(&format!("sipconsent\\-{command}")), "{command}");
        let page = said(&["man", command]);
        for option in options(command) {
            assert!(page.contains(&option.replace('-', "\\-")), "{option} of {command}");
        }
        assert!(page.contains("Examples:"), "{command}");
    }
    let run = program(&here("."), ["man", "aduit"]);
    assert_eq!((run.code, run.text().as_str()), (Some(2), ""));
    assert!(run.stderr.contains("the commands are audit"), "{}", run.stderr);
}

#[test]
fn a_configuration_is_proposed_and_can_be_audited_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let evidence = here("fixtures/incident/evidence");
    let evidence = evidence.to_string_lossy();
    let init = |more: &[&str]| -> Run { program(folder.path(), [&["init"], more, &[&*evidence]].concat()) };
    let shown = init(&[]);
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""), "{}", shown.ending());
    assert!(
        shown.text().contains("[[trunk]]") && shown.text().contains("sg1.byoc.mypurecloud.com"),
        "{}",
        shown.text()
    );
    let written = init(&["-o", "site.toml"]);
    assert_eq!((written.code, written.text().as_str()), (Some(0), ""), "{}", written.ending());
    assert!(written.stderr.contains("sipconsent audit -c site.toml"), "the next step: {}", written.stderr);
    let read = || std::fs::read_to_string(folder.path().join("site.toml")).expect("written");
    assert_eq!(read(), shown.text());
    let again = init(&["-o", "site.toml"]);
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("overwrites no configuration"), "{}", again.stderr);
    assert_eq!(read(), shown.text());
    let audit = program(folder.path(), ["audit", "-c", "site.toml", "-f", "json", &*evidence]);
    assert!(matches!(audit.code, Some(0 | 1 | 3)), "{}", audit.ending());
    assert_eq!(audit.report()["summary"]["legs"], 54, "the configuration is read");
}
