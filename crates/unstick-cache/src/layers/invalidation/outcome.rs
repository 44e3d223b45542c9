//! What a response says about the source: a decision on its status alone.

use http::StatusCode;

/// What became of a request that may change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It did what it was asked for.
    Changed,
    /// It was refused, and the source is as it was.
    Unchanged,
    /// The source may have been changed, or may be changed yet.
    Unknown,
}

impl Outcome {
    /// What is concluded from a response's status, unless [`on_status`](super::InvalidationLayer::on_status) says otherwise.
    #[must_use]
    pub fn of(status: StatusCode) -> Self {
        // 408 is what a timeout around the handler answers, in the midst of its work
        if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
            Self::Unknown
        } else if status.is_client_error() {
            Self::Unchanged
        } else {
            Self::Changed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_is_no_change() {
        let of = |code| Outcome::of(StatusCode::from_u16(code).unwrap());
        for code in [101, 200, 201, 204, 206, 302, 303, 304] {
            assert_eq!(of(code), Outcome::Changed, "{code}");
        }
        for code in [400, 401, 403, 404, 409, 412, 422, 429] {
            assert_eq!(of(code), Outcome::Unchanged, "{code}");
        }
        for code in [408, 500, 502, 503, 504, 599] {
            assert_eq!(of(code), Outcome::Unknown, "{code}");
        }
        assert_eq!(of(700), Outcome::Changed, "what nobody knows is not taken for a refusal");
    }
}
