use std::{
    env,
    process::{Command, Output},
};

/// How the function is to be named whose instructions are collected: `measured` in the crate's root or in one of its modules.
///
/// It must not be generic, nor inlined, and its closures must not be called by the same name. Their calls would toggle collection, too.
pub const COLLECTED: &str = "measured";

/// What a run has cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Instructions, as callgrind counts them.
    pub instructions: i64,
    /// Calls of the C library's functions that allocate.
    pub allocations: i64,
}

/// Instructions that this program spends in `module::measured`, when started with `args` under callgrind.
///
/// # Errors
/// When valgrind is missing, when the program fails under it, and when nothing was collected.
pub fn collected(module: &str, args: &[&str]) -> Result<i64, String> {
    instructions(&callgrind("/dev/null", module, args)?, module, args)
}

/// The same with allocations. The program must print nothing.
///
/// # Errors
/// As [`collected`].
pub fn counted(module: &str, args: &[&str]) -> Result<Cost, String> {
    let output = callgrind("/dev/stdout", module, args)?;
    let allocations = allocations(&String::from_utf8_lossy(&output.stdout))?;
    Ok(Cost { instructions: instructions(&output, module, args)?, allocations })
}

fn callgrind(profile: &str, module: &str, args: &[&str]) -> Result<Output, String> {
    let program = env::current_exe().map_err(|error| format!("this program's path is unknown: {error}"))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--compress-strings=no"])
        .arg(format!("--callgrind-out-file={profile}"))
        .arg(format!("--toggle-collect={module}::{COLLECTED}"))
        .arg(program)
        .args(args)
        .env_remove("RUST_LOG")
        .output()
        .map_err(|error| format!("valgrind did not start ({error}); on Debian: apt-get install valgrind"))?;
    if !output.status.success() {
        return Err(format!("{} failed under valgrind:\n{}", args.join(" "), String::from_utf8_lossy(&output.stderr)));
    }
    Ok(output)
}

fn instructions(output: &Output, module: &str, args: &[&str]) -> Result<i64, String> {
    let said = String::from_utf8_lossy(&output.stderr);
    let count = said.lines().find_map(|line| line.split_once("Collected :")).map(|(_, count)| count.trim().parse());
    match count.and_then(Result::ok) {
        Some(0) => Err(format!("callgrind did not see `{module}::{COLLECTED}` in {}", args.join(" "))),
        Some(count) => Ok(count),
        None => Err(format!("callgrind printed no count:\n{said}")),
    }
}

/// Calls from anywhere, by callgrind's profile: `cfn=` names who is called, and `calls=` after it how often.
fn allocations(profile: &str) -> Result<i64, String> {
    const ALLOCATING: [&str; 5] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];
    let (mut sum, mut is_allocating, mut is_any) = (0, false, false);
    for line in profile.lines() {
        if let Some(name) = line.strip_prefix("cfn=") {
            is_allocating = ALLOCATING.contains(&name);
        } else if let Some(calls) = line.strip_prefix("calls=") {
            is_any = true;
            if is_allocating {
                let count = calls.split(' ').next().and_then(|count| count.parse::<i64>().ok());
                sum += count.ok_or_else(|| format!("callgrind's profile has an odd line: {line}"))?;
            }
        }
    }
    if is_any { Ok(sum) } else { Err("callgrind's profile has no calls".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::allocations;

    #[test]
    fn calls_that_allocate_are_summed() {
        let profile = "fn=a\n3 5\ncfn=malloc\ncalls=12 0\n4 600\ncfn=free\ncalls=9 0\n5 1\nfn=b\ncob=libc\ncfn=realloc\ncalls=2 +3\n6 7\n";
        assert_eq!(allocations(profile), Ok(14));
        assert!(allocations("fn=a\n3 5\n").is_err());
        assert!(allocations("cfn=malloc\ncalls=x 0\n").is_err());
    }
}
