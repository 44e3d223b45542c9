//! A cart in a plain hyper service, without a framework. See the README beside this file.

use std::{convert::Infallible, env, error::Error, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{Either, Full, channel::Channel};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tower::{Service, ServiceBuilder, service_fn};
use unstick::{
    Key, KeyRing,
    affinity::{
        AffinityLayer,
        drain::{Drain, Readiness, serve},
    },
    session::{Session, SessionError, SessionLayer},
};

/// How long a payment takes.
const PAYMENT: Duration = Duration::from_secs(10);

/// A text, or one that comes bit by bit.
type Body = Either<Full<Bytes>, Channel<Bytes>>;

fn text(text: impl Into<Bytes>) -> Response<Body> {
    Response::new(Either::Left(Full::new(text.into())))
}

fn refusal(status: StatusCode, reason: &'static str) -> Response<Body> {
    let mut response = text(reason);
    *response.status_mut() = status;
    response
}

async fn answer(mut readiness: Readiness, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    if request.uri().path() == "/ready" {
        return readiness.call(request).await.map(|response| response.map(Either::Left));
    }
    // The session layer has put it there.
    let Some(session) = request.extensions().get::<Session>().cloned() else {
        return Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR, "no session layer\n"));
    };
    let answered = match (request.method(), request.uri().path()) {
        (&Method::GET, "/cart") => show(session).await,
        (&Method::POST, "/cart") => add(session).await,
        (&Method::POST, "/checkout") => checkout(session).await,
        _ => Ok(refusal(StatusCode::NOT_FOUND, "no such page\n")),
    };
    // 503 while the store is away.
    Ok(answered.unwrap_or_else(|error| refusal(error.status_code(), "the session cannot be reached\n")))
}

async fn show(session: Session) -> Result<Response<Body>, SessionError> {
    Ok(text(format!("{} in the cart\n", session.get::<u32>("cart").await?.unwrap_or(0))))
}

async fn add(session: Session) -> Result<Response<Body>, SessionError> {
    let count = session.update("cart", |count: Option<u32>| Some(count.unwrap_or(0) + 1)).await?;
    Ok(text(format!("{} in the cart\n", count.unwrap_or(0))))
}

/// A request that takes its time. What is changed in the session is saved before the first byte leaves, so the cart goes where it can be
/// found again if the payment fails or is cut.
async fn checkout(session: Session) -> Result<Response<Body>, SessionError> {
    let Some(cart) = session.get::<u32>("cart").await? else { return Ok(refusal(StatusCode::CONFLICT, "the cart is empty\n")) };
    session.insert("order", &cart)?;
    session.remove("cart")?;
    let (mut sender, body) = Channel::new(1);
    tokio::spawn(async move {
        // An error means that the client has gone.
        let _ = sender.send_data(Bytes::from("paying\n")).await;
        tokio::time::sleep(PAYMENT).await;
        let _ = sender.send_data(Bytes::from("paid\n")).await;
    });
    Ok(Response::new(Either::Right(body)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let key = env::var("SESSION_KEY").map_err(|_| "set SESSION_KEY to what `openssl rand -hex 32` prints, on every node the same")?;
    let store = unstick::store::from_url(&env::var("SESSIONS").unwrap_or_else(|_| "sqlite:sessions.sqlite".to_owned())).await?;
    let sessions = SessionLayer::new(store, KeyRing::new(Key::from_hex(&key)?)).build()?;

    // Behind a balancer that asks every second and wants two failures, with one second to spare.
    let drain = Drain::builder().readiness_window(Duration::from_secs(3)).deadline(Duration::from_secs(25)).build()?;
    drain.on_signals()?;
    drain.wait_for(sessions.pending());
    let affinity = AffinityLayer::builder().sessions(sessions.scope()).drain(&drain).build()?;

    let readiness = drain.readiness();
    let service =
        ServiceBuilder::new().layer(affinity).layer(sessions).service(service_fn(move |request| answer(readiness.clone(), request)));
    let listener = TcpListener::bind(env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:8080".to_owned())).await?;
    println!("listening on http://{}", listener.local_addr()?);

    let began = drain.clone();
    tokio::spawn(async move {
        began.began().await;
        println!("stopping, {} in flight", began.in_flight_count());
    });
    let drained = serve(listener, service, &drain).await?;
    println!("stopped: {drained}");
    Ok(())
}
