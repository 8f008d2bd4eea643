//! The HTML report in a real browser: that it filters, sorts and opens legs, at the width of a desk and of a phone; that
//! nothing is fetched; and that no text of the evidence ever runs.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sipconsent::pipeline::audit_with_messages;
use sipconsent::report::html;
use sipconsent::report::messages::Wanted;
use sipconsent::report::model::Call;
use sipconsent::report::show::{FINDINGS, Show};
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
        let room = browser.run(
            "return [document.querySelector('#table tr[data-n] th').getBoundingClientRect().width, document.querySelector('tr.opened .leg').getBoundingClientRect().width / innerWidth]",
        );
        let room: Vec<f64> = room.as_array().expect("two").iter().filter_map(Value::as_f64).collect();
        assert!(room[0] > 120.0 && room[1] > 0.85, "the call's column and the leg at {width}: {room:?}");
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

/// Findings of the incident over and over, so many that no page shows them at once; every 50th with its messages.
fn ten_thousand(folder: &Path) -> PathBuf {
    let settings = Settings::read(&here("fixtures/incident/sipconsent.toml")).expect("the configuration");
    let evidence = [here("fixtures/incident/evidence")];
    let mut report =
        audit_with_messages(&evidence, &settings, None, Some(Wanted::messages(&|_| true))).expect("an audit").report;
    let found = |call: &&Call| call.legs.len() == 1 && FINDINGS.contains(&call.legs[0].verdict);
    let findings: Vec<Call> = report.calls.iter().filter(found).cloned().collect();
    report.calls = (0..10_000)
        .map(|number| {
            let mut call = findings[number % findings.len()].clone();
            call.legs[0].call_id.0.extend(format!(";{number:05}").bytes());
            if number % 50 > 0 {
                call.legs[0].ladder = None;
            }
            call
        })
        .collect();
    let mut page = Vec::new();
    html::write(&report, &Show::Findings.into(), None, &mut page).expect("memory");
    assert!(page.len() < 10 << 20, "{} bytes", page.len());
    let path = folder.join("report.html");
    std::fs::write(&path, page).expect("the page is written");
    path
}

#[test]
fn ten_thousand_findings_filter_sort_and_open() {
    let folder = TempDir::new().expect("a folder");
    let page = ten_thousand(folder.path());
    for (width, height) in SIZES {
        let Some(browser) = Browser::open(width, height) else { return };
        visit(&browser, &page);
        let count = |starts: &str| {
            browser.wait(&format!("document.getElementById('count').textContent.startsWith('{starts}')"))
        };
        count("10,000 legs");
        browser.run("const field = document.getElementById('search'); field.value = ';07777'; field.dispatchEvent(new Event('input'))");
        count("1 of 10,000");
        browser.run("document.querySelector('#table tr[data-n] a').click()");
        browser.wait("document.querySelector('tr.opened .leg')?.textContent.includes(';07777')");
        browser.run("document.getElementById('controls').reset()");
        count("10,000 legs");
        browser.run("const field = document.getElementById('verdict'); field.value = 'unconsented'; field.dispatchEvent(new Event('change', {bubbles: true}))");
        browser.wait("/^[0-9],[0-9]{3} of 10,000/.test(document.getElementById('count').textContent)");
        browser.run("document.getElementById('controls').reset()");
        count("10,000 legs");
        browser.run("document.querySelector('#table th[data-key=call_id] button').click()");
        browser.run("[...document.querySelectorAll('#pages button')].at(-1).click()");
        let sorted = browser.run(
            "const ids = [...document.querySelectorAll('#table tr[data-n] a')].map((link) => link.textContent);
             return [ids.length, ids.every((id, place) => !place || ids[place - 1] <= id), document.querySelector('#pages span').textContent]",
        );
        assert_eq!(sorted, json!([100, true, "Page 100 of 100"]));
        browser.run("location.hash = '#leg-9999'");
        browser.wait("document.querySelector('tr.opened #leg-9999')");
        // The page stays small whatever the report holds.
        let elements = browser.run("return document.querySelectorAll('*').length");
        assert!(elements.as_u64().is_some_and(|count| count < 40_000), "{elements} elements");
        assert_eq!(browser.run("return document.documentElement.scrollWidth <= innerWidth"), true, "{width}");
        kept_to_itself(&browser, &page);
    }
}

