//! `cargo xtask screens`: the screens of `strait ls`, `show`, `top`, `map` and `doctor`, taken from a real terminal, into `docs/screens/`.
//!
//! `examples/screens/scene.sh` makes the scene in namespaces of its own and takes the screens with tmux. Of each, as a terminal of 80 and of 160
//! columns has it, there are then a text and a picture; and the map as `strait map --svg` draws it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::{Failure, Outcome, cargo};

/// Of a character and a line, in the picture.
const WIDE: f64 = 8.4;
const HIGH: f64 = 18.0;
const MARGIN: f64 = 12.0;

const BACKGROUND: &str = "#16181d";
const FOREGROUND: &str = "#d7dae0";
/// Black to white, as terminals number them.
const COLOURS: [&str; 8] = ["#4b5263", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d7dae0"];

pub(crate) fn run(args: &[String]) -> Outcome {
    crate::no_arguments("screens", args)?;
    let failed = |what: &str, e: std::io::Error| Failure::Failed(format!("{what}: {e}"));
    cargo::run(&mut cargo::cargo(&["build", "--release", "-p", "strait-cli"]))?;
    let (taken, folder) = (cargo::target().join("screens"), cargo::root().join("docs/screens"));
    for path in [&taken, &folder] {
        let _ = fs::remove_dir_all(path);
        fs::create_dir_all(path).map_err(|e| failed(&format!("make '{}'", path.display()), e))?;
    }
    let scene = cargo::root().join("examples/screens/scene.sh");
    let mut command = cargo::program("sh", &[&scene.to_string_lossy(), &taken.to_string_lossy()]);
    cargo::run(command.env("STRAIT", cargo::target().join("release/strait")))?;
    for entry in fs::read_dir(&taken).map_err(|e| failed("list the screens", e))? {
        let path = entry.map_err(|e| failed("list the screens", e))?.path();
        write(&path, &folder).map_err(|e| failed(&format!("draw '{}'", path.display()), e))?;
    }
    Ok(())
}

fn write(taken: &Path, folder: &Path) -> std::io::Result<()> {
    let text = fs::read_to_string(taken)?;
    let name = taken.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(name) = name.strip_suffix(".ansi") else { return fs::write(folder.join(name), text) };
    let columns = name.rsplit('.').next().and_then(|it| it.parse().ok()).unwrap_or(80);
    let lines = parse(&text);
    let plain: String = lines.iter().map(|line| plain(line) + "\n").collect();
    fs::write(folder.join(format!("{name}.txt")), plain)?;
    fs::write(folder.join(format!("{name}.svg")), drawn(&lines, columns))
}

/// How characters look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Look {
    colour: Option<usize>,
    is_bold: bool,
    is_faint: bool,
    is_reversed: bool,
}

impl Look {
    /// What `ESC[...m` changes; what is not used here changes nothing.
    fn change(&mut self, codes: &str) {
        for code in codes.split(';') {
            match code.parse::<usize>().unwrap_or(0) {
                0 => *self = Self::default(),
                1 => self.is_bold = true,
                2 => self.is_faint = true,
                7 => self.is_reversed = true,
                22 => (self.is_bold, self.is_faint) = (false, false),
                27 => self.is_reversed = false,
                colour @ 30..=37 => self.colour = Some(colour - 30),
                colour @ 90..=97 => self.colour = Some(colour - 90),
                39 => self.colour = None,
                _ => {}
            }
        }
    }
}

/// A line: pieces of one look each.
type Line = Vec<(Look, String)>;

/// The lines of a captured screen, without empty ones at the end.
fn parse(text: &str) -> Vec<Line> {
    let mut look = Look::default();
    let mut lines: Vec<Line> = text.lines().map(|line| pieces(line, &mut look)).collect();
    while lines.last().is_some_and(|line| plain(line).is_empty()) {
        lines.pop();
    }
    lines
}

/// What one line has; the look goes on into the next.
fn pieces(line: &str, look: &mut Look) -> Line {
    let mut found = Vec::new();
    let mut parts = line.split("\x1b[");
    found.extend(parts.next().map(|first| (*look, first.to_owned())));
    for part in parts {
        let (codes, text) = part.split_once('m').unwrap_or(("", part));
        look.change(codes);
        found.push((*look, text.to_owned()));
    }
    found.retain(|(_, text)| !text.is_empty());
    found
}

fn plain(line: &Line) -> String {
    let text: String = line.iter().map(|(_, text)| text.as_str()).collect();
    text.trim_end().to_owned()
}

fn drawn(lines: &[Line], columns: u16) -> String {
    let (width, height) = (f64::from(columns) * WIDE + 2.0 * MARGIN, lines.len() as f64 * HIGH + 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{BACKGROUND}\"/>\n"
    );
    for (row, line) in lines.iter().enumerate() {
        let mut column = 0;
        for (look, text) in line {
            let count = text.chars().count();
            let (x, y) = (MARGIN + column as f64 * WIDE, MARGIN + row as f64 * HIGH);
            column += count;
            let (width, colour) = (count as f64 * WIDE, look.colour.map_or(FOREGROUND, |it| COLOURS[it]));
            let ink = if look.is_reversed { BACKGROUND } else { colour };
            if look.is_reversed {
                let _ = writeln!(
                    svg,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{HIGH}\" fill=\"{colour}\"/>"
                );
            }
            if text.trim().is_empty() {
                continue;
            }
            let weight = if look.is_bold { " font-weight=\"bold\"" } else { "" };
            let faint = if look.is_faint { " opacity=\"0.6\"" } else { "" };
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"{ink}\"{weight}{faint} xml:space=\"preserve\" textLength=\"{width:.1}\">{}</text>",
                y + 0.75 * HIGH,
                escaped(text)
            );
        }
    }
    svg + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks change where the terminal says so, go on into the next line, and the text is what stands there.
    #[test]
    fn screens_are_read() {
        let lines = parse("\x1b[1mA\x1b[0m b \n\x1b[31mred\nstill\x1b[39;7m x\x1b[27m\n\n");
        let texts: Vec<String> = lines.iter().map(plain).collect();
        assert_eq!(texts, ["A b", "red", "still x"]);
        assert!(lines[0][0].0.is_bold && lines[0][1].0 == Look::default());
        assert_eq!((lines[1][0].0.colour, lines[2][0].0.colour, lines[2][1].0.colour), (Some(1), Some(1), None));
        assert!(lines[2][1].0.is_reversed);
    }

    /// Every character has its place, and what means something to XML is written otherwise.
    #[test]
    fn screens_are_drawn() {
        let svg = drawn(&parse("a <b> & c"), 80);
        assert!(svg.contains(">a &lt;b&gt; &amp; c</text>") && svg.contains("width=\"696\" height=\"42\""), "{svg}");
    }
}
