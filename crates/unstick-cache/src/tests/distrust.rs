use unstick_core::OpId;

use crate::{
    distrust::{Distrust, MOST},
    mark::Print,
};

#[test]
fn too_many_become_everything() {
    let distrust = Distrust::default();
    assert_eq!(distrust.of(Print::Key(1)), None);
    for number in 0..1_000_000 {
        distrust.add(Print::Key(number), OpId::from_u128(number.into()));
        assert!(distrust.of(Print::Key(number)).is_some() || distrust.of(Print::All).is_some(), "{number} is lost");
    }
    assert!(distrust.of(Print::Key(0)).is_none() && distrust.of(Print::All).is_some(), "the first is among everything");
    assert!(distrust.len() <= MOST);
}

#[test]
fn a_confirmation_takes_away_what_it_confirms_and_nothing_later() {
    let (distrust, tag, op) = (Distrust::default(), Print::Tag(7), OpId::from_u128);
    distrust.add(tag, op(1));
    distrust.add(tag, op(2));
    distrust.add(Print::Key(7), op(1));
    distrust.confirmed(tag, op(1));
    assert_eq!(distrust.of(tag), Some(op(2)));
    distrust.confirmed(tag, op(2));
    assert_eq!((distrust.of(tag), distrust.of(Print::Key(7))), (None, Some(op(1))));
}
