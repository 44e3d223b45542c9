//! What becomes of sessions that several requests use at a time, and what a session costs in cookies: the same requests for every session layer.

mod look;
mod table;
mod tower_sessions;
mod unstick;

pub use self::{
    look::{AT_A_TIME, ENDED, Meeting, Seen, cookie_of, look, own_key, request},
    table::{columns, survivors},
    tower_sessions::tower_sessions,
    unstick::unstick,
};
