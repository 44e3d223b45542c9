//! The same small application on each subject.

mod axum_session;
mod peer;
mod unstick;

use std::{
    convert::Infallible,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
};

use axum::{Router, extract::Request, routing::get};
use tower::{Layer, Service};
use tower_sessions::cookie::Key;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The router alone.
    Bare,
    /// With a layer that does nothing.
    Identity,
    /// With a layer that puts one extension into the request.
    Extension,
    /// Ours, memory store, signed cookies.
    Unstick,
    /// tower-sessions, memory store.
    TowerSessions,
    /// The same with signed cookies.
    TowerSessionsSigned,
    /// axum_session, in its memory. Not signed, which is its default: its signatures are made on other threads, where they are not counted.
    AxumSession,
}

impl Subject {
    pub(crate) const ALL: &[Self] =
        &[Self::Bare, Self::Identity, Self::Extension, Self::Unstick, Self::TowerSessions, Self::TowerSessionsSigned, Self::AxumSession];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Identity => "identity",
            Self::Extension => "extension",
            Self::Unstick => "unstick",
            Self::TowerSessions => "tower-sessions",
            Self::TowerSessionsSigned => "tower-sessions-signed",
            Self::AxumSession => "axum_session",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|subject| subject.name() == name)
    }

    pub(crate) fn has_sessions(self) -> bool {
        !matches!(self, Self::Bare | Self::Identity | Self::Extension)
    }

    pub(crate) fn is_ours(self) -> bool {
        self == Self::Unstick
    }

    pub(crate) fn sets_cookie_on_write(self) -> bool {
        matches!(self, Self::TowerSessions | Self::TowerSessionsSigned)
    }

    /// Every answer sets the cookies again.
    pub(crate) fn sets_cookie_always(self) -> bool {
        self == Self::AxumSession
    }

    /// The application, as axum serves it; with `meetings`, also the routes on which requests meet, which would make the router dearer.
    pub(crate) async fn app(self, meetings: bool) -> Result<Router, String> {
        let router = match self {
            Self::Bare => sessionless(),
            Self::Identity => sessionless().layer(Pass { extension: false, inner: () }),
            Self::Extension => sessionless().layer(Pass { extension: true, inner: () }),
            Self::Unstick => unstick::app(meetings),
            Self::TowerSessions => peer::app(meetings).layer(peer::layer()),
            Self::TowerSessionsSigned => peer::app(meetings).layer(peer::layer().with_signed(Key::from(&[7; 64]))),
            Self::AxumSession => axum_session::app(meetings).await?,
        };
        // What `axum::serve` and `into_make_service` do: otherwise every request would put its layers together anew, which no server does.
        Ok(router.with_state(()))
    }
}

/// Values of a session: five short strings and a counter.
pub(crate) const STRINGS: [(&str, &str); 5] =
    [("name", "Ann Example"), ("locale", "en-GB"), ("market", "eu-west"), ("theme", "dark"), ("cart", "c-20931")];

/// A new value for every write: writing the same value again may count as no change.
pub(crate) fn next() -> u64 {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    COUNTER.fetch_add(1, Ordering::Relaxed)
}

pub(crate) async fn untouched() -> &'static str {
    "ok"
}

fn sessionless() -> Router {
    let paths = ["/untouched", "/read", "/write", "/new"];
    paths.into_iter().fold(Router::new(), |router, path| router.route(path, get(untouched)))
}

/// Passes requests on, with an extension of the size of a handle or without.
#[derive(Clone, Copy)]
struct Pass<S = ()> {
    extension: bool,
    inner: S,
}

#[derive(Clone, Copy)]
struct Handle(#[allow(dead_code, reason = "only its presence counts")] u64);

impl<S> Layer<S> for Pass {
    type Service = Pass<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Pass { extension: self.extension, inner }
    }
}

impl<S: Service<Request, Error = Infallible>> Service<Request> for Pass<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        if self.extension {
            request.extensions_mut().insert(Handle(1));
        }
        self.inner.call(request)
    }
}
