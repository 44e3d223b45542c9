//! A future with a deadline that costs nothing when the answer is there at once.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use unstick_core::{Error, ErrorKind, EventKind, Sleep};

use crate::env::Env;

pin_project_lite::pin_project! {
    pub(crate) struct Deadline<'a, F> {
        #[pin]
        future: F,
        #[pin]
        sleep: Option<Sleep>,
        // When the wait began; set with the timer, so that an answer that is there at once costs no clock.
        began: Duration,
        env: &'a Env,
        limit: Duration,
    }
}

/// Runs `future` for at most `limit`, and reports an answer that took more than half of it.
pub(crate) fn within<F>(env: &Env, limit: Duration, future: F) -> Deadline<'_, F> {
    Deadline { future, sleep: None, began: Duration::ZERO, env, limit }
}

impl<F: Future<Output = Result<T, Error>>, T> Future for Deadline<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let runtime = &this.env.runtime;
        if let Poll::Ready(output) = this.future.poll(cx) {
            if this.sleep.is_some() && runtime.monotonic().saturating_sub(*this.began) > *this.limit / 2 {
                this.env.events.emit(EventKind::BackendSlow, None, "more than half of the deadline");
            }
            return Poll::Ready(output);
        }
        if this.sleep.is_none() {
            *this.began = runtime.monotonic();
            this.sleep.set(Some(runtime.sleep(*this.limit)));
        }
        match this.sleep.as_pin_mut().map(|sleep| sleep.poll(cx)) {
            Some(Poll::Ready(())) => {
                Poll::Ready(Err(Error::new(ErrorKind::Timeout, format!("the session backend did not answer within {:?}", this.limit))))
            }
            _ => Poll::Pending,
        }
    }
}
