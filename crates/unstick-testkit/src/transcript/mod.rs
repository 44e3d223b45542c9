//! Runs the commands that a README shows and compares what they print with what it says: a transcript that is true.
//!
//! Every fenced block marked `console` counts. A line that begins with `$ ` is a command, what follows is its output. In an
//! output line, `…` stands for anything; a line that is `…` alone stands for any number of lines. A command that ends in ` &` goes on in the
//! background, once it has printed its output; `kill %1` asks the first of them to end, and shows what it printed since.
//! A command that ends with a code other than 0 is a failure; `command; echo $?` shows the code of one that should.
//!
//! ```
//! use unstick_testkit::transcript::Transcript;
//!
//! let readme = "# Greeting\n```console\n$ echo \"hello, world, at $((20 + 22))\"\nhello, … at 42\n```\n";
//! Transcript::of(readme).run().unwrap();
//!
//! let lie = readme.replace("42", "43");
//! assert!(Transcript::of(&lie).run().unwrap_err().to_string().contains("hello, world, at 42"));
//! ```

mod compare;
mod parse;
mod program;
mod run;

pub use self::{
    parse::Step,
    run::{Difference, Transcript},
};
