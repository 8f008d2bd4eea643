//! The house rules that a machine can keep: imports one way, a header on every module, no blanket imports, and a
//! README that names every option of the help.

use std::path::{Path, PathBuf};

use crate::support::run::program;
use crate::support::{here, read};

/// The stages from the outermost in. A module may name what stands on a later line, and its own.
const STAGES: [&[&str]; 13] = [
    &["main"],
    &["cli"],
    &["carve"],
    &["pipeline"],
    &["report"],
    &["diagnosis"],
    &["verdict"],
    &["call"],
    &["facts"],
    // The branches; what they may name of each other stands in `BRANCHES`.
    &["sip", "sdp", "rtp", "net", "capture", "access_log", "platform", "document"],
    &["settings"],
    &["evidence"],
    // Words and searches that know nothing of the program.
    &["few", "http", "scan", "sentence"],
];

/// What a branch may name of its own branch.
const BRANCHES: [(&str, &[&str]); 6] = [
    ("net", &["capture"]),
    ("sip", &["net", "capture"]),
    ("sdp", &[]),
    ("rtp", &["net", "capture"]),
    ("access_log", &["document"]),
    ("platform", &["document"]),
];

/// `error` is for those who open, read settings, run or write; decoders never see it.
const ERROR_READERS: [&str; 8] =
    ["main.rs", "lib.rs", "evidence/source.rs", "settings/", "pipeline", "carve/", "cli/", "report/write.rs"];

/// One `crate::…` path of a source file.
#[derive(Debug)]
struct Import {
    line: usize,
    module: String,
    /// What follows the module's name.
    rest: String,
}

/// The paths through the crate that a source names outside comments, `use crate::{a::…, b::…}` taken apart.
fn imports(source: &str) -> Vec<Import> {
    let mut found = Vec::new();
    for (number, line) in source.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for (_, after) in code.match_indices("crate::").map(|(at, head)| (at, code.split_at(at + head.len()).1)) {
            let heads: Vec<&str> = match after.strip_prefix('{') {
                None => vec![after],
                Some(list) => top_level(list),
            };
            for head in heads {
                let head = head.trim();
                let end = head.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(head.len());
                let (module, rest) = head.split_at(end);
                found.push(Import { line: number + 1, module: module.to_owned(), rest: rest.to_owned() });
            }
        }
    }
    found
}

/// The parts of a braced list, braces within left whole.
fn top_level(list: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut from) = (0, 0);
    for (at, letter) in list.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.extend(list.get(from..at));
                return parts;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.extend(list.get(from..at));
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(list.get(from..));
    parts
}

fn stage(module: &str) -> Option<usize> {
    STAGES.iter().position(|stage| stage.contains(&module))
}

/// Why the file at `path` below `src/` may not name `import`; `None` when it may.
fn objection(path: &str, import: &Import) -> Option<String> {
    let own = path.split(['/', '.']).next().unwrap_or_default();
    if own == "lib" || import.module == own || import.module.is_empty() {
        return None;
    }
    // Types at the crate's root are re-exports: name the module they live in.
    if import.module.starts_with(char::is_uppercase) {
        return (own != "main").then(|| "comes through the crate's root".to_owned());
    }
    if import.module == "error" {
        return (!ERROR_READERS.iter().any(|reader| path.starts_with(reader)))
            .then(|| "decoders and judges have no errors".to_owned());
    }
    if own == "error" {
        return Some("`error` imports nothing".to_owned());
    }
    let Some(mine) = stage(own) else {
        return Some(format!("`{own}` is not in the list of stages in tests/it/architecture.rs"));
    };
    let Some(theirs) = stage(&import.module) else {
        return Some(format!("`{}` is not in the list of stages in tests/it/architecture.rs", import.module));
    };
    let waist = stage("facts").expect("facts is a stage");
    if mine == waist + 1 && import.module == "facts" {
        // Decoders end in the waist's words; the words of the waist know no decoder.
        return None;
    }
    if path == "facts/signalling.rs" && theirs == waist + 1 {
        let allowed = import.module == "sdp" && import.rest.starts_with("::Direction");
        return (!allowed).then(|| "the words of the waist know no decoder but `sdp::Direction`".to_owned());
    }
    if mine == theirs {
        let allowed = BRANCHES.iter().any(|(branch, below)| *branch == own && below.contains(&import.module.as_str()));
        return (!allowed).then(|| "branches do not see each other".to_owned());
    }
    (mine > theirs).then(|| "imports go down the list of stages".to_owned())
}

