//! The real program, and clients of it that share nothing with it but HTTP.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod prometheus;

use std::{
    fmt::Write as _,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use unstick_testkit::{client::Jar, servers::poll};

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until there is an answer.
pub(crate) fn eventually<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    poll(PATIENCE, ask).unwrap_or_else(|| panic!("still waiting after {PATIENCE:?}: {what}"))
}

/// The program, without variables of the surroundings.
pub(crate) fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_example-shop"));
    for variable in ["NODES", "LISTEN", "SESSIONS", "CARTS", "MODE", "PROCESS_PER_NODE", "KEY"] {
        command.env_remove(format!("UNSTICK_SHOP_{variable}"));
    }
    command.args(args).stdin(Stdio::null());
    command
}

/// Sends a signal by name.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap();
    assert!(status.success(), "kill -{name} {pid}");
}

/// A node as the banner tells of it.
#[derive(Debug, Clone)]
pub(crate) struct NodeLine {
    pub(crate) name: String,
    pub(crate) addr: SocketAddr,
    pub(crate) pid: Option<u32>,
}

/// A running shop on a free port.
pub(crate) struct Shop {
    child: Child,
    pub(crate) addr: SocketAddr,
    pub(crate) sessions: String,
    pub(crate) nodes: Vec<NodeLine>,
    printed: Arc<Mutex<Vec<String>>>,
}

impl Shop {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::run(program(&["--listen", "127.0.0.1:0"]).args(args))
    }

    /// With its sessions at a URL that the command line does not show.
    pub(crate) fn start_in(sessions: &str, args: &[&str]) -> Self {
        Self::run(program(&["--listen", "127.0.0.1:0"]).args(args).env("UNSTICK_SHOP_SESSIONS", sessions))
    }

    fn run(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut addr, mut sessions, mut nodes) = (None, String::new(), Vec::new());
        for line in lines.by_ref().map_while(Result::ok) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let address = || words.get(1)?.strip_prefix("http://")?.parse().ok();
            match words.first() {
                Some(&"balancer") => addr = address(),
                Some(&"sessions") => words[1].clone_into(&mut sessions),
                Some(name) if name.starts_with("node-") => {
                    let pid = words.get(3).and_then(|pid| pid.trim_end_matches(')').parse().ok());
                    nodes.push(NodeLine { name: (*name).to_owned(), addr: address().unwrap(), pid });
                }
                Some(&"Ctrl-C") => break,
                _ => {}
            }
        }
        let addr = addr.expect("the banner names the balancer");
        let printed = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&printed);
        thread::spawn(move || lines.map_while(Result::ok).for_each(|line| keep.lock().unwrap().push(line)));
        Self { child, addr, sessions, nodes, printed }
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser { addr: self.addr, jar: Jar::default() }
    }

    pub(crate) fn admin(&self, method: &str, path: &str) -> Answer {
        send(self.addr, method, path, &[("x-shop-admin", "1")], None).unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let child = &mut self.child;
        eventually("the shop's end", || child.try_wait().unwrap())
    }

    /// What it printed after the banner.
    pub(crate) fn printed(&self) -> Vec<String> {
        self.printed.lock().unwrap().clone()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // Asked first, so that it clears up after itself; its children go with it in any case.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status();
            let end = Instant::now() + PATIENCE;
            while Instant::now() < end && self.child.try_wait().is_ok_and(|status| status.is_none()) {
                thread::sleep(Duration::from_millis(10));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn instance(&self) -> &str {
        self.header("x-instance")
    }
}

/// A client with a cookie jar.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    pub(crate) addr: SocketAddr,
    pub(crate) jar: Jar,
}

impl Browser {
    /// Sends a request with this browser's cookies and keeps those of the answer.
    pub(crate) fn try_send(&mut self, method: &str, path: &str, json: Option<&str>) -> io::Result<Answer> {
        let uri: http::Uri = format!("http://127.0.0.1{path}").parse().expect("a path");
        let cookies = self.jar.header(&uri).and_then(|value| value.to_str().map(str::to_owned).ok());
        let mut headers: Vec<(&str, &str)> = cookies.iter().map(|cookies| ("cookie", cookies.as_str())).collect();
        headers.extend(json.map(|_| ("content-type", "application/json")));
        let answer = send(self.addr, method, path, &headers, json)?;
        let _ = self.jar.receive(&uri, &answer.headers); // as a browser, without complaint
        Ok(answer)
    }

    pub(crate) fn send(&mut self, method: &str, path: &str, json: Option<&str>) -> Answer {
        self.try_send(method, path, json).unwrap()
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, None)
    }

    pub(crate) fn post(&mut self, path: &str, json: &str) -> Answer {
        self.send("POST", path, Some(json))
    }

    /// Posts without a body.
    pub(crate) fn poke(&mut self, path: &str) -> Answer {
        self.send("POST", path, None)
    }

    pub(crate) fn add(&mut self, sku: &str, qty: u32) -> Answer {
        self.post("/api/cart", &format!("{{\"sku\":\"{sku}\",\"qty\":{qty}}}"))
    }

    /// `GET /api/session`, which must succeed.
    pub(crate) fn session(&mut self) -> Value {
        let answer = self.get("/api/session");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }
}

/// One request on a connection of its own.
pub(crate) fn send(addr: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if body.is_some() || method != "GET" {
        let _ = write!(head, "content-length: {}\r\n", body.map_or(0, str::len));
    }
    stream.write_all(format!("{head}\r\n{}", body.unwrap_or_default()).as_bytes())?;
    read_answer(&mut BufReader::new(stream))
}

/// Reads a response whose body has a length or ends with the connection.
pub(crate) fn read_answer(stream: &mut impl BufRead) -> io::Result<Answer> {
    let broken = |why: &str| io::Error::new(io::ErrorKind::UnexpectedEof, why.to_owned());
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| broken("no status line"))?;
    let mut headers = HeaderMap::new();
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Err(broken("the head is cut off"));
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value.trim()).unwrap());
    }
    let mut text = String::new();
    match headers.get("content-length").and_then(|length| length.to_str().ok()?.parse::<u64>().ok()) {
        Some(length) => {
            stream.take(length).read_to_string(&mut text)?;
            if text.len() as u64 != length {
                return Err(broken("the body is cut off"));
            }
        }
        None => {
            assert!(!headers.contains_key("transfer-encoding"), "this client reads no chunks");
            stream.read_to_string(&mut text)?;
        }
    }
    Ok(Answer { status, headers, text })
}
