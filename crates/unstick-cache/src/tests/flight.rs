use std::{collections::HashMap, sync::Arc};

use proptest::prelude::*;

use crate::flight::{Flights, Role, SHARDS};

#[test]
fn a_million_leave_nothing_behind() {
    let flights = Flights::new();
    let mut under_way = Vec::new();
    for key in 0..1_000_000 {
        let Role::Lead(flight) = flights.enter(&key, |_| true, || key) else { panic!("nobody else does") };
        under_way.push((key, flight));
        if under_way.len() == 100_000 {
            assert_eq!(flights.len(), 100_000);
            under_way.drain(..).for_each(|(key, flight)| flights.leave(&key, &flight));
            assert_eq!(flights.len(), 0);
        }
    }
    let room = flights.room();
    assert!(room <= SHARDS * 2048, "{room}");
}

proptest! {
    /// As a map of at most one load per key: the newest.
    #[test]
    fn the_newest_load_of_a_key_is_joined(steps in prop::collection::vec((0_u64..3, 0_u8..3), 0..60)) {
        let flights = Flights::new();
        let (mut led, mut model) = (Vec::new(), HashMap::new());
        for (number, (key, what)) in (0_u64..).zip(steps) {
            if what == 0 && !led.is_empty() {
                let (key, flight): (u64, Arc<u64>) = led.swap_remove(led.len() / 2);
                flights.leave(&key, &flight);
                if model.get(&key) == Some(&*flight) {
                    model.remove(&key);
                }
                continue;
            }
            match flights.enter(&key, |_| what == 1, || number) {
                Role::Join(flight) => prop_assert!(what == 1 && model.get(&key) == Some(&*flight)),
                Role::Lead(flight) => {
                    prop_assert!(what == 2 || what == 0 || !model.contains_key(&key));
                    prop_assert_eq!(*flight, number);
                    model.insert(key, number);
                    led.push((key, flight));
                }
            }
        }
        prop_assert_eq!(flights.len(), model.len());
    }
}
