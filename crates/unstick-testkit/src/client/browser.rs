use std::{
    io::{Error, Result},
    net::SocketAddr,
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode, Uri,
    header::{CONNECTION, HOST},
};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Jar, Refusal};

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client that speaks HTTP/1.1 over real sockets and keeps cookies as browsers do, strictly in the order of the lines.
///
/// By default each request has a connection of its own. Redirects are not followed.
///
/// ```
/// use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::TcpListener};
/// use unstick_testkit::client::Browser;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
/// let mut browser = Browser::new(listener.local_addr().unwrap()).host("shop.test");
/// let server = tokio::spawn(async move {
///     let (mut socket, _) = listener.accept().await.unwrap();
///     let _ = socket.read(&mut [0; 1024]).await.unwrap();
///     let answer = "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: a=2\r\nContent-Length: 2\r\n\r\nhi";
///     socket.write_all(answer.as_bytes()).await.unwrap();
/// });
/// let page = browser.get("/").await.unwrap();
/// assert_eq!((page.status.as_u16(), page.text().as_ref()), (200, "hi"));
/// assert_eq!(browser.jar().get("a").unwrap().text(), "2");
/// # server.await.unwrap();
/// # });
/// ```
#[derive(Debug)]
pub struct Browser {
    address: SocketAddr,
    host: String,
    jar: Jar,
    keeps_alive: bool,
    connection: Option<SendRequest<Full<Bytes>>>,
}

/// A response, read to its end.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Page {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// The cookies that were not kept.
    pub refused: Vec<Refusal>,
}

impl Page {
    /// The body, with what is not UTF-8 replaced.
    #[must_use]
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// A header's first value; empty when there is none or it is no text.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Browser {
    /// A client without cookies of the server at this address, whose name in requests is that address, too.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, host: address.to_string(), jar: Jar::new(), keeps_alive: false, connection: None }
    }

    /// The server's name: sent as `Host`, and what cookies belong to. Names below `localhost` count as secure, others do not.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Keeps its connection for the next request while the server does.
    #[must_use]
    pub fn keep_alive(mut self) -> Self {
        self.keeps_alive = true;
        self
    }

    /// Its cookies.
    #[must_use]
    pub fn jar(&self) -> &Jar {
        &self.jar
    }

    /// Its cookies, to change them.
    pub fn jar_mut(&mut self) -> &mut Jar {
        &mut self.jar
    }

    /// Whether the next request to this path would carry a cookie of this name.
    #[must_use]
    pub fn would_send(&self, path: &str, name: &str) -> bool {
        let header = self.uri(path).ok().and_then(|uri| self.jar.header(&uri)).unwrap_or_else(|| HeaderValue::from_static(""));
        header
            .as_bytes()
            .split(|byte| *byte == b';')
            .any(|pair| pair.trim_ascii_start().split(|byte| *byte == b'=').next() == Some(name.as_bytes()))
    }

    /// Asks for a path, with a query or without.
    ///
    /// A connection that was kept and is closed just then is replaced, as browsers do.
    ///
    /// # Errors
    /// When the path is no path, or there is no whole answer within a minute.
    ///
    /// # Cancel safety
    /// When dropped, the request may have been carried out; its cookies are not taken.
    pub async fn get(&mut self, path: &str) -> Result<Page> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    /// Posts a body.
    ///
    /// # Errors
    /// As [`get`](Self::get), and when a kept connection is closed just then: the server may have done what was asked.
    ///
    /// # Cancel safety
    /// As [`get`](Self::get).
    pub async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> Result<Page> {
        self.send(Method::POST, path, body.into()).await
    }

    async fn send(&mut self, method: Method, path: &str, body: Bytes) -> Result<Page> {
        let uri = self.uri(path)?;
        let mut request = Request::builder().method(method).uri(uri.clone()).body(Full::new(body)).map_err(Error::other)?;
        self.jar.attach(&mut request);
        request.headers_mut().insert(HOST, HeaderValue::try_from(&self.host).map_err(Error::other)?);
        if !self.keeps_alive {
            request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        // Servers want the path alone.
        *request.uri_mut() = path.parse().map_err(Error::other)?;
        let exchange = tokio::time::timeout(PATIENCE, self.exchange(request)).await;
        let mut page = exchange.map_err(|_| Error::from(std::io::ErrorKind::TimedOut)).flatten()?;
        page.refused = self.jar.receive(&uri, &page.headers);
        Ok(page)
    }

    fn uri(&self, path: &str) -> Result<Uri> {
        Uri::builder().scheme("http").authority(self.host.as_str()).path_and_query(path).build().map_err(Error::other)
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Page> {
        if let Some(mut kept) = self.connection.take()
            && kept.ready().await.is_ok()
        {
            let outcome = kept.send_request(request.clone()).await;
            if outcome.is_ok() || request.method() != Method::GET {
                return self.read(kept, outcome).await;
            }
        }
        let (mut sender, connection) = handshake(TokioIo::new(TcpStream::connect(self.address).await?)).await.map_err(Error::other)?;
        tokio::spawn(connection);
        let outcome = sender.send_request(request).await;
        self.read(sender, outcome).await
    }

    async fn read(
        &mut self,
        sender: SendRequest<Full<Bytes>>,
        outcome: hyper::Result<hyper::Response<hyper::body::Incoming>>,
    ) -> Result<Page> {
        let (head, body) = outcome.map_err(Error::other)?.into_parts();
        let body = body.collect().await.map_err(Error::other)?.to_bytes();
        self.connection = self.keeps_alive.then_some(sender);
        Ok(Page { status: head.status, headers: head.headers, body, refused: Vec::new() })
    }
}
