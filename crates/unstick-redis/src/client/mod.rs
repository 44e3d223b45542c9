//! The narrow client that the store is written against.

use std::sync::Arc;

use bytes::Bytes;
use fred::{interfaces::{ClientLike, KeysInterface, LuaInterface}, types::{RespVersion, Value}};
use unstick_core::{Error, ErrorKind, OpCtx, Runtime, Timestamp};

#[derive(Clone)]
pub(crate) struct Client(Arc<(fred::clients::Client, Runtime)>);

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client(..)")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Nil,
    Int(i64),
    Bytes(Bytes),
    Many(Vec<Self>),
}

#[derive(Debug)]
pub(crate) struct Script {
    source: &'static str,
    sha: String,
}

impl Script {
    pub(crate) fn new(source: &'static str) -> Self {
        Self { source, sha: fred::util::sha1_hash(source) }
    }
}

fn reply(value: Value) -> Reply {
    match value {
        Value::Integer(number) => Reply::Int(number),
        Value::Bytes(bytes) => Reply::Bytes(bytes),
        Value::String(text) => Reply::Bytes(text.into_inner()),
        Value::Array(all) => Reply::Many(all.into_iter().map(reply).collect()),
        _ => Reply::Nil,
    }
}

fn failed(error: fred::error::Error) -> Error {
    let word = error.details().split_whitespace().next().unwrap_or_default();
    let kind = match word {
        "OOM" => ErrorKind::Full,
        "WRONGTYPE" => ErrorKind::Corrupt,
        _ if *error.kind() == fred::error::ErrorKind::Timeout => ErrorKind::Timeout,
        _ => ErrorKind::Internal,
    };
    Error::with_source(kind, "redis failed", error)
}

impl Client {
    pub(crate) async fn connect(url: &str, runtime: Runtime) -> Result<Self, Error> {
        let mut config = fred::types::config::Config::from_url(url).map_err(failed)?;
        config.version = RespVersion::RESP3;
        let client = fred::types::Builder::from_config(config).build().map_err(failed)?;
        client.init().await.map_err(failed)?;
        Ok(Self(Arc::new((client, runtime))))
    }

    pub(crate) async fn get(&self, _op: &OpCtx, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.0.0.get(key).await.map_err(failed)
    }

    pub(crate) async fn run(&self, op: &OpCtx, script: &Script, key: &[u8], args: Vec<Bytes>) -> Result<Vec<Reply>, Error> {
        let deadline = Timestamp::system_now() + op.deadline.since(self.0.1.wall()).min(op.budget());
        let mut values = vec![Value::Integer(deadline.as_millis())];
        values.extend(args.into_iter().map(Value::Bytes));
        let first: Result<Value, _> = self.0.0.evalsha(script.sha.clone(), key, values.clone()).await;
        let value = match first {
            Err(error) if error.details().starts_with("NOSCRIPT") => self.0.0.eval(script.source, key, values).await,
            other => other,
        }
        .map_err(failed)?;
        let Reply::Many(all) = reply(value) else { return Err(Error::new(ErrorKind::Internal, "shape")) };
        if all.get(1) == Some(&Reply::Bytes("LATE".into())) {
            return Err(Error::new(ErrorKind::Late, "late"));
        }
        Ok(all.into_iter().skip(1).collect())
    }

    pub(crate) async fn run_each(&self, op: &OpCtx, script: &Script, calls: Vec<(Bytes, Vec<Bytes>)>) -> Vec<Result<Vec<Reply>, Error>> {
        futures_util::future::join_all(calls.into_iter().map(|(key, args)| async move { self.run(op, script, &key, args).await })).await
    }
}
