//! tower-sessions.

use std::{collections::HashMap, sync::Arc};

use fred::prelude::Client;
use http::HeaderValue;
use tower_sessions::{
    SessionStore,
    cookie::time::{Duration, OffsetDateTime},
    session::{Id, Record},
};
use tower_sessions_redis_store::RedisStore;

use super::{SESSIONS, Subject, Whole};
use crate::{
    apps::{peer, sessions},
    cart::{STRINGS, next},
    load::Operation,
};

pub(super) async fn subjects(client: &Client) -> Result<Vec<Subject>, String> {
    let layer = peer::layer(client);
    let mut app = peer::app().layer(layer.clone());
    let mut signed = peer::app().layer(peer::signed(client));
    let cookies: Arc<[HeaderValue]> = sessions(&mut app, "/new", SESSIONS).await?.into();
    let carts: Arc<[HeaderValue]> = sessions(&mut app, "/write-cart", SESSIONS).await?.into();
    let signatures: Arc<[HeaderValue]> = sessions(&mut signed, "/new", SESSIONS).await?.into();
    let records = Records::create(client).await?;
    Ok(vec![
        Subject::new("peer-read", "tower-sessions: request that reads", Whole::new(app.clone(), "/read", &cookies)),
        Subject::new("peer-write", "tower-sessions: request that writes", Whole::new(app.clone(), "/write", &cookies)),
        Subject::new("peer-read-signed", "tower-sessions, signed: request that reads", Whole::new(signed.clone(), "/read", &signatures)),
        Subject::new("peer-write-signed", "tower-sessions, signed: request that writes", Whole::new(signed, "/write", &signatures)),
        Subject::new(
            "peer-read-plain",
            "tower-sessions: the same read without a router",
            Whole::new(peer::read(&layer), "/read", &cookies),
        ),
        Subject::new(
            "peer-write-plain",
            "tower-sessions: the same write without a router",
            Whole::new(peer::write(&layer), "/write", &cookies),
        ),
        Subject::new("peer-read-cart", "tower-sessions: request that reads a cart of 1 KB", Whole::new(app.clone(), "/read-cart", &carts)),
        Subject::new("peer-write-cart", "tower-sessions: request that writes a cart of 1 KB", Whole::new(app, "/write-cart", &carts)),
        Subject::new("peer-load", "tower-sessions: the store's `load` alone", Load(records.clone())),
        Subject::new("peer-save", "tower-sessions: the store's `save` alone", Save(records)),
    ])
}

#[derive(Clone)]
struct Records {
    store: peer::Store,
    records: Arc<[Record]>,
}

impl Records {
    async fn create(client: &Client) -> Result<Self, String> {
        let store = RedisStore::new(client.clone());
        let mut records = Vec::with_capacity(SESSIONS);
        for _ in 0..SESSIONS {
            let expiry_date = OffsetDateTime::now_utc() + Duration::days(1);
            let strings = STRINGS.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
            let data: HashMap<_, _> = strings.chain([("counter".to_owned(), next().into())]).collect();
            let mut record = Record { id: Id::default(), data, expiry_date };
            store.create(&mut record).await.map_err(|error| error.to_string())?;
            records.push(record);
        }
        Ok(Self { store, records: records.into() })
    }
}

#[derive(Clone)]
struct Load(Records);

impl Operation for Load {
    async fn run(&mut self, at: usize) -> Result<(), String> {
        let found = self.0.store.load(&self.0.records[at % SESSIONS].id).await.map_err(|error| error.to_string())?;
        found.map(drop).ok_or_else(|| "the record is gone".to_owned())
    }
}

#[derive(Clone)]
struct Save(Records);

impl Operation for Save {
    async fn run(&mut self, at: usize) -> Result<(), String> {
        self.0.store.save(&self.0.records[at % SESSIONS]).await.map_err(|error| error.to_string())
    }
}
