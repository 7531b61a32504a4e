//! A query of the command line: `NAME=PROMQL`, or with what a metric of a pack has besides:
//! `NAME[unit=ms,direction=lower,reduce=max,by=pod]=PROMQL`.

use std::str::FromStr;

use super::pack::Spec;

/// A metric that the command line asks for.
#[derive(Debug, Clone)]
pub struct Query(pub(super) Spec);

impl FromStr for Query {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |why: &str| {
            format!("{text:?} is no query such as gc_time[unit=ms,direction=lower]=sum(rate(jvm_gc_ms[1m])): {why}")
        };
        let split = text.find(['=', '[']).ok_or_else(|| wrong("there is no ="))?;
        let (name, rest) = text.split_at(split);
        let (options, query) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once("]=").ok_or_else(|| wrong("]= has to follow the ["))?,
            None => ("", &rest[1..]),
        };
        let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        if !name.starts_with(|letter: char| letter.is_ascii_lowercase()) || !name.chars().all(plain) {
            return Err(wrong("a name is of a-z, 0-9 and _ and begins with a letter"));
        }
        if query.trim().is_empty() {
            return Err(wrong("there is no PromQL behind the ="));
        }
        let mut fields = serde_json::Map::new();
        fields.insert("name".to_owned(), name.into());
        for option in options.split(',').map(str::trim).filter(|option| !option.is_empty()) {
            let (key, value) = option.split_once('=').ok_or_else(|| wrong(&format!("{option:?} is not key=value")))?;
            let known = ["unit", "direction", "reduce", "by"];
            if !known.contains(&key) {
                return Err(wrong(&format!("{key:?} is none of {}", known.join(", "))));
            }
            fields.insert(key.to_owned(), value.into());
        }
        fields.entry("unit").or_insert_with(|| "".into());
        for (key, value) in [("description", "Asked for on the command line."), ("query", query)] {
            fields.insert(key.to_owned(), value.into());
        }
        serde_json::from_value(fields.into()).map(Self).map_err(|error| wrong(&error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prometheus::pack::Reduce;
    use crate::report::Direction;

    #[test]
    fn a_query_may_say_what_a_packs_metric_says() {
        let Query(spec) = "errors=sum(rate(errors_total{code=~\"5..\"}[1m]))".parse().unwrap();
        assert_eq!((spec.name.as_str(), spec.unit.as_str(), spec.reduce), ("errors", "", Reduce::Mean));
        let Query(spec) =
            "p99[unit=ms, direction=lower,reduce=max,by=pod]=max by (pod) (p99{a=\"]=\"})".parse().unwrap();
        assert_eq!((spec.unit.as_str(), spec.direction, spec.reduce), ("ms", Direction::Lower, Reduce::Max));
        assert_eq!(spec.by.as_deref(), Some("pod"));
    }

    #[test]
    fn a_wrong_query_is_refused_with_what_is_wrong() {
        let say = |text: &str| text.parse::<Query>().unwrap_err();
        let said = ["up", "Up=up", "up=", "up[unit=ms=up", "up[kind=x]=up", "up[reduce=median]=up", "=up"].map(say);
        insta::assert_snapshot!(said.join("\n"), @r#"
        "up" is no query such as gc_time[unit=ms,direction=lower]=sum(rate(jvm_gc_ms[1m])): there is no =
        "Up=up" is no query such as gc_time[unit=ms,direction=lower]=sum(rate(jvm_gc_ms[1m])): a name is of a-z, 0-9 and _ and begins with a letter
        "up=" is no query such as gc_time[unit=ms,direction=lower]=sum(rate(jvm_gc_ms[1m])): there is no PromQL behind the =
        "up[unit=ms=up" is no query such as gc_time[unit=ms,direction=lower]=sum(rate(jvm_gc_ms[1m])): ]= has to follow the [
        "up[kind=x]=up" is no query such as gc_time[unit=ms,direction=lower]=sum(rate(jvm_gc_ms[1m])): "kind" is none of unit, direction, reduce, by
        "up[reduce=median]=up" is no query such as gc_time[unit=ms,direction=lower]=sum(rate(jvm_gc_ms[1m])): unknown variant `median`, expected one of `mean`, `last`, `min`, `max`, `slope`
        "=up" is no query such as gc_time[unit=ms,direction=lower]=sum(rate(jvm_gc_ms[1m])): a name is of a-z, 0-9 and _ and begins with a letter
        "#);
    }
}
