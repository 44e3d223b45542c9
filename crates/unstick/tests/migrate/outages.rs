//! One of the stores fails for a while: what can be served is, and what can be ended is.

use std::{sync::Arc, time::Duration};

use unstick::{
    core::{Change, Created, Credential, ErrorKind, Fields, Loaded, OpCtx, OpId, Store, Timestamp},
    memory::MemoryStore,
    store::migrate::{Migrate, Step},
};
use unstick_testkit::{
    contract::{IDLE, Subject},
    faults::{Fault, FaultStore, Op},
};

type Faulty = FaultStore<MemoryStore>;

struct Place {
    old: Faulty,
    new: Faulty,
    node: Arc<Migrate<Faulty, Faulty>>,
    now: Timestamp,
}

fn op(now: Timestamp, number: u128) -> OpCtx {
    OpCtx { now, deadline: Timestamp::system_now() + Duration::from_secs(60), op_id: OpId::from_u128(number) }
}

impl Place {
    fn new() -> Self {
        let (old, new) = (FaultStore::new(MemoryStore::new()), FaultStore::new(MemoryStore::new()));
        let node = Arc::new(Migrate::new(old.clone(), new.clone(), Step::Move).quiet(Duration::ZERO));
        Self { old, new, node, now: Timestamp::system_now() }
    }

    async fn sessions(&self, place: &Faulty, count: u128) -> Vec<Subject> {
        let mut all = Vec::new();
        for n in 0..count {
            let subject = Subject::from(Credential::issue(self.now, self.now + IDLE, self.now + IDLE * 4).unwrap());
            let new = subject.new_record(Some("ann"), Fields::default());
            assert_eq!(place.create(op(self.now, 1000 + n), subject.key, &new).await.unwrap(), Created::Done);
            all.push(subject);
        }
        all
    }
}

#[tokio::test]
async fn a_new_store_that_takes_nothing_freezes_one_session_not_all() {
    let place = Place::new();
    let all = place.sessions(&place.old, 20).await;
    place.new.always(Op::Create, Fault::FailBefore(ErrorKind::Full));
    let change = Change::new().set("a", "1");
    let mut refused = Vec::new();
    for (n, one) in (0..).zip(&all) {
        match place.node.apply(op(place.now, n), one.key, one.presented, &change).await {
            Ok(applied) => assert!(applied.is_done(), "{applied:?}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Full);
                refused.push(one);
            }
        }
    }
    assert_eq!((refused.len(), place.new.inner().sessions()), (1, 0), "only the first try can tell");
    place.new.heal();
    let later = place.now + Duration::from_secs(11);
    for (n, one) in (0..).zip(&all) {
        let loaded = place.node.load(op(later, 100 + n), one.key, one.presented, None).await.unwrap();
        assert!(matches!(loaded, Loaded::Live(_)), "{loaded:?}");
    }
    assert_eq!((place.old.inner().sessions(), place.new.inner().sessions()), (0, 20), "and then all of them move");
}

#[tokio::test]
async fn an_end_of_all_ends_what_it_can() {
    let place = Place::new();
    let (in_old, in_new) = (place.sessions(&place.old, 3).await, place.sessions(&place.new, 3).await);
    place.old.always(Op::End, Fault::FailBefore(ErrorKind::Unavailable));
    place.old.always(Op::EndOthers, Fault::FailBefore(ErrorKind::Unavailable));
    let index = place.node.principal_index().unwrap();
    let error = index.end_others(op(place.now, 1), "ann", None, Duration::from_secs(60)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "and says that it was not all");
    place.old.heal();
    for (n, one) in (0..).zip(in_old.iter().chain(&in_new)) {
        let loaded = place.node.load(op(place.now, 100 + n), one.key, one.presented, None).await.unwrap();
        assert_eq!(matches!(loaded, Loaded::Live(_)), n < 3, "only those are left that could not be ended: {loaded:?}");
    }
}