#[test]
fn on_paper_everything_is_open_and_fits() {
    let (_folder, page) = incident("all");
    let Some(browser) = Browser::open(1280, 900) else { return };
    visit(&browser, &page);
    browser.run("document.querySelector('#table tr[data-n] a').click()");
    browser.wait("document.querySelector('tr.opened .leg')");
    let pdf = browser.tell("Page.printToPDF", json!({"preferCSSPageSize": true}));
    let pdf = pdf["data"].as_str().expect("base64");
    assert!(pdf.starts_with("JVBERi0"), "a PDF");
    // The same at the width of A4 less its margins, where it can be measured.
    browser.tell("Emulation.setEmulatedMedia", json!({"media": "print"}));
    let paper = json!({"width": 703, "height": 1017, "deviceScaleFactor": 1, "mobile": false});
    browser.tell("Emulation.setDeviceMetricsOverride", paper);
    let seen = browser.run(
        "dispatchEvent(new Event('beforeprint'));
         const closed = document.querySelectorAll('details:not([open])').length;
         const legs = [...document.querySelectorAll('.leg')].filter((leg) => leg.getClientRects().length).length;
         const wide = [...document.querySelectorAll('td, th, p, pre, svg, dd, summary')].filter((one) => one.getClientRects().length && one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.tagName + ' ' + one.textContent.slice(0, 40));
         const lines = (one) => { const range = document.createRange(); range.selectNodeContents(one); return new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size; };
         const broken = [...document.querySelectorAll('td.time, #timeline tbody th, .verdicts .chip')].filter((one) => one.children.length === 0 && lines(one) > 1).map((one) => one.textContent);
         const thin = [...document.querySelectorAll('#table tr[data-n] > th')].filter((one) => one.getBoundingClientRect().width < 100).length;
         const controls = [...document.querySelectorAll('input, select, button, header nav')].filter((one) => one.getClientRects().length && !one.closest('th')).length;
         dispatchEvent(new Event('afterprint'));
         const again = document.querySelectorAll('details:not([open])').length;
         return {closed, legs, wide, broken, thin, controls, again: again > 10}",
    );
    assert_eq!(
        seen,
        json!({"closed": 0, "legs": 54, "wide": [], "broken": [], "thin": 0, "controls": 0, "again": true})
    );
    kept_to_itself(&browser, &page);
}

#[test]
fn a_keyboard_is_enough() {
    let (_folder, page) = incident("findings");
    let Some(browser) = Browser::open(1280, 900) else { return };
    visit(&browser, &page);
    browser.press("Tab");
    assert_eq!(browser.run("return document.activeElement.className"), "skip", "the first stop leads past the head");
    browser.run("document.querySelector('#table th[data-key=first] button').focus()");
    browser.press(" ");
    assert_eq!(
        browser.run("return document.querySelector('#table th[data-key=first]').getAttribute('aria-sort')"),
        "ascending"
    );
    browser.run("document.querySelector('#table tr[data-n] a').focus()");
    browser.press("Enter");
    browser.wait("document.querySelector('tr.opened .leg')");
    assert_eq!(browser.run("return document.activeElement.getAttribute('aria-expanded')"), "true");
    browser.press("Enter");
    browser.wait("!document.querySelector('tr.opened')");
    // Whatever can be reached has a name that a screen reader says.
    let tree = browser.tell("Accessibility.getFullAXTree", json!({}));
    let mut nameless = Vec::new();
    for node in tree["nodes"].as_array().expect("nodes") {
        let role = node["role"]["value"].as_str().unwrap_or_default();
        let named = ["button", "link", "searchbox", "combobox", "region", "navigation", "image", "table"];
        let ours = node["ignored"] == false && named.contains(&role);
        if ours && role != "table" && node["name"]["value"].as_str().is_none_or(str::is_empty) {
            nameless.push(format!("{role} {}", node["nodeId"]));
        }
    }
    assert_eq!(nameless, Vec::<String>::new());
    kept_to_itself(&browser, &page);
}

#[test]
fn by_day_and_by_night_text_stands_out_from_its_ground() {
    let (_folder, page) = incident("all");
    let Some(browser) = Browser::open(1280, 900) else { return };
    for scheme in ["light", "dark"] {
        browser.tell(
            "Emulation.setEmulatedMedia",
            json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        );
        visit(&browser, &page);
        browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; }); document.querySelector('#table tr[data-n] a').click()");
        browser.wait("document.querySelector('tr.opened .leg')");
        // Contrast as WCAG 2 has it: 4.5 for text.
        let faint = browser.run(
            "const parse = (text) => text.match(/[0-9.]+/g).map(Number);
             const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)).reduce((sum, c, place) => sum + c * [0.2126, 0.7152, 0.0722][place], 0);
             const ground = (one) => { for (let at = one; at; at = at.parentElement) { const color = parse(getComputedStyle(at).backgroundColor); if (color.length < 4 || color[3] > 0) return color; } return [255, 255, 255]; };
             const faint = new Set();
             for (const one of document.querySelectorAll('body *')) {
               const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
               if (!own || !one.getClientRects().length || one.closest('svg') || one.disabled) continue;
               const [text, under] = [light(parse(getComputedStyle(one).color)), light(ground(one))];
               const ratio = (Math.max(text, under) + 0.05) / (Math.min(text, under) + 0.05);
               if (ratio < 4.5) faint.add(`${one.tagName}.${one.className} ${ratio.toFixed(2)}`);
             }
             return [...faint]",
        );
        assert_eq!(faint, json!([]), "{scheme}");
    }
    kept_to_itself(&browser, &page);
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
