//! Nodes that are deployed while they are used: sessions in a store that all share, pins that end with the node, and a server that drains.

mod node;
mod site;

pub use node::{Kind, Node, NodeOptions};
pub use site::{Site, WINDOW};
