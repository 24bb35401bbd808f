//! Numbers as people read them.

use std::time::Duration;

/// A number and what it counts: `1 line`, `1,234 lines`.
pub(crate) fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(number))
}

/// With a comma before every three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes with the unit that suits it: `512 B`, `4 KiB`, `1.2 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let unit = bytes.checked_ilog2().unwrap_or(0) as usize / 10;
    let Some(name) = unit.checked_sub(1).and_then(|unit| UNITS.get(unit)) else { return format!("{bytes} B") };
    let one = 1_u64 << (unit * 10);
    if bytes % one == 0 {
        format!("{} {name}", bytes / one)
    } else {
        format!("{:.1} {name}", bytes as f64 / one as f64)
    }
}

/// A time in the largest unit of which there is one: `5 s`, `12 min`, `3 h`, `40 d`.
pub(crate) fn age(time: Duration) -> String {
    match time.as_secs() {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3600 => format!("{} min", s / 60),
        s @ 3600..86_400 => format!("{} h", s / 3600),
        s => format!("{} d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One is singular, all else plural, and digits come in groups of three.
    #[test]
    fn counts_read_well() {
        let read: Vec<String> = [0, 1, 999, 1000, 12_345_678].iter().map(|&n| counted(n, "line")).collect();
        assert_eq!(read, ["0 lines", "1 line", "999 lines", "1,000 lines", "12,345,678 lines"]);
    }

    /// Sizes and times have the unit that suits them.
    #[test]
    fn units_suit() {
        assert_eq!([0, 1023, 1024, 1 << 20, 1_258_291].map(size), ["0 B", "1023 B", "1 KiB", "1 MiB", "1.2 MiB"]);
        assert_eq!(size(u64::MAX), "16.0 EiB");
        assert_eq!(
            [0, 59, 60, 7200, 90_000].map(|s| age(Duration::from_secs(s))),
            ["0 s", "59 s", "1 min", "2 h", "1 d"]
        );
    }
}
