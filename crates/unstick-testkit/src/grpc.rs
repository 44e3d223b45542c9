//! Calls of tonic 0.14 without generated code: messages that are text, and a client over a socket. Feature `grpc`.
//!
//! ```
//! use std::convert::Infallible;
//! use http::{Request, uri::PathAndQuery};
//! use hyper::{body::Incoming, server::conn::http2};
//! use hyper_util::{rt::{TokioExecutor, TokioIo}, service::TowerToHyperService};
//! use tokio::net::{TcpListener, TcpStream};
//! use tonic::{Response, Status, server};
//! use tower::service_fn;
//! use unstick_testkit::grpc::{Text, client};
//!
//! async fn greet(request: tonic::Request<String>) -> Result<Response<String>, Status> {
//!     Ok(Response::new(format!("hello {}", request.into_inner())))
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let mut client = {
//!     let (here, there) = tokio::join!(TcpStream::connect(listener.local_addr()?), listener.accept());
//!     let service = service_fn(|request: Request<Incoming>| async { Ok::<_, Infallible>(server::Grpc::new(Text).unary(service_fn(greet), request).await) });
//!     tokio::spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(there?.0), TowerToHyperService::new(service)));
//!     client(here?).await?
//! };
//! client.ready().await?;
//! let answer = client.unary(tonic::Request::new("ann".to_owned()), PathAndQuery::from_static("/shop.Greeter/Greet"), Text).await?;
//! assert_eq!(answer.into_inner(), "hello ann");
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, BufMut};
use http::{Request, Response, Uri};
use hyper::{
    body::Incoming,
    client::conn::http2::{SendRequest, handshake},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tonic::{
    Status,
    body::Body,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};
use tower_service::Service;

/// Messages are text.
#[derive(Debug, Clone, Copy, Default)]
pub struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, bytes: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let mut text = vec![0; bytes.remaining()];
        bytes.copy_to_slice(&mut text);
        String::from_utf8(text).map(Some).map_err(|_| Status::internal("not text"))
    }
}

/// One HTTP/2 connection, as tonic's clients want it. Clones share it.
#[derive(Debug, Clone)]
pub struct Channel(SendRequest<Body>);

impl Service<Request<Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

/// A client over this socket, whose connection is driven by a task of its own.
///
/// # Errors
/// When the other side does not speak HTTP/2.
pub async fn client(socket: TcpStream) -> hyper::Result<Grpc<Channel>> {
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(socket)).await?;
    tokio::spawn(async move { drop(connection.await) });
    Ok(Grpc::with_origin(Channel(sender), Uri::from_static("http://localhost")))
}
