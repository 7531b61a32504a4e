//! Numbers as people read them.

/// A number with at most three meaningful digits behind thousands separators: `9,800`, `41.2`, `0.35`.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let plain = format!("{value:.digits$}");
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let fraction = fraction.trim_end_matches('0');
    let zero = fraction.is_empty() && grouped == "0";
    let sign = if zero { "" } else { sign };
    if fraction.is_empty() { format!("{sign}{grouped}") } else { format!("{sign}{grouped}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_short_and_grouped() {
        let shown: Vec<String> =
            [0.0, -0.001, 0.354, 9.0, 41.23, 350.0, 9800.4, 1_234_567.0, -2500.0].map(number).to_vec();
        assert_eq!(shown, ["0", "0", "0.35", "9", "41.2", "350", "9,800", "1,234,567", "-2,500"]);
    }
}
