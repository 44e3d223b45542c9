//! As much of a WebDriver client as the page's tests need: HTTP and JSON on loopback.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use super::{eventually, send};

/// Chromium, driven by a chromedriver of its own.
pub(crate) struct Chromium {
    driver: Child,
    addr: SocketAddr,
    session: String,
    profile: PathBuf,
}

/// Whether both programs are there.
pub(crate) fn is_installed() -> bool {
    let runs = |program: &str| {
        Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    runs("chromium") && runs("chromedriver")
}

impl Chromium {
    /// Starts both with a fresh profile.
    pub(crate) fn start(name: &str) -> Self {
        let mut driver = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.find_map(|line| line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse::<u16>().ok());
        std::thread::spawn(move || lines.for_each(drop));
        let profile = std::env::temp_dir().join(format!("shop-page-{name}-{}", std::process::id()));
        let mut chromium =
            Self { driver, addr: SocketAddr::from(([127, 0, 0, 1], port.expect("chromedriver's port"))), session: String::new(), profile };

        let mut args = vec![
            "--headless=new".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--no-first-run".to_owned(),
            "--window-size=1200,1400".to_owned(),
            format!("--user-data-dir={}", chromium.profile.display()),
        ];
        // Chromium's sandbox refuses to run as root, which is what containers usually are.
        let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
        args.extend(root.then(|| "--no-sandbox".to_owned()));
        let wanted = json!({ "browserName": "chrome", "goog:loggingPrefs": { "browser": "ALL" }, "goog:chromeOptions": { "args": args } });
        let session = chromium.call("POST", "/session", &json!({ "capabilities": { "alwaysMatch": wanted } })).unwrap();
        chromium.session = format!("/session/{}", session["sessionId"].as_str().unwrap());
        chromium
    }

    pub(crate) fn open(&self, url: &str) {
        self.call("POST", &format!("{}/url", self.session), &json!({ "url": url })).unwrap();
    }

    /// Runs the body of a function.
    pub(crate) fn script(&self, body: &str, args: &Value) -> Value {
        self.call("POST", &format!("{}/execute/sync", self.session), &json!({ "script": body, "args": args })).unwrap()
    }

    /// Clicks as a user does, once the element is there and can be clicked.
    pub(crate) fn click(&self, testid: &str) {
        eventually(&format!("a click on {testid}"), || {
            let element = self.element(testid)?;
            self.call("POST", &format!("{}/element/{element}/click", self.session), &json!({})).ok()
        });
    }

    /// Types into a field.
    pub(crate) fn type_into(&self, testid: &str, text: &str) {
        let element = self.element(testid).unwrap();
        self.call("POST", &format!("{}/element/{element}/value", self.session), &json!({ "text": text })).unwrap();
    }

    /// What the user reads; empty when it is not shown.
    pub(crate) fn text(&self, testid: &str) -> String {
        let script =
            "const e = document.querySelector(`[data-testid='${arguments[0]}']`); return e && e.checkVisibility() ? e.innerText : ''";
        self.script(script, &json!([testid])).as_str().unwrap().to_owned()
    }

    /// Waits until the user reads this.
    pub(crate) fn wait_for(&self, testid: &str, text: &str) {
        let mut read = String::new();
        eventually(&format!("{testid} to say {text:?}"), || {
            read = self.text(testid);
            (read == text).then_some(())
        });
    }

    /// The path of node names on the page, newest first.
    pub(crate) fn chips(&self) -> Vec<String> {
        let script = "return [...document.querySelectorAll(\"[data-testid='chip']\")].map(chip => chip.firstChild.textContent)";
        serde_json::from_value(self.script(script, &json!([]))).unwrap()
    }

    /// Errors that the page left in the console: failed scripts, refused policies.
    pub(crate) fn console_errors(&self) -> Vec<String> {
        let log = self.call("POST", &format!("{}/se/log", self.session), &json!({ "type": "browser" })).unwrap();
        let severe = log.as_array().unwrap().iter().filter(|entry| entry["level"] == "SEVERE");
        severe.map(|entry| entry["message"].to_string()).collect()
    }

    fn element(&self, testid: &str) -> Option<String> {
        let query = json!({ "using": "css selector", "value": format!("[data-testid='{testid}']") });
        let found = self.call("POST", &format!("{}/element", self.session), &query).ok()?;
        Some(found.as_object()?.values().next()?.as_str()?.to_owned())
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value, Value> {
        let headers = [("content-type", "application/json")];
        let answer = send(self.addr, method, path, &headers, Some(&body.to_string())).unwrap();
        let value = answer.json()["value"].clone();
        if answer.status == 200 { Ok(value) } else { Err(value) }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let _ = send(self.addr, "DELETE", &self.session, &[], None);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}
