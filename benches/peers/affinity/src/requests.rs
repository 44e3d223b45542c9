//! The requests, and the loop that sends them.

use axum::{Router, body::Body};
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use tokio::runtime::Runtime;
use tower::Service;

use crate::apps::Subject;

const URI: &str = "/shop/cart";
const COOKIES: &str = "session=AAAAAAAAAAAAAAAAAAAAAA; theme=dark; _ga=GA1.2.345456788.1719999999";
const PIN: &str = "ApplicationGatewayAffinity=0c0b5b5ad0fa4b49b8a0a9ff5c2dd0ad";
const MARKER: &str = "unstick-pins";

/// The cookies that a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carried {
    /// None.
    Plain,
    /// A session's and two foreign ones, which all others have, too.
    Cookies,
    /// A pin.
    Pin,
    /// The pin, and the marker of a client that was told to delete it.
    Kept,
    /// That marker alone: the pin has gone.
    Gone,
    /// The marker that follows.
    Settled,
    /// The pin that HAProxy sets.
    Srv,
    /// A bucket within the half that is un-pinned.
    Within,
    /// A bucket outside of it.
    Outside,
    /// The marker of a client whose route is watched.
    Watched,
}

impl Carried {
    const ALL: [(Self, &str); 10] = [
        (Self::Plain, "plain"),
        (Self::Cookies, "cookies"),
        (Self::Pin, "pin"),
        (Self::Kept, "kept"),
        (Self::Gone, "gone"),
        (Self::Settled, "settled"),
        (Self::Srv, "srv"),
        (Self::Within, "within"),
        (Self::Outside, "outside"),
        (Self::Watched, "watched"),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(carried, _)| *carried == self).map_or("", |(_, name)| name)
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(carried, _)| carried)
    }

    /// The `Cookie` header. Markers are those that the layer sets.
    fn header(self, runtime: &Runtime) -> Result<Option<HeaderValue>, String> {
        let after = |subject, earlier: Self| marker(runtime, subject, earlier.header(runtime)?);
        let more = match self {
            Self::Plain => return Ok(None),
            Self::Cookies => None,
            Self::Pin => Some(PIN.to_owned()),
            Self::Kept => Some(format!("{PIN}; {}", after(Subject::On, Self::Pin)?)),
            Self::Gone => Some(after(Subject::On, Self::Pin)?),
            Self::Settled => Some(after(Subject::On, Self::Gone)?),
            Self::Srv => Some("SRV=node-1".to_owned()),
            Self::Within => Some("unstick-bucket=7".to_owned()),
            Self::Outside => Some("unstick-bucket=93".to_owned()),
            Self::Watched => Some(after(Subject::Watch, Self::Cookies)?),
        };
        let line = more.map_or_else(|| COOKIES.to_owned(), |more| format!("{COOKIES}; {more}"));
        HeaderValue::try_from(line).map(Some).map_err(|error| error.to_string())
    }
}

/// The marker that a client has after such a request.
fn marker(runtime: &Runtime, subject: Subject, cookie: Option<HeaderValue>) -> Result<String, String> {
    let mut app = subject.app().map_err(|error| error.to_string())?;
    let Ok(response) = runtime.block_on(app.call(request(&Uri::from_static(URI), cookie.as_ref())));
    let lines = response.headers().get_all(header::SET_COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.filter_map(|line| line.split(';').next());
    pairs.find(|pair| pair.starts_with(MARKER)).map(str::to_owned).ok_or_else(|| format!("{} sets no marker", subject.name()))
}

fn request(uri: &Uri, cookie: Option<&HeaderValue>) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = uri.clone();
    request.headers_mut().insert(header::HOST, HeaderValue::from_static("shop.example.com"));
    if let Some(cookie) = cookie {
        request.headers_mut().insert(header::COOKIE, cookie.clone());
    }
    request
}

/// What a response has of the layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) header: bool,
    /// Lines that set cookies.
    pub(crate) lines: usize,
}

impl Given {
    fn by(response: &Response<Body>) -> Self {
        let headers = response.headers();
        Self { header: headers.contains_key(crate::layers::HEADER), lines: headers.get_all(header::SET_COOKIE).iter().count() }
    }
}

/// Sends `count` requests and checks that each was given what it should.
pub(crate) fn send(subject: Subject, carried: Carried, count: u32) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(|error| error.to_string())?;
    let cookie = carried.header(&runtime)?;
    let mut app = subject.app().map_err(|error| error.to_string())?;
    let expected = crate::cases::given(subject, carried);
    let Ok(first) = runtime.block_on(app.call(request(&Uri::from_static(URI), cookie.as_ref())));
    if Given::by(&first) != expected {
        return Err(format!("{} {}: {:?} instead of {expected:?}", subject.name(), carried.name(), first.headers()));
    }
    match measured(&runtime, &mut app, cookie.as_ref(), count) {
        0 => Ok(()),
        odd => Err(format!("{} {}: {odd} requests failed", subject.name(), carried.name())),
    }
}

/// Where `measured` is, whose instructions are collected.
pub(crate) const MODULE: &str = "affinity::requests";

/// How many failed.
#[inline(never)]
fn measured(runtime: &Runtime, app: &mut Router, cookie: Option<&HeaderValue>, count: u32) -> u32 {
    let uri = Uri::from_static(URI);
    runtime.block_on(async {
        let mut odd = 0;
        for _ in 0..count {
            let Ok(response) = app.call(request(&uri, cookie)).await;
            odd += u32::from(response.status() != StatusCode::OK);
        }
        odd
    })
}
