//! A shared cache level on Redis: one server, Sentinel or Cluster.
//!
//! | operation | trips |
//! |---|---|
//! | read, with or without a lease | 1 for a value without tags, 2 with tags; 1 more for the first read of a key after everything was invalidated |
//! | fill | 1 without tags, 2 with tags; 2 more when a tag is not known |
//! | extend, release | 1 |
//! | invalidate | 1 for a key or everything, 2 for a tag |
//!
//! Commands of one trip are sent without waiting for one another. Nothing reaches over two slots: one server and a cluster see the same
//! commands.
//!
//! # Keys
//! | key | what |
//! |---|---|
//! | `{prefix}c:{<key>}` | a hash: `v<schema>` a value, `l<schema>` a lease, `i` the last invalidations |
//! | `{prefix}t:{<tag>}` | since which sequence values with the tag are good, a string |
//! | `{prefix}c:meta` | epoch and sequence, a string |
//!
//! Meta and tags are strings, because the client sends many `GET`s in one packet. Keys and tags of the application stand in clear.
//! Times are decided by the server that has the key; its own expiry comes later and only frees the memory. Values of a format that
//! this release does not know count as missing, and are replaced by the next fill.
//!
//! # Why nothing stale is read
//! An operation that reaches over several keys takes several steps, and others come in between. What follows says "before" of
//! single commands.
//!
//! - **A key.** Values and leases of a key are in one hash, and a fill checks its lease in the step that stores the value. An
//!   invalidation deletes them in one step: a fill before it is deleted, one after it finds no lease.
//! - **Everything.** Each value and lease carries the epoch that was current when the load began, and readers compare it with one that
//!   they read themselves. A new epoch, and a `meta` that was lost and made anew, end all values, also those that are filled later by loads
//!   from before.
//! - **Tags, reading.** Each value carries the sequence `s` at which its load began. A reader takes it only when every tag is there
//!   with a number of at most `s`. An invalidation takes the next number `n` first and then raises the tag to it: once it is answered, the tag
//!   has at least `n`, or none, or is missing; and a load that began before has `s < n`.
//! - **Tags, becoming known.** A missing tag may have been invalidated without a trace. It first gets a random mark instead of a
//!   number; then the sequence is read; then that becomes the number, if the same mark is still there. An invalidation that found no number either
//!   came before the mark, and so its number before the sequence was read; or it took the mark away. So a number, when a tag gets it, is not
//!   below that of any answered invalidation. Meanwhile nobody takes values with the tag. An unrelated invalidation between the start of a
//!   load and its fill may thus cost the first value with a new tag: it is refused, and the next load will do.
//! - **The order of a fill.** Tags and epoch are looked at before the value is stored, to answer honestly. What changes in between is
//!   caught by the readers, who look at them again.
//! - **Position and lease** are asked for together. Both are there before the load starts, which is all that counts.
//!
//! # What the server forgets
//! | event | consequence |
//! |---|---|
//! | eviction, `FLUSHALL`, a restart without data | misses; a lost `meta` is a new epoch, a lost tag ends its values, a lost lease refuses the fill |
//! | a restart with data from before: a snapshot, or an append-only file without its end | as the failovers below: what was answered after the data were written is lost |
//! | a failover that loses a fill or a lease | a miss, or a second load |
//! | a failover that loses an answered invalidation of a key or a tag | **the old value may be read again**, until it is no longer kept |
//! | a failover that loses a new epoch | the same, for everything |
//! | a failover that loses numbers of the sequence | nothing: numbers follow the server's clock, so that none is given out twice unless clocks are apart by more than the failover took |
//!
//! [`wait_replicas`](crate::RedisClientBuilder::wait_replicas) makes an invalidation count only when so many replicas have it; otherwise it is an error, and
//! the caller repeats it. It narrows the table and does not close it: a replica that was not waited for may take over. Fills and leases
//! do not wait.
//!
//! A level needs no persistence: with `save ""` and `appendonly no` a restart comes back empty, which is safe.
//!
//! Unlike sessions, a cache level is well served by a `maxmemory-policy` that evicts (`allkeys-lru`). Put it on a server of its
//! own then; the event about the policy is meant for sessions. A full server that does not evict refuses leases and fills and takes invalidations.

mod packed;
mod store;

pub use store::RedisLevel;
