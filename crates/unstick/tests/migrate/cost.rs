//! What the docs say that requests cost, counted.

use std::time::Duration;

use unstick::{
    core::{Change, Credential, Fields, OpCtx, OpId, Store, Timestamp},
    memory::MemoryStore,
    store::migrate::{Migrate, Step},
};
use unstick_testkit::{
    contract::{IDLE, Subject},
    faults::FaultStore,
};

type Counted = FaultStore<MemoryStore>;

struct World {
    old: Counted,
    new: Counted,
    number: u128,
    now: Timestamp,
}

impl World {
    fn node(&self, step: Step) -> Migrate<Counted, Counted> {
        Migrate::new(self.old.clone(), self.new.clone(), step).quiet(Duration::ZERO)
    }

    fn op(&mut self) -> OpCtx {
        self.number += 1;
        OpCtx { now: self.now, deadline: self.now + Duration::from_secs(60), op_id: OpId::from_u128(self.number) }
    }

    async fn session(&mut self, step: Step) -> Subject {
        let subject = Subject::from(Credential::issue(self.now, self.now + IDLE, self.now + IDLE).unwrap());
        let op = self.op();
        self.node(step).create(op, subject.key, &subject.new_record(None, Fields::default())).await.unwrap();
        self.calls();
        subject
    }

    /// Operations on both stores since the last time.
    fn calls(&self) -> u64 {
        let calls = self.old.all_calls() + self.new.all_calls();
        self.old.forget_calls();
        self.new.forget_calls();
        calls
    }

    async fn read(&mut self, step: Step, subject: Subject) -> u64 {
        let op = self.op();
        self.node(step).load(op, subject.key, subject.presented, None).await.unwrap();
        self.calls()
    }

    async fn write(&mut self, step: Step, subject: Subject) -> u64 {
        let op = self.op();
        let change = Change::new().set("a", "1");
        assert!(self.node(step).apply(op, subject.key, subject.presented, &change).await.unwrap().is_done());
        self.calls()
    }

    async fn logout(&mut self, step: Step, subject: Subject) -> u64 {
        let op = self.op();
        self.node(step).end(op, subject.key, Some(subject.presented), self.now + IDLE * 2).await.unwrap();
        self.calls()
    }
}

#[tokio::test]
async fn operations_per_request() {
    use Step::{Move, PreferOld};
    let (old, new) = (FaultStore::new(MemoryStore::new()), FaultStore::new(MemoryStore::new()));
    let mut at = World { old, new, number: 0, now: Timestamp::system_now() };

    let (in_old, in_new) = (at.session(PreferOld).await, at.session(Move).await);
    assert_eq!((at.read(PreferOld, in_old).await, at.write(PreferOld, in_old).await), (1, 1));
    assert_eq!((at.read(PreferOld, in_new).await, at.write(PreferOld, in_new).await), (2, 2));
    assert_eq!((at.read(Move, in_new).await, at.write(Move, in_new).await), (1, 1));
    assert_eq!((at.logout(PreferOld, in_old).await, at.logout(PreferOld, in_new).await), (2, 3));

    let moving = at.session(PreferOld).await;
    assert_eq!((at.read(Move, moving).await, at.read(Move, moving).await), (7, 1), "once per session");
    assert_eq!(at.logout(Move, moving).await, 2);
    let in_old = at.session(PreferOld).await;
    assert_eq!(at.logout(Move, in_old).await, 3);
    for step in [PreferOld, Move] {
        assert!(at.read(step, in_old).await <= 3, "an ended session");
    }

    // With a quiet time, a young session stays where it is.
    let young = at.session(PreferOld).await;
    let op = at.op();
    let quiet = Migrate::new(at.old.clone(), at.new.clone(), Move);
    quiet.load(op, young.key, young.presented, None).await.unwrap();
    assert_eq!(at.calls(), 2);
}
