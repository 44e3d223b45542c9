//! Throwaway directories.

use std::{
    fs, io,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::{StartError, program::Account};

/// Removes the directory once its standard input ends; tries again while servers that are just being killed still write.
const REMOVE: &str = r#"read -r line
tries=0
until rm -rf "$1" 2>/dev/null || [ "$tries" -ge 100 ]; do tries=$((tries + 1)); sleep 0.1; done"#;

/// A directory that goes when this value is dropped or this process ends, however it ends: a small shell waits for that.
#[derive(Debug)]
pub(crate) struct Dir {
    path: PathBuf,
    remover: Child,
}

impl Dir {
    pub(crate) fn new(owner: Option<Account>) -> Result<Self, StartError> {
        Self::create(owner).map_err(StartError::io("making a directory for a server's data"))
    }

    fn create(owner: Option<Account>) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("unstick-").permissions(fs::Permissions::from_mode(0o700)).tempdir()?;
        if let Some(account) = owner {
            chown(dir.path(), Some(account.uid), Some(account.gid))?;
        }
        let mut remover = Command::new("sh");
        remover.args(["-c", REMOVE, "sh"]).arg(dir.path()).process_group(0);
        let remover = remover.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Self { path: dir.keep(), remover })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        drop(self.remover.stdin.take());
        let _ = self.remover.wait();
    }
}
