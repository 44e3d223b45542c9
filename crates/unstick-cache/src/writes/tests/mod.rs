//! Nodes with recording sites, and a client that keeps cookies.

mod codec;
mod config;
mod hostile;
mod merging;
mod metadata;
mod nodes;
mod real;
mod scope;

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header::COOKIE};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use unstick_core::{Events, HeaderBudget, Key, KeyRing, Runtime, Timestamp};
use unstick_testkit::{
    client::Jar,
    clock::{ManualClock, SkewedClock},
    observe::EventLog,
};

use super::{Carried, ClientWrites, ReadYourWritesBuilder, ReadYourWritesLayer, ResponseBody, site::Site};
use crate::mark::{Mark, MarkId, Print};

const MINUTE: Duration = Duration::from_secs(60);
const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

type Answer = Response<ResponseBody<Full<Bytes>>>;

#[derive(Debug, Default)]
struct Recorder {
    marks: Mutex<Vec<Mark>>,
    /// Knows of nothing that is kept.
    is_fresh: AtomicBool,
}

impl Site for Recorder {
    fn apply(&self, mark: &Mark) {
        self.marks.lock().unwrap().push(mark.clone());
    }

    fn bound(&self) -> Duration {
        Duration::from_secs(3)
    }

    fn lifetime(&self) -> Duration {
        if self.is_fresh.load(Ordering::Relaxed) { Duration::ZERO } else { 10 * MINUTE }
    }
}

struct Node {
    site: Arc<Recorder>,
    log: Arc<EventLog>,
    layer: ReadYourWritesLayer,
    origin: u64,
    number: Arc<AtomicU64>,
}

fn key(number: u8) -> Key {
    Key::from_bytes([number; 32]).unwrap()
}

fn ring() -> KeyRing {
    KeyRing::new(key(1))
}

impl Node {
    fn new(origin: u64, clock: &ManualClock) -> Self {
        Self::with(origin, Runtime::custom(clock.clone()), ring(), |builder| builder)
    }

    fn ahead(origin: u64, clock: &ManualClock, by: Duration) -> Self {
        Self::with(origin, Runtime::custom(SkewedClock::ahead(clock.clone(), by)), ring(), |builder| builder)
    }

    fn with(origin: u64, runtime: Runtime, keys: KeyRing, set: impl FnOnce(ReadYourWritesBuilder) -> ReadYourWritesBuilder) -> Self {
        let (site, log) = (Arc::new(Recorder::default()), Arc::new(EventLog::default()));
        let events = Events::new("node").observer(log.clone());
        let layer = set(ReadYourWritesBuilder::over(site.clone(), keys, runtime, events)).build().unwrap();
        Self { site, log, layer, origin, number: Arc::default() }
    }

    /// The handler writes as the request's headers say.
    async fn send(&self, headers: HeaderMap) -> Answer {
        let (origin, number) = (self.origin, self.number.clone());
        let handler = service_fn(move |request: Request<()>| {
            let (headers, number) = (request.headers().clone(), number.clone());
            async move {
                let of = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
                for _ in 0..of("x-writes").unwrap_or_default() {
                    let number = number.fetch_add(1, Ordering::Relaxed) + 1;
                    let prints = (0..of("x-prints").unwrap_or(1)).map(|print| Print::Key(origin << 32 | number << 16 | print)).collect();
                    let mark = Mark {
                        id: MarkId { origin, number },
                        prints,
                        level_pending: of("x-pending").is_some(),
                        bus_pending: of("x-unheard").is_some(),
                    };
                    assert_eq!(ClientWrites::record_current(mark), Carried::Yes);
                }
                let mut response = Response::new(Full::new(Bytes::from_static(b"ok")));
                if let Some(status) = of("x-status").and_then(|status| StatusCode::from_u16(status.try_into().ok()?).ok()) {
                    *response.status_mut() = status;
                }
                if let Some(left) = of("x-budget") {
                    response.extensions_mut().insert(HeaderBudget::new(usize::try_from(left).unwrap()));
                }
                if ClientWrites::bypasses_current() {
                    response.headers_mut().insert("x-bypassed", HeaderValue::from_static("yes"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let mut request = Request::new(());
        *request.headers_mut() = headers;
        self.layer.layer(handler).oneshot(request).await.unwrap()
    }

    async fn call(&self, jar: &mut Jar, headers: &[(&'static str, &str)]) -> Answer {
        let answer = self.send(request(jar, headers)).await;
        assert_eq!(jar.receive(&uri(), answer.headers()), [], "browsers take our cookies");
        answer
    }

    /// The marks applied since the last call.
    fn applied(&self) -> Vec<Mark> {
        std::mem::take(&mut self.site.marks.lock().unwrap())
    }

    fn numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> = self.applied().iter().map(|mark| mark.id.number).collect();
        numbers.sort_unstable();
        numbers
    }
}

fn uri() -> Uri {
    Uri::from_static("https://shop.example/")
}

fn request(jar: &Jar, headers: &[(&'static str, &str)]) -> HeaderMap {
    let mut map: HeaderMap = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    if let Some(cookies) = jar.header(&uri()) {
        map.insert(COOKIE, cookies);
    }
    map
}

fn clock() -> ManualClock {
    ManualClock::at(START)
}

fn bypassed(answer: &Answer) -> bool {
    answer.headers().contains_key("x-bypassed")
}

const WRITE: &[(&str, &str)] = &[("x-writes", "1")];
