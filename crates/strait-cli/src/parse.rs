//! Values on the command line: times, sizes, permissions.

use jiff::SignedDuration;
use std::time::Duration;

/// `500ms`, `2s`, `1m 30s`, `7d`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    const DAY_S: u64 = 86_400;
    let seconds = || text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let words = || text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    let days = || text.strip_suffix('d')?.parse::<u64>().ok()?.checked_mul(DAY_S).map(Duration::from_secs);
    let wrong = || format!("'{text}' is no time; write a number and a unit: 500ms, 2s, 10m, 7d");
    seconds().or_else(words).or_else(days).ok_or_else(wrong)
}

/// `4096`, `64K`, `1.5M`, `2GiB`: powers of 1,024.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no size; write 4096, 64K, 1.5M or 2GiB");
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let shift = match unit.trim_end_matches("iB").trim_end_matches('B') {
        "" => 0,
        "K" | "k" => 10,
        "M" | "m" => 20,
        "G" | "g" => 30,
        "T" | "t" => 40,
        _ => return Err(wrong()),
    };
    let one = 1_u64 << shift;
    let (whole, rest) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let rest = match rest {
        "" => 0,
        _ if rest.len() > 6 => return Err(wrong()),
        // Below one unit, rounded down.
        digits => digits.parse::<u64>().map_err(|_| wrong())? * one / 10_u64.pow(digits.len() as u32),
    };
    whole.checked_mul(one).and_then(|bytes| bytes.checked_add(rest)).ok_or_else(wrong)
}

/// `660`: permission bits, in octal.
pub(crate) fn mode(text: &str) -> Result<u32, String> {
    let wrong = || format!("'{text}' is no mode; write three octal digits, 660 for instance");
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times as people write them, and nothing that could be misread.
    #[test]
    fn times() {
        let ms = |text: &str| duration(text).ok().map(|it| it.as_millis());
        assert_eq!([ms("500ms"), ms("2s"), ms("0.25"), ms("90")], [Some(500), Some(2000), Some(250), Some(90_000)]);
        assert_eq!(
            [ms("1m 30s"), ms("10m"), ms("2h"), ms("7d")].map(|it| it.map(|ms| ms / 1000)),
            [Some(90), Some(600), Some(7200), Some(604_800)]
        );
        for wrong in
            ["", "s", "d", "-1s", "soon", "nan", "1e400", "-1d", "1y", "99999999999999999999d", "999999999999999999d"]
        {
            assert_eq!(ms(wrong), None, "{wrong}");
        }
    }

    /// Sizes as people write them, and nothing that could be misread.
    #[test]
    fn sizes() {
        let of = |text: &str| size(text).ok();
        assert_eq!(
            (of("4096"), of("64K"), of("64KiB"), of("64kB")),
            (Some(4096), Some(65536), Some(65536), Some(65536))
        );
        assert_eq!((of("1.5M"), of("2GiB"), of("0.25K")), (Some(3 << 19), Some(2 << 30), Some(256)));
        for wrong in ["", "K", "-1", "1X", "1.2.3K", ".5K", "1 K", "99999999999T", "1.1234567K", "K1"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        assert_eq!((mode("660").ok(), mode("1777").ok(), mode("8").ok()), (Some(0o660), None, None));
    }
}
