//! Seeded schedules of slow and repeated writers, with a second store over the same data as another node.

mod common;

use unstick_testkit::{clock::ManualClock, races};

#[cfg(feature = "sqlite")]
#[test]
fn sqlite() {
    races::run_seeded(&common::sqlite::Files::new(Some(ManualClock::default())), 1000);
}

#[cfg(feature = "postgres")]
#[test]
fn postgres() {
    let server = unstick_testkit::require_server!(common::postgres::SERVER.get());
    races::run_seeded(&common::postgres::Tables::new(server, Some(ManualClock::default())), 200);
}

#[cfg(feature = "mysql")]
#[test]
fn mysql() {
    races::run_seeded(&common::mysql::Tables::new(common::mysql::url!(), Some(ManualClock::default())), 200);
}
