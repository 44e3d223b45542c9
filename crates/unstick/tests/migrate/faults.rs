//! A node dies, or a store fails, at every operation of a request, from every state that a session can be in: nothing is
//! lost, nothing is revived, and nodes of both steps agree.

use std::{sync::Arc, time::Duration};

use unstick::{
    core::{Change, Created, ErrorKind, Field, FieldVersion, Fields, Loaded, OpCtx, OpId, Rotated, Store, Timestamp},
    memory::MemoryStore,
    store::migrate::{Migrate, Step},
};
use unstick_testkit::{
    contract::{IDLE, Subject},
    faults::{Fault, FaultStore, Op},
};

type Faulty = FaultStore<MemoryStore>;
type Node = Arc<Migrate<Faulty, Faulty>>;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Request {
    Load,
    Apply,
    Promote,
    End,
    AdministrativeEnd,
}

/// Where the session is when the request comes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Open,
    Frozen,
    Copied,
    Moved,
}

/// What happens to the `nth` call of `op` on one of the stores.
#[derive(Debug, Clone, Copy)]
struct Plan {
    state: State,
    step: Step,
    request: Request,
    in_new: bool,
    op: Op,
    nth: usize,
    fault: Fault,
}

struct World {
    old: Faulty,
    new: Faulty,
    first: Node,
    second: Node,
    subject: Subject,
    promoted: Subject,
    now: Timestamp,
    ops: std::cell::Cell<u128>,
}

impl World {
    async fn new() -> Self {
        let (old, new) = (FaultStore::new(MemoryStore::new()), FaultStore::new(MemoryStore::new()));
        let node = |step| Arc::new(Migrate::new(old.clone(), new.clone(), step).quiet(Duration::ZERO));
        let (first, second) = (node(Step::PreferOld), node(Step::Move));
        let now = Timestamp::system_now();
        let subject = Subject::from(unstick::core::Credential::issue(now, now + IDLE, now + IDLE * 4).unwrap());
        let promoted = subject.rotated(now).unwrap();
        let world = Self { old, new, first, second, subject, promoted, now, ops: 0.into() };
        let fields = Fields::from_iter([(Arc::from("a"), Field { version: FieldVersion::from_u64(7), value: "1".into() })]);
        let created = world.first.create(world.op(), subject.key, &subject.new_record(Some("ann"), fields)).await.unwrap();
        assert_eq!(created, Created::Done);
        world
    }

    fn op(&self) -> OpCtx {
        self.ops.set(self.ops.get() + 1);
        OpCtx { now: self.now, deadline: self.now + Duration::from_secs(120), op_id: OpId::from_u128(self.ops.get()) }
    }

    async fn look(&self, node: &Node, subject: &Subject) -> Loaded {
        node.load(self.op(), subject.key, subject.presented, None).await.unwrap()
    }

    async fn reach(&self, state: State) {
        match state {
            State::Open => return,
            State::Frozen => self.new.next(Op::Create, Fault::FailBefore(ErrorKind::Unavailable)),
            State::Copied => self.old.next(Op::End, Fault::FailBefore(ErrorKind::Unavailable)),
            State::Moved => {}
        }
        let loaded = self.second.load(self.op(), self.subject.key, self.subject.presented, None).await;
        assert_eq!(loaded.is_err(), state == State::Frozen, "{state:?}: {loaded:?}");
    }

    /// Whether the request was acknowledged.
    fn send(&self, node: Node, request: Request) -> impl Future<Output = bool> + Send + use<> {
        let (op, old, new) = (self.op(), self.subject, self.promoted);
        async move {
            let until = op.now + IDLE * 8;
            match request {
                Request::Load => matches!(node.load(op, old.key, old.presented, None).await, Ok(Loaded::Live(_))),
                Request::Apply => {
                    let applied = node.apply(op, old.key, old.presented, &Change::new().set("b", "2")).await;
                    applied.is_ok_and(|applied| applied.is_done())
                }
                Request::Promote => {
                    let rotation = Subject::rotation(&new, None, Some("bob"));
                    let rotated = node.rotate(op, old.key, old.presented, &rotation, &Change::new()).await;
                    matches!(rotated, Ok(Rotated::Done { rotated: true, .. }))
                }
                Request::End => node.end(op, old.key, Some(old.presented), until).await.is_ok(),
                Request::AdministrativeEnd => node.end(op, old.key, None, until).await.is_ok(),
            }
        }
    }

