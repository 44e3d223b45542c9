//! The fleet as the program's own balancer sees it. Each change of the list is an epoch, and requests are counted within it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

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

#[derive(Debug, Default)]
struct State {
    routes: Vec<Route>,
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
        *state = State { routes, epoch: state.epoch + 1, turn: 0, next: 0 };
        state.epoch
    }

    /// A node that cannot be reached any more is left out.
    pub(crate) fn remove(&self, number: usize) {
        let mut state = self.lock();
        if state.routes.iter().any(|route| route.number == number) {
            let routes = state.routes.iter().copied().filter(|route| route.number != number).collect();
            *state = State { routes, epoch: state.epoch + 1, turn: 0, next: 0 };
        }
    }

    /// The pinned node if it is there, or else the next in turn.
    pub(crate) fn choose(&self, pin: Option<usize>) -> Option<Turn> {
        let mut state = self.lock();
        let pinned = pin.and_then(|number| state.routes.iter().find(|route| route.number == number).copied());
        let route = match pinned {
            Some(route) => route,
            None => {
                let route = *state.routes.get(state.next)?;
                state.next = (state.next + 1) % state.routes.len();
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
        let table = Table::default();
        assert_eq!(table.choose(None), None);
        assert_eq!(table.replace([1, 2, 3].map(route).into()), 1);
        let numbers = |pins: [Option<usize>; 4]| pins.map(|pin| table.choose(pin).unwrap().route.number);
        assert_eq!(numbers([None; 4]), [1, 2, 3, 1]);
        assert_eq!(numbers([Some(3), None, Some(9), Some(1)]), [3, 2, 3, 1]);
        assert_eq!(table.choose(None).unwrap(), Turn { route: route(1), epoch: 1, turn: 8 });
        table.remove(1);
        table.remove(1);
        assert_eq!(table.choose(Some(1)).unwrap(), Turn { route: route(2), epoch: 2, turn: 0 });
    }
}
