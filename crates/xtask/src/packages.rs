//! What the tests need besides a Rust toolchain, and who may install it.

use std::{
    env, fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A program and the Debian package that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    /// A name, or a path for what Debian keeps off the `PATH`; a part of the path may be `*`.
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
    pub(crate) why: &'static str,
}

/// Everything the tests need.
pub(crate) const NEEDS: &[Need] = &[
    Need { program: "chromium", package: "chromium", why: "the shop's page is driven in a real browser" },
    Need { program: "chromedriver", package: "chromium-driver", why: "drives chromium" },
    Need { program: "redis-server", package: "redis-server", why: "sessions in Redis, Sentinel and Cluster" },
    Need { program: "/usr/lib/postgresql/*/bin/postgres", package: "postgresql", why: "sessions in PostgreSQL" },
    Need { program: "mariadbd", package: "mariadb-server-core", why: "sessions in MariaDB" },
    Need { program: "mariadb", package: "mariadb-client-core", why: "makes databases in MariaDB" },
    Need { program: "curl", package: "curl", why: "what the examples' READMEs show is run" },
    Need { program: "openssl", package: "openssl", why: "certificates for Redis over TLS" },
    Need { program: "/usr/lib/python3/dist-packages/jwcrypto", package: "python3-jwcrypto", why: "reads tokens as others do" },
    Need { program: "haproxy", package: "haproxy", why: "a load balancer with sticky sessions" },
    Need { program: "nginx", package: "nginx", why: "a load balancer with sticky sessions, and a small buffer for headers" },
    Need {
        program: "/usr/lib/nginx/modules/ngx_http_lua_module.so",
        package: "libnginx-mod-http-lua",
        why: "nginx sets cookies as ingress-nginx does",
    },
    // Not `apache2`, which is the service and its settings.
    Need { program: "apache2", package: "apache2-bin", why: "a load balancer with sticky sessions" },
    Need { program: "caddy", package: "caddy", why: "a load balancer with sticky sessions" },
    Need { program: "promtool", package: "prometheus", why: "raises the shop's alarms" },
];

/// Packages that bring a service of the same name, which is to start neither now nor with the machine.
const SERVICES: [&str; 6] = ["redis-server", "postgresql", "haproxy", "nginx", "caddy", "prometheus"];

/// What forgets such a service: the first those with scripts, the second those that only systemd knows.
const FORGET: [&str; 2] = ["update-rc.d", "systemctl"];

/// Runs a command without letting packages start services.
const QUIETLY: &str = include_str!("install.sh");
const POLICY: &str = "/usr/sbin/policy-rc.d";
const CLUSTERS: &str = "/etc/postgresql-common/createcluster.conf";

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
    let programs: Vec<_> = missing.iter().map(|need| name(need.program)).collect();
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
    let missing: Vec<Need> = NEEDS.iter().copied().filter(|need| !is_there(need.program)).collect();
    for need in NEEDS {
        let state = if missing.contains(need) { "missing" } else { "found" };
        println!("needs {} ({}): {state}", name(need.program), need.why);
    }
    match plan(&missing, is_root(), Path::new("/etc/debian_version").exists()) {
        Plan::Nothing => {}
        Plan::Install(packages) => {
            println!("installing {}", packages.join(" "));
            // Without news from its servers, what is cached may still do.
            let is_fresh = apt_get(&["update"]);
            if !install(&packages) {
                let why = if is_fresh { "" } else { " (apt-get update failed, too)" };
                println!("could not install {}{why}: tests that need them will say so", packages.join(" "));
            }
        }
        Plan::Tell(command) => println!("to provide what is missing: {command}"),
    }
}

