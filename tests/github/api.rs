//! Calls and answers held against GitHub's own description of its API.

use serde_json::{Value, json};
use streamgauge::sandbox::github::Call;

/// Asserts that each call is one that GitHub describes, with what it takes, and that it was answered as GitHub would.
pub fn assert_described(calls: &[Call]) {
    let api: Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
    for call in calls {
        let (name, operation, values) = operation(&api, call);
        for parameter in operation["parameters"].as_array().unwrap() {
            let place = parameter["name"].as_str().unwrap();
            let value = match parameter["in"].as_str().unwrap() {
                "path" => values.iter().find(|(name, _)| name == place).map(|(_, value)| value.clone()),
                _ => query(&call.query, place),
            };
            assert!(value.is_some() || parameter["required"] != json!(true), "{name} lacks {place}");
            let typed = value.map(|text| text.parse::<u64>().map_or(json!(text), |number| json!(number)));
            if let Some(value) = typed.filter(|_| parameter["schema"]["type"] == "integer") {
                assert!(value.is_u64(), "{name}: {place} is {value}");
            }
        }
        let known: Vec<&str> =
            operation["parameters"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
        for pair in call.query.split('&').filter(|pair| !pair.is_empty()) {
            assert!(known.contains(&pair.split('=').next().unwrap()), "{name} does not know {pair}");
        }
        match call.body {
            Value::Null => assert!(operation["request"]["required"].is_null(), "{name} wants a body"),
            ref body => assert_valid(&closed(&operation["request"]), body, &format!("what was sent to {name}")),
        }
        // GitHub describes no 401; it is what any call may get.
        let answer = &operation["responses"][call.status.to_string()];
        assert!(!answer.is_null() || call.status == 401, "{name} does not answer {}", call.status);
        if !call.answer.is_null() && answer.is_object() {
            assert_valid(answer, &call.answer, &format!("the answer to {name}"));
        }
    }
}

/// The operation of a call, by its name, and the values in its path.
fn operation<'a>(api: &'a Value, call: &Call) -> (&'a str, &'a Value, Vec<(String, String)>) {
    let matching = |(name, operation): (&'a String, &'a Value)| {
        let (method, template) = name.split_once(' ').unwrap();
        let (wanted, given): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), call.path.split('/').collect());
        let mut values = Vec::new();
        let same = wanted.len() == given.len()
            && wanted.iter().zip(&given).all(|(wanted, given)| match wanted.strip_prefix('{') {
                Some(place) => {
                    values.push((place.trim_end_matches('}').to_owned(), (*given).to_owned()));
                    !given.is_empty()
                }
                None => wanted == given,
            });
        (same && method == call.method).then_some((name.as_str(), operation, values))
    };
    let found = api["operations"].as_object().unwrap().iter().find_map(matching);
    assert!(found.is_some(), "GitHub describes no {} {}", call.method, call.path);
    found.unwrap()
}

fn query(text: &str, name: &str) -> Option<String> {
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

/// The same schema that knows no further fields: a name that is mistyped is none that GitHub would read.
fn closed(schema: &Value) -> Value {
    let mut schema = schema.clone();
    schema["additionalProperties"] = json!(false);
    if schema["properties"]["permissions"].is_object() {
        schema["properties"]["permissions"]["additionalProperties"] = json!(false);
    }
    schema
}

fn assert_valid(schema: &Value, value: &Value, what: &str) {
    let validator = jsonschema::validator_for(schema).unwrap();
    let wrong: Vec<String> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{what}: {wrong:#?}");
}
