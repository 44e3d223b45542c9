//! The database behind the shop: one delivery note for each customer, by its number, and no session. All nodes ask it over loopback, wherever they run.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{Failure, wire::Wire};

type Table = Arc<Mutex<HashMap<u64, u64>>>;

/// The running database.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) addr: SocketAddr,
    server: JoinHandle<()>,
}

impl Database {
    pub(crate) async fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let routes = Router::new().route("/{customer}", get(read)).route("/{customer}/{note}", get(read).post(write));
        let router = routes.with_state(Table::default());
        let server = tokio::spawn(async move {
            // It ends with the task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { addr, server })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn read(State(table): State<Table>, Path(customer): Path<u64>) -> String {
    let table = table.lock().unwrap_or_else(PoisonError::into_inner);
    table.get(&customer).copied().unwrap_or(0).to_string()
}

async fn write(State(table): State<Table>, Path((customer, note)): Path<(u64, u64)>) -> String {
    table.lock().unwrap_or_else(PoisonError::into_inner).insert(customer, note);
    note.to_string()
}

/// A node's way to the database.
#[derive(Debug, Clone)]
pub(crate) struct Notes {
    addr: SocketAddr,
    wire: Wire,
}

impl Notes {
    pub(crate) fn at(addr: SocketAddr) -> Self {
        Self { addr, wire: Wire::default() }
    }

    pub(crate) async fn load(&self, customer: u64) -> Result<u64, Failure> {
        self.ask(Method::GET, format!("/{customer}")).await
    }

    pub(crate) async fn store(&self, customer: u64, note: u64) -> Result<u64, Failure> {
        self.ask(Method::POST, format!("/{customer}/{note}")).await
    }

    async fn ask(&self, method: Method, path: String) -> Result<u64, Failure> {
        let request = Request::builder().method(method).uri(path).header(header::HOST, "notes").body(Full::new(Bytes::new()))?;
        let answer = self.wire.send(self.addr, request).await.map_err(|_| "the database does not answer")?;
        Ok(std::str::from_utf8(answer.body())?.parse()?)
    }
}
