//! Running cargo, and what `cargo metadata` says.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

/// The workspace's root directory.
pub(crate) fn root() -> PathBuf {
    let start = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env::current_dir().unwrap_or_default(), PathBuf::from);
    let is_root = |dir: &&Path| dir.join("Cargo.lock").is_file();
    start.ancestors().find(is_root).unwrap_or(&start).to_path_buf()
}

/// cargo, in the root directory, without what this process's own package left in the environment.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).stdin(Stdio::null());
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    command
}

/// One member of the workspace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) license: String,
    pub(crate) features: Vec<String>,
    pub(crate) has_lib: bool,
    pub(crate) published: bool,
    /// Types of other crates that its API may show.
    pub(crate) external: Vec<String>,
}

/// The members of the workspace.
pub(crate) fn packages() -> Result<Vec<Package>, String> {
    parse_metadata(&metadata()?)
}

/// Where cargo puts what it makes.
pub(crate) fn target_folder() -> Result<PathBuf, String> {
    let metadata: Value = serde_json::from_slice(&metadata()?).map_err(|error| format!("cargo metadata is not readable: {error}"))?;
    metadata["target_directory"].as_str().map(PathBuf::from).ok_or_else(|| "cargo metadata names no target directory".to_owned())
}

fn metadata() -> Result<Vec<u8>, String> {
    let output = cargo()
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo metadata did not start: {error}"))?;
    if output.status.success() { Ok(output.stdout) } else { Err("cargo metadata failed".to_owned()) }
}

fn parse_metadata(json: &[u8]) -> Result<Vec<Package>, String> {
    let metadata: Value = serde_json::from_slice(json).map_err(|error| format!("cargo metadata is not readable: {error}"))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let is_lib = |target: &Value| target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "lib"));
    let package = |package: &Value| Package {
        name: text(&package["name"]),
        description: text(&package["description"]),
        license: text(&package["license"]),
        features: package["features"].as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default(),
        has_lib: package["targets"].as_array().is_some_and(|targets| targets.iter().any(is_lib)),
        published: package["publish"].as_array().is_none_or(|registries| !registries.is_empty()),
        external: package["metadata"]["cargo_check_external_types"]["allowed_external_types"]
            .as_array()
            .into_iter()
            .flatten()
            .map(text)
            .collect(),
    };
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    Ok(packages.iter().map(package).collect())
}

/// How a person would type the command.
pub(crate) fn shown(env: &[(&str, &str)], args: &[&str]) -> String {
    let quoted = |word: &str| if word.contains(' ') { format!("'{word}'") } else { word.to_owned() };
    let env = env.iter().map(|(name, value)| format!("{name}={} ", quoted(value)));
    let args = args.iter().map(|arg| format!(" {}", quoted(arg)));
    format!("{}cargo{}", env.collect::<String>(), args.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::{parse_metadata, shown};

    #[test]
    fn metadata_tells_libraries_features_and_publication() {
        let json = br#"{"packages":[
            {"name":"a","description":"d","license":"MIT","features":{"x":[],"y":["x"]},"publish":null,"targets":[{"kind":["lib"]}],
             "metadata":{"cargo_check_external_types":{"allowed_external_types":["http::*"]}}},
            {"name":"b","description":null,"license":null,"features":{},"publish":[],"targets":[{"kind":["bin"]},{"kind":["test"]}]}
        ]}"#;
        let packages = parse_metadata(json).unwrap();
        assert_eq!(packages[0].features, ["x", "y"]);
        assert!(packages[0].has_lib && packages[0].published);
        assert_eq!(packages[0].external, ["http::*"]);
        assert!(!packages[1].has_lib && !packages[1].published);
        assert!(parse_metadata(b"{}").is_err());
    }

    #[test]
    fn a_shown_command_can_be_pasted() {
        assert_eq!(shown(&[("RUSTDOCFLAGS", "-D warnings")], &["doc", "--no-deps"]), "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps");
    }
}
