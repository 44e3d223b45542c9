//! The requests of each case, and the loop that sends them.

use std::time::Duration;

use axum::Router;
use http::{HeaderValue, StatusCode, Uri, header};
use sessions::{cookie_of, request};
use shared::Used;
use tokio::runtime::Runtime;
use tower::Service;

use crate::apps::Subject;

/// What a request does to its session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    /// No cookie, and the handler does not touch the session.
    Anonymous,
    /// A cookie, and the handler does not touch the session.
    Untouched,
    /// One `get`.
    Read,
    /// One `insert` of a new value.
    Write,
    /// No cookie, six inserts: a session is created.
    New,
}

impl Case {
    pub(crate) const ALL: [Self; 5] = [Self::Anonymous, Self::Untouched, Self::Read, Self::Write, Self::New];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Untouched => "untouched",
            Self::Read => "read",
            Self::Write => "write",
            Self::New => "new",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|case| case.name() == name)
    }

    fn path(self) -> &'static str {
        match self {
            Self::Anonymous | Self::Untouched => "/untouched",
            Self::Read => "/read",
            Self::Write => "/write",
            Self::New => "/new",
        }
    }

    fn sends_cookie(self) -> bool {
        matches!(self, Self::Untouched | Self::Read | Self::Write)
    }

    fn sets_cookie(self, subject: Subject) -> bool {
        match self {
            _ if subject.sets_cookie_always() => true,
            Self::Anonymous | Self::Untouched | Self::Read => false,
            Self::Write => subject.sets_cookie_on_write(),
            Self::New => subject.has_sessions(),
        }
    }
}

/// Creates `sessions` sessions, then sends `count` requests of the case, one session after the other, and checks that each did what it should.
pub(crate) fn send(subject: Subject, case: Case, count: usize, sessions: usize) -> Result<(), String> {
    let mut client = Client::new(subject, sessions)?;
    measured(&client.runtime, &mut client.app, subject, case, client.cookies.iter().cycle().take(count))
}

/// An application, and clients that have sessions in it.
pub(crate) struct Client {
    subject: Subject,
    runtime: Runtime,
    app: Router,
    cookies: Vec<HeaderValue>,
}

impl Client {
    pub(crate) fn new(subject: Subject, sessions: usize) -> Result<Self, String> {
        let runtime = runtime()?;
        let (app, cookies) = runtime.block_on(async {
            let mut app = subject.app(false).await?;
            let mut cookies = Vec::with_capacity(sessions);
            for _ in 0..sessions {
                let Ok(created) = app.call(request(&Uri::from_static("/new"), None)).await;
                // Subjects without sessions of their own are sent one all the same.
                let made_up = || HeaderValue::from_str("id=AAAAAAAAAAAAAAAAAAAAAA").ok();
                let cookie = if subject.has_sessions() { cookie_of(&created) } else { made_up() }.ok_or("no session was created")?;
                // The first copy of a value allocates what its copies share: paid here, and not by the first request that sends it.
                drop(cookie.clone());
                cookies.push(cookie);
            }
            Ok::<_, String>((app, cookies))
        })?;
        Ok(Self { subject, runtime, app, cookies })
    }

    /// How long a request of each session takes, all together: the processor's time.
    pub(crate) fn timed(&mut self, case: Case) -> Result<Duration, String> {
        let start = Used::now();
        measured(&self.runtime, &mut self.app, self.subject, case, self.cookies.iter())?;
        Ok(start.elapsed())
    }
}

pub(crate) fn runtime() -> Result<Runtime, String> {
    tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(|error| error.to_string())
}

/// Where `measured` is, whose instructions are collected.
pub(crate) const MODULE: &str = "instructions::requests";

#[inline(never)]
fn measured<'a>(
    runtime: &Runtime,
    app: &mut Router,
    subject: Subject,
    case: Case,
    cookies: impl Iterator<Item = &'a HeaderValue>,
) -> Result<(), String> {
    let uri = Uri::from_static(case.path());
    runtime.block_on(async {
        for cookie in cookies {
            let Ok(response) = app.call(request(&uri, case.sends_cookie().then_some(cookie))).await;
            if response.status() != StatusCode::OK {
                return Err(format!("{} {} was answered with {}", subject.name(), case.name(), response.status()));
            }
            if response.headers().contains_key(header::SET_COOKIE) != case.sets_cookie(subject) {
                return Err(format!("{} {}: unexpected presence of Set-Cookie", subject.name(), case.name()));
            }
        }
        Ok(())
    })
}
