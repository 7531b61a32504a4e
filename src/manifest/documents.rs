//! Files and folders, as a list of objects.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Error;
use crate::kubernetes::object::text;

/// Files that kustomize reads, by name.
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// Generated CustomResourceDefinitions are the largest files there are: some have 10^5 lines.
const MOST_NODES: usize = 4_000_000;

/// One object, as a file describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Its file and, where there are several, its place there.
    pub origin: String,
    /// The object.
    pub content: Value,
}

impl Manifest {
    /// Its kind.
    pub fn kind(&self) -> &str {
        text(&self.content, "/kind")
    }

    /// Its group and version.
    pub fn api_version(&self) -> &str {
        text(&self.content, "/apiVersion")
    }

    /// Its group; empty for the core.
    pub fn group(&self) -> &str {
        self.api_version().split_once('/').map_or("", |(group, _)| group)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        text(&self.content, "/metadata/name")
    }

    /// The namespace it names; empty when it names none.
    pub fn namespace(&self) -> &str {
        text(&self.content, "/metadata/namespace")
    }

    /// Whether its values must not be shown.
    pub fn is_secret(&self) -> bool {
        self.kind() == "Secret"
    }
}

impl std::fmt::Display for Manifest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind(), self.name())
    }
}

/// Reads these files, and those in these folders and in theirs, in the order of their names.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Manifest>, Error> {
    let mut files = Vec::new();
    for path in paths {
        find(path, &mut files)?;
    }
    let mut manifests = Vec::new();
    for file in &files {
        manifests.extend(documents(file)?);
    }
    if manifests.is_empty() {
        let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(Error::Nothing { paths: paths.join(", ") });
    }
    Ok(manifests)
}

/// Refuses an object that comes twice: the second would undo the first.
pub fn check_once(manifests: &[Manifest]) -> Result<(), Error> {
    let mut seen: HashMap<_, &str> = HashMap::new();
    for manifest in manifests {
        let identity = (manifest.group(), manifest.kind(), manifest.namespace(), manifest.name());
        if let Some(first) = seen.insert(identity, &manifest.origin) {
            let (first, second) = (first.to_owned(), manifest.origin.clone());
            return Err(Error::Twice { object: manifest.to_string(), first, second });
        }
    }
    Ok(())
}

fn find(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let unreadable = |source| Error::Read { path: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).map_err(unreadable)?;
    let mut inside: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<Result<_, _>>().map_err(unreadable)?;
    inside.sort();
    for entry in inside {
        let name = entry.file_name().unwrap_or_default().to_string_lossy();
        // Kubernetes mounts ConfigMaps with hidden folders beside the files, git has its own.
        if name.starts_with('.') {
            continue;
        }
        let is_manifest = entry.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json");
        if entry.is_dir() || is_manifest || KUSTOMIZATIONS.contains(&&*name) {
            find(&entry, files)?;
        }
    }
    Ok(())
}

fn documents(path: &Path) -> Result<Vec<Manifest>, Error> {
    if path.file_name().and_then(|name| name.to_str()).is_some_and(|name| KUSTOMIZATIONS.contains(&name)) {
        return Err(Error::Kustomization { path: path.to_owned() });
    }
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let values: Vec<Value> = serde_saphyr::from_multiple_with_options(&text, yaml())
        .map_err(|error| Error::Yaml { path: path.to_owned(), words: error.without_snippet().to_string() })?;
    let several = values.len() > 1;
    let mut manifests = Vec::new();
    for (number, value) in values.into_iter().enumerate().filter(|(_, value)| !value.is_null()) {
        let place = if several { format!(", document {}", number + 1) } else { String::new() };
        take_apart(value, &format!("{}{place}", path.display()), &mut manifests)?;
    }
    Ok(manifests)
}

/// As kubectl reads YAML: `yes` and `on` are true, and `0644`, a file's mode, is octal.
pub(super) fn yaml() -> serde_saphyr::Options {
    let budget = serde_saphyr::budget! {
        max_nodes: MOST_NODES,
        max_events: 4 * MOST_NODES,
        max_documents: 100_000,
        max_depth: 200,
    };
    serde_saphyr::options! { budget: budget, legacy_octal_numbers: true }
}

