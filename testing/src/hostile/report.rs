//! What was done, and what came of it.

use super::world::places;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// A call that took so long is told by its name.
const LONG: Duration = Duration::from_millis(200);

/// One case.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// `between/recv`.
    pub case: String,
    /// Changes of the bytes.
    pub scribbles: u64,
    /// Instructions between which they were told.
    pub steps: u64,
    /// Calls of honest ends.
    pub calls: u64,
    /// Of them with a guard on both sides of the mapping.
    pub guarded: u64,
    /// Calls that returned a value.
    pub values: u64,
    /// Errors by kind.
    pub errors: BTreeMap<String, u64>,
    /// The longest call at full speed.
    pub longest: Duration,
    /// And of which operation it was.
    pub longest_was: &'static str,
    /// How often each word was hit, by its name.
    pub hits: BTreeMap<String, u64>,
}

/// All cases.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One for each case.
    pub rows: Vec<Row>,
    /// What the words are called, of all layouts.
    pub words: Vec<String>,
}

impl Row {
    /// Counts an error.
    pub fn error(&mut self, kind: &str, count: u64) {
        *self.errors.entry(kind.to_owned()).or_default() += count;
    }
}

impl Report {
    /// Every word of every layout is to be hit.
    pub fn expect_all(&mut self) {
        let names = places().iter().flat_map(super::world::Place::words).map(|word| word.name);
        self.words = names.fold(Vec::new(), |mut words, name| {
            if !words.contains(&name) {
                words.push(name);
            }
            words
        });
    }

    fn hits(&self, word: &str) -> u64 {
        self.rows.iter().filter_map(|row| row.hits.get(word)).sum()
    }

    /// Words that no case hit.
    #[must_use]
    pub fn missed(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).filter(|word| self.hits(word) == 0).collect()
    }

    /// The least hit word, and how often it was.
    #[must_use]
    pub fn least(&self) -> Option<(&str, u64)> {
        self.words.iter().map(|word| (word.as_str(), self.hits(word))).min_by_key(|it| it.1)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<30} {:>10} {:>6} {:>10} {:>9} {:>9} {:>9}  errors",
            "case", "scribbles", "words", "steps", "calls", "values", "longest"
        )?;
        let mut sum = Row { case: String::from("all"), ..Row::default() };
        for row in &self.rows {
            line(f, row, row.hits.values().filter(|&&hits| hits > 0).count())?;
            sum.scribbles += row.scribbles;
            sum.steps += row.steps;
            sum.calls += row.calls;
            sum.guarded += row.guarded;
            sum.values += row.values;
            if row.longest > sum.longest {
                (sum.longest, sum.longest_was) = (row.longest, row.longest_was);
            }
            row.errors.iter().for_each(|(kind, &count)| sum.error(kind, count));
        }
        line(f, &sum, self.words.len() - self.missed().len())?;
        let least = self.least().map(|(name, hits)| format!("; the least hit: {name}, {hits} times"));
        write!(
            f,
            "{} of {} words of the layout were hit{}; {} of {} calls had guard pages on both sides",
            self.words.len() - self.missed().len(),
            self.words.len(),
            least.unwrap_or_default(),
            sum.guarded,
            sum.calls
        )
    }
}

fn line(f: &mut fmt::Formatter<'_>, row: &Row, words: usize) -> fmt::Result {
    let mut errors: Vec<String> = row.errors.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    if row.longest > LONG {
        errors.push(format!("longest: {}", row.longest_was));
    }
    writeln!(
        f,
        "{:<30} {:>10} {:>6} {:>10} {:>9} {:>9} {:>6} ms  {}",
        row.case,
        row.scribbles,
        words,
        row.steps,
        row.calls,
        row.values,
        row.longest.as_millis(),
        errors.join(", ")
    )
}
