//! `strait map`: the picture of who exchanges data with whom.
//!
//! ```text
//!   Seen -> [graph] processes and objects, grouped -> [text] for the terminal
//!                                                  -> [dot] for Graphviz
//!                                                  -> [layout] where each box stands -> [svg], and a page around it
//! ```

mod dot;
mod graph;
mod layout;
mod svg;
mod text;

use crate::exit::Exit;
use crate::say;
use crate::screen::{self, Paint};
use crate::seen::{Kinds, Seen, Wanted};
use crate::text::safe;
use graph::{Filter, Graph};
use std::fs;
use std::path::{Path, PathBuf};

/// Draws who exchanges data with whom: processes, the objects between them, and which way the data goes.
///
/// What only one process has is left out, and processes of the same name that have the same are one box; of many processes those of the same
/// name are one. With names or processes, only those and who has them. What is dead is marked: `x` in text, red and dashed in pictures.
///
/// Exit status: 0 drawn; 1 there is nothing to draw; 2 wrong usage; 3 the kernel refused (the file).
#[derive(clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// Only these, and who has them: names, patterns, processes, as `strait show` takes them, or all processes of a command.
    #[arg(value_name = "PID|NAME")]
    names: Vec<String>,
    /// Only these kinds, as `strait ls` takes them.
    #[arg(long, short, value_name = "KIND", value_delimiter = ',', value_parser = Kinds::of_name)]
    kind: Vec<Kinds>,
    /// What only one process has, too.
    #[arg(long, short)]
    all: bool,
    /// Write a graph for Graphviz to this file; - is standard output.
    #[arg(long, value_name = "FILE")]
    dot: Option<PathBuf>,
    /// Write a picture to this file; - is standard output.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write a page with the picture to this file; - is standard output.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

const HELP: &str = "\
Examples:
  strait map                      in the terminal
  strait map feed 412             only the channel feed and process 412, and who is connected with them
  strait map --kind strait --svg channels.svg
  strait map --html map.html";

pub(crate) fn run(args: &Args) -> Exit {
    let mut wanted = Vec::new();
    for name in &args.names {
        match Wanted::parse(name) {
            Ok(it) => wanted.push((name, it)),
            Err(why) => {
                say::line(format_args!("strait map: {why}"));
                return Exit::Usage;
            }
        }
    }
    let seen = match Seen::look() {
        Ok(seen) => seen,
        Err(error) => {
            say::line(format_args!("strait map: {error}"));
            return Exit::Refused;
        }
    };
    let mut filter = Filter { kinds: &args.kind, is_all: args.all, ..Filter::default() };
    for (name, wanted) in &wanted {
        filter.is_narrowed = true;
        let found = seen.find(wanted);
        let called_so = seen.processes.iter().filter(|it| it.command == **name).map(|it| it.pid);
        let before = filter.pids.len();
        filter.pids.extend(called_so);
        if filter.pids.len() > before {
            continue;
        }
        if found.process.is_none() && found.things.is_empty() {
            say::line(format_args!("strait map: there is no object and no process '{}'", safe(name)));
            return Exit::No;
        }
        match found.process {
            // As `strait show` has it.
            Some(process) => filter.pids.push(process.pid),
            None => filter.things.extend(found.things),
        }
    }
    let graph = Graph::of(&seen, &filter);
    if graph.objects.is_empty() {
        say::line("strait map: no two processes have anything in common here; --all draws what only one has, too");
        return Exit::No;
    }
    let files = [
        (args.dot.as_deref(), dot::text as fn(&Graph) -> String),
        (args.svg.as_deref(), svg::picture),
        (args.html.as_deref(), svg::page),
    ];
    if files.iter().all(|(file, _)| file.is_none()) {
        return screen::put("map", &text::text(&graph, screen::width(), Paint::on_output()), Exit::Done);
    }
    for (file, draw) in files {
        let Some(file) = file else { continue };
        let exit = write(file, &draw(&graph));
        if exit != Exit::Done {
            return exit;
        }
    }
    Exit::Done
}

fn write(file: &Path, text: &str) -> Exit {
    if file == Path::new("-") {
        return screen::put("map", text, Exit::Done);
    }
    match fs::write(file, text) {
        Ok(()) => Exit::Done,
        Err(error) => {
            say::line(format_args!("strait map: write '{}': {error}", safe(&file.to_string_lossy())));
            Exit::Refused
        }
    }
}
