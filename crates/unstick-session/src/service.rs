//! The service: finds the request's credential, judges it, and puts a handle into the request.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderName, Request, Response, Version, header::CONTENT_TYPE};
use tower_service::Service;
use unstick_core::{Carriage, EventKind, Opening, Ticket, Timestamp};

use crate::{ResponseBody, ResponseFuture, Session, Status, cookie, engine::Shared};

pub(crate) const CARRIER_COOKIE: HeaderName = http::header::COOKIE;

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
        let judged = judge(shared, Carriage::Header, std::iter::once(value.as_bytes()).filter(|value| !value.is_empty()));
        return handle(shared, Carriage::Header, judged);
    }
    let judged = judge(shared, Carriage::Cookie, cookie::candidates(headers, shared.env.cookie.name()).filter(|value| !value.is_empty()));
    handle(shared, Carriage::Cookie, judged)
}

struct Judged {
    now: Timestamp,
    ticket: Option<Ticket>,
    status: Status,
    presented: bool,
}

fn handle(shared: &Arc<Shared>, carriage: Carriage, judged: Judged) -> Session {
    Session::new(shared.clone(), carriage, judged.now, judged.ticket, judged.status, judged.presented)
}

/// Of several candidates, an authentic one that is in time wins, and of those the newest.
fn judge<'a>(shared: &Shared, carriage: Carriage, candidates: impl Iterator<Item = &'a [u8]>) -> Judged {
    let mut judged = Judged { now: Timestamp::ZERO, ticket: None, status: Status::New, presented: false };
    for text in candidates.take(MAX_CANDIDATES) {
        if !judged.presented {
            judged.now = shared.env.now();
            judged.presented = true;
        }
        match shared.engine.open(carriage, text) {
            Opening::Authentic(ticket) if ticket.credential.is_expired(judged.now) => {
                if judged.ticket.is_none() {
                    judged.status = Status::Expired;
                    shared.env.emit(EventKind::SessionExpired, Some(&ticket), "");
                }
            }
            Opening::Authentic(ticket) => {
                let newer = judged.ticket.as_ref().is_none_or(|known| ticket.credential.issued() > known.credential.issued());
                if newer {
                    judged.status = Status::Unloaded;
                    judged.ticket = Some(ticket);
                }
            }
            Opening::UnknownKey => note(shared, &mut judged, Status::UnknownKey, EventKind::SessionUnknownKey),
            Opening::Forged => note(shared, &mut judged, Status::Forged, EventKind::SessionForged),
            _ => note(shared, &mut judged, Status::Forged, EventKind::SessionMalformed),
        }
    }
    if let Some(ticket) = &judged.ticket
        && ticket.credential.issued() > judged.now + shared.env.lifetimes.tolerated_skew()
    {
        shared.env.emit(EventKind::ClockSkew, Some(ticket), "a credential was issued in the future");
    }
    judged
}

fn note(shared: &Shared, judged: &mut Judged, status: Status, event: EventKind) {
    if judged.ticket.is_none() && judged.status == Status::New {
        judged.status = status;
    }
    shared.env.events.emit_with(event, || None, "");
}
