//! Sessions of the unstick family that travel whole in the cookie, as a signed or encrypted JWT.

pub mod keys;
pub mod revocations;

mod builder;
mod claims;
mod deny;
mod jose;
mod size;
mod token;

pub use self::{
    builder::TokenBuilder,
    keys::{Sealing, TokenKey, TokenKeys},
    revocations::StoreRevocations,
    token::Token,
};
