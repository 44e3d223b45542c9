//! Nodes that are processes of their own, asked over connections that stay open.
