//! The catalog as a user gets it: accepted by the real webhook, with images of one's own, started by the READMEs' lines.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cluster::Namespace;

pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The images as the manifests have them, whatever the parameter's name.
const OURS_UNNAMED: [&str; 2] = ["streamgauge:", "streamgauge-java:"];

/// The same with a registry of one's own.
const OURS: [&str; 2] = ["registry.example/team/streamgauge:9.9.9", "registry.example/team/streamgauge-java:9.9.9"];

const IMAGES: &str = "images:
  - name: streamgauge
    newName: registry.example/team/streamgauge
    newTag: 9.9.9
  - name: streamgauge-java
    newName: registry.example/team/streamgauge-java
    newTag: 9.9.9
";

/// The YAML files below these folders of the repository for which `wanted` says so, by their path.
pub fn files(folders: &[&str], wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let mut left: Vec<PathBuf> = folders.iter().map(|folder| Path::new(ROOT).join(folder)).collect();
    let mut found = Vec::new();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let text = path.display().to_string();
            found.extend((text.ends_with(".yaml") && wanted(&text)).then_some(text));
        }
    }
    found.sort();
    found
}

pub fn documents(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).unwrap()
}

/// Kind, resource, parameter and default of all that names an image.
fn images(documents: &[Value]) -> Vec<[String; 4]> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    for document in documents {
        for param in document["spec"]["params"].as_array().into_iter().flatten() {
            let default = text(&param["default"]);
            if text(&param["name"]).ends_with("image") || OURS_UNNAMED.iter().any(|image| default.contains(image)) {
                let [kind, name] = [text(&document["kind"]), text(&document["metadata"]["name"])];
                found.push([kind, name, text(&param["name"]), default]);
            }
        }
    }
    found.sort();
    found
}

/// The images of the manifests as they lie there, with their names and tags made ours.
fn wanted() -> Vec<[String; 4]> {
    let manifests = files(&["tasks", "stepactions", "pipelines"], |path| !path.contains("/samples/"));
    let texts = manifests.iter().map(|path| std::fs::read_to_string(path).unwrap());
    let mut all = images(&texts.flat_map(|text| documents(&text)).collect::<Vec<_>>());
    for [.., image] in &mut all {
        let ours = if image.starts_with("streamgauge-java:") { OURS[1] } else { OURS[0] };
        assert!(image.starts_with("streamgauge"), "{image}");
        ours.clone_into(image);
    }
    all
}

/// The other folder's path as kustomize takes it: no absolute one.
fn relative(from: &Path, to: &str) -> String {
    let up = from.canonicalize().unwrap().components().count() - 1;
    format!("{}{}", "../".repeat(up), to.trim_start_matches('/'))
}

pub fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        std::fs::copy(from, to).unwrap();
    }
}

#[test]
fn the_whole_catalog_is_accepted_by_the_real_webhook() {
    let space = Namespace::new("catalog");
    let strict = ["--dry-run=server", "--validate=strict"];
    let catalog = space.kubectl(&["apply", "-k", ROOT, strict[0], strict[1]]).text();
    let lines = catalog.lines().filter(|line| line.ends_with("created (server dry run)")).count();
    let made = files(&["tasks", "stepactions", "pipelines"], |path| !path.contains("/samples/"));
    assert_eq!(lines, made.len() + 1, "all of them and a ServiceAccount: {catalog}");
    let config = files(&["config"], |path| !["/images/", "-template.yaml"].iter().any(|part| path.contains(part)));
    let samples = files(&["tasks", "stepactions", "pipelines"], |path| path.contains("/samples/"));
    assert!(config.len() >= 9 && samples.len() >= 16, "{config:?} {samples:?}");
    for (verb, file) in config.iter().map(|file| ("apply", file)).chain(samples.iter().map(|file| ("create", file))) {
        let answer = space.kubectl(&[verb, "-f", file, strict[0], strict[1]]);
        assert!(answer.ok, "{file}: {}", answer.stderr);
    }
}

