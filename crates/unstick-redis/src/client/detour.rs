//! Slots on their way from one node of a cluster to another.
//!
//! A key that has left already is asked for at the new node, behind an `ASKING` on the same connection. The library sends
//! the `ASKING` to the new node and then the command to the old one, so this is done here, over connections of their own that are
//! opened when a slot is found to be moving.

use std::sync::Arc;

use fred::types::{Resp3Frame, Value, config::Server};
use futures_util::future::join;
use unstick_core::{Error, Timestamp};

use super::{
    calls::{Build, Client, Due, Failed, owner},
    failure,
    link::{Link, Recipe},
    nodes::Node,
    reply::error_text,
    wire::Wire,
};

/// A connection to one node. One command at a time, so that nobody comes between an `ASKING` and its command.
pub(super) struct Direct {
    link: Link,
    turn: tokio::sync::Mutex<()>,
}

impl Client {
    /// Asks the owner itself, and then the node that it names.
    pub(super) async fn ask(
        &self,
        wire: &Arc<Wire>,
        command: &'static str,
        slot: u16,
        due: Due,
        build: Build<'_>,
    ) -> Result<(Resp3Frame, Arc<Node>), Error> {
        let node = owner(wire, slot)?;
        let server = node.server.clone().ok_or_else(failure::not_connected)?;
        let from = self.direct(wire, &server, due).await?;
        let frame = self.send(wire, &from.link, &node, (command, 1), slot, build(&node)?, due).await.map_err(plain)?;
        let Some((host, port)) = error_text(&frame).and_then(|text| failure::asked(&text, &server.host)) else {
            return Ok((frame, node));
        };
        let server = Server::new(host, port);
        let to = self.direct(wire, &server, due).await?;
        let node = wire.nodes().find(&server).unwrap_or_else(|| Node::new(Some(server), slot, Arc::default()));
        let _turn = to.turn.lock().await;
        if node.clock.at(Timestamp::system_now()).is_none() {
            self.learn_clock(wire, &to.link, &node, due).await?;
        }
        let args = build(&node)?;
        let asking = self.send(wire, &to.link, &node, ("ASKING", 1), slot, Vec::<Value>::new(), due);
        let (_, answer) = join(asking, self.send(wire, &to.link, &node, (command, 1), slot, args, due)).await;
        Ok((answer.map_err(plain)?, node))
    }

    async fn direct(&self, wire: &Arc<Wire>, server: &Server, due: Due) -> Result<Arc<Direct>, Error> {
        let mut all = wire.direct.lock().await;
        all.retain(|(_, direct)| direct.link.is_connected());
        if let Some((_, direct)) = all.iter().find(|(known, _)| known == server) {
            return Ok(direct.clone());
        }
        let recipe = self.0.recipe.clone().unwrap_or_else(|| Recipe::of(&wire.link.fred)).to(server);
        let limit = self.0.settings.runtime.sleep(due.left(&self.0.settings.runtime));
        let link = tokio::select! {
            link = recipe.open() => link.map_err(|_| failure::not_connected())?,
            () = limit => return Err(failure::not_connected()),
        };
        let direct = Arc::new(Direct { link, turn: tokio::sync::Mutex::default() });
        all.push((server.clone(), direct.clone()));
        Ok(direct)
    }
}

fn plain(failed: Failed) -> Error {
    match failed {
        Failed::Redirected => failure::moving(),
        Failed::Error(error) => error,
    }
}
