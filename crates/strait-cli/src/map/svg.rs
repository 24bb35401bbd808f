//! The picture, and a page around it.

use super::graph::{Graph, Line};
use super::layout::{self, HEIGHT, Layout, Place};
use crate::screen::{Align, cut};
use crate::seen::State;

/// More of a name is told when one points at it.
const CHARS_MAX: usize = 34;
const CHAR_WIDTH: f64 = 7.25;
const PADDING: f64 = 12.0;

const STYLE: &str = "\
text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#1b1f24;text-anchor:middle}\
.p{fill:#fff;stroke:#57606a}.o{fill:#ddf4ff;stroke:#0969da}.idle{fill:#f6f8fa;stroke:#8c959f}\
.unknown{fill:#fff8c5;stroke:#9a6700}.dead{fill:#ffebe9;stroke:#cf222e;stroke-dasharray:4 3}\
path{fill:none;stroke:#57606a;stroke-width:1.2;opacity:.75}";

/// An SVG document of its own.
pub(super) fn picture(graph: &Graph) -> String {
    let labels: Vec<String> = labels(graph);
    let widths: Vec<f64> = labels.iter().map(|it| it.chars().count() as f64 * CHAR_WIDTH + 2.0 * PADDING).collect();
    let layout = layout::of(graph, &widths);
    let Layout { places, passes, width, height } = &layout;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\">\n\
         <title>processes of this machine, and what they exchange data through</title>\n<style>{STYLE}</style>\n\
         <defs><marker id=\"a\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto-start-reverse\"><path d=\"M0 0L8 4L0 8z\" style=\"fill:#57606a;stroke:none;opacity:1\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let objects_at = graph.processes.len();
    for (line, passed) in graph.lines.iter().zip(passes) {
        let passed: Vec<Place> = passed.iter().map(|&at| places[at]).collect();
        text += &path(line, &places[line.process], &places[objects_at + line.object], &passed);
    }
    for (at, process) in graph.processes.iter().enumerate() {
        let class = if process.is_dead { "dead" } else { "p" };
        let pids: Vec<String> = process.pids.iter().take(200).map(u32::to_string).collect();
        let title = format!("{}: {}", process.command, pids.join(" "));
        text += &boxed(&places[at], class, 4.0, &labels[at], &title);
    }
    for (at, object) in graph.objects.iter().enumerate() {
        let class = match object.state {
            State::Live => "o",
            State::Idle => "idle",
            State::Unknown => "unknown",
            State::Dead | State::Corrupt => "dead",
        };
        let title = format!("{}, {} {}", object.words(), object.state, object.content);
        text += &boxed(&places[objects_at + at], class, HEIGHT / 2.0, &labels[objects_at + at], title.trim());
    }
    text + "</svg>\n"
}

/// An HTML page with the picture in it, which needs nothing else.
pub(super) fn page(graph: &Graph) -> String {
    let left_out = match graph.left_out {
        0 => String::new(),
        n => format!(" Not drawn: {n} objects that only one process has, or nobody."),
    };
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>strait map</title>\n<style>body{{margin:1rem;font:14px system-ui,sans-serif;color:#1b1f24;background:#fff}}\
         main{{overflow:auto}}</style>\n<h1>Who exchanges data with whom</h1>\n\
         <p>Boxes are processes, round ones what is between them. Arrows go with the data. Red and dashed: dead. Grey: nobody has it. \
         Yellow: it cannot be told. Point at something to see all of it.{left_out}</p>\n<main>\n{}</main></html>\n",
        picture(graph)
    )
}

fn labels(graph: &Graph) -> Vec<String> {
    let processes = graph.processes.iter().map(|it| it.words() + if it.is_dead { " †" } else { "" });
    let objects = graph.objects.iter().map(|it| it.words() + if it.is_dead() { " †" } else { "" });
    processes.chain(objects).map(|label| cut(&label, CHARS_MAX, Align::Middle)).collect()
}

fn boxed(place: &Place, class: &str, radius: f64, label: &str, title: &str) -> String {
    let Place { x, y, width, .. } = place;
    format!(
        "<g><title>{}</title><rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\" rx=\"{radius}\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>\n",
        escaped(title),
        x + width / 2.0,
        y + HEIGHT / 2.0 + 4.0,
        escaped(label),
    )
}

/// From the side of one box to the facing side of the other, between the boxes that stand on the way.
fn path(line: &Line, process: &Place, object: &Place, passed: &[Place]) -> String {
    let is_forward = process.layer < object.layer;
    let (left, right) = if is_forward { (process, object) } else { (object, process) };
    let (mut x, mut y) = (left.x + left.width, left.y + HEIGHT / 2.0);
    let mut way = format!("M{x:.1} {y:.1}");
    let stops = passed.iter().map(|it| (it.x, it.y)).chain([(right.x, right.y + HEIGHT / 2.0)]);
    for (next_x, next_y) in stops {
        let bend = ((next_x - x) / 2.0).max(20.0);
        way += &format!("C{:.1} {y:.1} {:.1} {next_y:.1} {next_x:.1} {next_y:.1}", x + bend, next_x - bend);
        (x, y) = (next_x, next_y);
    }
    let at = |is: bool, end: &str| if is { format!(" marker-{end}=\"url(#a)\"") } else { String::new() };
    let (to_object, to_process) = (line.way.writes, line.way.reads);
    let (at_start, at_end) = if is_forward { (to_process, to_object) } else { (to_object, to_process) };
    format!("<path d=\"{way}\"{}{}/>\n", at(at_start, "start"), at(at_end, "end"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
