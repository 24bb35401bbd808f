//! The sums are those of Python's `math.fsum`.
//!
//! `fsum.tsv` was made once by Python 3.11: on each line what `math.fsum` gives, then its arguments, all as `repr`.
//! Random bit patterns, cancellations, subnormals, ties at half a step, sums next to the largest float.

use crate::blocks::scan_blocks;

/// Each line's sum is the one in its first column, in order and in reverse.
#[test]
fn as_fsum() {
    for row in include_str!("fsum.tsv").lines() {
        let (sum, numbers) = row.split_once('\t').unwrap();
        let backwards: Vec<&str> = numbers.split('\t').rev().collect();
        for text in [numbers.to_owned(), backwards.join(" ")] {
            let answers = scan_blocks(&[text.as_bytes()]);
            let answer: f64 = answers[0].as_ref().unwrap().parse().unwrap();
            assert_eq!(answer.to_bits(), sum.parse::<f64>().unwrap().to_bits(), "{answer} is not {sum}: {text}");
        }
    }
}
