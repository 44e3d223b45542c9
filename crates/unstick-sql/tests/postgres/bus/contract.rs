//! The contract that all buses are held to, through a proxy that can break the connections.

use std::{
    sync::{Mutex, OnceLock},
    time::Duration,
};

use unstick_core::{Runtime, bus::Pace};
use unstick_sql::postgres::bus::{LONGEST_PAYLOAD, PostgresBus};
use unstick_testkit::{
    bus::BusFactory,
    require_server,
    servers::{Mode, PostgresServer, Proxy},
};

use super::App;
use crate::common::{SECOND, postgres::SERVER};

/// Each fleet is an application of its own.
struct Fleets {
    server: &'static PostgresServer,
    runtime: Runtime,
    proxy: OnceLock<Proxy>,
    how: Mutex<std::iter::Cycle<std::array::IntoIter<Mode, 2>>>,
}

impl Fleets {
    fn new(server: &'static PostgresServer) -> Self {
        let how = [Mode::Refuse, Mode::BlackHole].into_iter().cycle();
        Self { server, runtime: Runtime::tokio(), proxy: OnceLock::new(), how: Mutex::new(how) }
    }

    fn proxy(&self) -> &Proxy {
        self.proxy.get_or_init(|| Proxy::start(self.server.port()).unwrap())
    }
}

impl BusFactory for Fleets {
    type Bus = PostgresBus;

    async fn open(&self, nodes: usize) -> Vec<PostgresBus> {
        let app = App::new(self.proxy().url(&self.server.url()));
        let mut fleet = Vec::new();
        for _ in 0..nodes {
            let bus = app.builder().pace(Pace::every(Duration::from_millis(500))).queue(2000).runtime(self.runtime.clone());
            fleet.push(bus.connect_timeout(5 * SECOND).connect().await.unwrap());
        }
        fleet
    }

    fn runtime(&self) -> Runtime {
        self.runtime.clone()
    }

    fn longest(&self) -> usize {
        LONGEST_PAYLOAD
    }

    fn is_limited(&self) -> bool {
        true
    }

    fn overflow(&self) -> usize {
        5000
    }

    /// As many connections as the server has to spare.
    fn many(&self) -> usize {
        40
    }

    async fn cut(&self) -> bool {
        let how = self.how.lock().unwrap().next().unwrap();
        self.proxy().set(how);
        if how == Mode::Refuse {
            self.proxy().cut();
        }
        true
    }

    async fn restore(&self) {
        self.proxy().set(Mode::Pass);
    }
}

unstick_testkit::bus_contract_suite!(Fleets::new(require_server!(SERVER.get())));
