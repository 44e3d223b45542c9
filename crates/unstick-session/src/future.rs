//! The response future: the handler's answer, then the commit, then the headers.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header::SET_COOKIE};
use unstick_core::{BoxFuture, Carriage, Carrier, EventKind, HeaderBudget, Lifecycle};

use crate::{
    ResponseBody, Session, SessionError,
    commit::Outcome,
    env::Env,
    failure::{Failure, is_server_error},
    handle::{Finished, Plan},
    hygiene,
    service::CARRIER_COOKIE,
    trace,
};

/// A commit that goes on in the background when the connection that waits for it goes away.
struct Detached {
    commit: Option<BoxFuture<'static, Outcome>>,
    env: Arc<Env>,
}

impl Detached {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Outcome>> {
        let Some(commit) = &mut self.commit else { return Poll::Ready(None) };
        let outcome = ready!(commit.as_mut().poll(cx));
        self.commit = None;
        Poll::Ready(Some(outcome))
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        if let Some(commit) = self.commit.take() {
            let pending = self.env.detached.enter();
            self.env.runtime.spawn(Box::pin(async move {
                drop(commit.await);
                drop(pending);
            }));
        }
    }
}

pin_project_lite::pin_project! {
    #[project = StepProj]
    enum Step<F, B> {
        Handler { #[pin] inner: F },
        Committing { commit: Detached, ends: bool, only_renewal: bool, response: Option<Response<B>> },
        Answered,
    }
}

pin_project_lite::pin_project! {
    /// Future of [`SessionService`](crate::SessionService).
    ///
    /// # Cancel safety
    /// Dropped before the handler answers, nothing that was buffered is saved. Dropped during the commit, the commit is completed in the background.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, B> {
        #[pin]
        step: Step<F, B>,
        session: Session,
        grpc: bool,
    }
}

