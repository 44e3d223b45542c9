use std::fmt;

/// Median and quartiles of the same figure in several rounds. Written with two digits, unless a precision is given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// First quartile; the least of three.
    pub low: f64,
    /// Median.
    pub median: f64,
    /// Third quartile.
    pub high: f64,
}

impl Spread {
    /// Of the figures of all rounds.
    ///
    /// # Panics
    /// When there are none.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let rounds = figures.len();
        Self { low: figures[rounds / 4], median: figures[rounds / 2], high: figures[rounds * 3 / 4] }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        write!(f, "{:.digits$} ({:.digits$} to {:.digits$})", self.median, self.low, self.high)
    }
}
