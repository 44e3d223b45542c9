use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// Keeps a table in the target directory, and says where.
///
/// # Errors
/// When it cannot be written.
pub fn save(name: &str, content: &str) -> Result<(), String> {
    let program = env::current_exe().map_err(|error| format!("this program's path is unknown: {error}"))?;
    let path = target_folder(&program).join(name);
    fs::write(&path, content).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    println!("saved in {}", path.display());
    Ok(())
}

/// Cargo marks its target directory with a tag file.
fn target_folder(program: &Path) -> PathBuf {
    let tagged = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    tagged.map_or_else(env::temp_dir, Path::to_path_buf)
}
