//! What a test does that cannot run for want of a server.

use std::{env, io::Write, sync::OnceLock};

use super::{StartError, program};

/// Whether a program is absent, and then the error that says so.
///
/// ```
/// use unstick_testkit::servers::missing;
///
/// assert!(missing("sh").is_none());
/// assert!(missing("no-such-program").unwrap().is_missing());
/// ```
#[must_use]
pub fn missing(program: &str) -> Option<StartError> {
    program::need(program).err()
}

/// What [`require_server!`](crate::require_server) takes: the outcome of a start, owned or shared.
pub trait Outcome {
    /// The server, or a reference to it.
    type Server;

    /// The server, or why there is none.
    ///
    /// # Errors
    /// As the start.
    fn outcome(self) -> Result<Self::Server, String>;
}

fn told(error: &StartError) -> String {
    if error.is_missing() {
        return error.to_string();
    }
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    panic!("{error}{cause}")
}

impl<S> Outcome for Result<S, StartError> {
    type Server = S;

    fn outcome(self) -> Result<S, String> {
        self.map_err(|error| told(&error))
    }
}

impl<'a, S> Outcome for &'a Result<S, StartError> {
    type Server = &'a S;

    fn outcome(self) -> Result<&'a S, String> {
        self.as_ref().map_err(told)
    }
}

/// A server that all tests of one binary share; it is started by the first that asks.
///
/// Put it into a `static` of the tests. It is never dropped, but its server ends with the process all the same.
///
/// ```no_run
/// use unstick_testkit::{require_server, servers::{RedisServer, Shared}};
///
/// static REDIS: Shared<RedisServer> = Shared::new(RedisServer::start);
///
/// fn a_test() {
///     let redis = require_server!(REDIS.get());
///     assert_eq!(redis.command(&["PING"]).unwrap().text(), "PONG");
/// }
/// a_test();
/// ```
#[derive(Debug)]
pub struct Shared<S> {
    start: fn() -> Result<S, StartError>,
    server: OnceLock<Result<S, StartError>>,
}

impl<S> Shared<S> {
    /// A server that is started by the given function.
    #[must_use]
    pub const fn new(start: fn() -> Result<S, StartError>) -> Self {
        Self { start, server: OnceLock::new() }
    }

    /// The server, or the error of the one start there was. The first call starts it and blocks meanwhile; the others wait for that.
    pub fn get(&self) -> &Result<S, StartError> {
        self.server.get_or_init(self.start)
    }
}

/// The server out of a `Result<_, StartError>` or a reference to one; without its program the test returns here and is told as skipped.
///
/// With `UNSTICK_REQUIRE=all` in the environment a missing program is a failure, as any other failed start always is.
/// Works in every function that returns `()`, so in the argument of [`contract_suite!`](crate::contract_suite), too.
///
/// ```
/// use unstick_testkit::{require_server, servers::PostgresServer};
///
/// fn a_test() {
///     let postgres = require_server!(PostgresServer::start());
///     assert!(postgres.url().starts_with("postgres://"));
/// }
/// # let _: fn() = a_test;
/// ```
#[macro_export]
macro_rules! require_server {
    ($start:expr) => {
        match $crate::servers::Outcome::outcome($start) {
            ::core::result::Result::Ok(server) => server,
            ::core::result::Result::Err(reason) => {
                fn here() {}
                $crate::servers::skip(::core::any::type_name_of_val(&here), &reason);
                return;
            }
        }
    };
}

/// Tells that a test is skipped, or fails when nothing may be.
///
/// `place` is the type name of a function inside the test.
#[doc(hidden)]
pub fn skip(place: &str, reason: &str) {
    let name = test_name(place);
    assert!(env::var("UNSTICK_REQUIRE").as_deref() != Ok("all"), "{name}: {reason}, and UNSTICK_REQUIRE=all allows no test to be skipped");
    // Past the harness, which keeps what `println!` writes.
    let _ = writeln!(std::io::stdout(), "SKIPPED {name}: {reason}");
}

/// The test's name as the harness has it: without the crate, the function inside and what the compiler adds for closures.
fn test_name(place: &str) -> String {
    let parts: Vec<&str> = place.split("::").filter(|part| !part.starts_with("{{")).collect();
    parts[1.min(parts.len())..parts.len().saturating_sub(1).max(1)].join("::")
}

#[cfg(test)]
mod tests {
    use super::{StartError, test_name};

    #[test]
    fn tests_are_told_by_their_names() {
        assert_eq!(test_name("crate_name::basics::a_case::here"), "basics::a_case");
        assert_eq!(test_name("crate_name::a_case::{{closure}}::here"), "a_case");
    }

    #[test]
    fn only_a_missing_program_skips() {
        fn take(start: Result<u8, StartError>, reached: &mut bool) {
            assert_eq!(crate::require_server!(start), 7);
            *reached = true;
        }
        let mut reached = false;
        take(Ok(7), &mut reached);
        assert!(reached);
        let failed = std::panic::catch_unwind(|| take(Err(StartError::failed("it broke")), &mut false));
        assert_eq!(failed.unwrap_err().downcast_ref::<String>().unwrap(), "it broke");
    }
}
