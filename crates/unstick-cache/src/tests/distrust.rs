use unstick_core::OpId;

use crate::{
    distrust::{Distrust, MOST, Unheard},
    mark::Print,
};

const FRESH: OpId = OpId::from_u128(u128::MAX);

fn known(number: u64) -> Unheard {
    Unheard::Known(op(number))
}

fn op(number: u64) -> OpId {
    OpId::from_u128(number.into())
}

#[test]
fn too_many_become_everything() {
    let distrust = Distrust::default();
    assert_eq!(distrust.of(Print::Key(1)), None);
    for number in 0..1_000_000 {
        distrust.add(Print::Key(number), known(number), || FRESH);
        assert!(distrust.of(Print::Key(number)).is_some() || distrust.of(Print::All) == Some(FRESH), "{number} is lost");
    }
    assert!(distrust.of(Print::Key(0)).is_none() && distrust.of(Print::All).is_some(), "the first is among everything");
    assert!(distrust.len() <= MOST);
}

#[test]
fn a_confirmation_takes_away_what_it_confirms_and_nothing_else() {
    let (distrust, tag) = (Distrust::default(), Print::Tag(7));
    for number in [1, 2, 1] {
        distrust.add(tag, known(number), || FRESH);
    }
    distrust.add(Print::Key(7), known(1), || FRESH);
    assert!(distrust.awaits(tag, op(2)) && !distrust.awaits(tag, op(3)));
    distrust.confirmed(tag, op(2));
    assert_eq!(distrust.of(tag), Some(op(1)), "what the level has done for the one may be older than the other");
    distrust.confirmed(tag, op(1));
    assert_eq!((distrust.of(tag), distrust.of(Print::Key(7))), (None, Some(op(1))));
    assert!(!distrust.awaits(tag, op(1)));
}

#[test]
fn a_new_one_stands_for_those_before_it() {
    let (distrust, tag) = (Distrust::default(), Print::Tag(7));
    distrust.add(tag, known(1), || FRESH);
    distrust.add(tag, Unheard::New(op(2)), || FRESH);
    distrust.confirmed(tag, op(1));
    assert_eq!(distrust.of(tag), Some(op(2)));
    for number in 3..6 {
        distrust.add(tag, known(number), || FRESH);
    }
    assert!((2..6).all(|number| distrust.awaits(tag, op(number))));
    distrust.add(tag, known(6), || FRESH);
    assert!(distrust.of(tag) == Some(FRESH) && !distrust.awaits(tag, op(2)), "too many to be named");
}
