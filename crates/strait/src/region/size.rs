//! Sizes as people read them.

use std::fmt;

/// A number of bytes, shown as `4 MiB` or `1.2 MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return write!(f, "{} bytes", self.0);
        }
        let unit = (self.0.ilog2() / 10) as usize;
        let size = 1_u64 << (unit * 10);
        let name = UNITS[unit - 1];
        if self.0 % size == 0 {
            write!(f, "{} {name}", self.0 / size)
        } else {
            write!(f, "{:.1} {name}", self.0 as f64 / size as f64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Bytes;

    #[test]
    fn reads_well() {
        let shown = |n| Bytes(n).to_string();
        assert_eq!(shown(0), "0 bytes");
        assert_eq!(shown(1023), "1023 bytes");
        assert_eq!(shown(4 << 20), "4 MiB");
        assert_eq!(shown((1 << 20) + (200 << 10)), "1.2 MiB");
        assert_eq!(shown(u64::MAX), "16.0 EiB");
    }
}
