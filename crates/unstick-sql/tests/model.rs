//! Random operations on a store and on the core's reference record: the same answer to each, and the same session afterwards.

mod common;

use unstick_testkit::reference;

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn sqlite() {
    let place = common::Place::new();
    reference::compare(&place.store().await).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn postgres() {
    let place = common::postgres::Place::new(unstick_testkit::require_server!(common::postgres::SERVER.get()));
    reference::compare(&place.store().await).await;
}

#[cfg(feature = "mysql")]
#[tokio::test]
async fn mysql() {
    let place = common::mysql::Place::new(common::mysql::url!());
    reference::compare(&place.store().await).await;
}
