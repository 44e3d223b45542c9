//! How long requests take, as multiples of a bare router's.

use shared::{Spread, pairs};

use crate::{
    apps::Subject,
    requests::{Case, Client},
};

const ROUNDS: usize = 31;

/// Requests of one run, each in a session of its own.
const REQUESTS: usize = 500;

pub(crate) struct Time {
    pub(crate) subject: Subject,
    pub(crate) case: Case,
    /// Times the bare router's time.
    pub(crate) ratio: Spread,
    pub(crate) nanoseconds: Spread,
}

pub(crate) fn all() -> Result<Vec<Time>, String> {
    let client = |subject: Subject| Client::new(subject, REQUESTS);
    let mut bare = Subject::ALL.iter().map(|_| client(Subject::Bare)).collect::<Result<Vec<_>, _>>()?;
    let mut clients = Subject::ALL.iter().map(|subject| client(*subject)).collect::<Result<Vec<_>, _>>()?;
    let mut times = Vec::new();
    for case in Case::ALL {
        eprintln!("timing {} ...", case.name());
        for client in bare.iter_mut().chain(&mut clients) {
            client.timed(case)?;
        }
        let measured = pairs(ROUNDS, clients.len(), |at, _, is_reference| {
            let client = if is_reference { &mut bare[at] } else { &mut clients[at] };
            client.timed(case).map(|took| took.as_secs_f64() * 1e9 / REQUESTS as f64)
        })?;
        times.extend(Subject::ALL.iter().zip(&measured).map(|(subject, pairs)| Time {
            subject: *subject,
            case,
            ratio: Spread::of(pairs.iter().map(|(bare, its)| its / bare)),
            nanoseconds: Spread::of(pairs.iter().map(|(_, its)| *its)),
        }));
    }
    Ok(times)
}
