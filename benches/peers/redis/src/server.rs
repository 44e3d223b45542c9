//! The server, and clients with the same settings for all.

use std::time::Duration;

use fred::{
    prelude::{Builder, Client, ClientLike, Config, ReconnectPolicy},
    types::RespVersion,
};
use unstick::store::{self, Source};
use unstick_testkit::servers::RedisServer;

/// A server of this program's own.
pub(crate) fn start() -> Result<RedisServer, String> {
    RedisServer::start()
        .map_err(|error| format!("redis-server did not start ({error}); on Debian: apt-get install --no-install-recommends redis-server"))
}

/// A client with one connection.
pub(crate) async fn client(server: &RedisServer) -> Result<Client, String> {
    let mut config = Config::from_url(&server.url()).map_err(|error| error.to_string())?;
    config.version = RespVersion::RESP3;
    let client = Builder::from_config(config)
        .set_policy(ReconnectPolicy::new_constant(0, 100))
        .with_performance_config(|performance| performance.default_command_timeout = Duration::from_secs(2))
        .with_connection_config(|connection| {
            connection.connection_timeout = Duration::from_secs(2);
            connection.tcp.nodelay = Some(true); // as ours has it
        })
        .build()
        .map_err(|error| error.to_string())?;
    client.init().await.map_err(|error| format!("no connection to Redis: {error}"))?;
    Ok(client)
}

/// Our store, with one connection and its own settings.
pub(crate) async fn source(server: &RedisServer) -> Result<Source, String> {
    store::from_url(&server.url()).await.map_err(|error| error.to_string())
}
