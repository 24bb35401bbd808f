//! `hostile [--full | --sample] [--seed S] [--only CASE [--run N]] [--no-steps] [--roles DIR]`: the liar; see `strait_testing::hostile`.
//!
//! Prints a table; exits with 1 when an honest end did what it must not do, or a word of the layout was never hit, and with 2 for a
//! command line that makes no sense. `--no-steps` leaves out what is run instruction by instruction, of which a build under a sanitizer has
//! too many. `--roles` takes the role program from another folder: another build of the library.
#![forbid(unsafe_code)]

#[cfg(target_arch = "x86_64")]
fn main() -> std::process::ExitCode {
    use std::process::ExitCode;
    use strait_testing::hostile::report::Report;
    use strait_testing::hostile::{between, speed};

    let settings = match settings() {
        Ok(settings) => settings,
        Err(why) => {
            eprintln!("hostile: {why}");
            return ExitCode::from(2);
        }
    };
    println!("seed {}, roles {}", settings.seed, settings.role.display());
    let begin = std::time::Instant::now();
    let mut report = Report::default();
    let outcome = between::run(&settings, &mut report).and_then(|()| speed::run(&settings, &mut report));
    println!("{report}\n{:.1} s", begin.elapsed().as_secs_f64());
    if let Err(why) = outcome {
        eprintln!("hostile: FAILED: {why}");
        return ExitCode::FAILURE;
    }
    let missed = report.missed();
    // One case alone does not meet every word.
    if settings.only.is_none() && !missed.is_empty() {
        eprintln!("hostile: FAILED: words that were never hit: {}", missed.join(", "));
        return ExitCode::FAILURE;
    }
    if report.rows.is_empty() {
        eprintln!("hostile: no case is called that");
        return ExitCode::from(2);
    }
    ExitCode::SUCCESS
}

#[cfg(target_arch = "x86_64")]
fn settings() -> Result<strait_testing::hostile::Settings, String> {
    use std::path::PathBuf;
    use strait_testing::hostile::Settings;

    let mut arguments = std::env::args().skip(1);
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut folder = own.parent().map(PathBuf::from).unwrap_or_default();
    let clock = || std::time::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_millis() as u64);
    let (mut seed, mut only, mut run) = (None, None, None);
    let mut steps = true;
    let mut size: fn(PathBuf, u64) -> Settings = Settings::small;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|e| format!("'{text}': {e}"));
        match argument.as_str() {
            "--full" => size = Settings::full,
            "--sample" => size = Settings::sample,
            "--seed" => seed = Some(number(value()?)?),
            "--only" => only = Some(value()?),
            "--run" => run = Some(number(value()?)?),
            "--no-steps" => steps = false,
            "--roles" => folder = PathBuf::from(value()?),
            _ => return Err(format!("no such argument: {argument}")),
        }
    }
    if run.is_some() && only.is_none() {
        return Err(String::from("--run needs --only"));
    }
    let settings = size(folder.join("hostile_role"), seed.unwrap_or_else(clock));
    if !settings.role.is_file() {
        return Err(format!("there is no {}", settings.role.display()));
    }
    Ok(Settings { only, run, steps, ..settings })
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    eprintln!("hostile: only on x86-64");
}
