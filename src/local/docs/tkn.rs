//! A sample run as one line of `tkn`.

use serde_json::Value;

/// Where `tkn` finds what a run's YAML says of its pods, and of a volume of its own.
const POD_TEMPLATE: &str = "config/pod-template.yaml";
const VOLUME: &str = "config/volume-claim-template.yaml";

/// `tkn task start` or `tkn pipeline start` with what the run gives.
pub fn start(manifest: &Value, run: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let pipeline = manifest["kind"] == "Pipeline";
    let spec = &run["spec"];
    let template = if pipeline { &spec["taskRunTemplate"] } else { spec };
    let kind = if pipeline { "pipeline" } else { "task" };
    let mut words = vec![format!("tkn {kind} start {}", text(&manifest["metadata"]["name"]))];
    for param in list(&spec["params"]) {
        let value = match &param["value"] {
            Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
            value => text(value),
        };
        words.push(format!("--param {}", quoted(&format!("{}={value}", text(&param["name"])))));
    }
    for workspace in list(&spec["workspaces"]) {
        words.push(format!("--workspace {}", quoted(&self::workspace(workspace))));
    }
    words.extend(template["serviceAccountName"].as_str().map(|name| format!("--serviceaccount {name}")));
    words.extend(template.get("podTemplate").map(|_| format!("--pod-template {POD_TEMPLATE}")));
    let timeouts = [
        ("--timeout", &spec["timeout"]),
        ("--pipeline-timeout", &spec["timeouts"]["pipeline"]),
        ("--tasks-timeout", &spec["timeouts"]["tasks"]),
        ("--finally-timeout", &spec["timeouts"]["finally"]),
    ];
    words.extend(timeouts.iter().filter_map(|(flag, time)| Some(format!("{flag} {}", time.as_str()?))));
    words.push("--use-param-defaults --skip-optional-workspace --showlog".to_owned());
    words.join(" \\\n  ")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn workspace(binding: &Value) -> String {
    let name = binding["name"].as_str().unwrap_or_default();
    let source = if let Some(claim) = binding["persistentVolumeClaim"]["claimName"].as_str() {
        format!("claimName={claim}")
    } else if let Some(secret) = binding["secret"]["secretName"].as_str() {
        format!("secret={secret}")
    } else if binding.get("volumeClaimTemplate").is_some() {
        format!("volumeClaimTemplateFile={VOLUME}")
    } else {
        "emptyDir=".to_owned()
    };
    let folder = binding["subPath"].as_str().map(|path| format!(",subPath={path}")).unwrap_or_default();
    format!("name={name},{source}{folder}")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_run_becomes_one_command() {
        let task = json!({"kind": "Task", "metadata": {"name": "send-slack"}});
        let run = json!({"spec": {
            "serviceAccountName": "streamgauge",
            "podTemplate": {},
            "timeout": "10m0s",
            "params": [{"name": "channel", "value": "#it's"}, {"name": "tasks", "value": ["a=b", "c=d"]}],
            "workspaces": [
                {"name": "report", "persistentVolumeClaim": {"claimName": "runs"}, "subPath": "one"},
                {"name": "slack", "secret": {"secretName": "slack"}},
            ],
        }});
        assert_eq!(
            start(&task, &run),
            "tkn task start send-slack \\\n  --param 'channel=#it'\\''s' \\\n  --param tasks=a=b,c=d \\\n  \
             --workspace name=report,claimName=runs,subPath=one \\\n  --workspace name=slack,secret=slack \\\n  \
             --serviceaccount streamgauge \\\n  --pod-template config/pod-template.yaml \\\n  --timeout 10m0s \\\n  \
             --use-param-defaults --skip-optional-workspace --showlog"
        );
    }
}
