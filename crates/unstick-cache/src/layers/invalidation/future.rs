//! The response future: the handler's answer, then the invalidation, then the headers.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use unstick_core::BoxFuture;

use super::{Outcome, guard::Guard, told::Invalidates};
use crate::Invalidated;

pin_project_lite::pin_project! {
    #[project = StepProj]
    enum Step<F, E, B> {
        Handler { #[pin] inner: F, guard: Option<Guard> },
        Invalidating { spread: BoxFuture<'static, Invalidated>, answer: Option<Result<Response<B>, E>> },
        Answered,
    }
}

pin_project_lite::pin_project! {
    /// Future of [`InvalidationService`](super::InvalidationService).
    ///
    /// # Cancel safety
    /// Dropped at any time, all is invalidated that would have been: the inner service may have changed something before.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, E, B> {
        #[pin]
        step: Step<F, E, B>,
    }
}

impl<F, E, B> ResponseFuture<F, E, B> {
    pub(super) const fn new(inner: F, guard: Guard) -> Self {
        Self { step: Step::Handler { inner, guard: Some(guard) } }
    }
}

impl<F, E, B> Future for ResponseFuture<F, E, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut step = self.project().step;
        loop {
            match step.as_mut().project() {
                StepProj::Handler { inner, guard } => {
                    let mut answer = ready!(inner.poll(cx));
                    let Some(guard) = guard.take() else { return Poll::Ready(answer) };
                    let outcome = answer.as_ref().map_or(Outcome::Unknown, |response| guard.settings.judge(response.status()));
                    let told = answer.as_mut().ok().and_then(|response| response.extensions_mut().remove::<Invalidates>());
                    let namespace = guard.settings.namespace.clone();
                    let targets = guard.release(outcome, told);
                    if targets.is_empty() {
                        step.set(Step::Answered);
                        return Poll::Ready(answer);
                    }
                    // polled right away: from then on it is done even if nobody waits for it
                    let spread = Box::pin(async move { namespace.invalidate(targets).await });
                    // this also drops the handler, with the locks and transactions that it may still hold
                    step.set(Step::Invalidating { spread, answer: Some(answer) });
                }
                StepProj::Invalidating { spread, answer } => {
                    let invalidated = ready!(spread.as_mut().poll(cx));
                    let Some(mut answer) = answer.take() else { return Poll::Pending };
                    if let Ok(response) = &mut answer {
                        response.extensions_mut().insert(invalidated);
                    }
                    step.set(Step::Answered);
                    return Poll::Ready(answer);
                }
                // polled after its end
                StepProj::Answered => return Poll::Pending,
            }
        }
    }
}

impl<F, E, B> fmt::Debug for ResponseFuture<F, E, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = match &self.step {
            Step::Handler { .. } => "handler",
            Step::Invalidating { .. } => "invalidating",
            Step::Answered => "answered",
        };
        f.debug_struct("ResponseFuture").field("step", &step).finish_non_exhaustive()
    }
}
