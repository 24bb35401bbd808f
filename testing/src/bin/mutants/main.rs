//! `cargo xtask mutants`: the sources weakened in one place after the other, and for each mutant somebody must notice.
//!
//! ```text
//! mutants [--full | --sample N] [--seed N] [--only TEXT] [--list] [--resume] [--minutes N] [--jobs N]
//! ```
//!
//! Without arguments a few mutants of the rings and of waiting are taken by a printed seed, but for those that are argued away: what a
//! change can wait for. `--full` takes all, `--only` those whose description contains TEXT, and may be said several times; `--list` only
//! shows them. Verdicts are written down as they come (`target/variants/mutants/verdicts`), but not those of a sample: `--minutes` ends
//! in time, and `--resume` goes on from there. What was caught is then not asked again; a survivor is, if any source has changed since.
//!
//! 1. A mutant that nobody notices needs an argument in `testing/mutants-argued.md`, or this fails.
//! 2. An argument must be about a mutant that exists and is not noticed, or this fails.
//! 3. The checks must pass on the sources as they are.
//! 4. What was not tried, because the time was over, is told as such: the mutants that are left stand in the table, and in the count.

mod argued;
mod checks;
mod scan;
mod trial;

use scan::Mutant;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use std::{env, fs};
use strait_testing::random::Random;
use strait_testing::variant::{Workshop, root};
use trial::Verdict;

/// What is weakened: what paths begin with, below `crates/strait/src`. Of the channels that which decides over life and death in all of them,
/// and the calls of `spsc`; those of the channels of many are not weakened.
const WEAKENED: [&str; 7] =
    ["ring/", "wait/", "peer/", "channel/hub", "channel/endpoint.rs", "channel/message.rs", "channel/spsc/"];
const SOURCES: &str = "crates/strait/src";
/// Where orderings are weakened: where models can notice. A test on a machine that reorders next to nothing cannot.
const ORDERED: [&str; 3] = ["ring/", "wait/", "peer/"];
/// What a sample is taken from: unit tests and models notice, and no process needs to be built.
const SAMPLED: [&str; 2] = ["ring/", "wait/"];
/// How many mutants a change is tried with: most of the time goes into the build.
const SAMPLE: usize = 6;

struct Options {
    sample: Option<usize>,
    seed: u64,
    /// Those whose description contains one of these; all, where there is none.
    only: Vec<String>,
    is_list: bool,
    is_resumed: bool,
    minutes: Option<u64>,
    jobs: u64,
}

impl Options {
    fn is_wanted(&self, mutant: &Mutant) -> bool {
        let described = describe(mutant);
        self.only.is_empty() || self.only.iter().any(|text| described.contains(text))
    }
}

fn main() -> ExitCode {
    let options = match options(env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("mutants: {why}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("mutants: {why}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let now = fresh_seed();
    let mut options = Options {
        sample: Some(SAMPLE),
        seed: now,
        only: Vec::new(),
        is_list: false,
        is_resumed: false,
        minutes: None,
        jobs: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64) + 1,
    };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("'{text}' is no number"));
        match arg.as_str() {
            "--full" => options.sample = None,
            "--sample" => options.sample = Some(usize::try_from(number(value()?)?).unwrap_or(usize::MAX)),
            "--seed" => options.seed = number(value()?)?,
            "--only" => {
                options.only.push(value()?);
                options.sample = None;
            }
            "--list" => options.is_list = true,
            "--resume" => options.is_resumed = true,
            "--jobs" => options.jobs = number(value()?)?.max(1),
            "--minutes" => options.minutes = Some(number(value()?)?),
            _ => return Err(format!("'{arg}' is not known; see the top of testing/src/bin/mutants/main.rs")),
        }
    }
    Ok(options)
}

/// Another one each time.
fn fresh_seed() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |now| u64::from(now.subsec_nanos()))
}

/// The sources that are weakened, with their texts.
fn sources(root: &Path) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    collect(root, SOURCES, &mut found)?;
    found.retain(|file, _| WEAKENED.iter().any(|path| is_below(file, path)));
    Ok(found)
}

fn is_below(file: &str, path: &str) -> bool {
    file.strip_prefix(SOURCES).is_some_and(|file| file[1..].starts_with(path))
}

fn collect(root: &Path, folder: &str, found: &mut BTreeMap<String, String>) -> Result<(), String> {
    let wrong = |e: std::io::Error| format!("read {folder}: {e}");
    // Models and tests are not what is under test.
    let parent = |path: String| fs::read_to_string(root.join(path)).unwrap_or_default();
    let own = parent(format!("{folder}/mod.rs")) + &parent(format!("{folder}.rs"));
    let is_test = |module: &str| {
        ["", "pub(crate) ", "pub(super) "]
            .iter()
            .any(|seen| own.contains(&format!("#[cfg(test)]\n{seen}mod {module};")))
    };
    for entry in fs::read_dir(root.join(folder)).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let file = format!("{folder}/{name}");
        if is_test(name.trim_end_matches(".rs")) {
            continue;
        }
        if path.is_dir() {
            collect(root, &file, found)?;
        } else if name.ends_with(".rs") {
            found.insert(file, fs::read_to_string(path).map_err(wrong)?);
        }
    }
    Ok(())
}

