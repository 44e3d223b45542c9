//! A store of one's own. See the README beside this file.

mod store;

pub use store::FileStore;
