//! A future with a deadline that costs nothing when the answer is there at once.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use unstick_core::{Error, ErrorKind, Runtime, Sleep};

pin_project_lite::pin_project! {
    pub(crate) struct Deadline<'a, F> {
        #[pin]
        future: F,
        #[pin]
        sleep: Option<Sleep>,
        runtime: &'a Runtime,
        limit: Duration,
    }
}

/// Runs `future` for at most `limit`.
pub(crate) fn within<F>(runtime: &Runtime, limit: Duration, future: F) -> Deadline<'_, F> {
    Deadline { future, sleep: None, runtime, limit }
}

impl<F: Future<Output = Result<T, Error>>, T> Future for Deadline<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(output);
        }
        if this.sleep.is_none() {
            this.sleep.set(Some(this.runtime.sleep(*this.limit)));
        }
        match this.sleep.as_pin_mut().map(|sleep| sleep.poll(cx)) {
            Some(Poll::Ready(())) => {
                Poll::Ready(Err(Error::new(ErrorKind::Timeout, format!("the session backend did not answer within {:?}", this.limit))))
            }
            _ => Poll::Pending,
        }
    }
}
