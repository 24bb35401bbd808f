//! The sums are exact: against a slow oracle, against Python, from lying peers, at the edges.

mod against_oracle;
mod blocks;
mod edges;
mod hostile_bytes;
mod oracle;
mod python;
