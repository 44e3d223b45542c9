//! Which types of other crates the published crates show in their API: those are part of our promise, and listed in each manifest.
//!
//! The list is `package.metadata.cargo_check_external_types.allowed_external_types`, which the tool of that name reads, too. An entry is a
//! path where the type is defined, and `*` stands for any rest: stable crates whole, all others item by item.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
    process::{Command, ExitCode},
};

use serde_json::Value;

use crate::cargo::Package;

/// Set where this program stands in for rustdoc.
const AS_RUSTDOC: &str = "XTASK_AS_RUSTDOC";

/// What makes cargo write the API as JSON. That is not stable yet, which is admitted for rustdoc alone: told to cargo, it would rebuild
/// every dependency that looks at `RUSTC_BOOTSTRAP`. So this program stands between the two.
pub(crate) fn environment() -> Vec<(&'static str, String)> {
    let this = env::current_exe().map(|path| path.display().to_string()).unwrap_or_default();
    vec![("RUSTDOC", this), (AS_RUSTDOC, "1".to_owned()), ("RUSTDOCFLAGS", "-Z unstable-options --output-format json".to_owned())]
}

/// Runs rustdoc, if cargo started this program in its place.
pub(crate) fn stand_in() -> Option<ExitCode> {
    env::var_os(AS_RUSTDOC)?;
    let status = Command::new("rustdoc").args(env::args_os().skip(1)).env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTDOC").status();
    Some(status.ok().and_then(|status| u8::try_from(status.code()?).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// What is wrong with the API of `package`, which rustdoc has described in the directory `docs`.
pub(crate) fn check(package: &Package, docs: &Path) -> Vec<String> {
    let file = docs.join(package.name.replace('-', "_")).with_extension("json");
    let text = fs::read(&file).map_err(|error| error.to_string());
    match text.and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string())) {
        Ok(api) => judge(&package.name, &package.external, &shown(&api)),
        Err(error) => vec![format!("what rustdoc says of {} is not readable: {error}", package.name)],
    }
}

fn judge(name: &str, allowed: &[String], shown: &BTreeMap<String, String>) -> Vec<String> {
    let unlisted = shown.iter().filter(|(path, _)| !allowed.iter().any(|pattern| matches(pattern, path)));
    let unlisted = unlisted.map(|(path, by)| format!("{name} shows {path} (in {by}), which is not among its `allowed_external_types`"));
    let unused = allowed.iter().filter(|pattern| !shown.keys().any(|path| matches(pattern, path)));
    unlisted.chain(unused.map(|pattern| format!("{name} allows `{pattern}` in its API, which shows no such type"))).collect()
}

fn matches(pattern: &str, path: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == path, |start| path.starts_with(start))
}

/// Every path of another crate that the API names, with one item that names it. The standard library may always be.
fn shown(api: &Value) -> BTreeMap<String, String> {
    let mut shown = BTreeMap::new();
    for item in api["index"].as_object().into_iter().flatten().map(|(_, item)| item).filter(|item| item["crate_id"] == 0) {
        let mut ids = BTreeSet::new();
        let inner = &item["inner"];
        let written = &inner["impl"];
        if written["is_synthetic"] == true || !written["blanket_impl"].is_null() {
            continue; // `Send`, or what every type has
        }
        ids.extend(inner["use"]["id"].as_u64());
        named(inner, &mut ids);
        let holder = [&item["name"], &inner["use"]["name"], &written["for"]["resolved_path"]["path"]];
        let holder = holder.iter().find_map(|name| name.as_str()).unwrap_or("an impl");
        for path in ids.into_iter().filter_map(|id| foreign(api, id)) {
            shown.entry(path).or_insert_with(|| holder.to_owned());
        }
    }
    shown
}

/// The ids of all paths in a signature.
fn named(value: &Value, ids: &mut BTreeSet<u64>) {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("path") {
                ids.extend(fields.get("id").and_then(Value::as_u64));
            }
            fields.values().for_each(|value| named(value, ids));
        }
        Value::Array(values) => values.iter().for_each(|value| named(value, ids)),
        _ => {}
    }
}

