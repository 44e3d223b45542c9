//! One cell of the table: a request, a fault at one of its steps in one of the stores, and what is true afterwards.

use unstick_core::{Change, ErrorKind, Store};
use unstick_testkit::{
    contract::IDLE,
    faults::{Fault, Op},
};

use crate::world::{Any, Request, Seen, Told, World, on};

/// What the stores have when the request comes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Even,
    /// A write got to A, and no further.
    HalfDone,
    /// B has missed a write that is decided.
    Behind,
}

#[derive(Debug, Clone, Copy)]
struct Plan {
    witness: bool,
    state: State,
    request: Request,
    slot: usize,
    op: Op,
    /// Which call of the operation; zero: all of them.
    nth: usize,
    fault: Fault,
}

const FAULTS: [Fault; 7] = [
    Fault::FailBefore(ErrorKind::Unavailable),
    Fault::FailBefore(ErrorKind::Full),
    Fault::FailAfter(ErrorKind::Timeout),
    Fault::FailAfter(ErrorKind::Interrupted),
    Fault::Hang,
    Fault::ArriveLate,
    Fault::AnswerLate,
];

async fn reach(world: &World, state: State) {
    if state == State::Even {
        return;
    }
    let node = world.node();
    world.stores[1].always_all(Fault::FailBefore(ErrorKind::Unavailable));
    if state == State::HalfDone {
        world.stores[2].always_all(Fault::FailBefore(ErrorKind::Unavailable));
        // Reading is still possible.
        world.stores[1].heal();
        world.stores[1].always(Op::Apply, Fault::FailBefore(ErrorKind::Unavailable));
    }
    let change = Change::new().set("c", "3");
    let (op, subject) = (world.op(), world.subject);
    let applied = on!(&node, node => node.apply(op, subject.key, subject.presented, &change).await);
    assert_eq!(applied.is_ok(), state == State::Behind, "{state:?}");
    world.stores.iter().for_each(|store| store.heal());
}

/// Whether the fault was met.
async fn play(plan: Plan) -> bool {
    let Plan { witness, state, request, slot, op, nth, fault } = plan;
    let world = World::new(witness).await;
    reach(&world, state).await;
    let node = world.node();
    let faulty = &world.stores[slot];
    faulty.forget_calls();
    if nth == 0 {
        faulty.always(op, fault);
    } else {
        // The calls before it are let through.
        (1..nth).for_each(|_| faulty.next(op, Fault::Delay(std::time::Duration::ZERO)));
        faulty.next(op, fault);
    }
    let told = world.send(&node, request).await;
    let met = faulty.calls(op) >= nth.max(1) as u64;
    if witness && state != State::HalfDone || !met || request == Request::Load {
        assert_eq!(told, Told::Done, "one fault in one store: {plan:?}");
    }
    world.all_is_well().await;

    // All nodes see the same, and what was told is true.
    let fresh = world.node();
    let effect = world.has_effect(&fresh, request).await;
    match told {
        Told::Done => assert!(effect, "acknowledged and lost: {plan:?}"),
        Told::Refused => assert!(!effect, "refused and in: {plan:?}"),
        Told::Unknown => {}
    }
    assert_eq!(world.has_effect(&node, request).await, effect, "{plan:?}");
    let subject = if request == Request::Promote && effect { world.rotated } else { world.subject };
    let seen = world.look(&fresh, &subject).await;
    assert_ne!(seen, Seen::Error, "{plan:?}");

    // Either store may be lost now.
    for lost in [0, 1] {
        world.stores[lost].always_all(Fault::FailBefore(ErrorKind::Unavailable));
        let survivor = world.node();
        assert_eq!(world.look(&survivor, &subject).await, seen, "without store {lost}: {plan:?}");
        assert_eq!(world.has_effect(&survivor, request).await, effect, "without store {lost}: {plan:?}");
        world.stores[lost].heal();
    }
    end(&world, &fresh, &plan).await;
    met
}

/// And it can be ended, for good, whatever is still on its way.
async fn end(world: &World, node: &Any, plan: &Plan) {
    let (op, key) = (world.op(), world.subject.key);
    let ended = on!(node, node => node.end(op, key, None, op.now + IDLE * 8).await);
    assert!(ended.is_ok(), "{ended:?} {plan:?}");
    world.all_is_well().await;
    for lost in [0, 1] {
        world.stores[lost].always_all(Fault::FailBefore(ErrorKind::Unavailable));
        assert_eq!(world.look(&world.node(), &world.subject).await, Seen::Ended, "{plan:?}");
        world.stores[lost].heal();
    }
}

pub(crate) async fn play_all(requests: &[Request]) {
    let (mut played, mut met) = (0, 0);
    for request in requests.iter().copied() {
        for (witness, state) in
            [false, true].into_iter().flat_map(|witness| [State::Even, State::HalfDone, State::Behind].map(|state| (witness, state)))
        {
            if !witness && state == State::Behind {
                continue; // nothing is decided without both
            }
            for slot in 0..if witness { 3 } else { 2 } {
                for op in [Op::Create, Op::Load, Op::Apply, Op::Rotate, Op::End] {
                    for nth in 0..=2 {
                        for fault in FAULTS {
                            let hit = play(Plan { witness, state, request, slot, op, nth, fault }).await;
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
    println!("{requests:?}: {met} of {played} faults were met");
    assert!(met > 100, "only {met} of {played} faults were met");
}
