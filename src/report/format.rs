//! Numbers as people read them: 10,000/s, 41 %, 12.3 ms.

/// A number with thousands separators: whole from 100 on, with up to three significant digits below.
pub fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out = format!("{out}.{fraction}");
    }
    if out == "0" { out } else { format!("{sign}{out}") }
}

/// A number with its unit. Percents from 10 on are whole, but just below 100 tenths tell nearly from fully.
pub fn quantity(value: f64, unit: &str) -> String {
    match unit {
        "records/s" => format!("{}/s", number(value)),
        "%" if value.abs() >= 10.0 && !(99.0..100.0).contains(&value) => format!("{} %", number(value.round())),
        "%" => format!("{} %", number((value * 10.0).round() / 10.0)),
        "" => number(value),
        unit => format!("{} {unit}", number(value)),
    }
}

/// A metric's name in words: `spout_tps` is "spout TPS".
pub fn title_of(metric: &str) -> String {
    metric.replace("back_pressure", "back-pressure").replace('_', " ").replace("tps", "TPS")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_short_as_they_can_be_said() {
        let said: Vec<String> =
            [0.0, -0.001, 0.05, 1.0, 9.999, 12.34, 99.96, 350.4, 9_800.2, 1_800_000.0, -12_345.6].map(number).into();
        assert_eq!(said, ["0", "0", "0.05", "1", "10", "12.3", "100", "350", "9,800", "1,800,000", "-12,346"]);
    }

    #[test]
    fn a_quantity_carries_its_unit() {
        assert_eq!(quantity(10_000.0, "records/s"), "10,000/s");
        assert_eq!(quantity(40.96, "%"), "41 %");
        assert_eq!(quantity(99.62, "%"), "99.6 %");
        assert_eq!(quantity(0.04, "%"), "0 %");
        assert_eq!(quantity(12.34, "ms"), "12.3 ms");
        assert_eq!(quantity(28.0, "instances"), "28 instances");
    }
}