fn foreign(api: &Value, id: u64) -> Option<String> {
    let summary = &api["paths"][id.to_string()];
    let segments: Vec<_> = summary["path"].as_array()?.iter().filter_map(Value::as_str).collect();
    let is_ours = summary["crate_id"] == 0 || ["core", "alloc", "std"].contains(segments.first()?);
    // `__private` is what macros leave behind, and nobody can name
    (!is_ours && !segments.contains(&"__private")).then(|| segments.join("::"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{judge, shown};

    /// The API of a crate with: a function over `http::Request<std::String>`, a private-macro bound, a re-export, an impl of a foreign trait,
    /// an automatic and a blanket impl, and an item of another crate.
    fn api() -> serde_json::Value {
        let path = |id: u64| json!({ "path": "as written", "id": id, "args": null });
        json!({
            "index": {
                "1": { "crate_id": 0, "name": "call", "inner": { "function": { "sig": { "inputs": [
                    ["request", { "resolved_path": { "path": "Request", "id": 10, "args": { "angle_bracketed": { "args": [{ "type": { "resolved_path": path(11) } }] } } } }],
                    ["own", { "resolved_path": path(12) }],
                ] } } } },
                "2": { "crate_id": 0, "name": null, "inner": { "use": { "source": "fred", "name": "fred", "id": 13 } } },
                "3": { "crate_id": 0, "name": null, "inner": { "impl": { "is_synthetic": false, "blanket_impl": null, "trait": path(14), "for": { "resolved_path": { "path": "Own", "id": 12 } } } } },
                "4": { "crate_id": 0, "name": null, "inner": { "impl": { "is_synthetic": true, "blanket_impl": null, "trait": path(15) } } },
                "5": { "crate_id": 0, "name": null, "inner": { "impl": { "is_synthetic": false, "blanket_impl": { "generic": "T" }, "trait": path(15) } } },
                "6": { "crate_id": 7, "name": "theirs", "inner": { "assoc_type": { "bounds": [path(15)] } } },
                "7": { "crate_id": 0, "name": "Pinned", "inner": { "struct": { "generics": [path(16)] } } },
            },
            "paths": {
                "10": { "crate_id": 7, "path": ["http", "request", "Request"] },
                "11": { "crate_id": 1, "path": ["alloc", "string", "String"] },
                "12": { "crate_id": 0, "path": ["own", "Own"] },
                "13": { "crate_id": 8, "path": ["fred"] },
                "14": { "crate_id": 9, "path": ["tower_layer", "Layer"] },
                "15": { "crate_id": 9, "path": ["hidden", "Blanket"] },
                "16": { "crate_id": 9, "path": ["pin_project_lite", "__private", "PinnedFieldsOf"] },
            },
        })
    }

    #[test]
    fn signatures_reexports_and_traits_of_others_are_shown() {
        let shown: Vec<_> = shown(&api()).into_iter().collect();
        let by = |path: &str, by: &str| (path.to_owned(), by.to_owned());
        assert_eq!(shown, [by("fred", "fred"), by("http::request::Request", "call"), by("tower_layer::Layer", "Own")]);
    }

    #[test]
    fn what_is_shown_is_listed_and_what_is_listed_is_shown() {
        let judged = |allowed: &[&str]| judge("own", &allowed.iter().map(|&entry| entry.to_owned()).collect::<Vec<_>>(), &shown(&api()));
        assert_eq!(judged(&["fred", "http::*", "tower_layer::Layer"]), <[String; 0]>::default());
        assert_eq!(
            judged(&["fred", "http::*"]),
            ["own shows tower_layer::Layer (in Own), which is not among its `allowed_external_types`"]
        );
        assert_eq!(
            judged(&["fred", "http::*", "http::Uri", "tower_layer::*"]),
            ["own allows `http::Uri` in its API, which shows no such type"]
        );
        assert_eq!(judged(&["fre", "http::*", "tower_layer::*"]).len(), 2, "only a star stands for a rest");
    }
}
