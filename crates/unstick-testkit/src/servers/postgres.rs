//! PostgreSQL.

use std::{
    fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use super::{
    StartError,
    dir::Dir,
    ports::{launch, with_free_ports},
    process::{Process, Spec, run},
    program::{self, Account},
};

/// How a PostgreSQL server is configured. Start with [`PostgresServer::builder`].
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct PostgresOptions {
    settings: Vec<(String, String)>,
}

impl PostgresOptions {
    /// Commits without waiting for the disk. Faster, and as safe against everything but power loss. Default: it waits.
    pub fn without_fsync(self) -> Self {
        self.setting("fsync", "off").setting("synchronous_commit", "off")
    }

    /// One more setting of `postgresql.conf`.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Makes a database cluster, starts a server on it and waits until it answers. Blocks for a few seconds.
    ///
    /// # Errors
    /// When programs are missing (or the user `postgres`, for root) or do not work.
    pub fn start(&self) -> Result<PostgresServer, StartError> {
        let postgres = program::need("postgres")?;
        let (initdb, psql) = (program::need("initdb")?, program::need("psql")?);
        // The server refuses to be root.
        let account = program::account_unless_root("postgres")?;
        let dir = Dir::new(account)?;
        let data = dir.path().join("data");
        let args = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"];
        let args = args.into_iter().map(Into::into).chain([data.clone().into_os_string()]).collect();
        run(&Spec { program: initdb, args, account, env: Vec::new(), dir: dir.path().to_owned(), terminate: "INT" }, "initdb")?;
        let access = "local all all trust\nhost all app 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";
        fs::write(data.join("pg_hba.conf"), access).map_err(StartError::io("writing pg_hba.conf"))?;
        let dir = Arc::new(dir);
        let server = with_free_ports(|[port]| {
            let process = Process::new(self.spec(postgres.clone(), &dir, port, account));
            let server = PostgresServer { process, port, psql: psql.clone(), databases: AtomicU32::new(0), dir: Arc::clone(&dir) };
            launch(&server.process, || server.sql("postgres", "SELECT 1").ok())?;
            Ok(server)
        })?;
        server.sql("postgres", "CREATE ROLE app LOGIN PASSWORD 'secret'").map_err(StartError::io("creating the role"))?;
        server.sql("postgres", "CREATE DATABASE app OWNER app").map_err(StartError::io("creating the database"))?;
        Ok(server)
    }

    fn spec(&self, program: PathBuf, dir: &Dir, port: u16, account: Option<Account>) -> Spec {
        let home = dir.path();
        let mut args = vec!["-D".into(), home.join("data").into_os_string(), "-p".into(), port.to_string().into()];
        let socket_dir = home.display().to_string();
        let fixed = [
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", &socket_dir),
            ("shared_buffers", "16MB"),
            ("max_connections", "200"),
        ];
        let settings = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in fixed.into_iter().chain(settings) {
            args.extend(["-c".into(), format!("{name}={value}").into()]);
        }
        // SIGTERM would wait for clients to leave.
        Spec { program, args, account, env: Vec::new(), dir: home.to_owned(), terminate: "INT" }
    }
}

/// A PostgreSQL server of the test's own.
///
/// It ends when it is dropped and when the test's process ends, in whatever way.
#[derive(Debug)]
pub struct PostgresServer {
    process: Process,
    port: u16,
    psql: PathBuf,
    databases: AtomicU32,
    /// Dropped last.
    dir: Arc<Dir>,
}

impl PostgresServer {
    /// Starts a server with default settings. Blocks for a few seconds.
    ///
    /// # Errors
    /// As [`PostgresOptions::start`].
    pub fn start() -> Result<Self, StartError> {
        Self::builder().start()
    }

    /// Settings to start with.
    pub fn builder() -> PostgresOptions {
        PostgresOptions::default()
    }

    /// The database `app`, as a user with a password who owns it and may not do more.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("app")
    }

    /// The database `postgres` as the superuser, without a password.
    #[must_use]
    pub fn superuser_url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Creates an empty database and answers its URL.
    ///
    /// # Panics
    /// When the server does not do that.
    #[must_use]
    pub fn fresh_database(&self) -> String {
        let name = format!("app_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} OWNER app")).unwrap_or_else(|error| panic!("{error}"));
        self.url_of(&name)
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://app:secret@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs a statement as the superuser with the program `psql` and answers what it prints, columns divided by `|`.
    ///
    /// # Errors
    /// What `psql` says.
    pub fn sql(&self, database: &str, statement: &str) -> io::Result<String> {
        let port = self.port.to_string();
        let args = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", database];
        let args = args.into_iter().chain(["-c", statement]).map(Into::into).collect();
        let spec =
            Spec { program: self.psql.clone(), args, account: None, env: Vec::new(), dir: self.dir.path().to_owned(), terminate: "TERM" };
        run(&spec, "psql").map_err(io::Error::other)
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

super::control::controls!(PostgresServer, |server: &PostgresServer| server.sql("postgres", "SELECT 1").ok());
