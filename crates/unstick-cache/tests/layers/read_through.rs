//! Reading through a cache in front of any service.

use std::{
    convert::Infallible,
    error::Error,
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{FutureExt, future::join_all};
use tower::{
    BoxError, Layer, Service, ServiceBuilder, ServiceExt,
    retry::{Policy, RetryLayer},
    service_fn,
};
use unstick_cache::{
    Cache, LoadError, LoadErrorKind,
    layers::{ReadThroughLayer, ReadThroughService},
};
use unstick_testkit::sim::Gate;

use crate::support::until;

type Prices = Cache<u32, String>;

fn prices() -> Prices {
    Cache::local("prices").unwrap().build().unwrap()
}

/// Zero is not for the cache.
fn key(of: &u32) -> Option<u32> {
    (*of > 0).then_some(*of)
}

type Key = fn(&u32) -> Option<u32>;

fn over<S>(prices: &Prices, inner: S) -> ReadThroughService<S, Prices, Key> {
    ReadThroughLayer::new(prices.clone(), key as Key).layer(inner)
}

/// Must be made ready before each call, as tower's contract says, and can be when its gate is open. Clones are not ready.
#[derive(Debug)]
struct Strict {
    gate: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    is_ready: bool,
}

impl Strict {
    fn new(is_open: bool) -> Self {
        Self { gate: Arc::new(AtomicBool::new(is_open)), calls: Arc::default(), is_ready: false }
    }
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { gate: self.gate.clone(), calls: self.calls.clone(), is_ready: false }
    }
}

impl Service<u32> for Strict {
    type Response = String;
    type Error = Infallible;
    type Future = Ready<Result<String, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_ready = self.gate.load(Ordering::SeqCst);
        if self.is_ready {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, of: u32) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called before it was ready");
        self.calls.fetch_add(1, Ordering::SeqCst);
        ready(Ok(format!("price of {of}")))
    }
}

