//! Demands as people write them: `>= 0.98 * load`, `<= 5`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// A limit on a metric: a number in the metric's unit, or a share of the load's rate in records a second.
#[derive(Debug, Clone, PartialEq)]
pub struct Criterion {
    comparison: Comparison,
    number: f64,
    of_load: bool,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    AtLeast,
    AtMost,
    Above,
    Below,
}

impl Criterion {
    /// The limit in the metric's unit; none when it is a share of a load that is not known.
    pub fn limit(&self, load: Option<f64>) -> Option<f64> {
        if self.of_load { Some(self.number * load?) } else { Some(self.number) }
    }

    /// Whether a value keeps the limit.
    pub fn holds(&self, value: f64, limit: f64) -> bool {
        match self.comparison {
            Comparison::AtLeast => value >= limit,
            Comparison::AtMost => value <= limit,
            Comparison::Above => value > limit,
            Comparison::Below => value < limit,
        }
    }

    /// The comparison in words: "at least".
    pub fn words(&self) -> &'static str {
        match self.comparison {
            Comparison::AtLeast => "at least",
            Comparison::AtMost => "at most",
            Comparison::Above => "more than",
            Comparison::Below => "less than",
        }
    }
}

impl FromStr for Criterion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is not a criterion such as \">= 0.98 * load\" or \"<= 5\"");
        let signs = [
            (">=", Comparison::AtLeast),
            ("<=", Comparison::AtMost),
            (">", Comparison::Above),
            ("<", Comparison::Below),
        ];
        let (rest, comparison) = signs
            .iter()
            .find_map(|(sign, comparison)| Some((text.trim().strip_prefix(sign)?, *comparison)))
            .ok_or_else(wrong)?;
        let (number, of_load) = match rest.split_once('*') {
            Some((number, load)) if load.trim() == "load" => (number.trim(), true),
            Some(_) => return Err(wrong()),
            None if rest.trim() == "load" => ("1", true),
            None => (rest.trim(), false),
        };
        let number = number.parse::<f64>().ok().filter(|number| number.is_finite()).ok_or_else(wrong)?;
        Ok(Self { comparison, number, of_load, text: text.trim().to_owned() })
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Criterion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_criterion_is_a_number_or_a_share_of_the_load() {
        let limit = |text: &str, load| text.parse::<Criterion>().unwrap().limit(load);
        assert_eq!(limit(">= 0.98 * load", Some(10_000.0)), Some(9_800.0));
        assert_eq!(limit(">=load", Some(10_000.0)), Some(10_000.0));
        assert_eq!(limit("<= 5", None), Some(5.0));
        assert_eq!(limit("<= 0.01 * load", None), None);
        for wrong in ["", "5", "= 5", ">= x", ">= 2 * lag", ">= NaN", "<= inf", "> "] {
            assert!(wrong.parse::<Criterion>().is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn the_limit_itself_keeps_or_breaks_it_as_the_sign_says() {
        let holds = |text: &str| text.parse::<Criterion>().unwrap().holds(5.0, 5.0);
        assert!(holds(">= 5") && holds("<= 5") && !holds("> 5") && !holds("< 5"));
    }
}
