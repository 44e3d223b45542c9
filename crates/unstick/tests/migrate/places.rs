//! A limit on sessions per principal over two stores: never too many, and what was refused leaves no place taken.

use std::num::NonZeroU32;

use unstick::{
    core::{Fields, Reservation, Store},
    store::migrate::Step::{self, Move, PreferOld},
};
use unstick_testkit::contract::{Bench, IDLE, Subject};

use crate::nodes::{Memories, Nodes};

const PLACES: NonZeroU32 = NonZeroU32::new(3).unwrap();

async fn login(at: &Bench<Memories>, node: usize, subject: Subject) -> bool {
    let (node, now) = (at.node(node), at.start());
    let index = node.principal_index().unwrap();
    let granted = index.reserve(at.op(now), "ann", subject.key, PLACES, now + IDLE).await.unwrap() == Reservation::Granted;
    if granted {
        node.create(at.op(now), subject.key, &subject.new_record(Some("ann"), Fields::default())).await.unwrap();
    }
    granted
}

async fn all_at_once(first: Step, second: Step) {
    for _ in 0..20 {
        let at = Bench::open(&Nodes::eager(first, second)).await;
        let logins = (0..20).map(|n| login(&at, n, at.stranger().unwrap()));
        let granted = futures_util::future::join_all(logins).await.into_iter().filter(|granted| *granted).count();
        assert!(granted <= 3, "{granted} of 3 places");
        let listed = at.store().principal_index().unwrap().list(at.op(at.start()), "ann").await.unwrap();
        assert_eq!(listed.len(), granted);
        // One after the other they all find a place, but no more than there are.
        for n in granted..3 {
            assert!(login(&at, n, at.stranger().unwrap()).await, "a place that nobody has");
        }
        for n in 0..2 {
            assert!(!login(&at, n, at.stranger().unwrap()).await, "a fourth of three places");
        }
    }
}

#[tokio::test]
async fn never_too_many() {
    all_at_once(PreferOld, PreferOld).await;
    all_at_once(PreferOld, Move).await;
    all_at_once(Move, Move).await;
}