impl<F, B> ResponseFuture<F, B> {
    #[inline]
    pub(crate) fn new(inner: F, session: Session, grpc: bool) -> Self {
        Self { step: Step::Handler { inner }, session, grpc }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let StepProj::Handler { inner } = this.step.as_mut().project() {
            let response = ready!(inner.poll(cx))?;
            // Dropping the handler's future lets go of its handles, so that what is still held tells of a streaming body.
            this.step.set(Step::Answered);
            match next(this.session, &response, *this.grpc) {
                Next::Finish => return Poll::Ready(Ok(finish(this.session, response))),
                Next::PassOn => {
                    trace::answered(this.session);
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
                Next::Replace(error) => return Poll::Ready(Ok(replace(this.session, error, *this.grpc))),
                Next::Commit { commit, ends, only_renewal } => {
                    this.step.set(Step::Committing { commit, ends, only_renewal, response: Some(response) });
                }
            }
        }
        let StepProj::Committing { commit, ends, only_renewal, response } = this.step.as_mut().project() else {
            return Poll::Pending; // polled again after completion
        };
        let outcome = ready!(commit.poll(cx));
        let settled = outcome.map_or(Ok(()), |outcome| this.session.settle(outcome, *ends));
        let failed = settled.err().filter(|_| !*only_renewal);
        let Some(response) = response.take() else { return Poll::Pending };
        // An end is carried out also when the handler answers with an error of its session.
        let failed = failed.or_else(|| failure_of(&response));
        let answer = match failed {
            Some(error) => replace(this.session, error, *this.grpc),
            None => finish(this.session, response),
        };
        this.step.set(Step::Answered);
        Poll::Ready(Ok(answer))
    }
}

fn failure_of<B>(response: &Response<B>) -> Option<SessionError> {
    response.extensions().get::<Failure>().map(|failure| failure.error.clone())
}

/// What follows the handler's answer.
enum Next {
    /// The session was not touched: the answer as it is.
    PassOn,
    /// The answer with what the session needs.
    Finish,
    /// Our answer instead.
    Replace(SessionError),
    /// A commit first.
    Commit { commit: Detached, ends: bool, only_renewal: bool },
}

fn next<B>(session: &Session, response: &Response<B>, grpc: bool) -> Next {
    let failed = failure_of(response);
    let plan = session.close(failed.is_some() || is_server_error(response, grpc));
    let env = session.env();
    if response.extensions().get::<unstick_core::AffinityRan>().is_some() {
        env.events.emit(EventKind::LayerOrder, None, "the affinity layer must wrap the session layer, not the other way round");
    }
    let (ticket, intent, seen_live, only_renewal) = match plan {
        Plan::Untouched | Plan::Nothing if failed.is_some() => return failed.map_or(Next::Finish, Next::Replace),
        // Outer layers take the default budget for granted when nothing is said.
        Plan::Untouched if env.budget == HeaderBudget::DEFAULT => return Next::PassOn,
        Plan::Untouched => return Next::Finish,
        Plan::Nothing => return Next::Finish,
        Plan::Fail(error) => return Next::Replace(error),
        Plan::Renew(ticket) => {
            let intent = unstick_core::Intent { lifecycle: Lifecycle::Keep, change: unstick_core::Change::default() };
            (Some(ticket), intent, false, true)
        }
        Plan::Commit { ticket, intent, seen_live } => (ticket, intent, seen_live, false),
    };
    let ends = intent.lifecycle == Lifecycle::End;
    let attempt = session.attempt(ticket, intent, seen_live);
    let commit = Detached { commit: Some(session.last_commit(attempt)), env: env.clone() };
    Next::Commit { commit, ends, only_renewal }
}

/// Adds what the session needs to the handler's answer.
fn finish<B>(session: &Session, mut response: Response<B>) -> Response<ResponseBody<B>> {
    trace::answered(session);
    let finished = session.finish();
    if finished.touched || session.is_held_elsewhere() {
        hygiene::keep_private(response.headers_mut(), carrier_name(session));
        deliver(session, finished, &mut response);
    } else if session.env().budget != HeaderBudget::DEFAULT {
        response.extensions_mut().insert(HeaderBudget::new(session.env().budget));
    }
    response.map(ResponseBody::inner)
}

/// Gives the client what it carries from now on, and tells outer layers what is left of the header budget.
fn deliver<B>(session: &Session, Finished { carrier, lifeboat, .. }: Finished, response: &mut Response<B>) {
    let env = session.env();
    if carrier == Carrier::Unchanged && lifeboat.is_none() && env.budget == HeaderBudget::DEFAULT {
        return;
    }
    let mut budget = HeaderBudget::new(env.budget);
    budget.spend(
        HeaderBudget::line("vary".len(), carrier_name(session).as_str().len())
            + HeaderBudget::line("cache-control".len(), "private, no-store".len()),
    );
    if let (Carrier::Remove, Some(directives)) = (&carrier, &env.clear_site_data) {
        budget.spend(HeaderBudget::line("clear-site-data".len(), directives.len()));
        response.headers_mut().insert("clear-site-data", directives.clone());
    }
    if env.cookie.is_chunked() && session.carriage() != Carriage::Header {
        add_pieces(env, session.pieces(), &carrier, response.headers_mut(), &mut budget);
    } else {
        add_carrier(env, session.carriage(), carrier, response.headers_mut(), &mut budget);
    }
    if let Some(line) = lifeboat {
        // There is room: the layer is not built otherwise.
        budget.spend(HeaderBudget::line(SET_COOKIE.as_str().len(), line.len()));
        response.headers_mut().append(SET_COOKIE, line);
    }
    response.extensions_mut().insert(budget);
}

/// The request header that answers vary with.
fn carrier_name(session: &Session) -> &HeaderName {
    match (session.carriage(), &session.env().header) {
        (Carriage::Header, Some(name)) => name,
        _ => &CARRIER_COOKIE,
    }
}

fn add_carrier(env: &Env, carriage: Carriage, carrier: Carrier, headers: &mut HeaderMap, budget: &mut HeaderBudget) {
    let value = match (carriage, carrier) {
        (_, Carrier::Unchanged) => return,
        (Carriage::Header, Carrier::Set { text, .. }) => HeaderValue::try_from(text).ok(),
        (Carriage::Header, Carrier::Remove) => Some(HeaderValue::from_static("")),
        (_, Carrier::Set { text, max_age }) => env.cookie.line(&text, max_age),
        (_, Carrier::Remove) => env.cookie.removal(),
    };
    let Some(value) = value else { return };
    match (carriage, &env.header) {
        (Carriage::Header, Some(name)) => {
            budget.spend(HeaderBudget::line(name.as_str().len(), value.len()));
            headers.insert(name, value);
        }
        _ => {
            budget.spend(HeaderBudget::line(SET_COOKIE.as_str().len(), value.len()));
            headers.append(SET_COOKIE, value);
        }
    }
}

/// As [`add_carrier`], for a cookie that may be divided: all pieces, or none.
fn add_pieces(env: &Env, carried: u8, carrier: &Carrier, headers: &mut HeaderMap, budget: &mut HeaderBudget) {
    let lines = match carrier {
        Carrier::Unchanged => return,
        Carrier::Set { text, max_age } => env.cookie.lines(text, *max_age, carried),
        Carrier::Remove => env.cookie.removals(carried),
    };
    for line in lines.into_iter().flatten() {
        budget.spend(HeaderBudget::line(SET_COOKIE.as_str().len(), line.len()));
        headers.append(SET_COOKIE, line);
    }
}

/// Our own answer in place of the handler's. Carries a credential only if an operation before the failed one has replaced
/// the client's, which may be worthless by now; a failed operation leaves it with what it has.
fn replace<B>(session: &Session, error: SessionError, grpc: bool) -> Response<ResponseBody<B>> {
    trace::answered(session);
    let failure = Failure { error, grpc };
    let env = session.env();
    let mut response: Response<Bytes> = env.on_failure.respond(&failure);
    hygiene::keep_private(response.headers_mut(), carrier_name(session));
    deliver(session, session.finish(), &mut response);
    response.extensions_mut().insert(failure);
    response.map(ResponseBody::ours)
}

impl Session {
    pub(crate) fn env(&self) -> &Arc<Env> {
        &self.shared().env
    }
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("session", &self.session).finish_non_exhaustive()
    }
}
