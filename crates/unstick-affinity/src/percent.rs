//! A share of the clients.

use std::{
    cell::Cell,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use http::{HeaderMap, Method, Uri};
use unstick_core::cookie;

use crate::Switch;

pub(crate) const BUCKET: &str = "unstick-bucket";
const BUCKETS: u8 = 100;

/// What a [`Switch`] may look at: the request's head, and the client's bucket.
pub struct Head<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    bucket: Cell<Option<Bucket>>,
}

#[derive(Debug, Clone, Copy)]
enum Bucket {
    Carried(u8),
    Drawn(u8),
}

impl fmt::Debug for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Path and headers hold what a user would not tell: the session's cookie, for one.
        f.debug_struct("Head").field("method", self.method).finish_non_exhaustive()
    }
}

impl<'a> Head<'a> {
    /// The head of a request.
    #[must_use]
    pub fn new(method: &'a Method, uri: &'a Uri, headers: &'a HeaderMap) -> Self {
        Self { method, uri, headers, bucket: Cell::new(None) }
    }

    /// The request's method.
    #[must_use]
    pub fn method(&self) -> &Method {
        self.method
    }

    /// The request's URI, as this layer got it: inside a nested router, a part of the path may be gone.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        self.uri
    }

    /// The request's headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.headers
    }

    /// A number from 0 to 99 that stays with the client, on every node: from its cookie `unstick-bucket`, or drawn at random and then set with the
    /// response. A switch that does not ask sets no cookie. Requests that a new client sends at the same time may each draw their own;
    /// the last response decides.
    #[must_use]
    pub fn bucket(&self) -> u8 {
        if let Some(Bucket::Carried(bucket) | Bucket::Drawn(bucket)) = self.bucket.get() {
            return bucket;
        }
        let carried = cookie::candidates(self.headers, BUCKET).find_map(parse);
        let bucket = carried.map_or_else(|| Bucket::Drawn(draw()), Bucket::Carried);
        self.bucket.set(Some(bucket));
        let (Bucket::Carried(bucket) | Bucket::Drawn(bucket)) = bucket;
        bucket
    }

    /// The bucket that the response must tell the client.
    pub(crate) fn drawn(&self) -> Option<u8> {
        match self.bucket.get() {
            Some(Bucket::Drawn(bucket)) => Some(bucket),
            _ => None,
        }
    }
}

fn parse(value: &[u8]) -> Option<u8> {
    match value {
        [digit @ b'0'..=b'9'] => Some(digit - b'0'),
        [tens @ b'1'..=b'9', ones @ b'0'..=b'9'] => Some((tens - b'0') * 10 + (ones - b'0')),
        _ => None,
    }
}

fn draw() -> u8 {
    let random = RandomState::new().hash_one(BUCKET) % u64::from(BUCKETS);
    u8::try_from(random).unwrap_or_default()
}

/// Un-pins a share of the clients, to begin with few and go on when all is well. Clones share the setting, which can be changed while serving.
///
/// A client is in when its [bucket](Head::bucket) is below the percentage. So every node decides alike when set alike, and whoever is in stays in
/// when the percentage grows. At 0 and 100 nobody is asked for a bucket, and no cookie is set.
///
/// ```
/// use http::{HeaderMap, Method, Uri};
/// use unstick_affinity::{AffinityLayer, Head, Percent, Switch};
/// use unstick_core::Scope;
///
/// let share = Percent::of_clients(10);
/// let layer = AffinityLayer::builder().sessions(Scope::Shared).switch(share.clone()).build()?;
///
/// let headers = HeaderMap::from_iter([(http::header::COOKIE, "unstick-bucket=37".parse()?)]);
/// let (method, uri) = (Method::GET, Uri::from_static("/"));
/// let client = Head::new(&method, &uri, &headers);
/// assert!(!layer.is_on(&client));
/// share.set(40);
/// assert!(layer.is_on(&client));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Percent(Arc<AtomicU8>);

impl Percent {
    /// So many of 100 clients. More than 100 counts as 100.
    #[must_use]
    pub fn of_clients(percent: u8) -> Self {
        Self(Arc::new(AtomicU8::new(percent.min(BUCKETS))))
    }

    /// Changes it, for all clones, from the next request on.
    pub fn set(&self, percent: u8) {
        self.0.store(percent.min(BUCKETS), Ordering::Relaxed);
    }

    /// The percentage now.
    #[must_use]
    pub fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Switch for Percent {
    fn is_on(&self, head: &Head<'_>) -> bool {
        match self.get() {
            0 => false,
            percent => percent >= BUCKETS || head.bucket() < percent,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method, Uri, header::COOKIE};
    use proptest::prelude::*;

    use super::{BUCKETS, Head, Percent, draw};
    use crate::{Switch, decide::tests::any_value};

    fn with<T>(cookie: &[u8], look: impl FnOnce(&Head<'_>) -> T) -> T {
        let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_bytes(cookie).unwrap())]);
        look(&Head::new(&Method::GET, &Uri::default(), &headers))
    }

    #[test]
    fn the_bucket_is_the_clients_or_drawn_once() {
        assert_eq!(with(b"a=1; unstick-bucket=7", |head| (head.bucket(), head.drawn())), (7, None));
        assert_eq!(with(b"unstick-bucket=x; unstick-bucket=99", |head| (head.bucket(), head.drawn())), (99, None));
        for odd in ["", "unstick-bucket=", "unstick-bucket=100", "unstick-bucket=-1", "unstick-bucket=07", "xunstick-bucket=7"] {
            with(odd.as_bytes(), |head| {
                assert_eq!(head.drawn(), None, "not asked yet");
                let bucket = head.bucket();
                assert!(bucket < BUCKETS && head.bucket() == bucket && head.drawn() == Some(bucket), "{odd}");
            });
        }
        assert!((0..1000).all(|_| draw() < BUCKETS));
    }

    #[test]
    fn nobody_needs_a_bucket_where_all_are_alike() {
        for (percent, is_on) in [(0, false), (100, true), (255, true)] {
            assert_eq!(with(b"", |head| (Percent::of_clients(percent).is_on(head), head.drawn())), (is_on, None));
        }
    }

    proptest! {
        #[test]
        fn who_is_in_stays_in_while_the_share_grows(bucket in 0u8..100, percent in 0u8..=100, more in 0u8..=100) {
            let share = Percent::of_clients(percent);
            let is_in = |share: &Percent| with(format!("unstick-bucket={bucket}").as_bytes(), |head| share.is_on(head));
            let before = is_in(&share);
            prop_assert_eq!(before, bucket < percent);
            share.clone().set(percent.saturating_add(more));
            prop_assert!(!before || is_in(&share));
        }

        #[test]
        fn any_bytes_are_read_without_harm(value in any_value(60)) {
            let line = [b"unstick-bucket=", value.as_bytes()].concat();
            prop_assert!(with(&line, |head| head.bucket()) < BUCKETS);
        }
    }
}
