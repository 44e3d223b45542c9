//! Ratios of two ways to do the same work, measured in interleaved pairs so that a busy machine slows both alike.
//!
//! ```
//! let ratio = unstick_benches::compare(5, || { (0..100u64).sum::<u64>() }, || { (0..100u64).sum::<u64>() });
//! assert!(ratio.low <= ratio.median && ratio.median <= ratio.high);
//! ```

use std::{
    fmt,
    hint::black_box,
    time::{Duration, Instant},
};

/// How many times as long the subject took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// First quartile.
    pub low: f64,
    /// Median.
    pub median: f64,
    /// Third quartile.
    pub high: f64,
    /// Median time of one run of the base.
    pub base: Duration,
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ({:.2} to {:.2})", self.median, self.low, self.high)
    }
}

/// Runs `base` and `subject` in `pairs` pairs, each time in the other order, and compares within each pair.
///
/// # Panics
/// When `pairs` is zero.
pub fn compare<T>(pairs: usize, mut base: impl FnMut() -> T, mut subject: impl FnMut() -> T) -> Ratio {
    let mut ratios = Vec::with_capacity(pairs);
    let mut bases = Vec::with_capacity(pairs);
    for pair in 0..pairs {
        let (of_base, of_subject) = if pair % 2 == 0 {
            let first = timed(&mut base);
            (first, timed(&mut subject))
        } else {
            let first = timed(&mut subject);
            (timed(&mut base), first)
        };
        ratios.push(of_subject.as_secs_f64() / of_base.as_secs_f64().max(f64::MIN_POSITIVE));
        bases.push(of_base);
    }
    ratios.sort_by(f64::total_cmp);
    bases.sort();
    Ratio { low: ratios[pairs / 4], median: ratios[pairs / 2], high: ratios[pairs * 3 / 4], base: bases[pairs / 2] }
}

fn timed<T>(run: &mut impl FnMut() -> T) -> Duration {
    let start = Instant::now();
    black_box(run());
    start.elapsed()
}
