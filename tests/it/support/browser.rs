//! A real browser for tests: Chromium without a window, driven over the WebDriver protocol (W3C), which is JSON in plain
//! HTTP to the driver on this machine.
//!
//! Where no browser is installed the tests say so in one line and pass, unless `CI` or `SIPCONSENT_REQUIRE_BROWSER` is
//! set.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// One session of a browser, its driver ended with it.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
}

impl Browser {
    /// A browser whose page is `width` by `height`; `None` where none is installed and none is required.
    pub(crate) fn open(width: u32, height: u32) -> Option<Self> {
        let started = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut driver = match started {
            Ok(driver) => driver,
            Err(cause) => {
                let required = ["CI", "SIPCONSENT_REQUIRE_BROWSER"].iter().any(|name| std::env::var_os(name).is_some());
                assert!(!required, "no chromedriver: {cause}");
                let _said = writeln!(std::io::stderr(), "no chromedriver: no page was looked at");
                return None;
            }
        };
        let said = BufReader::new(driver.stdout.take().expect("its output is piped"));
        let port = said.lines().map_while(Result::ok).find_map(|line| {
            line.split_once("successfully on port ").and_then(|(_, rest)| rest.trim_end_matches('.').parse().ok())
        });
        let mut browser = Self { driver, port: port.expect("the driver says its port"), session: String::new() };
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--no-first-run",
            "--disable-component-update",
            "--disable-background-networking",
        ];
        let metrics =
            json!({"width": width, "height": height, "pixelRatio": 1, "mobile": width < 600, "touch": width < 600});
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            // A busy machine is no reason to fail.
            "timeouts": {"script": 600_000, "pageLoad": 600_000},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "goog:chromeOptions": {"args": arguments, "mobileEmulation": {"deviceMetrics": metrics}},
        }}});
        let session = browser.ask("POST", "/session", &capabilities);
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        Some(browser)
    }

    /// Opens a file.
    pub(crate) fn visit(&self, page: &Path) {
        self.command("/url", &json!({"url": format!("file://{}", page.display())}));
    }

    /// What `script` returns, a function's body.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.run_with(script, json!([]))
    }

    /// The same with arguments.
    pub(crate) fn run_with(&self, script: &str, arguments: Value) -> Value {
        self.command("/execute/sync", &json!({"script": script, "args": arguments}))
    }

    /// Waits until `condition`, an expression, holds.
    pub(crate) fn wait(&self, condition: &str) {
        let script = format!(
            "const done = arguments[arguments.length - 1]; const look = () => {{ if ({condition}) done(true); \
             else setTimeout(look, 10); }}; look();"
        );
        assert_eq!(self.command("/execute/async", &json!({"script": script, "args": []})), true, "{condition}");
    }

    /// What a command of the browser's own protocol (Chrome DevTools) returns.
    pub(crate) fn tell(&self, command: &str, parameters: Value) -> Value {
        self.command("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// Presses a key, such as `Enter`, where the focus is.
    pub(crate) fn press(&self, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            " " => (32, " "),
            "Tab" => (9, ""),
            other => panic!("{other}: not known"),
        };
        let down = json!({"type": "keyDown", "key": key, "windowsVirtualKeyCode": code, "text": text});
        self.tell("Input.dispatchKeyEvent", down);
        self.tell("Input.dispatchKeyEvent", json!({"type": "keyUp", "key": key, "windowsVirtualKeyCode": code}));
    }

    /// The entries of a log since the last look.
    pub(crate) fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.command("/se/log", &json!({"type": kind}));
        entries.as_array().cloned().unwrap_or_default()
    }

    fn command(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", &format!("/session/{}{path}", self.session), body)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the driver listens");
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            self.port,
            body.len()
        )
        .expect("the driver takes a request");
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        let mut line = String::new();
        while reader.read_line(&mut line).expect("a header") > 0 && line.trim_end() != "" {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().expect("a length");
            }
            line.clear();
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).expect("a body");
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        let value = answer["value"].clone();
        assert!(value.get("error").is_none(), "{path}: {value}");
        value
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !std::thread::panicking() && !self.session.is_empty() {
            self.ask("DELETE", &format!("/session/{}", self.session), &json!({}));
        }
        // Gone already where the driver ended by itself.
        let _gone = self.driver.kill();
        let _gone = self.driver.wait();
    }
}