/// The objects of a document: itself, or those of a List.
fn take_apart(mut value: Value, origin: &str, manifests: &mut Vec<Manifest>) -> Result<(), Error> {
    let refuse = |why: &str| Err(Error::Document { origin: origin.to_owned(), why: why.to_owned() });
    if !value.is_object() {
        return refuse("it is not an object with apiVersion and kind");
    }
    if text(&value, "/kind").ends_with("List") && value.get("items").is_some_and(Value::is_array) {
        if let Some(Value::Array(items)) = value.get_mut("items").map(Value::take) {
            for (number, item) in items.into_iter().enumerate() {
                take_apart(item, &format!("{origin}, item {}", number + 1), manifests)?;
            }
        }
        return Ok(());
    }
    let manifest = Manifest { origin: origin.to_owned(), content: value };
    match (manifest.api_version(), manifest.kind(), manifest.name()) {
        ("", ..) => refuse("it has no apiVersion"),
        (_, "", _) => refuse("it has no kind"),
        (version, "Kustomization", _) if version.starts_with("kustomize.config.k8s.io/") => {
            refuse("it is kustomize's: give the output of `kustomize build` instead")
        }
        (_, _, "") if !text(&manifest.content, "/metadata/generateName").is_empty() => {
            refuse("it has a generateName; to be found again it needs a metadata.name")
        }
        (_, _, "") => refuse("it has no metadata.name"),
        _ => {
            manifests.push(manifest);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\n";

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    fn names(dir: &tempfile::TempDir) -> Vec<String> {
        read(&[dir.path().to_owned()]).unwrap().iter().map(ToString::to_string).collect()
    }

    fn refused(file: &str, text: &str) -> String {
        let dir = folder(&[(file, text)]);
        let error = read(&[dir.path().to_owned()]).unwrap_err().to_string();
        error.replace(&format!("{}/", dir.path().display()), "")
    }

    #[test]
    fn folders_are_read_with_all_that_is_in_them_and_other_files_are_left_alone() {
        let map = |name: &str| MAP.replace("NAME", name);
        let two = format!("---\n# nothing\n---\n{}---\n{}", map("b"), map("c"));
        let list = r#"{"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}},
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d"}}]}"#;
        let dir = folder(&[
            ("a.yml", &map("a")),
            ("deep/er/two.yaml", &two),
            ("list.json", list),
            ("README.md", "not: [yaml"),
            (".git/x.yaml", "not: [yaml"),
        ]);
        assert_eq!(names(&dir), ["ConfigMap/a", "ConfigMap/b", "ConfigMap/c", "Secret/s", "ConfigMap/d"]);
    }

    #[test]
    fn yaml_is_read_as_kubectl_reads_it() {
        let dir = folder(&[("a.yaml", &format!("{}mode: 0644\nlive: yes\nimage: '1.10'", MAP.replace("NAME", "a")))]);
        let found = read(&[dir.path().to_owned()]).unwrap();
        assert_eq!(found[0].content["mode"], 420);
        assert_eq!(found[0].content["live"], true);
        assert_eq!(found[0].content["image"], "1.10");
    }

    #[test]
    fn what_cannot_be_applied_is_refused_by_file_and_place() {
        assert_eq!(
            refused("a.yaml", "kind: Pod\n---\nkind: Pod"),
            "a.yaml, document 1 cannot be applied: it has no apiVersion"
        );
        assert_eq!(
            refused("a.yaml", "hello"),
            "a.yaml cannot be applied: it is not an object with apiVersion and kind"
        );
        assert_eq!(
            refused("a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {generateName: x-}"),
            "a.yaml cannot be applied: it has a generateName; to be found again it needs a metadata.name"
        );
        assert!(refused("k/kustomization.yaml", "resources: []").contains("kustomize build"));
        assert!(refused("a.yaml", "a: [").starts_with("a.yaml is not YAML: "));
        assert!(refused("a.txt", "").starts_with("no manifests in "));
    }

    #[test]
    fn an_object_that_comes_twice_is_refused() {
        let map = MAP.replace("NAME", "a");
        let dir = folder(&[("a.yaml", &map), ("b.yaml", &map)]);
        let error = check_once(&read(&[dir.path().to_owned()]).unwrap()).unwrap_err();
        assert!(error.to_string().starts_with("ConfigMap/a comes twice, from "), "{error}");
    }

    #[test]
    fn large_generated_files_are_read() {
        let field = "  - {a: 1, b: two, c: [3, 4], d: {e: f}}\n";
        let dir = folder(&[("a.yaml", &format!("{}list:\n{}", MAP.replace("NAME", "a"), field.repeat(100_000)))]);
        assert_eq!(names(&dir), ["ConfigMap/a"]);
    }
}
