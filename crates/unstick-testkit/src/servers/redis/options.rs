use std::{fmt::Write as _, path::Path, sync::Arc};

use super::{RedisServer, resp::Login, tls::Certificates};
use crate::servers::{StartError, dir::Dir, program};

/// How Redis servers are configured. Start with [`RedisServer::builder`].
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct RedisOptions {
    pub(crate) login: Login,
    pub(crate) tls: bool,
    appendonly: bool,
    lines: Vec<String>,
}

impl RedisOptions {
    /// The limit of memory, such as `"3mb"`, and what happens there, such as `"allkeys-lru"`. Default: none.
    pub fn max_memory(self, limit: &str, policy: &str) -> Self {
        self.line(format!("maxmemory {limit}")).line(format!("maxmemory-policy {policy}"))
    }

    /// A password for everybody (`requirepass`). Default: none.
    pub fn password(mut self, password: &str) -> Self {
        self.login = Login { user: None, password: Some(password.to_owned()) };
        self
    }

    /// A user of the access control list who may do everything; there is no access without a name then. Default: none.
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.login = Login { user: Some(name.to_owned()), password: Some(password.to_owned()) };
        self
    }

    /// Keeps data over `kill` and `restart` (`appendonly yes`). Default: a killed server comes back empty.
    pub fn appendonly(mut self) -> Self {
        self.appendonly = true;
        self
    }

    /// A second port that speaks TLS, with a certificate for `localhost` and 127.0.0.1 made by the program `openssl`.
    /// For a single server only. Default: none.
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// One more line of the configuration file.
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// Starts one server.
    ///
    /// # Errors
    /// When the program is missing or does not start.
    pub fn start(&self) -> Result<RedisServer, StartError> {
        RedisServer::launch(self, "", Self::home()?)
    }

    /// A directory for one server or several; without the program there is none to tidy up.
    fn home() -> Result<Arc<Dir>, StartError> {
        program::need("redis-server")?;
        Dir::new(None).map(Arc::new)
    }

    /// The same for servers that talk to each other, which would need TLS of its own.
    pub(crate) fn home_of_group(&self) -> Result<Arc<Dir>, StartError> {
        if self.tls { Err(StartError::failed("TLS is for a single server here: start without `tls()`")) } else { Self::home() }
    }

    /// The configuration file's text.
    pub(crate) fn text(&self, port: u16, tls: Option<(u16, &Certificates)>, dir: &Path) -> String {
        let mut text = format!("bind 127.0.0.1\nport {port}\ndir {}\nsave \"\"\ndaemonize no\nrepl-diskless-sync-delay 0\n", dir.display());
        let _ = writeln!(text, "appendonly {}", if self.appendonly { "yes" } else { "no" });
        if let Some((port, certificates)) = tls {
            let Certificates { ca, certificate, key } = certificates;
            let _ = writeln!(text, "tls-port {port}\ntls-auth-clients no\ntls-ca-cert-file {}", ca.display());
            let _ = writeln!(text, "tls-cert-file {}\ntls-key-file {}", certificate.display(), key.display());
        }
        match &self.login {
            Login { user: Some(user), password: Some(password) } => {
                let _ =
                    writeln!(text, "user default off\nuser {user} on >{password} ~* &* +@all\nmasteruser {user}\nmasterauth {password}");
            }
            Login { user: None, password: Some(password) } => {
                let _ = writeln!(text, "requirepass {password}\nmasterauth {password}");
            }
            Login { password: None, .. } => {}
        }
        for line in &self.lines {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}
