//! Sessions that disappear, each for one reason, and the audit that names it.

mod events;
mod site;
mod story;
