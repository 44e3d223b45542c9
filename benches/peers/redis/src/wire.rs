//! Commands on the wire per request, as the server's `MONITOR` reports them.

use std::{collections::BTreeMap, io};

use axum::Router;
use http::HeaderValue;
use unstick_core::Timestamp;
use unstick_testkit::{
    clock::ManualClock,
    servers::{Monitor, RedisServer},
};

use crate::{
    apps::{IDLE, peer, send, sessions, unstick},
    server,
};

/// Requests per case.
const REQUESTS: usize = 20;

/// Commands that clients send by themselves, now and then.
const BACKGROUND: [&str; 5] = ["PING", "INFO", "TIME", "ROLE", "CONFIG"];

/// A request of a client that has a session, or says so.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    path: &'static str,
    cookie: Cookie,
    /// Most commands of ours.
    pub(crate) bar: Option<usize>,
    is_renewal_due: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cookie {
    None,
    Own,
    Forged,
    Malformed,
}

impl Case {
    const fn new(name: &'static str, path: &'static str, cookie: Cookie, bar: Option<usize>) -> Self {
        Self { name, path, cookie, bar, is_renewal_due: false }
    }
}

pub(crate) const CASES: [Case; 12] = [
    Case::new("anonymous", "/untouched", Cookie::None, Some(0)),
    Case::new("untouched", "/untouched", Cookie::Own, Some(0)),
    Case::new("read", "/read", Cookie::Own, Some(1)),
    Case { is_renewal_due: true, ..Case::new("read, renewal due", "/read", Cookie::Own, Some(1)) },
    Case { is_renewal_due: true, ..Case::new("untouched, renewal due", "/untouched", Cookie::Own, Some(1)) },
    Case::new("write", "/write", Cookie::Own, Some(1)),
    Case::new("read, then write", "/read-write", Cookie::Own, Some(2)),
    Case::new("new session", "/new", Cookie::None, None),
    Case::new("login", "/login", Cookie::Own, None),
    Case::new("logout", "/logout", Cookie::Own, None),
    Case::new("forged cookie, read", "/read", Cookie::Forged, Some(0)),
    Case::new("malformed cookie, read", "/read", Cookie::Malformed, Some(0)),
];

/// What one case costs one subject.
pub(crate) struct Commands {
    names: BTreeMap<String, usize>,
}

impl Commands {
    /// Per request, in all.
    pub(crate) fn total(&self) -> f64 {
        per_request(self.names.values().sum())
    }
}

impl std::fmt::Display for Commands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.total())?;
        let names: Vec<String> = self.names.iter().map(|(name, count)| format!("{} {name}", per_request(*count))).collect();
        if names.is_empty() { Ok(()) } else { write!(f, " ({})", names.join(", ")) }
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts are small")]
fn per_request(count: usize) -> f64 {
    count as f64 / REQUESTS as f64
}

/// Every case on every subject: rows of columns.
pub(crate) async fn count(server: &RedisServer) -> Result<Vec<Vec<Commands>>, String> {
    let client = server::client(server).await?;
    let mut apps = [
        unstick::app(unstick::layer(server::source(server).await?, None)?),
        peer::app().layer(peer::layer(&client)),
        peer::app().layer(peer::signed(&client)),
        peer::app().layer(peer::layer(&client).with_always_save(true)),
    ];
    let mut monitor = server.monitor().map_err(said)?;
    let mut rows = Vec::new();
    for case in &CASES {
        let mut row = Vec::new();
        for (at, app) in apps.iter_mut().enumerate() {
            let is_ours = at == 0;
            row.push(if is_ours && case.is_renewal_due {
                overdue(server, case, &mut monitor).await?
            } else {
                one(app, case, &mut monitor, || ()).await?
            });
        }
        rows.push(row);
    }
    Ok(rows)
}

/// With sessions of which more than half of the idle timeout has passed.
async fn overdue(server: &RedisServer, case: &Case, monitor: &mut Monitor<'_>) -> Result<Commands, String> {
    let clock = ManualClock::at(Timestamp::system_now());
    let mut app = unstick::app(unstick::layer(server::source(server).await?, Some(clock.runtime()))?);
    one(&mut app, case, monitor, || clock.advance(IDLE * 3 / 4)).await
}

async fn one(app: &mut Router, case: &Case, monitor: &mut Monitor<'_>, before: impl FnOnce()) -> Result<Commands, String> {
    let own = sessions(app, "/new", REQUESTS).await?;
    // What has to be done once for all, such as loading a script, is none of a request's cost.
    let warm_up = sessions(app, "/new", 1).await?;
    before();
    send(app, case.path, cookie(case, &warm_up[0])?.as_ref()).await?;
    monitor.read().map_err(said)?;
    for session in &own {
        send(app, case.path, cookie(case, session)?.as_ref()).await?;
    }
    let mut names = BTreeMap::new();
    for command in monitor.read().map_err(said)?.iter().filter(|command| command.was_sent()) {
        *names.entry(command.name().to_ascii_uppercase()).or_default() += 1;
    }
    names.retain(|name, _| !BACKGROUND.contains(&name.as_str()));
    Ok(Commands { names })
}

fn said(error: io::Error) -> String {
    format!("MONITOR: {error}")
}

fn cookie(case: &Case, own: &HeaderValue) -> Result<Option<HeaderValue>, String> {
    let (name, value) = own.to_str().ok().and_then(|text| text.split_once('=')).ok_or("a cookie without a name")?;
    let text = match case.cookie {
        Cookie::None => return Ok(None),
        Cookie::Own => return Ok(Some(own.clone())),
        Cookie::Forged => {
            let (head, tail) = value.split_at(value.len() / 2);
            let other = if tail.starts_with('A') { 'B' } else { 'A' };
            format!("{name}={head}{other}{}", &tail[1..])
        }
        Cookie::Malformed => format!("{name}=garbage"),
    };
    HeaderValue::from_str(&text).map(Some).map_err(|error| error.to_string())
}
