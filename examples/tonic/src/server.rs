//! The server: a session layer in front of tonic's routes, on a server that drains.

use std::{env, error::Error, pin::Pin};

use tokio::net::TcpListener;
use tokio_stream::Stream;
use tonic::{Code, Request, Response, Status, service::Routes};
use tower::Layer;
use unstick::{
    Key, KeyRing,
    affinity::drain::{Drain, serve},
    session::{Session, SessionError, SessionLayer},
};

use crate::pb::{
    Cart, Cents, Thing, Times,
    shop_server::{Shop, ShopServer},
};

#[derive(Debug)]
struct Service;

/// The session of a call: the layer put it into the request's extensions.
fn session<T>(request: &Request<T>) -> Result<Session, Status> {
    request.extensions().get::<Session>().cloned().ok_or_else(|| Status::internal("there is no session layer"))
}

/// What a client may try again is `Unavailable`.
fn status(error: SessionError) -> Status {
    let code = if error.is_retryable() { Code::Unavailable } else { Code::Internal };
    Status::new(code, "the session could not be used")
}

#[tonic::async_trait]
impl Shop for Service {
    async fn add(&self, request: Request<Thing>) -> Result<Response<Cart>, Status> {
        let session = session(&request)?;
        let thing = request.into_inner().name;
        let add = |things: Option<Vec<String>>| Some(things.unwrap_or_default().into_iter().chain([thing.clone()]).collect());
        let things = session.update("cart", add).await.map_err(status)?.unwrap_or_default();
        Ok(Response::new(Cart { things }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<Cart, Status>> + Send>>;

    /// The session is read before the stream begins: its headers leave with the first message, and nothing can be saved after them.
    async fn watch(&self, request: Request<Times>) -> Result<Response<Self::WatchStream>, Status> {
        let things = session(&request)?.get::<Vec<String>>("cart").await.map_err(status)?.unwrap_or_default();
        let carts = (0..request.into_inner().count.min(1000)).map(move |_| Ok(Cart { things: things.clone() }));
        Ok(Response::new(Box::pin(tokio_stream::iter(carts))))
    }

    /// Touches no session, so that it goes on without the store.
    async fn price(&self, request: Request<Thing>) -> Result<Response<Cents>, Status> {
        let name = request.into_inner().name;
        println!("asked for the price of {name}");
        Ok(Response::new(Cents { cents: 100 * u32::try_from(name.len()).unwrap_or(u32::MAX / 100) }))
    }
}

pub(crate) async fn run(addr: &str) -> Result<(), Box<dyn Error>> {
    let key = env::var("SESSION_KEY").map_err(|_| "set SESSION_KEY to what `openssl rand -hex 32` prints, on every node the same")?;
    let store = unstick::store::from_url(&env::var("SESSIONS").unwrap_or_else(|_| "sqlite:sessions.sqlite".to_owned())).await?;
    // gRPC clients keep no cookies: the credential goes by metadata.
    let sessions = SessionLayer::new(store, KeyRing::new(Key::from_hex(&key)?)).header("session").build()?;

    let drain = Drain::builder().build()?;
    drain.on_signals()?;
    drain.wait_for(sessions.pending());
    let listener = TcpListener::bind(addr).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let service = sessions.layer(Routes::new(ShopServer::new(Service)).prepare());
    println!("{}", serve(listener, service, &drain).http2_only().await?);
    Ok(())
}
