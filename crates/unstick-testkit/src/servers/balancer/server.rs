use std::{
    fs,
    hash::{BuildHasher, Hasher, RandomState},
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::fs::chown,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    BalancerSpec, Stick,
    stick::{Place, Reload, TOKEN_PATH},
};
use crate::servers::{
    StartError,
    dir::Dir,
    ports::{launch, with_free_ports},
    process::{Process, Spec, run},
    program::{self, Account},
};

/// How long one question whether it is up may take.
const QUESTION: Duration = Duration::from_secs(5);
/// Two of them refuse to be root, or their workers are not.
const ACCOUNT: &str = "nobody";

/// A balancer of the test's own, in front of nodes that the test has started.
///
/// It ends when it is dropped and when the test's process ends, in whatever way.
#[derive(Debug)]
pub struct BalancerServer {
    process: Process,
    port: u16,
    admin_port: u16,
    program: PathBuf,
    account: Option<Account>,
    state: Mutex<State>,
    /// Dropped last.
    dir: Arc<Dir>,
}

#[derive(Debug)]
struct State {
    stick: Stick,
    token: String,
}

impl BalancerServer {
    /// As [`BalancerSpec::start`].
    ///
    /// # Errors
    /// When the program or a module that it needs is missing, or it does not start.
    pub fn start(spec: &BalancerSpec) -> Result<Self, StartError> {
        let program = program::need(spec.stick.program())?;
        spec.stick.need_modules()?;
        let account = program::account_unless_root(ACCOUNT)?;
        let dir = Arc::new(Dir::new(account)?);
        // Made here, so that a server that is not root may open it once more.
        let log = dir.path().join("log");
        let owned =
            fs::File::create(&log).and_then(|_| account.map_or(Ok(()), |account| chown(&log, Some(account.uid), Some(account.gid))));
        owned.map_err(StartError::io("making a balancer's log"))?;
        with_free_ports(|[port, admin_port]| {
            let token = fresh_token();
            let config = write_config(spec, &Place { port, admin_port, home: dir.path(), token: &token })?;
            let args = spec.stick.args(&config, dir.path());
            let process = Process::new(process_spec(&program, args, account, &dir));
            let state = Mutex::new(State { stick: spec.stick.clone(), token });
            let balancer = Self { process, port, admin_port, program: program.clone(), account, state, dir: Arc::clone(&dir) };
            launch(&balancer.process, || balancer.is_up().then_some(()))?;
            Ok(balancer)
        })
    }

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Lets the running balancer go on with another configuration, as its product does that: connections are kept, and requests under way finish
    /// by the old one. Returns when the new one answers.
    ///
    /// Caddy 2.6 opens its port anew for that, and connections that the old one has not accepted yet are reset: expect failures under load.
    ///
    /// # Errors
    /// When `spec` is for another product, or the balancer does not run or does not take it within a minute.
    pub fn reload(&self, spec: &BalancerSpec) -> Result<(), StartError> {
        let (program, token) = (spec.stick.program(), fresh_token());
        if program != self.lock().stick.program() {
            return Err(StartError::failed(format!("{program} cannot take over: start it")));
        }
        spec.stick.need_modules()?;
        let config = write_config(spec, &Place { port: self.port, admin_port: self.admin_port, home: self.dir.path(), token: &token })?;
        *self.lock() = State { stick: spec.stick.clone(), token };
        let reload = spec.stick.reload(&config, self.admin_port);
        if let Reload::Command(args) = &reload {
            run(&process_spec(&self.program, args.clone(), self.account, &self.dir), "the reload")?;
        }
        let mut asked = 0;
        self.process.await_ready(|| {
            // HAProxy loses a signal that comes while it starts itself anew, so it is repeated every second or so.
            if let (Reload::Signal(name), 0) = (&reload, asked % 50) {
                self.process.signal(name);
            }
            asked += 1;
            self.is_up().then_some(())
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this balancer answers with its newest configuration, and not another server that was faster to take the port.
    fn is_up(&self) -> bool {
        let token = self.lock().token.clone();
        self.ask().is_ok_and(|answer| answer.contains(&token))
    }

    fn ask(&self) -> std::io::Result<String> {
        let mut connection = TcpStream::connect_timeout(&self.address(), QUESTION)?;
        connection.set_read_timeout(Some(QUESTION))?;
        write!(connection, "GET {TOKEN_PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        connection.take(4096).read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

crate::servers::control::controls!(BalancerServer, |balancer: &BalancerServer| balancer.is_up().then_some(()));

/// A word that no other server answers with.
fn fresh_token() -> String {
    format!("balancer-{:016x}", RandomState::new().build_hasher().finish())
}

fn write_config(spec: &BalancerSpec, place: &Place<'_>) -> Result<PathBuf, StartError> {
    let path = place.home.join(spec.stick.program()).with_extension("conf");
    fs::write(&path, spec.stick.render(spec, place)).map_err(StartError::io("writing a balancer's configuration"))?;
    Ok(path)
}

fn process_spec(program: &Path, args: Vec<std::ffi::OsString>, account: Option<Account>, dir: &Dir) -> Spec {
    let home = dir.path();
    // Caddy writes below these.
    let env = ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"].map(|name| (name, home.into())).into();
    Spec { program: program.to_owned(), args, account, env, dir: home.to_owned(), terminate: "TERM" }
}
