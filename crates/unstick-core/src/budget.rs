//! One budget for all header lines that unstick layers add to a response.
//!
//! nginx reads a response head into a 4 KB buffer by default and answers 502 beyond it, so layers share 3 KB: the session
//! first, pin lines last. The amount used so far travels in the response's extensions.
//!
//! ```
//! use unstick_core::HeaderBudget;
//!
//! let mut budget = HeaderBudget::new(100);
//! assert!(budget.take(60));
//! assert!(!budget.take(60), "does not fit, and takes nothing");
//! assert!(budget.take(40));
//!
//! let mut budget = HeaderBudget::new(100);
//! budget.spend(120);
//! assert!(!budget.take(1), "a line that was sent in any case leaves nothing for others");
//! ```

/// Bytes left for our header lines in one response. See the [module docs](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderBudget {
    left: usize,
}

impl Default for HeaderBudget {
    fn default() -> Self {
        Self::new(Self::DEFAULT)
    }
}

impl HeaderBudget {
    /// 3 KB.
    pub const DEFAULT: usize = 3 * 1024;

    /// A budget of `bytes`.
    #[must_use]
    pub const fn new(bytes: usize) -> Self {
        Self { left: bytes }
    }

    /// Takes `bytes` if they are left; whether they were.
    pub const fn take(&mut self, bytes: usize) -> bool {
        if bytes > self.left {
            return false;
        }
        self.left -= bytes;
        true
    }

    /// Takes `bytes` for a line that is sent in any case; when they are not left, takes what is.
    pub const fn spend(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }

    /// Bytes of one header line on the wire: name, colon, space, value, line end.
    #[must_use]
    pub const fn line(name: usize, value: usize) -> usize {
        name + value + 4
    }

    /// Bytes left.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.left
    }
}
