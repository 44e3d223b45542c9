//! What the tests need besides a Rust toolchain, and who may install it.

use std::{
    env, fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::{Command, Stdio},
};

/// A program and the Debian package that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
    pub(crate) why: &'static str,
}

/// Everything the tests need.
pub(crate) const NEEDS: &[Need] = &[
    Need { program: "chromium", package: "chromium", why: "the shop's page is driven in a real browser" },
    Need { program: "chromedriver", package: "chromium-driver", why: "drives chromium" },
];

/// What to do about missing programs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Everything is there.
    Nothing,
    /// Install these packages.
    Install(Vec<&'static str>),
    /// Tell the person what to type.
    Tell(String),
}

/// Decides from what is missing, who runs, and where.
pub(crate) fn plan(missing: &[Need], is_root: bool, is_debian: bool) -> Plan {
    let packages: Vec<_> = missing.iter().map(|need| need.package).collect();
    let programs: Vec<_> = missing.iter().map(|need| need.program).collect();
    match (packages.is_empty(), is_debian, is_root) {
        (true, _, _) => Plan::Nothing,
        (_, true, true) => Plan::Install(packages),
        (_, true, false) => {
            Plan::Tell(format!("sudo apt-get update && sudo apt-get install -y --no-install-recommends {}", packages.join(" ")))
        }
        (_, false, _) => Plan::Tell(format!("put these programs on the PATH: {}", programs.join(", "))),
    }
}

/// Looks, says what is needed, and installs what may be installed. Tests decide for themselves what a missing program means.
pub(crate) fn provide() {
    let missing: Vec<Need> = NEEDS.iter().copied().filter(|need| !is_on_path(need.program)).collect();
    for need in NEEDS {
        let state = if missing.contains(need) { "missing" } else { "found" };
        println!("needs {} ({}): {state}", need.program, need.why);
    }
    match plan(&missing, is_root(), Path::new("/etc/debian_version").exists()) {
        Plan::Nothing => {}
        Plan::Install(packages) => {
            println!("installing {}", packages.join(" "));
            // Without news from its servers, what is cached may still do.
            let is_fresh = apt_get(&["update"]);
            if !apt_get(&[&["install", "-y", "--no-install-recommends"], &packages[..]].concat()) {
                let why = if is_fresh { "" } else { " (apt-get update failed, too)" };
                println!("could not install {}{why}: tests that need them will say so", packages.join(" "));
            }
        }
        Plan::Tell(command) => println!("to provide what is missing: {command}"),
    }
}

fn apt_get(args: &[&str]) -> bool {
    println!("$ apt-get {}", args.join(" "));
    let mut command = Command::new("apt-get");
    command.args(["-qq", "-o=Dpkg::Use-Pty=0"]).args(args).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

pub(crate) fn is_on_path(program: &str) -> bool {
    let is_executable = |path: &Path| fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|dir| is_executable(&dir.join(program))))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::{NEEDS, Plan, is_on_path, plan};

    #[test]
    fn only_root_on_debian_installs_and_only_what_is_missing() {
        assert_eq!(plan(&[], true, true), Plan::Nothing);
        assert_eq!(plan(&NEEDS[1..], true, true), Plan::Install(vec!["chromium-driver"]));
        assert_eq!(plan(NEEDS, true, true), Plan::Install(vec!["chromium", "chromium-driver"]));
    }

    #[test]
    fn everybody_else_is_told_the_command() {
        let Plan::Tell(command) = plan(NEEDS, false, true) else { panic!("installed without being root") };
        assert!(command.ends_with("--no-install-recommends chromium chromium-driver"), "{command}");
        let Plan::Tell(command) = plan(NEEDS, true, false) else { panic!("apt-get outside of Debian") };
        assert!(command.contains("chromium, chromedriver"), "{command}");
    }

    #[test]
    fn the_path_is_searched_for_programs() {
        assert!(is_on_path("sh"));
        assert!(!is_on_path("no-such-program-anywhere"));
    }
}
