use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// The folder to keep files in, where it is given.
const FOLDER: &str = "UNSTICK_BENCH_FOLDER";

/// Keeps a file in the folder that `UNSTICK_BENCH_FOLDER` names, or else in `bench` of the target directory, and says where.
///
/// # Errors
/// When it cannot be written.
pub fn save(name: &str, content: &str) -> Result<(), String> {
    let program = env::current_exe().map_err(|error| format!("this program's path is unknown: {error}"))?;
    let folder = env::var_os(FOLDER).map_or_else(|| target_folder(&program).join("bench"), PathBuf::from);
    let path = folder.join(name);
    let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, content));
    written.map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    println!("saved in {}", path.display());
    Ok(())
}

/// Cargo marks its target directory with a tag file.
fn target_folder(program: &Path) -> PathBuf {
    let tagged = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    tagged.map_or_else(env::temp_dir, Path::to_path_buf)
}
