//! `crash`: kills processes at every instruction of every operation, and looks at what is left. `cargo xtask crash` builds and runs it.

use std::process::ExitCode;

#[cfg(not(target_arch = "x86_64"))]
fn main() -> ExitCode {
    println!("crash: the single-stepper knows x86-64 only");
    ExitCode::SUCCESS
}

#[cfg(target_arch = "x86_64")]
fn main() -> ExitCode {
    match command::run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(why) => {
            eprintln!("crash: {why}");
            ExitCode::from(2)
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod command {
    use std::path::{Path, PathBuf};
    use std::time::{SystemTime, UNIX_EPOCH};
    use strait_testing::crash::campaign::{self, Config};
    use strait_testing::crash::matrix::{Matrix, in_full, rows_of, sum, tables};
    use strait_testing::crash::run::Fate;
    use strait_testing::crash::table;

    const HELP: &str = "\
crash [--full] [--only NAME[,NAME ...]] [--at N[e|x]|N,N] [--stop] [--one-dies] [--seed S]
      [--samples K] [--stops K] [--pairs K] [--jobs J] [--roles DIR] [--write FILE] [--list]

  --full      every point of every operation, not a sample
  --only      these operations or pairs
  --at        after N instructions; e: on the way into the system call that comes next; x: on its way out
  --stop      SIGSTOP there, and SIGCONT later, instead of SIGKILL
  --one-dies  of a pair, the first is killed and the second goes on
  --roles     role programs of another build, to see whether the harness finds what is wrong with it
  --write     keep the matrix in this file, beside the rows of other operations that it has";

    pub(super) fn run() -> Result<bool, String> {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
        let beside = std::env::current_exe().map_err(|e| format!("find the role programs: {e}"))?;
        let mut config = Config {
            is_full: false,
            only: Vec::new(),
            at: Vec::new(),
            at_pair: None,
            fate: Fate::Kill,
            seed: clock,
            samples: 40,
            stops: 3,
            pairs: 24,
            roles: beside.parent().map_or_else(PathBuf::new, Path::to_path_buf),
            jobs: 0,
        };
        let mut is_sized = false;
        let mut write = None;
        let mut one_dies = false;
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} takes a value\n\n{HELP}"));
            fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
                text.parse().map_err(|_| format!("'{text}' is no number\n\n{HELP}"))
            }
            match argument.as_str() {
                "--full" => config.is_full = true,
                "--only" => config.only.extend(value()?.split(',').map(str::to_owned)),
                "--at" => {
                    let text = value()?;
                    match text.split_once(',') {
                        Some((first, second)) => config.at_pair = Some(([number(first)?, number(second)?], true)),
                        None => config.at.push(number(&text)?),
                    }
                }
                "--stop" => config.fate = Fate::Stop,
                "--one-dies" => one_dies = true,
                "--seed" => config.seed = number(&value()?)?,
                "--samples" => config.samples = number(&value()?)?,
                "--stops" => (config.stops, is_sized) = (number(&value()?)?, true),
                "--pairs" => (config.pairs, is_sized) = (number(&value()?)?, true),
                "--jobs" => config.jobs = number(&value()?)?,
                "--roles" => config.roles = value()?.into(),
                "--write" => write = Some(PathBuf::from(value()?)),
                "--list" => {
                    table::rows().iter().for_each(|row| println!("{:<32} {:<9} {}", row.name, row.victim, row.place()));
                    table::pairs().iter().for_each(|pair| println!("{:<32} two at once", pair.name));
                    return Ok(true);
                }
                "--help" | "-h" => {
                    println!("{HELP}");
                    return Ok(true);
                }
                _ => return Err(format!("no such argument: {argument}\n\n{HELP}")),
            }
        }
        if config.is_full && !is_sized {
            (config.stops, config.pairs) = (40, 200);
        }
        if let (true, Some((points, _))) = (one_dies, config.at_pair) {
            config.at_pair = Some((points, false));
        }
        println!("crash: again with the same points: --seed {}", config.seed);
        let matrix = campaign::run(&config)?;
        println!("{}", matrix.markdown());
        let (longest, promised) = matrix.longest_wait();
        println!("the longest wait of a survivor was {longest:.1?}, promised are {promised:?}");
        println!("{} cases came out at another instruction than the trace said", matrix.elsewhere());
        println!("{}", matrix.summary());
        if let Some(path) = write {
            // None yet is as good.
            let before = std::fs::read_to_string(&path).unwrap_or_default();
            std::fs::write(&path, page(&before, &matrix, &config))
                .map_err(|e| format!("write {}: {e}", path.display()))?;
        }
        Ok(matrix.failures.is_empty())
    }

    /// The page, with the rows of this run, and of those before it that it has not run again.
    fn page(before: &str, matrix: &Matrix, config: &Config) -> String {
        let mut rows = rows_of(before);
        rows.extend(matrix.rows());
        let is_full = if config.is_full { " --full" } else { "" };
        let kills = sum(&rows, false, 5) + 2 * sum(&rows, true, 1) + sum(&rows, true, 2);
        let (instructions, calls) = (sum(&rows, false, 3), sum(&rows, false, 4));
        let (elsewhere, stops) = (sum(&rows, false, 6), sum(&rows, false, 7));
        format!(
            "# The crash matrix

Written by `cargo xtask crash{is_full} --write docs/crash-matrix.md`, in one run or in pieces (`--only`), each of which replaces its
own rows. Release code, run one instruction at a time under `ptrace`, killed, and then the checks of
[spsc](../testing/src/crash/spsc/mod.rs), [birth](../testing/src/crash/spsc/birth.rs), [pool](../testing/src/crash/pool.rs) and the
other channels' files beside them, whose rules are numbered at their heads.

In all: {instructions} instructions and {calls} system calls of {operations} operations, {kills} processes killed, {stops} stopped.
In full: {full} of the operations; of the others, a sample.

- Instructions are counted from the mark before the operation's call to the mark behind it; a system call is one. *Killed at* every
  instruction, from before the first to after the last, and at each system call on its way in and on its way out: with `--full` that
  is instructions + 1 + 2 x system calls. Where the number is smaller, a sample was run.
- *Elsewhere*: the victim was killed at another instruction than the trace of its operation says, because its run was a little
  longer or shorter (it writes its process id and the time): {elsewhere} in all. Checked all the same.
- *Stopped at*: `SIGSTOP` at points that were drawn, checks, `SIGCONT`, checks.
- *Longest wait*: of a survivor, for its next call to succeed or to say `Disconnected`. Promised are 100 ms. A call that only tries
  says it at once; one that waits, after its slice of sleep of 80 ms: that is made in one case of 16, and in all where the survivor
  slept already. More than 1 s fails.
- A run fails, too, when the harness, which holds all survivors, has more descriptors at its end than at its beginning, more memory
  than its own figures take, or a name left in `/dev/shm`; and when an operation had come less far after more instructions.
- The channels have 4 KiB and ends that sleep at once (`Strategy::Sleep`), so that each run takes the same path; the turns of a
  spinning end are not stepped through.
- *Two at once*: each brought to a point of its own, drawn; then both are killed, or one is, and the other must end well.

{tables}",
            full = in_full(&rows),
            operations = rows.len() - table::pairs().iter().filter(|pair| rows.contains_key(pair.name)).count(),
            tables = tables(&rows),
        )
    }
}
