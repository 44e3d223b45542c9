//! Where server programs are.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::StartError;

/// Looks for a program on the `PATH`, where Debian keeps programs of the system, and in the newest PostgreSQL.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    let dirs = newest_postgres().into_iter().chain(env::split_paths(&path)).chain(system);
    dirs.map(|dir| dir.join(program)).find(|path| is_executable(path))
}

/// As [`find`], with an error that makes a test skip.
pub(crate) fn need(program: &str) -> Result<PathBuf, StartError> {
    find(program).ok_or_else(|| StartError::missing(program))
}

/// As [`need`], for a part that a server loads.
pub(crate) fn need_file(path: &str) -> Result<(), StartError> {
    if Path::new(path).exists() { Ok(()) } else { Err(StartError::missing(path)) }
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Debian keeps the programs of each version in a directory of its own, off the `PATH`.
fn newest_postgres() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let newest = versions.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))));
    newest.filter(|(_, bin)| is_executable(&bin.join("postgres"))).max().map(|(_, bin)| bin)
}

/// A user of this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The account for a server that refuses to run as root: none is needed unless this process is root's.
pub(crate) fn account_unless_root(name: &str) -> Result<Option<Account>, StartError> {
    if !is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").map_err(StartError::io("reading /etc/passwd"))?;
    let account = users.lines().find_map(|line| {
        let mut parts = line.split(':');
        let is_it = parts.next() == Some(name);
        let (uid, gid) = (parts.nth(1)?.parse().ok()?, parts.next()?.parse().ok()?);
        is_it.then_some(Account { uid, gid })
    });
    account.map(Some).ok_or_else(|| StartError::missing(format!("a user {name} (root may not run this server)")))
}

pub(crate) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
