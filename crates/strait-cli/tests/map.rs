//! `strait map`: who is connected with whom, in each form, small and crowded.

mod support;

use rustix::pipe::PipeFlags;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use strait::channel::spsc;
use strait::region::Region;
use support::{Directory, Outcome, run};

fn map(args: &[&str]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strait"));
    run(command.arg("map").args(args), [])
}

fn text(outcome: &Outcome) -> String {
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    String::from_utf8_lossy(&outcome.out).into_owned()
}

/// Processes that read from one pipe of ours; ended at the end.
struct Readers(Vec<Child>, #[allow(dead_code, reason = "held, so that they go on reading")] OwnedFd);

impl Readers {
    fn new(count: usize) -> Self {
        let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
        let mut all = Self(Vec::new(), writer);
        for _ in 0..count {
            let twin = reader.try_clone().expect("dup");
            all.0.push(Command::new("cat").stdin(twin).stdout(Stdio::null()).spawn().expect("start"));
        }
        all
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Every picture of a channel has both ends and the way between them; the SVG is well-formed XML, the page has it in it.
#[test]
fn each_form() {
    let (name, directory) = (format!("cli-map-{}", std::process::id()), Directory::new());
    let tx = spsc::Sender::<u64>::create(&name, &spsc::Options::new()).expect("create");
    let me = std::process::id().to_string();
    let shown = text(&map(&[&name]));
    let line = shown.lines().find(|line| line.contains(&name)).expect("its line");
    assert!(line.contains(&format!("{me} ")) && line.contains("-->") && line.contains("spsc"), "{line}");

    let dot = text(&map(&[&name, "--dot", "-"]));
    assert!(dot.starts_with("digraph") && dot.contains(&name) && dot.contains("p0 -> o0"), "{dot}");
    let (svg, html) = (directory.path("map.svg"), directory.path("map.html"));
    text(&map(&[&name, "--svg", &svg, "--html", &html]));
    let svg = std::fs::read_to_string(svg).expect("written");
    let document = roxmltree::Document::parse(&svg).expect("XML");
    let labels: Vec<&str> =
        document.descendants().filter(|it| it.has_tag_name("text")).filter_map(|it| it.text()).collect();
    assert!(labels.iter().any(|it| it.contains("spsc")) && labels.iter().any(|it| it.contains(&me)), "{labels:?}");
    let html = std::fs::read_to_string(html).expect("written");
    assert!(html.contains("<svg") && html.contains(&name) && !html.contains("http://www.w3.org/1999"), "{html}");
    drop(tx);
    let _ = Region::remove(name.as_str());
}

/// Two hundred processes that are alike are one box, and no two boxes lie over each other.
#[test]
fn a_crowd_is_one_box() {
    let all = Readers::new(200);
    let me = std::process::id().to_string();
    let shown = text(&map(&[&me, "--kind", "pipe"]));
    assert!(shown.contains("x200 ("), "{shown}");
    let svg = text(&map(&["--all", "--svg", "-"]));
    let document = roxmltree::Document::parse(&svg).expect("XML");
    let number =
        |node: &roxmltree::Node<'_, '_>, name: &str| node.attribute(name).and_then(|it| it.parse::<f64>().ok());
    let boxes = document.descendants().filter(|it| it.has_tag_name("rect"));
    let boxes: Vec<[f64; 3]> =
        boxes.filter_map(|it| Some([number(&it, "x")?, number(&it, "y")?, number(&it, "width")?])).collect();
    for (at, [x, y, width]) in boxes.iter().enumerate() {
        for [other_x, other_y, other_width] in &boxes[at + 1..] {
            let is_apart = x + width <= *other_x || other_x + other_width <= *x || (y - other_y).abs() >= 26.0;
            assert!(is_apart, "boxes at {x} {y} and {other_x} {other_y}");
        }
    }
    drop(all);
}

/// What is not there is a no; a file that cannot be written is the kernel's refusal.
#[test]
fn errors() {
    let tx = spsc::Sender::<u64>::create(format!("cli-map-e-{}", std::process::id()), &spsc::Options::new())
        .expect("create");
    for (args, code, says) in [
        (&["no-such-thing"][..], 1, "no object and no process 'no-such-thing'"),
        (
            &["--kind", "strait", "--svg", "/no/such/directory/map.svg"],
            3,
            "write '/no/such/directory/map.svg': No such file",
        ),
        (&["pid:x"], 2, "no number"),
    ] {
        let outcome = map(args);
        assert!(outcome.code == code && outcome.err.contains(says), "{args:?}: {} {}", outcome.code, outcome.err);
    }
    drop(tx);
}
