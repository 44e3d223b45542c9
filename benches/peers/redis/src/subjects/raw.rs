//! What the client and the server can do, without sessions.

use bytes::Bytes;
use fred::{interfaces::KeysInterface, prelude::Client, types::scripts::Script};

use super::{SESSIONS, Subject};
use crate::load::Operation;

pub(super) async fn subjects(client: &Client) -> Result<Vec<Subject>, String> {
    let small = Get::new(client, 256).await?;
    let script = Script::from_lua("return redis.call('GET', KEYS[1])");
    script.load(client).await.map_err(|error| error.to_string())?;
    Ok(vec![
        Subject::new("get-256", "GET, 256 B", small.clone()),
        Subject::new("set-256", "SET, 256 B", Set { keys: small.clone(), value: Bytes::from(vec![b'x'; 256]) }),
        Subject::new("evalsha-get-256", "EVALSHA of a script that only does GET, 256 B", Eval { keys: small, script }),
    ])
}

fn said(error: fred::error::Error) -> String {
    error.to_string()
}

/// GET, of another key each time.
#[derive(Clone)]
pub(crate) struct Get {
    client: Client,
    size: usize,
}

impl Get {
    pub(crate) async fn new(client: &Client, size: usize) -> Result<Self, String> {
        let get = Self { client: client.clone(), size };
        for at in 0..SESSIONS {
            let value = Bytes::from(vec![b'x'; size]);
            client.set::<(), _, _>(get.key(at), value, None, None, false).await.map_err(said)?;
        }
        Ok(get)
    }

    fn key(&self, at: usize) -> String {
        format!("raw:{}:{:022}", self.size, at % SESSIONS)
    }
}

impl Operation for Get {
    async fn run(&mut self, at: usize) -> Result<(), String> {
        let value: Option<Bytes> = self.client.get(self.key(at)).await.map_err(said)?;
        value.filter(|value| value.len() == self.size).map(drop).ok_or_else(|| "the value is gone".to_owned())
    }
}

#[derive(Clone)]
struct Set {
    keys: Get,
    value: Bytes,
}

impl Operation for Set {
    async fn run(&mut self, at: usize) -> Result<(), String> {
        self.keys.client.set(self.keys.key(at), self.value.clone(), None, None, false).await.map_err(said)
    }
}

#[derive(Clone)]
struct Eval {
    keys: Get,
    script: Script,
}

impl Operation for Eval {
    async fn run(&mut self, at: usize) -> Result<(), String> {
        let value: Option<Bytes> = self.script.evalsha(&self.keys.client, self.keys.key(at), ()).await.map_err(said)?;
        value.map(drop).ok_or_else(|| "the value is gone".to_owned())
    }
}
