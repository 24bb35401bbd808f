//! Patterns of names: `*` is any run of characters, `?` any one, everything else itself.

/// Whether `name` is one that `pattern` means: `*` is any run of characters, `?` any one. In time proportional to the product of their
/// lengths at the most.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // The last `*`, and how much of the name it has taken: where to go on when what follows it does not fit.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match (pattern.get(p), star) {
            (Some('*'), _) => {
                star = Some((p, n));
                p += 1;
            }
            (Some(&it), _) if it == '?' || it == name[n] => {
                p += 1;
                n += 1;
            }
            (_, Some((at, taken))) => {
                star = Some((at, taken + 1));
                p = at + 1;
                n = taken + 1;
            }
            (_, None) => return false,
        }
    }
    pattern[p..].iter().all(|&it| it == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stars take as much as they must, question marks one character, and everything else stands for itself.
    #[test]
    fn patterns() {
        for (pattern, name) in [
            ("*", ""),
            ("*", "feed"),
            ("feed", "feed"),
            ("f?ed", "feed"),
            ("*.a*b", "x.aab.ab"),
            ("a*a", "aa"),
            ("?é*", "aé"),
        ] {
            assert!(matches(pattern, name), "'{pattern}' means '{name}'");
        }
        for (pattern, name) in [("", "a"), ("?", ""), ("feed", "feeds"), ("a*a", "a"), ("f?ed", "fed"), ("*b", "abc")] {
            assert!(!matches(pattern, name), "'{pattern}' does not mean '{name}'");
        }
        assert!(!matches(&"*a".repeat(500), &"a".repeat(499)), "and that soon");
    }
}
