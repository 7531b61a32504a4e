//! `$(…)`: how Tekton replaces its variables, and Kubernetes those of the environment.

use std::collections::HashMap;

use super::model::{Param, StepSpec, TaskSpec};
use super::value::Value;

/// What one pass replaces. A pass never looks at what it has put in, and knows no escaping, as Tekton's.
#[derive(Debug, Default, Clone)]
pub struct Variables {
    strings: HashMap<String, String>,
    wholes: HashMap<String, Value>,
}

impl Variables {
    /// Replaces `$(name)` by this text.
    pub fn set(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.strings.insert(name.into(), text.into());
    }

    /// Replaces `$(name)` by this value: a string as it is, an array whole or by index, an object whole or by key.
    pub fn set_value(&mut self, name: &str, value: &Value) {
        match value {
            Value::String(text) => self.set(name, text),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.set(format!("{name}[{index}]"), item);
                }
                self.wholes.insert(name.to_owned(), value.clone());
                self.wholes.insert(format!("{name}[*]"), value.clone());
            }
            Value::Object(map) => {
                for (key, item) in map {
                    self.set(format!("{name}.{key}"), item);
                }
                self.wholes.insert(format!("{name}[*]"), value.clone());
            }
        }
    }

    /// Replaces `$(name)` by this value: a string as it is, an array as a whole only, an object by key only.
    pub fn set_whole(&mut self, name: &str, value: &Value) {
        match value {
            Value::Array(_) => {
                self.wholes.insert(name.to_owned(), value.clone());
                self.wholes.insert(format!("{name}[*]"), value.clone());
            }
            Value::Object(map) => map.iter().for_each(|(key, item)| self.set(format!("{name}.{key}"), item)),
            Value::String(text) => self.set(name, text),
        }
    }

    /// A parameter in its three spellings: `params.x`, `params["x"]`, `params['x']`.
    pub fn set_param(&mut self, name: &str, value: &Value) {
        for spelling in spellings(name) {
            self.set_value(&spelling, value);
        }
    }

    /// What is replaced in a Task that stands in the pipeline: the task's own parameters come before the pipeline's of
    /// the same name. Only a string and a whole array or object do, not an array's elements: so does Tekton.
    pub fn scoped(&self, own: &[Param]) -> Self {
        let mut scoped = self.clone();
        for param in own {
            for spelling in spellings(&param.name) {
                scoped.shadow(&spelling, &param.value);
            }
        }
        scoped
    }

    fn shadow(&mut self, name: &str, value: &Value) {
        match value {
            Value::String(text) if self.strings.contains_key(name) => self.set(name, text),
            Value::Array(_) if self.wholes.contains_key(name) => {
                self.wholes.insert(name.to_owned(), value.clone());
                self.wholes.insert(format!("{name}[*]"), value.clone());
            }
            Value::Object(_) if self.wholes.contains_key(&format!("{name}[*]")) => self.set_value(name, value),
            _ => {}
        }
    }

    /// One pass over what a step may hold variables in.
    pub fn step(&self, step: &mut StepSpec) {
        step.command = self.list(&step.command);
        step.args = self.list(&step.args);
        for var in &mut step.env {
            var.value = self.text(&var.value);
        }
        step.working_dir = self.text(&step.working_dir);
        step.on_error = step.on_error.as_deref().map(|text| self.text(text));
    }

    /// One pass over a Task.
    pub fn task(&self, task: &mut TaskSpec) {
        for step in task.steps.iter_mut().chain(&mut task.step_template) {
            self.step(step);
        }
    }

    /// Whether this pass would replace `$(name)`.
    pub fn knows(&self, name: &str) -> bool {
        self.strings.contains_key(name) || self.wholes.contains_key(name)
    }

    /// The text after one pass.
    pub fn text(&self, text: &str) -> String {
        replace(text, |name| self.strings.get(name).cloned())
    }

    /// The list after one pass: an element that is an array variable and nothing else becomes that array's elements.
    pub fn list(&self, items: &[String]) -> Vec<String> {
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            match whole(item).and_then(|name| self.wholes.get(name)) {
                Some(Value::Array(values)) => out.extend(values.iter().cloned()),
                _ => out.push(self.text(item)),
            }
        }
        out
    }

    /// The value after one pass: a string that is an array or object variable and nothing else becomes that value.
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => match whole(text).and_then(|name| self.wholes.get(name)) {
                Some(value) => value.clone(),
                None => Value::String(self.text(text)),
            },
            Value::Array(items) => Value::Array(self.list(items)),
            Value::Object(map) => Value::Object(map.iter().map(|(key, text)| (key.clone(), self.text(text))).collect()),
        }
    }
}