fn install(packages: &[&str]) -> bool {
    let install = |packages: &[&str]| apt_get(&[&["install", "-y", "--no-install-recommends"], packages].concat());
    // The settings for new clusters come with a package of their own, before the one that makes a cluster.
    let is_installed = (!packages.contains(&"postgresql") || install(&["postgresql-common"])) && install(packages);
    for service in SERVICES.iter().filter(|service| packages.contains(service)) {
        for program in FORGET {
            let args = if program == "systemctl" { ["disable", service] } else { [service, "disable"] };
            let _ = Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }
    is_installed
}

fn apt_get(args: &[&str]) -> bool {
    println!("$ apt-get {}", args.join(" "));
    let command = [&["apt-get", "-qq", "-o=Dpkg::Use-Pty=0"], args].concat();
    quietly(Path::new(POLICY), Path::new(CLUSTERS), &command)
}

fn quietly(policy: &Path, clusters: &Path, command: &[&str]) -> bool {
    let mut shell = Command::new("sh");
    shell.args(["-c", QUIETLY, "sh"]).args([policy, clusters]).args(command);
    shell.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// What a person calls it.
fn name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

fn is_there(program: &str) -> bool {
    program.contains('/') && exists(Path::new("/"), program.trim_start_matches('/')) || is_on_path(name(program))
}

/// Whether a path exists below `dir`; a part that is `*` stands for each entry.
fn exists(dir: &Path, path: &str) -> bool {
    match path.split_once('/') {
        None => dir.join(path).exists(),
        Some(("*", rest)) => fs::read_dir(dir).into_iter().flatten().flatten().any(|entry| exists(&entry.path(), rest)),
        Some((part, rest)) => exists(&dir.join(part), rest),
    }
}

/// Also looks where programs of the system are, which is not on everybody's path.
pub(crate) fn is_on_path(program: &str) -> bool {
    let is_executable = |path: &Path| fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(system).any(|dir| is_executable(&dir.join(program)))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::PathBuf, process};

    use super::{NEEDS, Plan, SERVICES, exists, is_on_path, is_there, plan, quietly};

    #[test]
    fn only_root_on_debian_installs_and_only_what_is_missing() {
        assert_eq!(plan(&[], true, true), Plan::Nothing);
        assert_eq!(plan(&NEEDS[1..2], true, true), Plan::Install(vec!["chromium-driver"]));
        let all = "chromium chromium-driver redis-server postgresql mariadb-server-core mariadb-client-core curl openssl python3-jwcrypto \
                   haproxy nginx libnginx-mod-http-lua apache2-bin caddy prometheus";
        assert_eq!(plan(NEEDS, true, true), Plan::Install(all.split(' ').collect()));
        assert!(SERVICES.iter().all(|service| NEEDS.iter().any(|need| need.package == *service)));
    }

    #[test]
    fn everybody_else_is_told_the_command() {
        let Plan::Tell(command) = plan(&NEEDS[..4], false, true) else { panic!("installed without being root") };
        assert!(command.ends_with("--no-install-recommends chromium chromium-driver redis-server postgresql"), "{command}");
        let Plan::Tell(command) = plan(&NEEDS[..4], true, false) else { panic!("apt-get outside of Debian") };
        assert!(command.ends_with("chromium, chromedriver, redis-server, postgres"), "{command}");
    }

    #[test]
    fn the_path_is_searched_for_programs() {
        assert!(is_on_path("sh"));
        assert!(!is_on_path("no-such-program-anywhere"));
    }

    /// A directory of a test's own.
    fn scratch(name: &str) -> PathBuf {
        let dir = env::temp_dir().join(format!("unstick-xtask-{name}-{}", process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn a_version_may_be_part_of_a_path() {
        let dir = scratch("glob");
        fs::create_dir_all(dir.join("15/bin")).unwrap();
        fs::create_dir_all(dir.join("9/bin")).unwrap();
        assert!(!exists(&dir, "*/bin/postgres"));
        fs::write(dir.join("15/bin/postgres"), "").unwrap();
        assert!(exists(&dir, "*/bin/postgres") && !exists(&dir, "*/sbin/postgres") && !exists(&dir, "16/bin/postgres"));
        assert!(is_there(dir.join("15").to_str().unwrap()) && !is_there(dir.join("16").to_str().unwrap()));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn services_are_denied_while_packages_are_installed_and_not_longer() {
        let dir = scratch("policy");
        let (policy, clusters) = (dir.join("policy-rc.d"), dir.join("createcluster.conf"));
        fs::write(&clusters, "ssl = on\n").unwrap();
        let look = format!("{}; test $? = 101 && grep -q '^create_main_cluster = false' {}", policy.display(), clusters.display());
        let run = |script: &str| quietly(&policy, &clusters, &["sh", "-c", script]);
        let is_as_before =
            || !policy.exists() && fs::read_to_string(&clusters).unwrap() == "ssl = on\n" && fs::read_dir(&dir).unwrap().count() == 1;
        assert!(run(&look) && is_as_before());
        assert!(!run("exit 3") && is_as_before(), "an install that fails leaves nothing behind, and is known to have failed");
        assert!(!run("kill -TERM $PPID") && is_as_before(), "nor does one that is interrupted");

        fs::write(&policy, "theirs").unwrap();
        assert!(run("true") && fs::read_to_string(&policy).unwrap() == "theirs", "a policy of the machine's own stays");
        fs::remove_dir_all(dir).unwrap();
    }
}
