//! Random operations on the store and on the core's reference record: the same answer to each, and the same session afterwards.

mod common;

use common::{fresh_prefix, store_at};
use unstick_testkit::{reference, require_server, servers::RedisServer};

#[tokio::test]
async fn every_answer_is_the_reference_records() {
    let redis = require_server!(RedisServer::start());
    reference::compare(&store_at(&redis.url(), &fresh_prefix()).await).await;
}