fn spellings(name: &str) -> [String; 3] {
    [format!("params.{name}"), format!("params[\"{name}\"]"), format!("params['{name}']")]
}

/// The name of a text that is one variable and nothing else.
pub fn whole(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("$(")?.strip_suffix(')')?;
    (!inner.contains(')')).then_some(inner)
}

/// The names of all variables in a text.
pub fn names(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((start, end)) = next(rest) {
        found.push(&rest[start + 2..end]);
        rest = &rest[end + 1..];
    }
    found
}

/// Where the next `$(…)` starts, and where its bracket closes.
fn next(text: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    loop {
        let start = from + text[from..].find("$(")?;
        let end = start + text[start..].find(')')?;
        // `$($(x)` holds the variable x behind a stray `$(`.
        match text[start + 2..end].rfind("$(") {
            Some(inner) => from = start + 2 + inner,
            None => return Some((start, end)),
        }
    }
}

fn replace(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((start, end)) = next(rest) {
        out.push_str(&rest[..start]);
        match lookup(&rest[start + 2..end]) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&rest[start..=end]),
        }
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    out
}

/// Kubernetes' own expansion, last of all, in `command`, `args` and `env` values: `$(NAME)` of a declared environment
/// variable is replaced, of another one left as it is, and `$$` stands for `$`.
pub fn expand_env(text: &str, env: &[(String, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('$') {
            out.push('$');
            rest = behind;
            continue;
        }
        let close = rest.starts_with('(').then(|| rest.find(')')).flatten();
        let Some(close) = close else {
            out.push('$');
            continue;
        };
        let name = &rest[1..close];
        match env.iter().rev().find(|(known, _)| known == name) {
            Some((_, value)) => out.push_str(value),
            None => {
                out.push('$');
                out.push_str(&rest[..=close]);
            }
        }
        rest = &rest[close + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        let mut variables = Variables::default();
        variables.set_param("a", &Value::String("$(params.b)".into()));
        variables.set_param("b", &Value::String("B".into()));
        variables.set_param("list", &Value::Array(vec!["x y".into(), "$(params.b)".into()]));
        variables.set_param("o", &Value::Object([("k".to_owned(), "v".to_owned())].into()));
        variables
    }

    #[test]
    fn one_pass_never_looks_at_what_it_put_in() {
        assert_eq!(variables().text("<$(params.a)$(params[\"b\"])>"), "<$(params.b)B>");
        assert_eq!(variables().text("$($(params.b)$(nothing)$("), "$(B$(nothing)$(");
    }

    #[test]
    fn an_isolated_array_becomes_its_elements() {
        let list = ["-p", "$(params.list[*])", "$(params.list[0])", "$(params.o.k)"].map(str::to_owned);
        assert_eq!(variables().list(&list), ["-p", "x y", "$(params.b)", "x y", "v"]);
    }

    #[test]
    fn kubernetes_expands_only_declared_environment() {
        let env = [("A".to_owned(), "1".to_owned())];
        assert_eq!(expand_env("$(A) $$(A) $(B) $A $ $(A", &env), "1 $(A) $(B) $A $ $(A");
    }
}
