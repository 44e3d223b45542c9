//! The fleet as the program's own balancer sees it. Each change of the list is an epoch, and requests are counted within it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long a node that could not be reached is left alone, unless there is no other.
const ASIDE: Duration = Duration::from_secs(1);

/// A node to send requests to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) number: usize,
    pub(crate) addr: SocketAddr,
}

/// Where a request goes, and as which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) route: Route,
    pub(crate) epoch: u64,
    pub(crate) turn: u64,
}

#[derive(Debug)]
struct Place {
    route: Route,
    aside_until: Option<Instant>,
}

#[derive(Debug, Default)]
struct State {
    places: Vec<Place>,
    epoch: u64,
    turn: u64,
    next: usize,
}

/// Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table(Arc<Mutex<State>>);

impl Table {
    /// Another list, and the number of its epoch.
    pub(crate) fn replace(&self, routes: Vec<Route>) -> u64 {
        let mut state = self.lock();
        let places = routes.into_iter().map(|route| Place { route, aside_until: None }).collect();
        *state = State { places, epoch: state.epoch + 1, turn: 0, next: 0 };
        state.epoch
    }

    /// A node that could not be reached is left alone for a second. It may have been busy for a moment only.
    pub(crate) fn put_aside(&self, number: usize, now: Instant) {
        for place in self.lock().places.iter_mut().filter(|place| place.route.number == number) {
            place.aside_until = Some(now + ASIDE);
        }
    }

    /// The pinned node if it is there, or else the next in turn; none that was tried before. `None`: all were.
    pub(crate) fn choose(&self, pin: Option<usize>, tried: &[usize], now: Instant) -> Option<Turn> {
        let mut state = self.lock();
        let is_left = |place: &Place| !tried.contains(&place.route.number);
        let is_well = |place: &Place| is_left(place) && place.aside_until.is_none_or(|until| until <= now);
        let pinned =
            pin.and_then(|pin| state.places.iter().find(|place| place.route.number == pin && is_well(place)).map(|place| place.route));
        let route = match pinned {
            Some(route) => route,
            None => {
                let count = state.places.len();
                let in_turn = || (0..count).map(|step| (state.next + step) % count);
                let chosen =
                    in_turn().find(|at| is_well(&state.places[*at])).or_else(|| in_turn().find(|at| is_left(&state.places[*at])))?;
                let route = state.places[chosen].route;
                state.next = (chosen + 1) % count;
                route
            }
        };
        let turn = Turn { route, epoch: state.epoch, turn: state.turn };
        state.turn += 1;
        Some(turn)
    }

    // A list and three numbers, replaced whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(number: usize) -> Route {
        Route { number, addr: SocketAddr::from(([127, 0, 0, 1], 1)) }
    }

    #[test]
    fn everybody_gets_a_turn_and_the_pinned_go_where_they_were() {
        let (table, now) = (Table::default(), Instant::now());
        assert_eq!(table.choose(None, &[], now), None);
        assert_eq!(table.replace([1, 2, 3].map(route).into()), 1);
        let numbers = |pins: [Option<usize>; 4]| pins.map(|pin| table.choose(pin, &[], now).unwrap().route.number);
        assert_eq!(numbers([None; 4]), [1, 2, 3, 1]);
        assert_eq!(numbers([Some(3), None, Some(9), Some(1)]), [3, 2, 3, 1]);
        assert_eq!(table.choose(None, &[], now).unwrap(), Turn { route: route(1), epoch: 1, turn: 8 });
        assert_eq!(table.replace([2, 3].map(route).into()), 2);
        assert_eq!(table.choose(Some(1), &[], now).unwrap(), Turn { route: route(2), epoch: 2, turn: 0 });
    }

    #[test]
    fn a_node_that_cannot_be_reached_is_left_alone_for_a_while() {
        let (table, now) = (Table::default(), Instant::now());
        table.replace([1, 2, 3].map(route).into());
        table.put_aside(1, now);
        let choose = |pin, tried: &[usize], now| table.choose(pin, tried, now).map(|turn| turn.route.number);
        assert_eq!([(); 3].map(|()| choose(Some(1), &[], now)), [Some(2), Some(3), Some(2)]);
        let later = now + ASIDE;
        assert_eq!((choose(Some(1), &[], later), choose(None, &[], later), choose(None, &[], later)), (Some(1), Some(3), Some(1)));
        assert_eq!(table.choose(None, &[], later).unwrap().epoch, 1, "the fleet is the same");

        table.replace([1, 2].map(route).into());
        table.put_aside(1, now);
        table.put_aside(2, now);
        assert_eq!((choose(Some(2), &[], now), choose(Some(2), &[1], now)), (Some(1), Some(2)), "rather a try than nothing");
        assert_eq!(choose(None, &[2, 1], now), None);
    }
}
