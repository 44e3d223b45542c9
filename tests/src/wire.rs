//! Real processes on loopback, and one request per connection to them.

use std::{
    io,
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
};

use http::HeaderMap;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use unstick_testkit::client::Jar;

use crate::cookies;

/// A `story-node` process; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Process {
    /// Starts `program` as node `name` with sessions at the address `sessions`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(program: &str, name: &str, sessions: &str) -> io::Result<Self> {
        Self::start_with(program, &[name, &"07".repeat(32)], &[("SESSIONS", sessions.to_owned())])
    }

    /// Starts `program` with arguments and variables of the environment. The first thing that it says is its address.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_with(program: &str, arguments: &[&str], settings: &[(&str, String)]) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).envs(settings.iter().map(|(name, value)| (name, value)));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
        io::BufRead::read_line(&mut io::BufReader::new(out), &mut line)?;
        let address = line.trim().parse().map_err(|_| io::Error::other(format!("{arguments:?} said {line:?} for its address")))?;
        Ok(Self { child, address })
    }

    /// SIGTERM, as platforms send it.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub fn terminate(&self) -> io::Result<()> {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        if sent.success() { Ok(()) } else { Err(io::Error::other("no such process")) }
    }

    /// Writes a line to its input.
    ///
    /// # Errors
    /// When it is gone.
    pub fn tell(&mut self, line: &str) -> io::Result<()> {
        let input = self.child.stdin.as_mut().ok_or_else(|| io::Error::other("no input"))?;
        io::Write::write_all(input, format!("{line}\n").as_bytes())
    }

    /// How it has ended, if it has.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill(); // already dead is fine
    }
}

/// GETs `path` on a connection of its own: status, headers, body.
///
/// # Errors
/// When no whole answer comes back.
pub async fn get(address: SocketAddr, path: &str, jar: &Jar) -> io::Result<(u16, HeaderMap, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let cookie = Some(cookies(jar)).filter(|cookie| !cookie.is_empty()).map(|cookie| format!("cookie: {cookie}\r\n")).unwrap_or_default();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{cookie}\r\n").as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    parse(&bytes).ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "no whole answer"))
}

fn parse(bytes: &[u8]) -> Option<(u16, HeaderMap, String)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        headers.append(http::HeaderName::try_from(name).ok()?, value.trim().parse().ok()?);
    }
    let length: usize = headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(body.len());
    (body.len() == length).then(|| (status, headers, body.to_owned()))
}
