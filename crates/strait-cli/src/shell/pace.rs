//! So many messages in a time, evenly.

use super::stop::Stop;
use std::time::{Duration, Instant};

/// Behind by more than this, the time that was lost is not made up for.
const ARREARS_MAX: Duration = Duration::from_secs(1);

/// How often.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate {
    interval: Duration,
}

impl Rate {
    /// `100/s`, `100`, `30/m`, `0.5/s`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (count, unit) = text.split_once('/').unwrap_or((text, "s"));
        let unit_seconds = match unit {
            "s" => Some(1.0),
            "m" | "min" => Some(60.0),
            "h" => Some(3600.0),
            _ => None,
        };
        let count = count.parse::<f64>().ok().filter(|count| *count > 0.0);
        let interval = count.zip(unit_seconds).and_then(|(count, unit)| Duration::try_from_secs_f64(unit / count).ok());
        let interval = interval.filter(|interval| *interval < Duration::from_secs(1 << 30));
        interval.map(|interval| Self { interval }).ok_or_else(|| "a rate is messages in a time: 100/s, 30/m".to_owned())
    }
}

/// When the next message is due.
pub(super) struct Pace {
    rate: Option<Rate>,
    next: Instant,
}

impl Pace {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self { rate, next: Instant::now() }
    }

    /// Waits until the next message is due; says whether it is, or else the command is to end.
    pub(super) fn wait(&mut self, stop: &Stop) -> bool {
        let Some(Rate { interval }) = self.rate else { return !stop.is_asked() };
        let now = Instant::now();
        if self.next > now && !stop.sleep_until(self.next) {
            return false;
        }
        let due = if now.saturating_duration_since(self.next) > ARREARS_MAX { now } else { self.next };
        self.next = due + interval;
        !stop.is_asked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_understood() {
        assert_eq!(Rate::parse("100/s"), Ok(Rate { interval: Duration::from_millis(10) }));
        assert_eq!(Rate::parse("4"), Ok(Rate { interval: Duration::from_millis(250) }));
        assert_eq!(Rate::parse("30/m"), Ok(Rate { interval: Duration::from_secs(2) }));
        for wrong in ["", "0/s", "-1/s", "5/x", "fast", "nan/s", "1e-300/s"] {
            assert!(Rate::parse(wrong).is_err(), "{wrong}");
        }
    }
}
