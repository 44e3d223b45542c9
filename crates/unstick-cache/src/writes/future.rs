//! The response future: the handler's answer, and with it what the client carries to the next node.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{
    HeaderMap, Response,
    header::{CACHE_CONTROL, COOKIE, SET_COOKIE, VARY},
};
use tokio::task::futures::TaskLocalFuture;
use unstick_core::{AffinityRan, EventKind, HeaderBudget, hygiene};

use super::{
    ClientWrites, ResponseBody,
    client::Written,
    intake::Intake,
    plan,
    shared::{Shared, Transport},
};

pin_project_lite::pin_project! {
    /// Future of [`ReadYourWrites`](super::ReadYourWrites).
    ///
    /// # Cancel safety
    /// Dropped before the handler answers, the client learns of nothing, as of the answer itself.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: TaskLocalFuture<ClientWrites, F>,
        writes: ClientWrites,
        intake: Intake,
        shared: Arc<Shared>,
    }
}

impl<F: Future> ResponseFuture<F> {
    pub(super) fn new(inner: F, writes: ClientWrites, intake: Intake, shared: Arc<Shared>) -> Self {
        Self { inner: writes.around(inner), writes, intake, shared }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        let written = this.writes.close();
        if plan::is_due(&written, &this.intake.carried, &this.intake.expired, this.shared.limits) {
            tell(this.shared, this.intake, written, &mut response);
        }
        let writes = this.writes.clone();
        Poll::Ready(Ok(response.map(|body| ResponseBody::new(body, writes))))
    }
}

fn tell<B>(shared: &Shared, intake: &Intake, written: Written, response: &mut Response<B>) {
    if response.extensions().get::<AffinityRan>().is_some() {
        shared.events.emit(EventKind::LayerOrder, None, "the affinity layer must wrap the layer of writes, not the other way round");
    }
    let transport = intake.transport();
    let carrier = if transport == Transport::Headers { &shared.header } else { &COOKIE };
    let mut budget = response.extensions().get::<HeaderBudget>().copied().unwrap_or_default();
    spend_on_hygiene(response.headers(), carrier.as_str().len(), &mut budget);
    let lines = shared.terms(transport);
    let now = shared.runtime.wall();
    let plan = plan::plan(now, written, &intake.carried, &intake.expired, shared.limits, &lines, &mut budget);
    let removed = plan.remove.iter().map(|index| &intake.carried[*index].name).chain(&intake.expired[..plan.expired]);
    let removals = removed.filter_map(|name| lines.line(name, None));
    let set = plan.set.and_then(|(content, life)| {
        let slot = shared.slot();
        let text = lines.signer().seal(&slot, now, &content);
        lines.line(&slot, Some((text, life)))
    });
    let name = if transport == Transport::Headers { &shared.header } else { &SET_COOKIE };
    let headers = response.headers_mut();
    let before = headers.len();
    for line in set.into_iter().chain(removals) {
        headers.append(name, line);
    }
    if headers.len() > before {
        hygiene::keep_private(headers, carrier);
        response.extensions_mut().insert(budget);
    }
}

/// The lines that keep the answer private, unless an inner layer has paid for them.
fn spend_on_hygiene(headers: &HeaderMap, carrier: usize, budget: &mut HeaderBudget) {
    if !headers.contains_key(CACHE_CONTROL) {
        budget.spend(HeaderBudget::line(CACHE_CONTROL.as_str().len(), "private, no-store".len()));
    }
    if !headers.contains_key(VARY) {
        budget.spend(HeaderBudget::line(VARY.as_str().len(), carrier));
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("writes", &self.writes).finish_non_exhaustive()
    }
}