#[tokio::test]
async fn a_hit_is_answered_at_the_first_poll_also_when_the_inner_service_is_not_ready() {
    let (prices, inner) = (prices(), Strict::new(true));
    let mut service = over(&prices, inner.clone());
    assert_eq!(service.call(7).await.unwrap(), "price of 7");

    inner.gate.store(false, Ordering::SeqCst);
    assert!(service.ready().now_or_never().is_some(), "a hit needs nothing of the inner service");
    assert_eq!(service.call(7).now_or_never().expect("no waiting").unwrap(), "price of 7");
    assert!(service.call(8).now_or_never().is_none(), "a miss does");
    assert!(service.call(0).now_or_never().is_none(), "and what goes past the cache");
    assert_eq!(inner.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nothing_happens_before_the_first_poll() {
    let (prices, inner) = (prices(), Strict::new(true));
    let mut service = over(&prices, inner.clone());
    drop((service.call(7), service.call(0)));
    tokio::task::yield_now().await;
    assert_eq!((inner.calls.load(Ordering::SeqCst), prices.stats().misses), (0, 0));
}

#[tokio::test]
async fn a_load_waits_until_the_inner_service_is_ready_and_gives_up_in_time() {
    let inner = Strict::new(false);
    let prices: Prices = Cache::local("prices").unwrap().hard_timeout(Duration::from_millis(30)).build().unwrap();
    let mut service = over(&prices, inner.clone());
    assert_eq!(service.call(7).await.unwrap_err().kind(), LoadErrorKind::Timeout);
    inner.gate.store(true, Ordering::SeqCst);
    // the load has gone on
    until(|| prices.get(&7).is_some()).await;
    assert_eq!(inner.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_has_no_key_goes_past_the_cache() {
    let (prices, inner) = (prices(), Strict::new(true));
    let mut service = over(&prices, inner.clone());
    for _ in 0..3 {
        assert_eq!(service.call(0).await.unwrap(), "price of 0");
    }
    let stats = prices.stats();
    assert_eq!((inner.calls.load(Ordering::SeqCst), stats.hits + stats.misses + stats.loads, prices.len()), (3, 0, 0));
}

#[tokio::test]
async fn under_a_buffer_and_a_limit_a_thousand_misses_are_one_call() {
    let (prices, calls, gate) = (prices(), Arc::new(AtomicUsize::new(0)), Gate::default());
    let source = {
        let (calls, gate) = (calls.clone(), gate.clone());
        service_fn(move |of: u32| {
            calls.fetch_add(1, Ordering::SeqCst);
            let gate = gate.clone();
            async move {
                gate.pass().await;
                Ok::<_, BoxError>(format!("price of {of}"))
            }
        })
    };
    let service = ServiceBuilder::new()
        .buffer::<u32>(16)
        .layer(ReadThroughLayer::new(prices.clone(), key))
        .buffer::<u32>(2)
        .concurrency_limit(1)
        .service(source);
    let asking = (0..1000).map(|_| tokio::spawn(service.clone().oneshot(7))).collect::<Vec<_>>();
    until(|| prices.stats().joined == 999).await;
    gate.open();
    for answer in join_all(asking).await {
        assert_eq!(answer.unwrap().unwrap(), "price of 7");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[derive(Debug, Clone, PartialEq)]
struct SoldOut(u32);

impl std::fmt::Display for SoldOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sold out")
    }
}

impl Error for SoldOut {}

fn sold_out(error: &LoadError) -> Option<&SoldOut> {
    error.source()?.downcast_ref()
}

#[tokio::test]
async fn all_who_waited_get_the_inner_error_as_the_source() {
    let (prices, gate) = (prices(), Gate::default());
    let passing = gate.clone();
    let service = over(
        &prices,
        service_fn(move |of: u32| {
            let gate = passing.clone();
            async move {
                gate.pass().await;
                Err::<String, _>(SoldOut(of))
            }
        }),
    );
    let asking = (0..10).map(|_| tokio::spawn(service.clone().oneshot(7))).collect::<Vec<_>>();
    until(|| prices.stats().joined == 9).await;
    gate.open();
    for answer in join_all(asking).await {
        let error = answer.unwrap().unwrap_err();
        assert_eq!((error.kind(), sold_out(&error)), (LoadErrorKind::Failed, Some(&SoldOut(7))));
    }
    let error = service.oneshot(0).await.unwrap_err();
    assert_eq!(sold_out(&error), Some(&SoldOut(0)), "the same past the cache");
}

#[tokio::test]
async fn a_panic_is_an_error() {
    let prices = prices();
    let service =
        over(&prices, service_fn(|_: u32| async { if prices_are_gone() { panic!("gone") } else { Ok::<_, Infallible>(String::new()) } }));
    assert_eq!(service.oneshot(7).await.unwrap_err().kind(), LoadErrorKind::Panicked);
}

fn prices_are_gone() -> bool {
    true
}

#[tokio::test]
async fn a_caller_that_leaves_takes_nobody_along() {
    let (prices, gate) = (prices(), Gate::default());
    let passing = gate.clone();
    let ended = Arc::new(AtomicUsize::new(0));
    let source = {
        let ended = ended.clone();
        service_fn(move |of: u32| {
            let (gate, ended) = (passing.clone(), ended.clone());
            async move {
                gate.pass().await;
                ended.fetch_add(1, Ordering::SeqCst);
                Ok::<_, Infallible>(of.to_string())
            }
        })
    };
    let mut service = over(&prices, source);
    let leader = Box::pin(service.call(7));
    assert!(leader.now_or_never().is_none(), "which also drops it");
    assert!(Box::pin(service.call(0)).now_or_never().is_none());
    gate.open();
    until(|| prices.get(&7).is_some()).await;
    assert_eq!(ended.load(Ordering::SeqCst), 1, "what goes past the cache is cancelled with its caller");
}

/// Twice more.
#[derive(Debug, Clone)]
struct Thrice(usize);

impl<Req: Clone, Res, E> Policy<Req, Res, E> for Thrice {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Req, answer: &mut Result<Res, E>) -> Option<Ready<()>> {
        self.0 = self.0.checked_sub(usize::from(answer.is_err()))?;
        answer.is_err().then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Req) -> Option<Req> {
        Some(request.clone())
    }
}

#[tokio::test]
async fn retries_belong_inside() {
    let failing = |times: usize| {
        let calls = AtomicUsize::new(0);
        let calls = Arc::new(calls);
        let counted = calls.clone();
        let source = service_fn(move |of: u32| {
            let is_done = counted.fetch_add(1, Ordering::SeqCst) >= times;
            ready(if is_done { Ok(of.to_string()) } else { Err(SoldOut(of)) })
        });
        (calls, source)
    };
    let (inside, (calls, source)) = (prices(), failing(2));
    let service = ServiceBuilder::new().layer(ReadThroughLayer::new(inside.clone(), key)).layer(RetryLayer::new(Thrice(2))).service(source);
    assert_eq!(service.oneshot(7).await.unwrap(), "7");
    assert_eq!((calls.load(Ordering::SeqCst), inside.stats().loads), (3, 1));

    let outside: Prices = Cache::local("prices").unwrap().back_off(Duration::from_secs(60)).build().unwrap();
    let (calls, source) = failing(2);
    let service = ServiceBuilder::new().layer(RetryLayer::new(Thrice(2))).layer(ReadThroughLayer::new(outside, key)).service(source);
    assert!(service.oneshot(7).await.is_err(), "the error is kept for a moment");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}