#[test]
fn images_of_ones_own_reach_every_default() {
    let space = Namespace::new("images");
    let folder = tempfile::tempdir().unwrap();
    // What `kustomize edit set image` leaves in a clone of the repository.
    let clone = folder.path().join("clone");
    for part in ["kustomization.yaml", "tasks", "stepactions", "pipelines", "config"] {
        std::fs::create_dir_all(&clone).unwrap();
        copy(&Path::new(ROOT).join(part), &clone.join(part));
    }
    let file = clone.join("kustomization.yaml");
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + IMAGES).unwrap();
    // The README's overlay in another repository.
    let overlay = folder.path().join("overlay");
    std::fs::create_dir(&overlay).unwrap();
    let root = relative(&overlay, ROOT);
    let text = format!("resources: [\"{root}\"]\ntransformers: [\"{root}/config/images\"]\n{IMAGES}");
    std::fs::write(overlay.join("kustomization.yaml"), text).unwrap();
    for kustomization in [clone, overlay] {
        let rendered = documents(&space.kubectl(&["kustomize", &kustomization.display().to_string()]).text());
        assert_eq!(images(&rendered), wanted(), "{}", kustomization.display());
        assert!(rendered.iter().all(|document| document["kind"] != "PodTemplate"));
    }
}

#[test]
fn who_starts_runs_may_do_that_and_no_more() {
    let space = Namespace::new("rights");
    space.apply(&Path::new(ROOT).join("config/rbac.yaml"));
    let may = |verb: &str, what: &str| {
        let who = ["--as=someone", "--as-group=example-performance-testers"];
        let answer = space.kubectl(&["auth", "can-i", verb, what, who[0], who[1]]);
        match answer.stdout.trim() {
            "yes" => true,
            "no" => false,
            _ => panic!("{answer:?}"),
        }
    };
    // The API server learns of a Role a moment after it has taken it.
    space.until("namespace", |_| may("create", "pipelineruns"));
    for (verb, what) in
        [("create", "pipelineruns"), ("patch", "pipelineruns"), ("watch", "taskruns"), ("get", "pods/log")]
    {
        assert!(may(verb, what), "may not {verb} {what}");
    }
    for (verb, what) in [("get", "secrets"), ("create", "pods"), ("update", "tasks"), ("create", "pods/exec")] {
        assert!(!may(verb, what), "may {verb} {what}");
    }
}

/// The shell lines of a README that begin with these words.
pub fn shell_block<'a>(readme: &'a str, words: &str) -> &'a str {
    let block = readme.split("```sh\n").find(|block| block.starts_with(words)).unwrap();
    block.split("\n```").next().unwrap()
}

/// The words of a command as a shell splits them, without the program.
pub fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in command.replace("\\\n", " ").split('\'').enumerate() {
        let glue = |words: &mut Vec<String>, text: &str| match words.last_mut() {
            Some(last) => last.push_str(text),
            None => words.push(text.to_owned()),
        };
        if index % 2 == 1 {
            glue(&mut words, part);
            continue;
        }
        for (index, word) in part.split(' ').enumerate() {
            if index == 0 { glue(&mut words, word) } else { words.push(word.to_owned()) }
        }
    }
    words.retain(|word| !word.is_empty());
    words.split_off(1)
}

fn sorted(list: &Value) -> Vec<Value> {
    let mut items = list.as_array().cloned().unwrap_or_default();
    items.sort_by_key(|item| item["name"].to_string());
    items
}

#[test]
fn the_readmes_tkn_lines_start_what_the_samples_describe() {
    let space = Namespace::new("tkn");
    space.install_catalog();
    let readmes: Vec<PathBuf> = ["tasks", "pipelines"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap())
        .map(|entry| entry.unwrap().path().join("README.md"))
        .filter(|path| path.exists())
        .collect();
    let made = files(&["tasks", "pipelines"], |path| !path.contains("/samples/"));
    assert_eq!(readmes.len(), made.len());
    for readme in readmes {
        let text = std::fs::read_to_string(&readme).unwrap();
        let command = shell_block(&text, "tkn ").replace("--showlog", "--dry-run");
        let arguments = words(&command);
        let answer = space.tkn(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let started = documents(&answer.text()).remove(0);
        let name = readme.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let sample = readme.with_file_name("samples").join(format!("{name}.yaml"));
        let sample = documents(&std::fs::read_to_string(sample).unwrap()).remove(0);
        for list in ["params", "workspaces"] {
            let started: Vec<Value> = sorted(&started["spec"][list]);
            let wanted = sorted(&sample["spec"][list]);
            let names = |list: &[Value]| list.iter().map(|item| item["name"].clone()).collect::<Vec<_>>();
            assert_eq!(names(&started), names(&wanted), "{name}");
            if list == "params" {
                assert_eq!(started, wanted, "{name}");
            }
        }
    }
}
