//! What the comparisons share.
//!
//! ```
//! let spread = shared::Spread::of([0.9, 0.7, 0.8]);
//! assert_eq!(spread.median, 0.8);
//! assert_eq!(spread.to_string(), "0.80 (0.70 to 0.90)");
//! ```

mod callgrind;
mod chart;
mod cpu;
mod outcome;
mod pairs;
mod report;
mod saved;
mod spread;

pub use callgrind::{COLLECTED, Cost, collected, counted};
pub use chart::{Bar, Chart, Group, svg};
pub use cpu::Used;
pub use outcome::{finish, missed};
pub use pairs::pairs;
pub use report::Report;
pub use spread::Spread;
