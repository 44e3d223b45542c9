//! Sessions that disappear, each for one reason, and the audit that names it.

mod api;
mod events;
mod site;
mod story;
