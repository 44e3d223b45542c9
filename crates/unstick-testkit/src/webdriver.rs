//! Chromium without a window, for tests of pages: as much of WebDriver as they need, over HTTP and JSON on loopback. Feature `webdriver`.
//!
//! Elements are found by their attribute `data-testid`. Everything blocks the thread, as in [`servers`](crate::servers), and what the user would
//! wait for is waited for, up to the [patience](Chromium::patience). Chromium, its driver and all that they write go with the value, or with the process.
//!
//! ```no_run
//! use unstick_testkit::{require_server, webdriver::Chromium};
//!
//! fn the_button_counts() {
//!     let browser = require_server!(Chromium::start());
//!     browser.open("http://127.0.0.1:3000/");
//!     browser.click("add-tea");
//!     browser.wait_for("count", "1");
//!     assert_eq!(browser.console_errors(), Vec::<String>::new());
//! }
//! the_button_counts();
//! ```

use std::{
    ffi::OsString,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::{Value, json};

use crate::servers::{
    StartError,
    dir::Dir,
    poll,
    ports::{launch, with_free_ports},
    process::{Process, Spec},
    program,
};

/// How long one answer of the driver may take, which includes the loading of a page.
const ANSWER: Duration = Duration::from_secs(60);

/// Chromium, driven by a chromedriver of its own. See the [module docs](self) for an example.
#[derive(Debug)]
pub struct Chromium {
    session: String,
    address: SocketAddr,
    patience: Duration,
    _driver: Process,
    _dir: Dir,
}

impl Chromium {
    /// Starts both with a fresh profile.
    ///
    /// # Errors
    /// When `chromium` or `chromedriver` is missing or does not start.
    pub fn start() -> Result<Self, StartError> {
        program::need("chromium")?;
        let driver = program::need("chromedriver")?;
        let dir = Dir::new(None)?;
        let (address, process) = with_free_ports(|[port]| {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let process = Process::new(Spec {
                program: driver.clone(),
                args: vec![OsString::from(format!("--port={port}"))],
                account: None,
                env: vec![("TMPDIR", dir.path().into())],
                dir: dir.path().to_owned(),
                terminate: "TERM",
            });
            launch(&process, || call(address, "GET", "/status", None).ok()?.ok())?;
            Ok((address, process))
        })?;
        let wanted = json!({ "browserName": "chrome", "goog:loggingPrefs": { "browser": "ALL" }, "goog:chromeOptions": { "args": arguments(&dir) } });
        let answer = call(address, "POST", "/session", Some(&json!({ "capabilities": { "alwaysMatch": wanted } })));
        let session = match &answer {
            Ok(Ok(session)) => session["sessionId"].as_str().map(|id| format!("/session/{id}")),
            _ => None,
        };
        let session = session.ok_or_else(|| StartError::logged(&format!("chromedriver starts no browser: {answer:?}"), &process.log()))?;
        Ok(Self { session, address, patience: Duration::from_secs(60), _driver: process, _dir: dir })
    }

    /// How long the page may take for anything before the test fails. Default 60 seconds; more for pages that show something slow.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Loads a page.
    ///
    /// # Panics
    /// When it cannot be loaded.
    pub fn open(&self, url: &str) {
        self.post("url", &json!({ "url": url })).expect("the page loads");
    }

    /// Runs the body of a function, which finds `args`, an array, in `arguments`; what it returns.
    ///
    /// # Panics
    /// When it throws.
    #[allow(clippy::must_use_candidate, reason = "some scripts are run for what they do")]
    pub fn script(&self, body: &str, args: &Value) -> Value {
        self.post("execute/sync", &json!({ "script": body, "args": args })).expect("the script runs")
    }

    /// Clicks as a user does, once the element is there and can be clicked.
    ///
    /// # Panics
    /// When it cannot be within the patience.
    pub fn click(&self, testid: &str) {
        let clicked = poll(self.patience, || {
            let element = self.element(testid)?;
            self.post(&format!("element/{element}/click"), &json!({})).ok()
        });
        assert!(clicked.is_some(), "{testid} cannot be clicked after {:?}", self.patience);
    }

    /// Types into a field.
    ///
    /// # Panics
    /// When the field is not there, or takes nothing.
    pub fn type_into(&self, testid: &str, text: &str) {
        let element = self.element(testid).unwrap_or_else(|| panic!("there is no {testid}"));
        self.post(&format!("element/{element}/value"), &json!({ "text": text })).expect("the field takes text");
    }

    /// What the user reads there now; empty when it is not shown.
    ///
    /// # Panics
    /// When the driver does not answer.
    #[must_use]
    pub fn text(&self, testid: &str) -> String {
        let script =
            "const e = document.querySelector(`[data-testid='${arguments[0]}']`); return e && e.checkVisibility() ? e.innerText : ''";
        self.script(script, &json!([testid])).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the user reads exactly this there.
    ///
    /// # Panics
    /// When it says something else after the patience.
    pub fn wait_for(&self, testid: &str, text: &str) {
        let mut read = String::new();
        let is_read = poll(self.patience, || {
            read = self.text(testid);
            (read == text).then_some(())
        });
        assert!(is_read.is_some(), "{testid} says {read:?} after {:?}, and not {text:?}", self.patience);
    }

    /// Errors that the page has left in the console since this was last asked: failed scripts and requests, refused policies.
    ///
    /// # Panics
    /// When the driver does not answer.
    #[must_use]
    pub fn console_errors(&self) -> Vec<String> {
        let log = self.post("se/log", &json!({ "type": "browser" })).expect("the console's log");
        let severe = log.as_array().into_iter().flatten().filter(|entry| entry["level"] == "SEVERE");
        severe.map(|entry| entry["message"].to_string()).collect()
    }

    fn element(&self, testid: &str) -> Option<String> {
        let found = self.post("element", &json!({ "using": "css selector", "value": format!("[data-testid='{testid}']") })).ok()?;
        Some(found.as_object()?.values().next()?.as_str()?.to_owned())
    }

    fn post(&self, what: &str, body: &Value) -> Result<Value, Value> {
        call(self.address, "POST", &format!("{}/{what}", self.session), Some(body)).expect("chromedriver answers")
    }
}

/// Asks the browser to end, so that it leaves none of its processes; the driver goes in any case.
impl Drop for Chromium {
    fn drop(&mut self) {
        drop(call(self.address, "DELETE", &self.session, None));
    }
}

fn arguments(dir: &Dir) -> Vec<String> {
    let mut arguments = [
        "--headless=new",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--window-size=1200,1400",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.push(format!("--user-data-dir={}", dir.path().join("profile").display()));
    // Chromium's sandbox refuses to run as root, which is what containers usually are.
    arguments.extend(program::is_root().then(|| "--no-sandbox".to_owned()));
    arguments
}

/// One request of WebDriver: the value of its answer, or of its refusal.
fn call(address: SocketAddr, method: &str, path: &str, body: Option<&Value>) -> io::Result<Result<Value, Value>> {
    let stream = TcpStream::connect_timeout(&address, ANSWER)?;
    stream.set_read_timeout(Some(ANSWER))?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let kind = "content-type: application/json\r\nconnection: close";
    let request = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\n{kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    (&stream).write_all(request.as_bytes())?;
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line)?;
    let is_done = line.split(' ').nth(1) == Some("200");
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse().unwrap_or(0),
            Some(_) => {}
            None => break,
        }
    }
    let mut answer: Value = serde_json::from_reader(reader.take(length))?;
    let value = answer["value"].take();
    Ok(if is_done { Ok(value) } else { Err(value) })
}

#[cfg(test)]
mod tests {
    use std::{io::Write, net::TcpListener, thread, time::Duration};

    use serde_json::json;

    use super::Chromium;

    const PAGE: &str = "<!doctype html><link rel=icon href='data:,'><p data-testid=hidden hidden>secret</p><p data-testid=count>0</p>\
        <input data-testid=name><button data-testid=add onclick=\"setTimeout(() => document.querySelector('p[data-testid=count]').innerText = \
        document.querySelector('input').value.length)\">add</button>";

    #[test]
    fn a_page_is_clicked_and_read() {
        let browser = crate::require_server!(Chromium::start()).patience(Duration::from_secs(30));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        thread::spawn(move || {
            for connection in listener.incoming() {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length:";
                let _ = write!(connection.unwrap(), "{head} {}\r\n\r\n{PAGE}", PAGE.len());
            }
        });
        browser.open(&url);
        assert_eq!((browser.text("count").as_str(), browser.text("hidden").as_str(), browser.text("none").as_str()), ("0", "", ""));
        browser.type_into("name", "three");
        browser.click("add");
        browser.wait_for("count", "5");
        assert_eq!(browser.script("return arguments[0] + 1", &json!([1])), json!(2));
        assert_eq!(browser.console_errors(), Vec::<String>::new());
        browser.script("console.error('broken')", &json!([]));
        assert!(browser.console_errors().concat().contains("broken"));
    }
}