fn run(options: &Options) -> Result<(), String> {
    let root = root();
    let sources = sources(&root)?;
    let mut all = Vec::new();
    for path in WEAKENED {
        for (file, text) in sources.iter().filter(|(file, _)| is_below(file, path)) {
            let is_ordered = ORDERED.iter().any(|path| is_below(file, path));
            all.extend(scan::scan(file, text)?.into_iter().filter(|mutant| is_ordered || mutant.kind != "ordering"));
        }
    }
    let arguments = argued::read(&root)?;
    let stale = arguments.iter().filter(|argument| !all.iter().any(|mutant| argument.is_about(mutant)));
    let stale: Vec<String> = stale.map(argued::Argument::name).collect();
    if !stale.is_empty() {
        return Err(format!("arguments about nothing that is there:\n{}", stale.join("\n")));
    }
    let chosen = choose(&all, &arguments, options);
    println!("{} mutants in {} files; {} chosen", all.len(), sources.len(), chosen.len());
    if options.is_list {
        for mutant in &chosen {
            println!("{}", describe(mutant));
        }
        return Ok(());
    }
    let deadline = options.minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let mut workshop = Workshop::open("mutants").map_err(|e| format!("open the workshop: {e}"))?;
    let mut book = Book::open(&workshop, options)?;
    let mut left = chosen.clone();
    left.retain(|mutant| book.verdict(mutant).is_none());
    // What is said to survive goes through all checks: last.
    left.sort_by_key(|mutant| arguments.iter().any(|argument| argument.is_about(mutant)));
    let (switched, alone): (Vec<&Mutant>, Vec<&Mutant>) = left.iter().partition(|mutant| mutant.has_switch());
    // All of them are built in, chosen or not, so that what was built before is built.
    let built = match left.is_empty() {
        true => None,
        false => Some(trial::build_switched(&mut workshop, &sources, &all, &book.fingerprint)?),
    };
    let total = left.len();
    let is_time = || deadline.is_none_or(|deadline| Instant::now() < deadline);
    let mut done = 0;
    let mut settle = |mutant: &Mutant, verdict: Verdict, took: Duration| {
        done += 1;
        println!("{done:>4}/{total} {:>5.1} s  {}: {verdict}", took.as_secs_f64(), describe(mutant));
        book.write(mutant, verdict)
    };
    if let Some(built) = &built {
        // Those that are built already at several at a time: the tests with processes mostly wait.
        let settled = Mutex::new(&mut settle);
        let next = AtomicUsize::new(0);
        let work = || -> Result<(), String> {
            while let Some(&mutant) = switched.get(next.fetch_add(1, Relaxed)).filter(|_| is_time()) {
                let began = Instant::now();
                let number = all.iter().position(|it| it == mutant).unwrap_or_default();
                let verdict = trial::switched(&workshop, built, number, mutant)?;
                settled.lock().map_err(|_| "a thread panicked")?(mutant, verdict, began.elapsed())?;
            }
            Ok(())
        };
        let outcomes: Vec<Result<(), String>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..options.jobs).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|it| it.join().unwrap_or_else(|_| Err(String::from("a thread panicked")))).collect()
        });
        outcomes.into_iter().collect::<Result<(), String>>()?;
        for mutant in alone {
            if !is_time() {
                break;
            }
            let began = Instant::now();
            let verdict = trial::alone(&mut workshop, built, mutant, &sources[&mutant.file])?;
            settle(mutant, verdict, began.elapsed())?;
        }
    }
    let left = total - done;
    if left > 0 {
        println!("{left} were not tried; --resume goes on");
    }
    judge(&chosen, &arguments, &book)
}

fn choose<'m>(all: &'m [Mutant], arguments: &[argued::Argument], options: &Options) -> Vec<&'m Mutant> {
    let mut chosen: Vec<&Mutant> = all.iter().filter(|mutant| options.is_wanted(mutant)).collect();
    let Some(count) = options.sample else { return chosen };
    let is_quick = |mutant: &Mutant| SAMPLED.iter().any(|path| is_below(&mutant.file, path));
    chosen.retain(|mutant| is_quick(mutant) && !arguments.iter().any(|argument| argument.is_about(mutant)));
    println!("seed {}: the same {count} again with --sample {count} --seed {}", options.seed, options.seed);
    let mut random = Random::new(options.seed);
    while chosen.len() > count {
        let at = usize::try_from(random.below(chosen.len() as u64)).unwrap_or_default();
        chosen.remove(at);
    }
    chosen
}

fn describe(mutant: &Mutant) -> String {
    let edit = format!("`{}` -> `{}`", scan::one_line(&mutant.old), scan::one_line(&mutant.new));
    let file = mutant.file.strip_prefix("crates/strait/src/").unwrap_or(&mutant.file);
    format!("{file}:{} {} {}: {}", mutant.line, mutant.function, mutant.kind, argued::short(&edit))
}

