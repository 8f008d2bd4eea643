//! The HTML report in a real browser: that it filters, sorts and opens legs, at the width of a desk and of a phone; that
//! nothing is fetched; and that no text of the evidence ever runs.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sipconsent::pipeline::audit_with_messages;
use sipconsent::report::html;
use sipconsent::report::messages::Wanted;
use sipconsent::report::show::Show;
use sipconsent::settings::Settings;
use tempfile::TempDir;

use crate::hostile::hostile_texts;
use crate::support::browser::Browser;
use crate::support::run::program;
use crate::support::{here, read};

/// A desk and a phone.
const SIZES: [(u32, u32); 2] = [(1280, 900), (390, 844)];

/// The report of evidence as a file, written by the program.
fn report(folder: &Path, config: &str, show: &str, evidence: &str) -> (TempDir, PathBuf) {
    let to = TempDir::new().expect("a folder");
    let page = to.path().join("report.html");
    let run = program(folder, ["audit", "-q", "-c", config, "--show", show, "-o", &page.to_string_lossy(), evidence]);
    assert_eq!(run.code, Some(1), "{}", run.ending());
    (to, page)
}

fn incident(show: &str) -> (TempDir, PathBuf) {
    report(&here("fixtures/incident"), "sipconsent.toml", show, "evidence")
}

/// Opens the page and waits until its script is done.
fn visit(browser: &Browser, page: &Path) {
    browser.visit(page);
    browser.wait("document.documentElement.dataset.ready");
    assert_eq!(browser.run("return document.documentElement.dataset.ready"), "true");
}

/// Holds that the page fetched nothing but itself, and that its policy had nothing to refuse.
fn kept_to_itself(browser: &Browser, page: &Path) {
    let mut fetched = Vec::new();
    for entry in browser.log("performance") {
        let entry: Value = serde_json::from_str(entry["message"].as_str().expect("a message")).expect("JSON");
        let message = &entry["message"];
        if message["method"].as_str().is_some_and(|method| method == "Network.requestWillBeSent") {
            fetched.push(message["params"]["request"]["url"].as_str().expect("a URL").to_owned());
        }
    }
    let own = format!("file://{}", page.display());
    fetched.retain(|url| *url != own && !url.starts_with("data:,"));
    assert_eq!(fetched, Vec::<String>::new(), "the page fetched");
    let said: Vec<String> = browser.log("browser").iter().map(Value::to_string).collect();
    assert_eq!(said, Vec::<String>::new(), "the browser complained");
}

