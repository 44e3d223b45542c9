use std::time::Duration;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server: requests.
    ToServer,
    /// From the server to the client: answers.
    ToClient,
}

/// What a [`Proxy`](super::Proxy) does with connections and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Everything passes.
    Pass,
    /// Each chunk passes after a while.
    Delay {
        /// For requests.
        to_server: Duration,
        /// For answers.
        to_client: Duration,
    },
    /// Nothing passes. Connections that exist stall: their bytes are kept and pass when the mode changes, as with packets that are sent again. New
    /// connections are accepted, their bytes are thrown away, and they are cut when the mode changes.
    BlackHole,
    /// New connections are cut at once. Connections that exist pass.
    Refuse,
    /// The bytes of one direction are thrown away, the others pass. Connections that lost bytes are cut when the mode changes,
    /// since no real one goes on after a gap.
    HalfOpen(Direction),
}

impl Mode {
    /// The same delay both ways.
    #[must_use]
    pub fn delay(each_way: Duration) -> Self {
        Self::Delay { to_server: each_way, to_client: each_way }
    }

    pub(crate) fn stalls(self) -> bool {
        self == Self::BlackHole
    }

    pub(crate) fn loses(self, direction: Direction) -> bool {
        self == Self::HalfOpen(direction)
    }

    pub(crate) fn latency(self, direction: Direction) -> Option<Duration> {
        match (self, direction) {
            (Self::Delay { to_server: delay, .. }, Direction::ToServer) | (Self::Delay { to_client: delay, .. }, Direction::ToClient) => {
                Some(delay)
            }
            _ => None,
        }
    }
}
