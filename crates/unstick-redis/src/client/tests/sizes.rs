//! How much memory a waiting call takes: every request in flight holds it, and every layer above moves it.

use unstick_core::{Change, Presented, RecordKey, SecretHash, Store};

use super::*;
use crate::RedisStore;

#[tokio::test]
async fn a_call_that_waits_is_small() {
    let client = RedisClient::builder("redis://127.0.0.1:1?start=lazy").connect().await.unwrap();
    let store = RedisStore::new(&client).unwrap();
    let (key, op) = (RecordKey::from_bytes([1; 32]), op(seconds(1)));
    let presented = Presented { secret: SecretHash::from_bytes([1; 16]), issued: Timestamp::ZERO, idle_deadline: Timestamp::ZERO };
    let change = Change::new();
    let sizes = [
        size_of_val(&client.client.get(&op, "a".into())),
        size_of_val(&client.client.run(&op, &Script::new(SET), "a".into(), Vec::new())),
        size_of_val(&store.load(op, key, presented, None)),
        size_of_val(&store.apply(op, key, presented, &change)),
    ];
    assert!(sizes.iter().all(|size| *size <= 900), "{sizes:?}");
}
