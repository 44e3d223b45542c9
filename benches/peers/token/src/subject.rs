//! Everything that is measured.

use crate::{cart::Cart, peer, unstick};

/// What is done to a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    /// Make it from a cart.
    Seal,
    /// Get the cart out.
    Open,
}

impl Case {
    pub(crate) const ALL: [Self; 2] = [Self::Seal, Self::Open];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Seal => "seal",
            Self::Open => "open",
        }
    }
}

/// Who does it, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Hs256,
    EdDsa,
    A256Gcm,
    PeerHs256,
    PeerEdDsa,
}

impl Subject {
    pub(crate) const ALL: [Self; 5] = [Self::Hs256, Self::PeerHs256, Self::EdDsa, Self::PeerEdDsa, Self::A256Gcm];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "unstick-hs256",
            Self::EdDsa => "unstick-eddsa",
            Self::A256Gcm => "unstick-a256gcm",
            Self::PeerHs256 => "jsonwebtoken-hs256",
            Self::PeerEdDsa => "jsonwebtoken-eddsa",
        }
    }

    /// The peer's same algorithm.
    pub(crate) fn peer(self) -> Option<Self> {
        match self {
            Self::Hs256 => Some(Self::PeerHs256),
            Self::EdDsa => Some(Self::PeerEdDsa),
            _ => None,
        }
    }

    pub(crate) fn sealer(self) -> Result<Sealer, String> {
        Ok(match self {
            Self::Hs256 | Self::EdDsa | Self::A256Gcm => Sealer::Ours(unstick::Sealer::new(self)?),
            Self::PeerHs256 | Self::PeerEdDsa => Sealer::Peer(peer::Sealer::new(self)?),
        })
    }
}

/// Seals and opens.
#[allow(clippy::large_enum_variant, reason = "there are five, and a box would cost one of them an access more")]
pub(crate) enum Sealer {
    Ours(unstick::Sealer),
    Peer(peer::Sealer),
}

impl Sealer {
    pub(crate) fn seal(&self, cart: &Cart) -> Result<String, String> {
        match self {
            Self::Ours(ours) => ours.seal(cart),
            Self::Peer(peer) => peer.seal(cart),
        }
    }

    pub(crate) fn open(&self, token: &str) -> Result<Cart, String> {
        match self {
            Self::Ours(ours) => ours.open(token),
            Self::Peer(peer) => peer.open(token),
        }
    }
}