/// The table, and what is wrong with it.
fn judge(chosen: &[&Mutant], arguments: &[argued::Argument], book: &Book) -> Result<(), String> {
    let mut wrong = Vec::new();
    let (mut caught, mut argued, mut not_rust, mut not_tried) = (0, 0, 0, 0);
    let mut survivors: BTreeMap<usize, usize> = BTreeMap::new();
    println!("\n| mutant | |\n|---|---|");
    for mutant in chosen {
        let Some(verdict) = book.verdict(mutant) else {
            not_tried += 1;
            println!("| {} | not tried |", describe(mutant).replace('|', "\\|"));
            continue;
        };
        let argument = arguments.iter().find(|argument| argument.is_about(mutant));
        let note = match (&verdict, argument) {
            (Verdict::Survived, Some(argument)) => {
                argued += 1;
                *survivors.entry(argument.line).or_default() += 1;
                format!("survived, argued in line {}", argument.line)
            }
            (Verdict::Survived, None) => {
                wrong.push(format!("nobody notices: {}", describe(mutant)));
                String::from("SURVIVED")
            }
            (Verdict::Caught(_), _) => {
                caught += 1;
                verdict.to_string()
            }
            (Verdict::NotRust, _) => {
                not_rust += 1;
                verdict.to_string()
            }
        };
        println!("| {} | {note} |", describe(mutant).replace('|', "\\|"));
    }
    for argument in arguments {
        let mut about = chosen.iter().filter(|mutant| argument.is_about(mutant)).peekable();
        let is_tried = about.peek().is_some() && about.all(|mutant| book.verdict(mutant).is_some());
        if is_tried && !survivors.contains_key(&argument.line) {
            wrong.push(format!("{}: what it argues away is noticed", argument.name()));
        }
    }
    println!(
        "\n{} mutants: {caught} caught, {argued} argued away, {} unexplained, {not_tried} not tried; \
         {not_rust} more were refused by the compiler",
        chosen.len() - not_rust,
        chosen.len() - not_rust - not_tried - caught - argued
    );
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// The verdicts so far, kept from run to run.
struct Book {
    path: PathBuf,
    /// Not of a sample: that leaves alone what a whole round has written.
    is_kept: bool,
    /// What the sources were.
    fingerprint: String,
    /// The verdict, and what the sources were then.
    verdicts: BTreeMap<String, (Verdict, String)>,
}

impl Book {
    fn open(workshop: &Workshop, options: &Options) -> Result<Self, String> {
        let path = workshop.tree().with_file_name("verdicts");
        let mut hasher = DefaultHasher::new();
        // What the checks are made of.
        let tests: Vec<String> = checks::processes().iter().map(|name| format!("testing/tests/{name}.rs")).collect();
        let folders = ["crates/strait", "crates/strait-mem", "crates/strait-sys", "testing/src/bin/role"];
        for path in folders.into_iter().chain(tests.iter().map(String::as_str)) {
            fingerprint(&root().join(path), &mut hasher).map_err(|e| format!("read the sources: {e}"))?;
        }
        let is_kept = options.sample.is_none();
        let mut book =
            Self { path, is_kept, fingerprint: format!("{:016x}", hasher.finish()), verdicts: BTreeMap::new() };
        let text = if options.is_resumed { fs::read_to_string(&book.path).unwrap_or_default() } else { String::new() };
        for line in text.lines() {
            let [fingerprint, verdict, key] = line.splitn(3, '\t').collect::<Vec<_>>()[..] else { continue };
            let Some(verdict) = Verdict::read(verdict) else { continue };
            book.verdicts.insert(key.to_owned(), (verdict, fingerprint.to_owned()));
        }
        if is_kept && !options.is_resumed {
            fs::write(&book.path, "").map_err(|e| format!("write verdicts: {e}"))?;
        }
        Ok(book)
    }

    fn verdict(&self, mutant: &Mutant) -> Option<Verdict> {
        let (verdict, then) = self.verdicts.get(&mutant.key())?;
        let holds = *verdict != Verdict::Survived || *then == self.fingerprint;
        holds.then(|| verdict.clone())
    }

    fn write(&mut self, mutant: &Mutant, verdict: Verdict) -> Result<(), String> {
        let key = mutant.key();
        let line = format!("{}\t{verdict}\t{key}\n", self.fingerprint);
        if self.is_kept {
            let file = fs::File::options().append(true).create(true).open(&self.path);
            file.and_then(|mut file| file.write_all(line.as_bytes())).map_err(|e| format!("write verdicts: {e}"))?;
        }
        self.verdicts.insert(key, (verdict, self.fingerprint.clone()));
        Ok(())
    }
}

fn fingerprint(path: &Path, hasher: &mut DefaultHasher) -> std::io::Result<()> {
    if path.is_dir() {
        let mut entries: Vec<PathBuf> = fs::read_dir(path)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        entries.sort();
        return entries.iter().try_for_each(|entry| fingerprint(entry, hasher));
    }
    if path.extension().is_some_and(|it| it == "rs" || it == "toml") {
        path.hash(hasher);
        fs::read(path)?.hash(hasher);
    }
    Ok(())
}
