//! The service: finds the request's credential, judges it, and puts a handle into the request.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, Version,
    header::{CONTENT_TYPE, COOKIE},
};
use tower_service::Service;
use unstick_core::{Carriage, EventKind, Opening, Ticket, Timestamp};

use crate::{ResponseBody, ResponseFuture, Session, Status, cookie, engine::Shared, handle::Aboard, trace};

pub(crate) const CARRIER_COOKIE: HeaderName = COOKIE;

/// Cookies of our name that are looked at, at most. More than one comes from another path or domain, or from an attack.
const MAX_CANDIDATES: usize = 4;

/// Middleware made by [`SessionLayer`](crate::SessionLayer).
#[derive(Clone)]
pub struct SessionService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> SessionService<S> {
    pub(crate) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }
}

impl<S, A, B> Service<Request<A>> for SessionService<S>
where
    S: Service<Request<A>, Response = Response<B>>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        let session = admit(&self.shared, request.headers());
        // gRPC is HTTP/2 only; asking for the version first spares everybody else the look-up.
        let grpc = request.version() == Version::HTTP_2
            && request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
        request.extensions_mut().insert(session.clone());
        ResponseFuture::new(self.inner.call(request), session, grpc)
    }
}

impl<S: std::fmt::Debug> std::fmt::Debug for SessionService<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// Makes the handle of a request. Asks no backend.
fn admit(shared: &Arc<Shared>, headers: &HeaderMap) -> Session {
    if let Some(header) = &shared.env.header
        && let Some(value) = headers.get(header)
    {
        return admit_by_header(shared, value);
    }
    let mut judged = Judged::new(Carriage::Cookie);
    let name = shared.env.cookie.name().as_bytes();
    // Plain loops: a request without cookies passes here in a few instructions.
    'all: for line in headers.get_all(COOKIE) {
        for value in cookie::in_line(line.as_bytes(), name) {
            if judged.seen == MAX_CANDIDATES {
                break 'all;
            }
            judged.look_at(shared, &shared.env.cookie.join(headers, value));
        }
    }
    if shared.env.cookie.is_chunked() {
        judged.pieces = shared.env.cookie.pieces_in(headers);
    }
    let aboard = if judged.ticket.is_some() { Aboard::find(&shared.env, headers) } else { Aboard::none() };
    judged.into_session(shared, aboard)
}

/// For clients that are no browsers. Apart, so that the way of a request with cookies stays short.
#[inline(never)]
fn admit_by_header(shared: &Arc<Shared>, value: &HeaderValue) -> Session {
    let mut judged = Judged::new(Carriage::Header);
    judged.look_at(shared, value.as_bytes());
    judged.into_session(shared, Aboard::none())
}

/// What a request's carriers have turned out to be so far. Of several, an authentic one that is in time wins, and of those the newest.
struct Judged {
    carriage: Carriage,
    now: Timestamp,
    ticket: Option<Ticket>,
    status: Status,
    seen: usize,
    /// Further pieces of a divided cookie.
    pieces: u8,
}

impl Judged {
    fn new(carriage: Carriage) -> Self {
        Self { carriage, now: Timestamp::ZERO, ticket: None, status: Status::New, seen: 0, pieces: 0 }
    }

    fn look_at(&mut self, shared: &Shared, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        if self.seen == 0 {
            self.now = shared.env.now();
        }
        self.seen += 1;
        match shared.engine.open(self.carriage, text) {
            Opening::Authentic(ticket) if ticket.credential.is_expired(self.now) => {
                if self.ticket.is_none() {
                    self.status = Status::Expired;
                    shared.env.emit(EventKind::SessionExpired, Some(&ticket), "");
                }
            }
            Opening::Authentic(ticket) => {
                let issued = ticket.credential.issued();
                if self.ticket.as_ref().is_none_or(|known| issued > known.credential.issued()) {
                    self.status = Status::Unloaded;
                    self.ticket = Some(ticket);
                }
            }
            Opening::UnknownKey => self.note(shared, Status::UnknownKey, EventKind::SessionUnknownKey),
            Opening::Forged => self.note(shared, Status::Forged, EventKind::SessionForged),
            _ => self.note(shared, Status::Forged, EventKind::SessionMalformed),
        }
    }

    fn note(&mut self, shared: &Shared, status: Status, event: EventKind) {
        if self.ticket.is_none() && self.status == Status::New {
            self.status = status;
        }
        shared.env.events.emit_with(event, || None, "");
    }

    #[inline]
    fn into_session(self, shared: &Arc<Shared>, aboard: Aboard) -> Session {
        if let Some(ticket) = &self.ticket {
            trace::arrived(ticket);
            if ticket.credential.issued() > self.now + shared.env.lifetimes.tolerated_skew() {
                shared.env.emit(EventKind::ClockSkew, Some(ticket), "a credential was issued in the future");
            }
        }
        Session::new(shared.clone(), self.carriage, self.now, self.ticket, self.status, self.seen > 0, self.pieces, aboard)
    }
}
