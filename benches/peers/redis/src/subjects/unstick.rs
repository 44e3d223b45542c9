//! Ours.

use std::{sync::Arc, time::Duration};

use http::HeaderValue;
use unstick_core::{Applied, Change, Created, Credential, Fields, Loaded, NewRecord, OpCtx, OpId, Presented, RecordKey, Store, Timestamp};
use unstick_testkit::servers::RedisServer;

use super::{SESSIONS, Subject, Whole};
use crate::{
    apps::{sessions, unstick},
    cart::{STRINGS, next},
    load::Operation,
    server,
};

pub(super) async fn subjects(server: &RedisServer) -> Result<Vec<Subject>, String> {
    let layer = unstick::layer(server::source(server).await?, None)?;
    let mut app = unstick::app(layer.clone());
    let cookies: Arc<[HeaderValue]> = sessions(&mut app, "/new", SESSIONS).await?.into();
    let carts: Arc<[HeaderValue]> = sessions(&mut app, "/write-cart", SESSIONS).await?.into();
    let store = server::source(server).await?.into_store().map_err(|error| error.to_string())?;
    let records = Records::create(Arc::new(store)).await?;
    Ok(vec![
        Subject::new("unstick-read", "unstick: request that reads", Whole::new(app.clone(), "/read", &cookies)).bar(0.8),
        Subject::new("unstick-write", "unstick: request that writes", Whole::new(app.clone(), "/write", &cookies)).bar(0.45),
        Subject::new("unstick-read-plain", "unstick: the same read without a router", Whole::new(unstick::read(&layer), "/read", &cookies)),
        Subject::new(
            "unstick-write-plain",
            "unstick: the same write without a router",
            Whole::new(unstick::write(&layer), "/write", &cookies),
        ),
        Subject::new("unstick-read-cart", "unstick: request that reads a cart of 1 KB", Whole::new(app.clone(), "/read-cart", &carts)),
        Subject::new("unstick-write-cart", "unstick: request that writes a cart of 1 KB", Whole::new(app, "/write-cart", &carts)),
        Subject::new("unstick-load", "unstick: the store's `load` alone", Load(records.clone())),
        Subject::new("unstick-apply", "unstick: the store's `apply` alone", Apply(records)),
    ])
}

/// Sessions as the store sees them.
#[derive(Clone)]
struct Records<S> {
    store: S,
    keys: Arc<[(RecordKey, Presented)]>,
}

impl<S: Store> Records<S> {
    async fn create(store: S) -> Result<Self, String> {
        let mut keys = Vec::with_capacity(SESSIONS);
        for _ in 0..SESSIONS {
            let now = Timestamp::system_now();
            let day = Duration::from_secs(86_400);
            let credential = Credential::issue(now, now + day, now + 7 * day).map_err(|error| error.to_string())?;
            let (key, presented) = (credential.lineage().record_key(), Presented::from(&credential));
            let mut change = Change::new().set("counter", "0");
            for (name, value) in STRINGS {
                change = change.set(name, format!("\"{value}\""));
            }
            let new = NewRecord {
                secret: presented.secret,
                principal: None,
                created: now,
                fields: Fields::default(),
                idle_deadline: credential.idle_deadline(),
                absolute_deadline: credential.absolute_deadline(),
            };
            let created = store.create(op(), key, &new).await.map_err(|error| error.to_string())?;
            let applied = store.apply(op(), key, presented, &change).await.map_err(|error| error.to_string())?;
            if !(matches!(created, Created::Done) && applied.is_done()) {
                return Err("no record was made".to_owned());
            }
            keys.push((key, presented));
        }
        Ok(Self { store, keys: keys.into() })
    }
}

/// One second, as requests have by default.
fn op() -> OpCtx {
    let now = Timestamp::system_now();
    OpCtx { now, deadline: now + Duration::from_secs(1), op_id: OpId::from_u128(u128::from(next()) << 64 | 0x5eed) }
}

#[derive(Clone)]
struct Load<S>(Records<S>);

impl<S: Store + Clone> Operation for Load<S> {
    async fn run(&mut self, at: usize) -> Result<(), String> {
        let (key, presented) = self.0.keys[at % SESSIONS];
        match self.0.store.load(op(), key, presented, None).await {
            Ok(Loaded::Live(_)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }
}

#[derive(Clone)]
struct Apply<S>(Records<S>);

impl<S: Store + Clone> Operation for Apply<S> {
    async fn run(&mut self, at: usize) -> Result<(), String> {
        let (key, presented) = self.0.keys[at % SESSIONS];
        let change = Change::new().set("counter", next().to_string());
        match self.0.store.apply(op(), key, presented, &change).await {
            Ok(Applied::Done { .. }) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }
}
