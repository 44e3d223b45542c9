//! MariaDB.

use std::{
    fs, io,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use super::{
    StartError,
    dir::Dir,
    ports::{launch, with_free_ports},
    process::{Process, Spec, run},
    program,
};

/// How a MariaDB server is configured. Start with [`MariaDbServer::builder`].
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct MariaDbOptions {
    args: Vec<String>,
}

impl MariaDbOptions {
    /// One more argument of `mariadbd`, such as `--max-allowed-packet=16M`.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Makes system tables, starts a server on them and waits until it answers. Blocks for a few seconds.
    ///
    /// # Errors
    /// When programs are missing or do not work.
    pub fn start(&self) -> Result<MariaDbServer, StartError> {
        let mariadbd = program::need("mariadbd")?;
        let (install, client) = (program::need("mariadb-install-db")?, program::need("mariadb")?);
        let dir = Dir::new(None)?;
        let home = dir.path();
        // Root must say that it means it. Everybody else is who they are.
        let user = program::is_root().then(|| "--user=root".to_owned());
        let data = format!("--datadir={}", home.join("data").display());
        // A server that starts clears away temporary tables, those of others in a shared directory, too.
        let temporary = home.join("tmp");
        fs::create_dir(&temporary).map_err(StartError::io("making a directory for temporary tables"))?;
        let temporary = format!("--tmpdir={}", temporary.display());
        let args =
            ["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"].map(str::to_owned);
        let args = args.into_iter().chain([data.clone(), temporary.clone()]).chain(user.clone()).map(Into::into).collect();
        run(
            &Spec { program: install, args, account: None, env: Vec::new(), dir: home.to_owned(), terminate: "TERM" },
            "mariadb-install-db",
        )?;
        let setup = "CREATE DATABASE IF NOT EXISTS app;\nCREATE USER IF NOT EXISTS app@'127.0.0.1' IDENTIFIED BY 'secret';\nGRANT ALL ON *.* TO app@'127.0.0.1';\n";
        fs::write(home.join("setup.sql"), setup).map_err(StartError::io("writing the first statements"))?;
        let fixed =
            ["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve", "--innodb-buffer-pool-size=32M", "--max-connections=200"];
        let paths = [("socket", "socket"), ("pid-file", "pid"), ("init-file", "setup.sql")];
        let paths = paths.map(|(option, name)| format!("--{option}={}", home.join(name).display()));
        let args: Vec<String> =
            fixed.map(str::to_owned).into_iter().chain([data, temporary]).chain(paths).chain(user).chain(self.args.clone()).collect();
        let (process, port) = with_free_ports(|[port]| {
            let args = args.iter().cloned().chain([format!("--port={port}")]).map(Into::into).collect();
            let process = Process::new(Spec {
                program: mariadbd.clone(),
                args,
                account: None,
                env: Vec::new(),
                dir: home.to_owned(),
                terminate: "TERM",
            });
            launch(&process, || sql(&client, &dir, port, "", "SELECT 1").ok())?;
            Ok((process, port))
        })?;
        Ok(MariaDbServer { process, port, client, databases: AtomicU32::new(0), dir })
    }
}

/// A MariaDB server of the test's own.
///
/// It ends when it is dropped and when the test's process ends, in whatever way.
#[derive(Debug)]
pub struct MariaDbServer {
    process: Process,
    port: u16,
    client: PathBuf,
    databases: AtomicU32,
    /// Dropped last.
    dir: Dir,
}

impl MariaDbServer {
    /// Starts a server with default settings. Blocks for a few seconds.
    ///
    /// # Errors
    /// As [`MariaDbOptions::start`].
    pub fn start() -> Result<Self, StartError> {
        Self::builder().start()
    }

    /// Settings to start with.
    pub fn builder() -> MariaDbOptions {
        MariaDbOptions::default()
    }

    /// The database `app`, as a user with a password.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("app")
    }

    /// The same as root, without a password.
    #[must_use]
    pub fn root_url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}/app", self.port)
    }

    /// Creates an empty database and answers its URL.
    ///
    /// # Panics
    /// When the server does not do that.
    #[must_use]
    pub fn fresh_database(&self) -> String {
        let name = format!("app_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("", &format!("CREATE DATABASE {name}")).unwrap_or_else(|error| panic!("{error}"));
        self.url_of(&name)
    }

    fn url_of(&self, database: &str) -> String {
        format!("mysql://app:secret@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs a statement as root with the program `mariadb` and answers what it prints, columns divided by tabs. No database when `database` is empty.
    ///
    /// # Errors
    /// What `mariadb` says.
    pub fn sql(&self, database: &str, statement: &str) -> io::Result<String> {
        sql(&self.client, &self.dir, self.port, database, statement)
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn sql(client: &std::path::Path, dir: &Dir, port: u16, database: &str, statement: &str) -> io::Result<String> {
    let port = format!("--port={port}");
    let args =
        ["--no-defaults", "--protocol=TCP", "--host=127.0.0.1", &port, "--user=root", "--batch", "--skip-column-names", "-e", statement];
    let args = args.into_iter().chain(Some(database).filter(|database| !database.is_empty())).map(Into::into).collect();
    let spec = Spec { program: client.to_owned(), args, account: None, env: Vec::new(), dir: dir.path().to_owned(), terminate: "TERM" };
    run(&spec, "mariadb").map_err(io::Error::other)
}

super::control::controls!(MariaDbServer, |server: &MariaDbServer| server.sql("", "SELECT 1").ok());
