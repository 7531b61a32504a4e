//! Pipelines whose Tasks come by one of Tekton's resolvers, so that a cluster needs nothing of this catalog before a run.

use serde_json::{Value, json};

use super::version::VERSION;

/// Where Tasks come from.
pub enum Resolver {
    /// A git repository, by url and revision.
    Git,
    /// An OCI image made by `tkn bundle push`.
    Bundles,
}

/// All of them.
pub const ALL: [Resolver; 2] = [Resolver::Git, Resolver::Bundles];

/// The annotations that say when a Pipeline runs, and with what.
const OF_TRIGGERS: [&str; 2] = ["pipe.linecorp.com/event", "streamgauge.dev/commit-parameters"];

impl Resolver {
    /// Tekton's name of it.
    fn name(&self) -> &'static str {
        match self {
            Self::Git => "git",
            Self::Bundles => "bundles",
        }
    }

    /// The file name of the sample run.
    pub fn sample(&self) -> &'static str {
        match self {
            Self::Git => "from-git.yaml",
            Self::Bundles => "from-bundle.yaml",
        }
    }

    /// Where such a Pipeline lies in this repository.
    pub fn pipeline_path(&self, pipeline: &str) -> String {
        format!("config/resolvers/{}/{pipeline}.yaml", self.name())
    }

    /// What a run has to say, and an example of it.
    fn params(&self) -> Vec<(&'static str, &'static str, String)> {
        match self {
            Self::Git => vec![
                (
                    "catalog-url",
                    "Git repository that the Tasks come from",
                    "https://git.example/team/streamgauge".to_owned(),
                ),
                ("catalog-revision", "Tag or commit that the Tasks come from", format!("v{VERSION}")),
            ],
            Self::Bundles => vec![(
                "catalog-bundle",
                "Tekton bundle that the Tasks come from",
                format!("registry.example/team/streamgauge-catalog:{VERSION}"),
            )],
        }
    }

    /// A reference to a Task or Pipeline of this catalog, with the values of `params` put in by `value`.
    fn reference(&self, kind: &str, name: &str, path: String, value: impl Fn(&str) -> Value) -> Value {
        let params = match self {
            Self::Git => json!([
                {"name": "url", "value": value("catalog-url")},
                {"name": "revision", "value": value("catalog-revision")},
                {"name": "pathInRepo", "value": path},
            ]),
            Self::Bundles => json!([
                {"name": "bundle", "value": value("catalog-bundle")},
                {"name": "name", "value": name},
                {"name": "kind", "value": kind},
            ]),
        };
        json!({"resolver": self.name(), "params": params})
    }

    /// The Pipeline with its Tasks by this resolver.
    pub fn pipeline(&self, pipeline: &Value) -> Value {
        let mut pipeline = pipeline.clone();
        // A copy says nothing of when the Pipeline runs: one event, one run.
        if let Some(annotations) = pipeline["metadata"]["annotations"].as_object_mut() {
            annotations.retain(|name, _| !OF_TRIGGERS.contains(&name.as_str()));
        }
        for part in ["tasks", "finally"] {
            for task in pipeline["spec"][part].as_array_mut().into_iter().flatten() {
                let name = task["taskRef"]["name"].as_str().unwrap_or_default().to_owned();
                let path = format!("tasks/{name}/{name}.yaml");
                task["taskRef"] = self.reference("task", &name, path, |param| json!(format!("$(params.{param})")));
            }
        }
        if let Some(params) = pipeline["spec"]["params"].as_array_mut() {
            let more = self.params().into_iter();
            params.extend(
                more.map(|(name, description, _)| json!({"name": name, "description": description, "type": "string"})),
            );
        }
        pipeline
    }

    /// The run with the Pipeline and its Tasks by this resolver.
    pub fn run(&self, name: &str, run: &Value) -> Value {
        let mut run = run.clone();
        let params = self.params();
        run["spec"]["pipelineRef"] = self.reference("pipeline", name, self.pipeline_path(name), |wanted| {
            params.iter().find(|(name, ..)| *name == wanted).map_or(Value::Null, |(.., example)| json!(example))
        });
        // No kustomize has set the image's name in what comes from elsewhere.
        let image = ("image", format!("registry.example/team/streamgauge:{VERSION}"));
        let more = params.into_iter().map(|(name, _, example)| (name, example)).chain([image]);
        if let Some(given) = run["spec"]["params"].as_array_mut() {
            given.splice(0..0, more.map(|(name, value)| json!({"name": name, "value": value})));
        }
        run
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipeline() -> Value {
        json!({"spec": {
            "params": [{"name": "a"}],
            "tasks": [{"name": "load", "taskRef": {"name": "deploy-dataloader"}}],
            "finally": [{"name": "notify", "taskRef": {"name": "send-slack"}}],
        }})
    }

    #[test]
    fn every_task_comes_from_git() {
        let made = Resolver::Git.pipeline(&pipeline());
        assert_eq!(
            made["spec"]["finally"][0]["taskRef"],
            json!({"resolver": "git", "params": [
                {"name": "url", "value": "$(params.catalog-url)"},
                {"name": "revision", "value": "$(params.catalog-revision)"},
                {"name": "pathInRepo", "value": "tasks/send-slack/send-slack.yaml"},
            ]})
        );
        assert_eq!(made["spec"]["params"][2]["name"], "catalog-revision");
    }

    #[test]
    fn a_run_names_the_bundle_for_the_pipeline_and_its_tasks() {
        let run = json!({"spec": {"pipelineRef": {"name": "p"}, "params": [{"name": "a", "value": "1"}]}});
        let made = Resolver::Bundles.run("p", &run);
        let bundle = json!(format!("registry.example/team/streamgauge-catalog:{VERSION}"));
        assert_eq!(made["spec"]["pipelineRef"]["params"][0], json!({"name": "bundle", "value": bundle}));
        assert_eq!(made["spec"]["pipelineRef"]["params"][2], json!({"name": "kind", "value": "pipeline"}));
        assert_eq!(made["spec"]["params"][0], json!({"name": "catalog-bundle", "value": bundle}));
    }
}