/// Every source file below `src/`, with its path there.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    let root = here("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    files.sort();
    files
        .iter()
        .map(|path| {
            let shown = path.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/");
            (shown, read(path))
        })
        .collect()
}

/// The source up to its tests: a module of tests may name whom it likes.
fn without_tests(source: &str) -> &str {
    ["\n#[cfg(test)]\nmod tests {", "\n#[cfg(test)]\npub(crate) mod tests {"]
        .iter()
        .find_map(|tests| source.split_once(tests))
        .map_or(source, |(code, _)| code)
}

fn is_tests(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

#[test]
fn imports_go_down_the_list_of_stages() {
    let mut found = Vec::new();
    for (path, source) in sources() {
        if is_tests(&path) {
            continue;
        }
        for import in imports(without_tests(&source)) {
            if let Some(why) = objection(&path, &import) {
                found.push(format!("src/{path}:{}: crate::{}{}: {why}", import.line, import.module, import.rest));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn an_import_upwards_is_noticed() {
    let objections = |path: &str, source: &str| {
        imports(source).iter().filter_map(|import| objection(path, import)).collect::<Vec<_>>()
    };
    for (path, source) in [
        ("sip/uri.rs", "use crate::call::Leg;"),
        ("sip/body.rs", "use crate::sdp::parse;"),
        ("access_log/json.rs", "use crate::sip::header;"),
        ("net/udp.rs", "use crate::sip::Message;"),
        ("evidence/tally.rs", "use crate::settings::Settings;"),
        ("call/leg.rs", "    let x = crate::verdict::judge();"),
        ("report/model.rs", "use crate::error::Error;"),
        ("evidence/locus.rs", "use crate::error::Error;"),
        ("error.rs", "use crate::evidence::Locus;"),
        ("verdict/judge.rs", "use crate::{call::Call, report::model};"),
        ("verdict/judge.rs", "use crate::Error;"),
        ("facts/signalling.rs", "use crate::sdp::parse;"),
        ("shelf/mod.rs", "use crate::call::Leg;"),
        ("call/leg.rs", "use crate::shelf::thing;"),
    ] {
        assert!(!objections(path, source).is_empty(), "{path}: {source}");
    }
    for (path, source) in [
        ("cli/run.rs", "use crate::{error::Error, pipeline::{audit, Options}, report::write};"),
        ("facts/signalling.rs", "direction: crate::sdp::Direction,"),
        ("facts/extract.rs", "use crate::sip::Message;"),
        ("net/payload.rs", "use crate::facts::{Hop, Transport};"),
        ("access_log/batch.rs", "use crate::settings::Settings;"),
        ("sip/uri.rs", "//! Called by [`crate::call`]."),
        ("call/trunk.rs", "use crate::sip::uri;"),
        ("report/write.rs", "use crate::error::Error;"),
    ] {
        assert_eq!(objections(path, source), Vec::<String>::new(), "{path}: {source}");
    }
}

/// What is wrong with the head of a source file.
fn header_objection(source: &str) -> Option<&'static str> {
    let first = source.lines().next().unwrap_or_default();
    let words = first.strip_prefix("//! ").unwrap_or_default();
    if words.trim().is_empty() {
        Some("has no module header")
    } else if words.to_ascii_lowercase().contains("placeholder") || words.to_ascii_lowercase().contains("skeleton") {
        Some("has a placeholder for a header")
    } else {
        None
    }
}

#[test]
fn every_module_says_what_it_is() {
    let found: Vec<String> = sources()
        .iter()
        .filter(|(path, _)| !is_tests(path))
        .filter_map(|(path, source)| header_objection(source).map(|why| format!("src/{path} {why}")))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_module_without_a_header_is_noticed() {
    assert!(header_objection("use std::fmt;\n").is_some());
    assert!(header_objection("//!\n//! Late.\n").is_some());
    assert!(header_objection("//! placeholder of it\n").is_some());
    assert!(header_objection("//! Turns this into that.\n").is_none());
}

/// Lines outside tests that import everything of another module of the crate.
fn blanket_imports(source: &str) -> Vec<usize> {
    without_tests(source)
        .lines()
        .enumerate()
        .filter(|(_, line)| {
            let line = line.trim_start();
            (line.starts_with("use super::") || line.starts_with("use crate::")) && line.contains("::*")
        })
        .map(|(number, _)| number + 1)
        .collect()
}

#[test]
fn no_blanket_imports_outside_tests() {
    let mut found = Vec::new();
    for (path, source) in sources() {
        if !is_tests(&path) {
            found.extend(blanket_imports(&source).iter().map(|line| format!("src/{path}:{line}")));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_blanket_import_is_noticed() {
    assert_eq!(blanket_imports("use super::*;\n"), [1]);
    assert_eq!(blanket_imports("use super::words::{Word, verbs::*};\n"), [1]);
    assert_eq!(blanket_imports("fn f() {\n    use crate::facts::*;\n}\n"), [2]);
    assert_eq!(blanket_imports("use rayon::prelude::*;\n"), [0_usize; 0]);
    assert_eq!(blanket_imports("use super::Leg;\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n}\n"), [0_usize; 0]);
}

#[test]
fn the_readme_names_every_reason_of_a_tally() {
    let readme = read(&here("README.md"));
    let reasons = sipconsent::platform::REASONS.iter().chain(&sipconsent::pipeline::captures::REASONS);
    let missing: Vec<&str> =
        reasons.map(|(reason, _)| *reason).filter(|reason| !readme.contains(&format!("`{reason}`"))).collect();
    assert!(missing.is_empty(), "README.md does not name {missing:?}");
}

/// The long options that a help text lists.
fn options(help: &str) -> Vec<String> {
    let mut options: Vec<String> = help
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
        .filter(|word| word.len() > 3 && word.starts_with("--") && !word.starts_with("---"))
        .map(str::to_owned)
        .collect();
    options.sort();
    options.dedup();
    options
}

/// The commands that the program's help lists.
fn commands(help: &str) -> Vec<String> {
    let list = help.split("Commands:\n").nth(1).unwrap_or_default();
    let rows = list.lines().take_while(|line| !line.is_empty());
    let names = rows.filter(|row| row.starts_with("  ") && !row.starts_with("   "));
    names.filter_map(|row| row.split_whitespace().next()).map(str::to_owned).collect()
}

/// Options of the help that the README does not name.
fn unnamed<'a>(options: &'a [String], readme: &str) -> Vec<&'a str> {
    let named = self::options(readme);
    options.iter().filter(|option| !named.contains(option)).map(String::as_str).collect()
}

#[test]
fn the_readme_names_every_option_of_the_help() {
    let readme = read(&here("README.md"));
    let commands = commands(&program(&here("."), ["--help"]).text());
    assert!(commands.len() > 3, "the help lists {commands:?}");
    for command in &commands {
        assert!(readme.contains(&format!("`{command}`")), "README.md does not name the command `{command}`");
        let help = program(&here("."), [command, "--help"]).text();
        let options: Vec<String> = options(&help).into_iter().filter(|option| option != "--help").collect();
        assert!(options.len() > 5 || command != "audit", "the help lists {options:?}");
        let missing = unnamed(&options, &readme);
        assert!(missing.is_empty(), "README.md does not name {missing:?} of {command}");
        assert!(help.contains("Examples:"), "the help of {command} gives no example");
    }
}

#[test]
fn an_option_the_readme_forgot_is_noticed() {
    let help = options("  -j, --threads <N>  workers\n      --clock-skew <D>\n  --no-progress");
    assert_eq!(help, ["--clock-skew", "--no-progress", "--threads"]);
    assert_eq!(unnamed(&help, "| `--threads N` | and `--clock-skew=2s`, ---"), ["--no-progress"]);
}
