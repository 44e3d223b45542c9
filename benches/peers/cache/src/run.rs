//! One subject alone: for callgrind, and for profilers.

use crate::{
    keys::Key,
    subjects::{Filled, Subject},
};

/// Where `measured` is.
pub(crate) const MODULE: &str = "cache::run";

pub(crate) fn run(subject: &str, keys: &str, count: usize) -> Result<(), String> {
    match keys {
        "strings" => hits::<String>(subject, count),
        "numbers" => hits::<u64>(subject, count),
        _ => Err(format!("no keys {keys}; there are: strings, numbers")),
    }
}

fn hits<K: Key>(name: &str, count: usize) -> Result<(), String> {
    let runtime = runtime()?;
    let mut all = Subject::<K>::all();
    all.push(Subject::bare());
    let found = all.iter().find(|one| one.name == name);
    let names = || all.iter().map(|one| one.name).collect::<Vec<_>>().join(", ");
    let filled = found.ok_or_else(|| format!("no subject {name}; there are: {}", names()))?.fill(&runtime)?;
    measured(&*filled, &runtime, count);
    Ok(())
}

#[inline(never)]
fn measured(filled: &dyn Filled, runtime: &tokio::runtime::Runtime, count: usize) {
    filled.hits(runtime, 0, count);
}

/// A runtime of the calling thread.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())
}
