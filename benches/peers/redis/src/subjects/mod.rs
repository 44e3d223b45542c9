//! Everything that is measured for speed.

mod peer;
mod raw;
mod unstick;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use fred::prelude::Client;
use http::{HeaderValue, StatusCode, Uri};
use sessions::request;
use unstick_testkit::servers::RedisServer;

pub(crate) use self::raw::Get;
use crate::{
    apps::Plain,
    load::{Operation, timed},
    server,
};

/// Sessions that the requests of a run go round: each of a run's requests has one of its own, as most of a busy service have.
pub(crate) const SESSIONS: usize = 16_000;

/// A run of some operations of one kind; how long it took.
type Run = Box<dyn Fn(usize) -> Pin<Box<dyn Future<Output = Result<Duration, String>>>>>;

/// One row of the table.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// The least ratio to GET that it must reach.
    pub(crate) bar: Option<f64>,
    run: Run,
}

impl Subject {
    fn new(name: &'static str, what: &'static str, operation: impl Operation + Sync) -> Self {
        let operation = Arc::new(operation);
        let run: Run = Box::new(move |count| {
            let operation = operation.clone();
            Box::pin(async move { timed(&*operation, count).await })
        });
        Self { name, what, bar: None, run }
    }

    fn bar(self, least: f64) -> Self {
        Self { bar: Some(least), ..self }
    }

    pub(crate) async fn timed(&self, count: usize) -> Result<Duration, String> {
        (self.run)(count).await.map_err(|error| format!("{}: {error}", self.name))
    }
}

/// Every subject, ready to run, and the GET to compare with.
pub(crate) async fn all(server: &RedisServer) -> Result<(Subject, Vec<Subject>), String> {
    let client: Client = server::client(server).await?;
    let mut all = raw::subjects(&client).await?;
    all.extend(unstick::subjects(server).await?);
    all.extend(peer::subjects(&client).await?);
    Ok((Subject::new("get", "GET, 1 KB", Get::new(&client, 1024).await?), all))
}

/// Whole requests, through a layer.
#[derive(Clone)]
struct Whole<S> {
    app: S,
    uri: Uri,
    cookies: Arc<[HeaderValue]>,
}

impl<S: Plain> Whole<S> {
    fn new(app: S, path: &'static str, cookies: &Arc<[HeaderValue]>) -> Self {
        Self { app, uri: Uri::from_static(path), cookies: cookies.clone() }
    }
}

impl<S: Plain> Operation for Whole<S> {
    async fn run(&mut self, at: usize) -> Result<(), String> {
        let cookie = &self.cookies[at % self.cookies.len()];
        let status = self.app.status(request(&self.uri, Some(cookie))).await;
        if status == StatusCode::OK { Ok(()) } else { Err(format!("{} was answered with {status}", self.uri)) }
    }
}
