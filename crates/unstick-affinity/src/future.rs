use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{
    HeaderMap, HeaderName, HeaderValue, Response, Uri,
    header::{HOST, SET_COOKIE},
};
use pin_project_lite::pin_project;
use unstick_core::{AffinityRan, EventKind, HeaderBudget};

use crate::{
    builder::Config,
    decide::{self, Decided, Origin, SeenPin},
};

const ARR_HEADER: HeaderName = HeaderName::from_static("arr-disable-session-affinity");
const ARR_VALUE: HeaderValue = HeaderValue::from_static("true");

pin_project! {
    /// The response future of [`Affinity`](crate::Affinity).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        pub(crate) inner: F,
        pub(crate) unpinning: Option<Unpinning>,
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        if let Some(unpinning) = this.unpinning.take() {
            unpinning.finish(&mut response);
        }
        Poll::Ready(Ok(response))
    }
}

/// What the request said that its response needs.
#[derive(Debug)]
pub(crate) struct Unpinning {
    config: Arc<Config>,
    seen: Vec<SeenPin>,
    /// Kept only when a line may need it.
    host: Option<String>,
}

impl Unpinning {
    pub(crate) fn of(config: &Arc<Config>, uri: &Uri, headers: &HeaderMap) -> Self {
        let seen = decide::seen_pins(headers, &config.configured);
        for (index, pin) in seen.iter().enumerate() {
            let product = product(config, pin);
            if !seen[..index].iter().any(|other| self::product(config, other) == product) {
                config.events.emit(EventKind::PinSeen, None, product);
            }
        }
        let host = if seen.is_empty() && config.configured.is_empty() { None } else { host(uri, headers) };
        Self { config: config.clone(), seen, host }
    }

    fn finish<R>(self, response: &mut Response<R>) {
        // A handler that sets the header itself has its reasons: a warm-up page may want to stay pinned.
        response.headers_mut().entry(ARR_HEADER).or_insert(ARR_VALUE);
        response.extensions_mut().insert(AffinityRan);
        let is_idle = self.seen.is_empty() && self.config.configured.is_empty();
        if is_idle || !decide::may_expire(response.status(), response.headers()) {
            return;
        }
        let mut shared = response.extensions().get::<HeaderBudget>().copied().unwrap_or_default();
        shared.spend(HeaderBudget::line(ARR_HEADER.as_str().len(), ARR_VALUE.len()));
        let decided = decide::deletions(&self.config.configured, &self.seen, self.host.as_deref(), response.headers(), &mut shared);
        for (index, Decided { product, line }) in decided.iter().enumerate() {
            let is_told = decided[..index].iter().any(|other| other.product == *product && other.line.is_some() == line.is_some());
            if !is_told {
                let kind = if line.is_some() { EventKind::PinExpired } else { EventKind::PinDropped };
                self.config.events.emit(kind, None, product);
            }
        }
        for line in decided.into_iter().filter_map(|one| one.line) {
            response.headers_mut().append(SET_COOKIE, line);
        }
        response.extensions_mut().insert(shared);
    }
}

fn product<'a>(config: &'a Config, pin: &'a SeenPin) -> &'a str {
    match pin.product {
        Origin::Catalogue(product, _) => product.name,
        Origin::Configured(_) => config.configured.iter().find(|own| own.name == pin.name).map_or("", |own| &own.name),
    }
}

/// HTTP/2 has the host in the URI, HTTP/1 in a header.
fn host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let host = uri.host().or_else(|| headers.get(HOST).and_then(|host| host.to_str().ok()))?;
    decide::domain_of(host).map(str::to_owned)
}
