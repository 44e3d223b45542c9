//! Every fault at every step of every operation, over two stores and over three. One test per row of the consistency table.

mod cells;
mod index;
mod returns;
mod world;

use cells::play_all;
use world::Request;

#[tokio::test(start_paused = true)]
async fn reads() {
    play_all(&[Request::Load, Request::Renew]).await;
}

#[tokio::test(start_paused = true)]
async fn creates() {
    play_all(&[Request::Create]).await;
}

#[tokio::test(start_paused = true)]
async fn writes() {
    play_all(&[Request::Apply, Request::RenewId, Request::Promote]).await;
}

#[tokio::test(start_paused = true)]
async fn ends() {
    play_all(&[Request::End, Request::AdministrativeEnd]).await;
}
