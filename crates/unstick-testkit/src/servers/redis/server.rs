use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    RedisOptions,
    resp::{Connection, Login, Reply},
    tls::Certificates,
};
use crate::servers::{
    StartError,
    dir::Dir,
    ports::{launch, with_free_ports},
    process::{Process, Spec},
    program,
};

/// How long one command of a test may take.
pub(crate) const COMMAND: Duration = Duration::from_secs(5);

/// A Redis server of the test's own, or a node of a [`RedisCluster`](super::RedisCluster) or [`RedisSentinel`](super::RedisSentinel).
///
/// It ends when it is dropped and when the test's process ends, in whatever way.
#[derive(Debug)]
pub struct RedisServer {
    process: Process,
    port: u16,
    tls_port: Option<u16>,
    login: Login,
    ca: Option<PathBuf>,
    /// Dropped last.
    _dir: Arc<Dir>,
}

impl RedisServer {
    /// Starts a server with default settings and waits until it answers.
    ///
    /// # Errors
    /// When the program is missing or does not start.
    pub fn start() -> Result<Self, StartError> {
        Self::builder().start()
    }

    /// Settings, to start one server or many with.
    pub fn builder() -> RedisOptions {
        RedisOptions::default()
    }

    /// Starts a node in a directory of its own under `dir`. `$bus` in `more` is replaced by a free port.
    pub(crate) fn launch(options: &RedisOptions, more: &str, dir: Arc<Dir>) -> Result<Self, StartError> {
        let certificates = options.tls.then(|| Certificates::make(&dir)).transpose()?;
        with_free_ports(|[port, tls_port, bus]| {
            let home = dir.path().join(format!("redis-{port}"));
            let config = home.join("redis.conf");
            let tls = certificates.as_ref().map(|certificates| (tls_port, certificates));
            let text = options.text(port, tls, &home) + &more.replace("$bus", &bus.to_string());
            fs::create_dir_all(&home).and_then(|()| fs::write(&config, text)).map_err(StartError::io("writing redis.conf"))?;
            let args = vec![config.into_os_string()];
            let node = Self::prepare(args, home, port, options.login.clone(), Arc::clone(&dir))?;
            launch(&node.process, || node.is_up().then_some(()))?;
            Ok(Self { tls_port: tls.map(|_| tls_port), ca: tls.map(|(_, certificates)| certificates.ca.clone()), ..node })
        })
    }

    pub(crate) fn prepare(
        args: Vec<std::ffi::OsString>,
        home: PathBuf,
        port: u16,
        login: Login,
        dir: Arc<Dir>,
    ) -> Result<Self, StartError> {
        let program = program::need("redis-server")?;
        let process = Process::new(Spec { program, args, account: None, env: Vec::new(), dir: home, terminate: "TERM" });
        Ok(Self { process, port, tls_port: None, login, ca: None, _dir: dir })
    }

    /// Whether this server answers at its port, and not another that was faster to take it.
    pub(crate) fn is_up(&self) -> bool {
        let pid = self.process.pid().map(|pid| pid.to_string());
        self.info("server").is_ok_and(|info| pid.is_some() && info.get("process_id") == pid.as_deref())
            && self.info("persistence").is_ok_and(|info| info.get("loading") != Some("1"))
    }

    /// `redis://` with name and password where there are some.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}{}", self.login.userinfo(), self.address())
    }

    /// `rediss://`, when started with [`RedisOptions::tls`].
    #[must_use]
    pub fn tls_url(&self) -> Option<String> {
        self.tls_port.map(|port| format!("rediss://{}127.0.0.1:{port}", self.login.userinfo()))
    }

    /// The certificate (PEM) of the authority that a client must trust, when started with [`RedisOptions::tls`].
    #[must_use]
    pub fn tls_authority(&self) -> Option<&Path> {
        self.ca.as_deref()
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port without TLS.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sends one command over a connection of its own.
    ///
    /// # Errors
    /// When the server does not answer within 5 s, or answers with an error: its text is the error's.
    pub fn command(&self, words: &[&str]) -> io::Result<Reply> {
        Connection::open(self.port, &self.login, COMMAND)?.command(words)
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    pub(crate) fn userinfo(&self) -> String {
        self.login.userinfo()
    }

    pub(crate) fn connection(&self) -> io::Result<Connection> {
        Connection::open(self.port, &self.login, COMMAND)
    }

    /// A section of `INFO`.
    ///
    /// # Errors
    /// As [`command`](Self::command).
    pub fn info(&self, section: &str) -> io::Result<Info> {
        self.command(&["INFO", section]).map(|reply| Info(reply.text()))
    }
}

crate::servers::control::controls!(RedisServer, |server: &RedisServer| server.is_up().then_some(()));

impl Login {
    /// `user:password@`, or nothing. Kept to what needs no escapes in URLs.
    pub(crate) fn userinfo(&self) -> String {
        let password = self.password.as_deref().map(|password| format!(":{password}@")).unwrap_or_default();
        format!("{}{password}", self.user.as_deref().unwrap_or_default())
    }
}

/// What `INFO` says.
#[derive(Debug, Clone)]
pub struct Info(String);

impl Info {
    /// The value of a line.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.lines().find_map(|(line, value)| (line == name).then_some(value))
    }

    /// Names and values.
    pub fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.lines().filter_map(|line| line.split_once(':'))
    }
}
