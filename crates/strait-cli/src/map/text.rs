//! The picture for the terminal: a line for each object, who writes on its left, who reads on its right.

use super::graph::{Graph, Line, Process, Way};
use crate::figures::counted;
use crate::screen::{self, Align, Column, Paint};

const FROM: Column = Column { head: "FROM", align: Align::Right, least: Some(12) };
const TO: Column = Column { head: "TO", align: Align::Left, least: Some(12) };
const ARROW: Column = Column { head: "", align: Align::Left, least: None };
const OBJECT: Column = Column { head: "THROUGH", align: Align::Middle, least: Some(14) };

pub(super) fn text(graph: &Graph, width: Option<usize>, paint: Paint) -> String {
    let mut order: Vec<usize> = (0..graph.objects.len()).collect();
    let first = |object: usize| graph.lines_of(object).map(|line| line.process).min();
    order.sort_by_key(|&object| (first(object).is_none(), first(object), object));
    let row = |&object: &usize| -> Vec<String> {
        let of = |way: Way| {
            let is_it = |line: &&Line| line.way == way;
            let words = |line: &Line| {
                let process: &Process = &graph.processes[line.process];
                process.words() + if process.is_dead { " x" } else { "" }
            };
            graph.lines_of(object).filter(is_it).map(words).collect::<Vec<_>>()
        };
        let (both, writers, readers) = (
            of(Way { writes: true, reads: true }),
            of(Way { writes: true, reads: false }),
            of(Way { writes: false, reads: true }),
        );
        let it = &graph.objects[object];
        let dead = if it.is_dead() { format!(" x {}", it.state) } else { String::new() };
        // Who does both stands on the left, with an arrow for each way.
        let (into, out) = match (both.is_empty(), writers.is_empty(), readers.is_empty()) {
            (false, ..) => ("<->", if readers.is_empty() { "" } else { "-->" }),
            (true, false, _) => ("-->", if readers.is_empty() { "" } else { "-->" }),
            (true, true, false) => ("", "-->"),
            (true, true, true) => ("", ""),
        };
        vec![
            both.into_iter().chain(writers).collect::<Vec<_>>().join(", "),
            into.to_owned(),
            it.words() + &dead,
            out.to_owned(),
            readers.join(", "),
        ]
    };
    let rows: Vec<Vec<String>> = order.iter().map(row).collect();
    let painted = |number: usize, column: usize, cell: &str| match column {
        2 if graph.objects[order[number]].is_dead() => paint.bad(cell),
        2 => paint.bold(cell),
        _ => cell.to_owned(),
    };
    let mut text = screen::list(&[FROM, ARROW, OBJECT, ARROW, TO], &rows, width, painted, |head| paint.faint(head));
    let processes: usize = graph.processes.iter().map(|it| it.pids.len()).sum();
    let objects: usize = graph.objects.iter().map(|it| it.count).sum();
    let mut summary = format!(
        "{} of {}",
        counted(objects as u64, "object"),
        match processes {
            1 => "1 process".to_owned(),
            n => format!("{n} processes"),
        }
    );
    if graph.left_out > 0 {
        summary += &format!("; not drawn: {} that only one process has, or nobody (--all)", graph.left_out);
    }
    text += &paint.bold_lines(&summary);
    text
}
