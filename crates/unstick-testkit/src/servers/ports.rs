//! Free loopback ports.

use std::{
    fs,
    hash::{BuildHasher, Hasher, RandomState},
    io,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
};

use super::{StartError, process::Process};

/// How often a start is tried again with other ports.
const ATTEMPTS: usize = 8;

/// Takes `N` different ports that are free now. Another process may take one before the server does: see [`with_free_ports`].
pub(crate) fn free<const N: usize>() -> io::Result<[u16; N]> {
    let range = quiet_range();
    let mut held = Vec::with_capacity(N);
    for _ in 0..1000 {
        if held.len() == N {
            break;
        }
        let random = RandomState::new().build_hasher().finish();
        let offset = u16::try_from(random % u64::from(range.end - range.start)).unwrap_or_default();
        held.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, range.start + offset)));
    }
    let ports: Vec<u16> = held.iter().filter_map(|listener| listener.local_addr().ok()).map(|addr| addr.port()).collect();
    ports.try_into().map_err(|_| io::Error::other("too few free ports"))
}

/// One port that is free now.
pub(crate) fn free_port() -> u16 {
    let [port] = free().expect("a free loopback port");
    port
}

/// Below the ports that the system hands out to clients: a client that keeps dialling a server that is down would otherwise, now and then, be
/// given the server's own port, connect to itself, and keep the server from coming back.
fn quiet_range() -> Range<u16> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first = text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(32768_u16);
    if first > 20_000 { first.saturating_sub(16_000)..first } else { 10_000..32_768 }
}

/// Starts something on free ports, again and again while another process is faster to take one.
pub(crate) fn with_free_ports<const N: usize, T>(mut start: impl FnMut([u16; N]) -> Result<T, Launch>) -> Result<T, StartError> {
    let mut last = StartError::failed("no free port");
    for _ in 0..ATTEMPTS {
        match start(free().map_err(StartError::io("looking for a free port"))?) {
            Ok(started) => return Ok(started),
            Err(Launch::PortTaken(error)) => last = error,
            Err(Launch::Failed(error)) => return Err(error),
        }
    }
    Err(last)
}

/// Why a launch did not come to anything.
#[derive(Debug)]
pub(crate) enum Launch {
    PortTaken(StartError),
    Failed(StartError),
}

impl From<StartError> for Launch {
    fn from(error: StartError) -> Self {
        Self::Failed(error)
    }
}

impl From<Launch> for StartError {
    fn from(launch: Launch) -> Self {
        match launch {
            Launch::PortTaken(error) | Launch::Failed(error) => error,
        }
    }
}

/// Launches a process and waits until `ready` says so.
pub(crate) fn launch<T>(process: &Process, ready: impl FnMut() -> Option<T>) -> Result<T, Launch> {
    process.launch()?;
    process.await_ready(ready).map_err(|error| if process.lost_its_port() { Launch::PortTaken(error) } else { Launch::Failed(error) })
}

#[cfg(test)]
mod tests {
    use super::{Launch, StartError, free, with_free_ports};

    #[test]
    fn ports_differ_and_a_lost_race_is_run_again() {
        let [a, b] = free().unwrap();
        assert_ne!(a, b);
        let mut starts = 0;
        let port = with_free_ports(|[port]| {
            starts += 1;
            if starts < 3 { Err(Launch::PortTaken(StartError::failed("taken"))) } else { Ok(port) }
        });
        assert!(port.unwrap() > 1024);
        assert_eq!(starts, 3);
        let failed = with_free_ports(|[_]| Err::<(), _>(Launch::Failed(StartError::failed("broken"))));
        assert_eq!(failed.unwrap_err().to_string(), "broken");
    }
}
