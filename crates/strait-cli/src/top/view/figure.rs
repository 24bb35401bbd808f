//! Numbers in few characters.

use std::time::Duration;

const UNITS: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];

/// In five characters at the most: `0`, `7.5`, `123`, `12.3k`, `1.24M`.
pub(in crate::top) fn short(number: f64) -> String {
    if number < 0.05 {
        return "0".into();
    }
    if number < 9.95 {
        let text = format!("{number:.1}");
        return text.strip_suffix(".0").map_or(text.clone(), str::to_owned);
    }
    let (mut number, mut unit) = (number, 0);
    while number >= 999.5 && unit + 1 < UNITS.len() {
        number /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{number:.0}"),
        _ if number < 9.995 => format!("{number:.2}{}", UNITS[unit]),
        _ if number < 99.95 => format!("{number:.1}{}", UNITS[unit]),
        _ => format!("{number:.0}{}", UNITS[unit]),
    }
}

/// A rate that may not be known.
pub(in crate::top) fn rate(number: Option<f64>) -> String {
    number.map_or_else(|| "-".into(), short)
}

/// A count that may not be known.
pub(in crate::top) fn count(number: Option<u64>) -> String {
    match number {
        Some(number) if number < 10_000 => number.to_string(),
        Some(number) => short(number as f64),
        None => "-".into(),
    }
}

/// A share as a percentage. Something is never 0, and not quite full never 100.
pub(in crate::top) fn percent(share: Option<f64>) -> String {
    let Some(share) = share else { return "-".into() };
    let percent = match share * 100.0 {
        it if it > 0.0 && it < 1.0 => 1.0,
        it if it < 100.0 => it.min(99.0),
        it => it,
    };
    format!("{percent:.0}%")
}

/// A time in its largest unit.
pub(in crate::top) fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 if time.as_millis() == 0 => format!("{} us", time.as_micros()),
        0 => format!("{} ms", time.as_millis()),
        1..=99 => format!("{:.1} s", time.as_secs_f64()),
        100..=5999 => format!("{} min", seconds / 60),
        6000..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five characters hold any number, and three digits of it are told.
    #[test]
    fn numbers_are_short() {
        let numbers =
            [0.0, 0.01, 0.5, 1.0, 9.94, 9.96, 12.0, 999.0, 999.6, 1234.0, 12_345.0, 123_456.0, 1.24e6, 9.996e6];
        let texts = numbers.map(short);
        let expected =
            ["0", "0", "0.5", "1", "9.9", "10", "12", "999", "1.00k", "1.23k", "12.3k", "123k", "1.24M", "10.0M"];
        assert_eq!(texts, expected);
        assert!([1e18, 1.8e19].map(short).iter().all(|it| it.len() <= 5));
        assert_eq!([Some(9999), Some(10_000), None].map(count), ["9999", "10.0k", "-"]);
    }

    /// What is nearly nothing is not shown as nothing, and what is nearly full not as full.
    #[test]
    fn percentages_do_not_round_to_the_ends() {
        assert_eq!([0.0, 0.001, 0.5, 0.999, 1.0].map(|it| percent(Some(it))), ["0%", "1%", "50%", "99%", "100%"]);
        assert_eq!(percent(Some(1.87)), "187%");
    }

    /// Times from microseconds to days.
    #[test]
    fn times_have_a_unit() {
        let times = [7e-6, 0.25, 1.5, 130.0, 7300.0, 1e6].map(|it| time(Duration::from_secs_f64(it)));
        assert_eq!(times, ["7 us", "250 ms", "1.5 s", "2 min", "2 h", "11 days"]);
    }
}
