//! What the store answers without waiting: that it is what loads is the contract's; here, that it never waits.

use std::time::Duration;

use unstick_core::{Change, Credential, Loaded, NewRecord, OpCtx, OpId, Presented, Store, Timestamp};
use unstick_memory::MemoryStore;

/// A closure that runs under the record's lock may take as long as it likes, and may come to read: whoever read at hand would
/// wait for it, or for ever.
#[tokio::test]
async fn a_record_that_is_being_written_is_not_at_hand() {
    let store = MemoryStore::new();
    let now = Timestamp::system_now();
    let later = now + Duration::from_secs(60);
    let op = |id| OpCtx { now, deadline: later, op_id: OpId::from_u128(id) };
    let credential = Credential::issue(now, later, later).unwrap();
    let (key, presented) = (credential.lineage().record_key(), Presented::from(&credential));
    let new = NewRecord {
        secret: presented.secret,
        principal: None,
        created: now,
        idle_deadline: later,
        absolute_deadline: later,
        fields: [].into_iter().collect(),
    };
    store.create(op(1), key, &new).await.unwrap();

    let at_hand = || store.at_hand().unwrap().read(now, &key, &presented);
    let mut meanwhile = None;
    let mut decide = |_: &unstick_core::Fields| {
        meanwhile = Some(at_hand());
        Ok(Change::new().set("cart", "[1]"))
    };
    let applied = store.update_locked(op(2), key, presented, &mut decide).await.unwrap();
    assert!(applied.is_some_and(|applied| applied.is_done()));
    assert_eq!(meanwhile, Some(None), "asked, and not answered");
    let Some(Loaded::Live(live)) = at_hand() else { panic!("it lives") };
    assert_eq!(live.fields.get("cart").unwrap().value, "[1]");
}