    /// Lets what was held arrive. Everything in memory is done at once.
    async fn late_arrivals(&self) {
        self.old.release();
        self.new.release();
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

/// What both nodes say of the session, whatever id it has now.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Live { promoted: bool, fields: Fields },
    Ended,
}

async fn seen(world: &World, plan: &Plan) -> Seen {
    let mut answers = Vec::new();
    for node in [&world.second, &world.first, &world.second] {
        let by_ids = (world.look(node, &world.subject).await, world.look(node, &world.promoted).await);
        answers.push(match by_ids {
            (Loaded::Live(live), Loaded::Superseded { .. }) => Seen::Live { promoted: false, fields: live.fields },
            (Loaded::Superseded { .. }, Loaded::Live(live)) => Seen::Live { promoted: true, fields: live.fields },
            (Loaded::Ended { .. }, Loaded::Ended { .. }) => Seen::Ended,
            other => panic!("{plan:?}: {other:?}"),
        });
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{plan:?}: {answers:?}");
    answers.swap_remove(0)
}

/// Plays one plan; whether its fault was met.
async fn play(plan: Plan) -> bool {
    let world = World::new().await;
    world.reach(plan.state).await;
    let faulty = if plan.in_new { &world.new } else { &world.old };
    faulty.forget_calls();
    (1..plan.nth).for_each(|_| faulty.next(plan.op, Fault::Delay(Duration::ZERO)));
    faulty.next(plan.op, plan.fault);
    let node = if plan.step == Step::Move { &world.second } else { &world.first };
    let mut request = tokio::spawn(world.send(Arc::clone(node), plan.request));
    let acknowledged = tokio::select! {
        done = &mut request => done.unwrap(),
        () = faulty.until_held(1) => { request.abort(); false } // the node dies here
    };
    let met = faulty.calls(plan.op) >= u64::try_from(plan.nth).unwrap();
    faulty.heal();

    let before = seen(&world, &plan).await;
    match &before {
        Seen::Ended => assert!(matches!(plan.request, Request::End | Request::AdministrativeEnd), "{plan:?}: ended by nobody"),
        Seen::Live { promoted, fields } => {
            assert_eq!(fields.version("a"), FieldVersion::from_u64(7), "{plan:?}: fields keep their versions");
            assert!(fields.len() <= 2 && fields.iter().all(|(name, _)| ["a", "b"].contains(&&**name)), "{plan:?}: {fields:?}");
            if acknowledged {
                assert!(!matches!(plan.request, Request::End | Request::AdministrativeEnd), "{plan:?}: revived");
                assert_eq!(*promoted, plan.request == Request::Promote, "{plan:?}");
                assert_eq!(fields.get("b").is_some(), plan.request == Request::Apply, "{plan:?}: lost");
            }
        }
    }
    // What was cut off arrives now. It may be in, as far as its client knows, but only if the session lets it.
    world.late_arrivals().await;
    let after = seen(&world, &plan).await;
    if before == Seen::Ended || plan.request == Request::Load {
        assert_eq!(before, after, "{plan:?}");
    }
    // The session lives on: writes and an end by either node are seen by both, whatever was left behind.
    if let Seen::Live { promoted, .. } = after {
        let subject = if promoted { world.promoted } else { world.subject };
        let change = Change::new().set("c", "3");
        assert!(world.first.apply(world.op(), subject.key, subject.presented, &change).await.unwrap().is_done(), "{plan:?}");
        assert!(matches!(seen(&world, &plan).await, Seen::Live { fields, .. } if fields.get("c").is_some()), "{plan:?}");
        let (node, id) = if plan.nth.is_multiple_of(2) { (&world.first, None) } else { (&world.second, Some(subject.presented)) };
        node.end(world.op(), subject.key, id, world.now + IDLE * 8).await.unwrap();
        world.late_arrivals().await;
        assert_eq!(seen(&world, &plan).await, Seen::Ended, "{plan:?}");
    }
    met
}

#[tokio::test]
async fn wherever_it_breaks_nothing_is_lost_or_revived() {
    let faults = [
        Fault::FailBefore(ErrorKind::Unavailable),
        Fault::FailAfter(ErrorKind::Timeout),
        Fault::Hang,
        Fault::ArriveLate,
        Fault::AnswerLate,
    ];
    let requests = [Request::Load, Request::Apply, Request::Promote, Request::End, Request::AdministrativeEnd];
    let (mut played, mut met) = (0, 0);
    for state in [State::Open, State::Frozen, State::Copied, State::Moved] {
        for step in [Step::PreferOld, Step::Move] {
            for request in requests {
                for (in_new, op) in [false, true].into_iter().flat_map(|new| Op::ALL.map(|op| (new, op))) {
                    for nth in 1..=3 {
                        for fault in faults {
                            let hit = play(Plan { state, step, request, in_new, op, nth, fault }).await;
                            (played, met) = (played + 1, met + u32::from(hit));
                            if !hit {
                                break; // nor would the other faults be met
                            }
                        }
                    }
                }
            }
        }
    }
    println!("{met} of {played} faults were met");
    assert!(met > 500, "only {met} of {played} faults were met");
}
