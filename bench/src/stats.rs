//! The few figures a run is told in.

/// The mean without the slowest tenth.
///
/// A host that takes the core away for milliseconds hits few blocks and those hard; a subject's own habits hit more than one
/// block in ten and stay in the figure.
pub(crate) fn trimmed_mean(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let keep = values.len() - values.len() / 10;
    values[..keep].iter().sum::<f64>() / keep as f64
}

/// The middle, the least and the greatest of several repetitions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of at least one value.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let n = values.len();
        Self { median: f64::midpoint(values[(n - 1) / 2], values[n / 2]), min: values[0], max: values[n - 1] }
    }
}

#[cfg(test)]
mod tests {
    use super::{Spread, trimmed_mean};

    /// One stolen block in ten does not move the mean; two do.
    #[test]
    fn one_block_in_ten_is_the_hosts() {
        let mut blocks = vec![10.0; 20];
        blocks[3] = 1e6;
        blocks[9] = 1e6;
        assert_eq!(trimmed_mean(blocks.clone()), 10.0);
        blocks[11] = 1e6;
        assert!(trimmed_mean(blocks) > 1000.0);
    }

    #[test]
    fn median_of_even_and_odd() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).median, 2.5);
    }
}