#[test]
fn a_page_filters_sorts_and_opens_ladders() {
    let (_folder, page) = incident("findings");
    for (width, height) in SIZES {
        let Some(browser) = Browser::open(width, height) else { return };
        visit(&browser, &page);
        let count = |browser: &Browser| browser.run("return document.getElementById('count').textContent");
        let rows = |browser: &Browser| browser.run("return document.querySelectorAll('#table tr[data-n]').length");
        assert_eq!((count(&browser), rows(&browser)), (json!("28 legs."), json!(28)));
        // The rows that the script builds are those that stand in the file.
        let different = browser.run_with(
            "const standing = new DOMParser().parseFromString(arguments[0], 'text/html');
             const text = (row) => row.outerHTML.replace(/ aria-expanded=\"false\"/g, '');
             const [one, other] = [standing, document].map((page) => [...page.querySelectorAll('#table tr[data-n]')].map(text));
             return one.length !== other.length ? 'count' : one.find((row, place) => row !== other[place]) ?? ''",
            json!([read(&page)]),
        );
        assert_eq!(different, "");
        // No line is wider than the screen.
        assert_eq!(browser.run("return document.documentElement.scrollWidth <= innerWidth"), true, "{width}");

        browser.run("const field = document.getElementById('search'); field.value = 'MISSING-exposed byoc-23'; field.dispatchEvent(new Event('input'))");
        browser.wait("document.getElementById('count').textContent.startsWith('1 of 28')");
        browser.run("document.querySelector('#table tr[data-n] a').click()");
        browser.wait("document.querySelector('tr.opened svg.ladder')");
        let drawn = browser.run(
            "const leg = document.querySelector('tr.opened .leg');
             return {messages: [...leg.querySelectorAll('.ladder text.label')].map((label) => label.textContent),
                     said: [...leg.querySelectorAll('.ladder text.said')].map((label) => label.textContent),
                     media: [...leg.querySelectorAll('.ladder rect.media')].map((bar) => bar.getAttribute('class')),
                     requests: [...leg.querySelectorAll('.ladder .api .status')].map((status) => status.textContent),
                     filter: leg.querySelector('.filter').textContent,
                     head: leg.querySelector('.head pre').textContent.split('\\n')[0],
                     expanded: document.querySelector('#table tr[data-n] a').getAttribute('aria-expanded')}",
        );
        assert_eq!(
            drawn["messages"],
            json!(["INVITE · SDP", "180 Ringing", "200 OK · SDP", "ACK", "BYE", "200 OK (BYE)"])
        );
        assert_eq!(drawn["said"], json!(["no consent field → missing"]));
        assert_eq!(drawn["media"], json!(["media m-missing"]));
        assert_eq!(drawn["requests"], json!(["206"]));
        assert_eq!(drawn["filter"], r#"sip.Call-ID == "byoc-23-missing-exposed-media@127.0.10.1""#);
        assert!(drawn["head"].as_str().is_some_and(|line| line.starts_with("INVITE sip:")), "{drawn}");
        assert_eq!(drawn["expanded"], "true");
        assert_eq!(browser.run("return document.documentElement.scrollWidth <= innerWidth"), true, "{width}");
        browser.run("document.querySelector('#table tr[data-n] a').click()");
        assert_eq!(browser.run("return document.querySelectorAll('tr.opened').length"), 0);

        browser.run("document.getElementById('controls').reset()");
        browser.wait("document.getElementById('count').textContent === '28 legs.'");
        browser.run("const field = document.getElementById('verdict'); field.value = 'exposed_unconsented'; field.dispatchEvent(new Event('change', {bubbles: true}))");
        assert_eq!(rows(&browser), 2);
        browser.run("document.getElementById('controls').reset()");
        browser.wait("document.getElementById('count').textContent === '28 legs.'");
        browser.run("document.querySelector('#table th[data-key=first] button').click()");
        let sorted = browser.run(
            "const times = [...document.querySelectorAll('#table td.time')].map((cell) => cell.textContent);
             return [document.querySelector('#table th[data-key=first]').getAttribute('aria-sort'), times.every((time, place) => !place || times[place - 1] <= time)]",
        );
        assert_eq!(sorted, json!(["ascending", true]));
        kept_to_itself(&browser, &page);
    }
}

#[test]
fn a_link_to_a_leg_opens_it() {
    let (_folder, page) = incident("all");
    let Some(browser) = Browser::open(1280, 900) else { return };
    visit(&browser, &page);
    browser.run("location.hash = '#leg-7'");
    browser.wait("document.querySelector('tr.opened #leg-7')");
    assert_eq!(browser.run("return document.activeElement.getAttribute('href')"), "#leg-7");
    kept_to_itself(&browser, &page);
}

#[test]
fn legs_beyond_the_first_open_from_their_blocks() {
    let settings = Settings::read(&here("fixtures/incident/sipconsent.toml")).expect("the configuration");
    let wanted = |_: &_| true;
    let evidence = [here("fixtures/incident/evidence")];
    let mut report =
        audit_with_messages(&evidence, &settings, None, Some(Wanted::messages(&wanted))).expect("an audit").report;
    let calls = report.calls.clone();
    while report.calls.len() < 500 {
        report.calls.extend(calls.iter().cloned());
    }
    let legs: usize = report.calls.iter().map(|call| call.legs.len()).sum();
    let mut page = Vec::new();
    html::write(&report, &Show::All.into(), None, &mut page).expect("memory");
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("report.html");
    std::fs::write(&path, page).expect("the page is written");
    let Some(browser) = Browser::open(1280, 900) else { return };
    visit(&browser, &path);
    assert_eq!(browser.run("return document.querySelectorAll('#table tr[data-n]').length"), 100);
    browser.run_with("location.hash = `#leg-${arguments[0]}`", json!([legs]));
    browser.wait("document.querySelector('tr.opened .leg')");
    let opened = browser.run(
        "const leg = document.querySelector('tr.opened .leg');
         return [leg.id, leg.querySelector('h3 .call-id').textContent === leg.closest('tr').previousElementSibling.querySelector('a').textContent]",
    );
    assert_eq!(opened, json!([format!("leg-{legs}"), true]));
    browser.run("const field = document.getElementById('search'); field.value = 'byoc-23-'; field.dispatchEvent(new Event('input'))");
    browser.wait("/^[0-9]+ of/.test(document.getElementById('count').textContent)");
    kept_to_itself(&browser, &path);
}

#[test]
fn text_of_the_evidence_never_runs_and_is_all_shown() {
    let (folder, _scene) = hostile_texts();
    let config = here("fixtures/calls/sipconsent.toml");
    let (_to, page) = report(folder.path(), &config.to_string_lossy(), "all", ".");
    let text = read(&page);
    let obeyed = |character: char| {
        character != '\n' && character.is_control()
            || matches!(character, '\u{200e}'..='\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.chars().any(obeyed), "a control or a direction mark stands in the page");
    let Some(browser) = Browser::open(1280, 900) else { return };
    visit(&browser, &page);
    let shown = browser.run(
        "document.querySelectorAll('#table tr[data-n] a').forEach((link) => link.click());
         return [...document.querySelectorAll('#table tr[data-n] a')].map((link) => link.textContent)",
    );
    browser.wait(
        "document.querySelectorAll('tr.opened .leg').length === document.querySelectorAll('#table tr[data-n]').length",
    );
    let shown: Vec<&str> = shown.as_array().expect("links").iter().filter_map(Value::as_str).collect();
    for call_id in [
        r"esc\x1b[31m@x",
        r"bidi\u{202e}gpj.exe@x",
        "=cmd|'/C'!A0",
        "<script>alert(1)</script>@x",
        r"raw-byte-\xff\xfe@x",
        r#""><img/src=x/onerror=owned=1><svg/onload=owned=1>@x"#,
        "</script><script>owned=1</script><style>*{display:none}</style>@x",
        "javascript:owned=1//@x",
    ] {
        assert!(shown.contains(&call_id), "{call_id:?} is not in {shown:?}");
    }
    let page_holds = browser.run(
        "const own = 'self' in window && typeof owned;
         const scripts = [...document.querySelectorAll('script')].filter((script) => !['rows', 'legs'].includes(script.className)).length;
         const handlers = [...document.querySelectorAll('*')].filter((element) => element.getAttributeNames().some((name) => name.startsWith('on') || name === 'style' || name === 'src')).length;
         const links = [...document.querySelectorAll('a')].filter((link) => !link.getAttribute('href').startsWith('#')).length;
         const foreign = document.querySelectorAll('img, iframe, object, embed, link, base, form[action], style:not(head > style)').length;
         return {own, scripts, handlers, links, foreign}",
    );
    assert_eq!(page_holds, json!({"own": "undefined", "scripts": 1, "handlers": 0, "links": 0, "foreign": 0}));
    kept_to_itself(&browser, &page);
}

#[test]
fn a_script_that_is_not_the_pages_own_is_refused() {
    // What the tests above rely on: the policy bites, and the browser says so.
    let (_folder, page) = incident("findings");
    let text = read(&page).replacen(
        "</header>",
        "</header><script>owned = 1</script><img src=\"x\" onerror=\"owned = 1\">",
        1,
    );
    std::fs::write(&page, text).expect("the page is changed");
    let Some(browser) = Browser::open(1280, 900) else { return };
    visit(&browser, &page);
    assert_eq!(browser.run("return typeof owned"), "undefined");
    let refused =
        browser.log("browser").iter().filter(|entry| entry.to_string().contains("Content Security Policy")).count();
    assert!(refused >= 2, "the policy refused {refused} times");
}
