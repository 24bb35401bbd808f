//! The input of `strait sum` and its floors: lines of integers, the same ones in every run and every process.
//!
//! A number has one to nine digits, each length as often as any other. Line `n` depends on `n` alone.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, memfd_create};

/// `SplitMix64`: small, and good enough that no branch predictor learns it.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Appends line `number` to `out`, its end included, and returns its sum.
pub(crate) fn line(out: &mut Vec<u8>, number: u64, numbers: u64) -> u64 {
    let mut random = Random(number.wrapping_mul(0xd6e8_feb8_6659_fd93));
    let mut sum = 0;
    for i in 0..numbers {
        if i > 0 {
            out.push(b' ');
        }
        let bits = random.next();
        let digits = 1 + (bits & 0xffff) % 9;
        let low = if digits == 1 { 0 } else { 10_u64.pow(digits as u32 - 1) };
        let value = low + (bits >> 16) % (10_u64.pow(digits as u32) - low);
        push_decimal(out, value, digits as usize);
        sum += value;
    }
    out.push(b'\n');
    sum
}

fn push_decimal(out: &mut Vec<u8>, mut value: u64, digits: usize) {
    let start = out.len();
    out.resize(start + digits, b'0');
    for digit in out[start..].iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// A text and what it should come to, in memory: both vanish with this process.
pub(crate) struct Input {
    text: OwnedFd,
    pub(crate) text_bytes: u64,
    pub(crate) lines: u64,
    pub(crate) sum: u64,
    /// What `strait sum` must write: the sum of each line on a line.
    sums: OwnedFd,
}

impl Input {
    /// At least `bytes` of text, `numbers_per_line` to a line.
    pub(crate) fn generate(bytes: u64, numbers_per_line: u64) -> io::Result<Self> {
        let text = memfd_create("bench-input", MemfdFlags::CLOEXEC)?;
        let sums = memfd_create("bench-sums", MemfdFlags::CLOEXEC)?;
        let mut text_out = BufWriter::with_capacity(1 << 20, File::from(text.try_clone()?));
        let mut sums_out = BufWriter::with_capacity(1 << 20, File::from(sums.try_clone()?));
        let mut buffer = Vec::new();
        let (mut text_bytes, mut lines, mut total) = (0, 0, 0_u64);
        while text_bytes < bytes {
            buffer.clear();
            let sum = line(&mut buffer, lines, numbers_per_line);
            text_out.write_all(&buffer)?;
            writeln!(sums_out, "{sum}")?;
            text_bytes += buffer.len() as u64;
            lines += 1;
            total = total.wrapping_add(sum);
        }
        text_out.flush()?;
        sums_out.flush()?;
        Ok(Self { text, text_bytes, lines, sum: total, sums })
    }

    /// A path that other processes can open while this one lives.
    pub(crate) fn path(&self) -> PathBuf {
        path_of(&self.text)
    }

    /// The same for the expected output.
    pub(crate) fn sums_path(&self) -> PathBuf {
        path_of(&self.sums)
    }
}

fn path_of(fd: &OwnedFd) -> PathBuf {
    format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd()).into()
}

#[cfg(test)]
mod tests {
    use super::{Input, line};
    use crate::floors::digits;

    /// A line says the sum that a reader finds in it.
    #[test]
    fn line_and_its_sum_agree() {
        for number in 0..1000 {
            let mut text = Vec::new();
            let sum = line(&mut text, number, 10);
            let text = String::from_utf8(text).unwrap();
            let numbers: Vec<u64> = text.split_ascii_whitespace().map(|n| n.parse().unwrap()).collect();
            assert_eq!(numbers.len(), 10);
            assert_eq!(numbers.iter().sum::<u64>(), sum);
            assert!(numbers.iter().all(|n| *n < 1_000_000_000));
        }
    }

    /// The digit loop finds in a generated input what the generator put there.
    #[test]
    fn digit_loop_agrees_with_generator() {
        let input = Input::generate(1 << 20, 10).unwrap();
        let totals = digits::run(&input.path()).unwrap();
        assert_eq!((totals.lines, totals.sum), (input.lines, input.sum));
    }
}
