//! Several repetitions in few figures.

use hdrhistogram::Histogram;

/// Of nanoseconds, up to a minute, to three digits.
pub(super) fn new_histogram() -> Histogram<u64> {
    // The bounds are in order, and the digits few enough: there is nothing to refuse.
    Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap_or_else(|_| unreachable!("the bounds are in order"))
}

/// The middle, the least and the greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) greatest: f64,
}

impl Spread {
    /// `None` of nothing.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (least, greatest) = (*values.first()?, *values.last()?);
        let n = values.len();
        Some(Self { median: f64::midpoint(values[(n - 1) / 2], values[n / 2]), least, greatest })
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    /// The middle one, or between the two in the middle.
    #[test]
    fn median_of_even_and_odd() {
        let of = |values: &[f64]| Spread::of(values.iter().copied());
        assert_eq!(of(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, least: 1.0, greatest: 3.0 }));
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]).map(|it| it.median), Some(2.5));
        assert_eq!(of(&[]), None);
    }
}
