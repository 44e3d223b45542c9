//! What the store answers without waiting is what it answers otherwise.

use std::time::Duration;

use unstick_core::{Change, Credential, Loaded, NewRecord, OpCtx, OpId, Presented, Rotation, Store, Timestamp};
use unstick_memory::MemoryStore;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);

fn op(id: u128) -> OpCtx {
    OpCtx { now: NOW, deadline: Timestamp::from_millis(i64::MAX), op_id: OpId::from_u128(id) }
}

async fn both(store: &MemoryStore, now: Timestamp, credential: &Credential) -> Loaded {
    let (key, presented) = (credential.lineage().record_key(), Presented::from(credential));
    let waited = store.load(OpCtx { now, ..op(99) }, key, presented, None).await.unwrap();
    let at_hand = store.at_hand().unwrap().read(now, &key, &presented);
    assert_eq!(at_hand, waited);
    at_hand
}

#[tokio::test]
async fn both_ways_of_reading_agree() {
    let store = MemoryStore::new();
    let first = Credential::issue(NOW, NOW + HOUR, NOW + 2 * HOUR).unwrap();
    let key = first.lineage().record_key();
    assert_eq!(both(&store, NOW, &first).await, Loaded::Missing);

    let new = NewRecord {
        secret: first.secret().hash(),
        principal: None,
        created: NOW,
        idle_deadline: first.idle_deadline(),
        absolute_deadline: first.absolute_deadline(),
        fields: [].into_iter().collect(),
    };
    store.create(op(1), key, &new).await.unwrap();
    store.apply(op(2), key, Presented::from(&first), &Change::new().set("cart", "[1]")).await.unwrap();
    let Loaded::Live(live) = both(&store, NOW, &first).await else { panic!("it lives") };
    assert_eq!(live.fields.get("cart").unwrap().value, "[1]");
    assert_eq!(both(&store, NOW + 3 * HOUR, &first).await, Loaded::Expired);

    let second = first.rotate(NOW, NOW + HOUR).unwrap();
    let rotation = Rotation {
        secret: second.secret().hash(),
        grace_until: None,
        principal: None,
        idle_deadline: second.idle_deadline(),
        overlap_since: NOW,
    };
    store.rotate(op(3), key, Presented::from(&first), &rotation, &Change::new()).await.unwrap();
    assert!(matches!(both(&store, NOW, &first).await, Loaded::Superseded { .. }));
    assert!(matches!(both(&store, NOW, &second).await, Loaded::Live(_)));

    store.end(op(4), key, Some(Presented::from(&second)), NOW + HOUR).await.unwrap();
    assert!(matches!(both(&store, NOW, &second).await, Loaded::Ended { .. }));
}
