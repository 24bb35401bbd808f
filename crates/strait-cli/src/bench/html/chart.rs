//! A chart as SVG: lines over two axes, each line named where it begins or ends. No script, no colours but by the page's style.

use std::fmt::Write as _;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 470.0;
/// Room for the marks of the upright axis.
const MARKS: f64 = 84.0;
/// Room for the names, at the other side.
const NAMES: f64 = 130.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 48.0;
/// From one name to the next.
const NAME_HEIGHT: f64 = 13.5;

/// One line.
pub(super) struct Line {
    pub(super) name: String,
    /// Of its colour, in degrees.
    pub(super) hue: f64,
    /// Drawn bolder than the others.
    pub(super) is_bold: bool,
    /// In the units of the axes, from left to right.
    pub(super) points: Vec<(f64, f64)>,
}

/// An axis: what it is of, and its marks.
pub(super) struct Axis {
    pub(super) title: String,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) marks: Vec<(f64, String)>,
}

impl Axis {
    fn part(&self, value: f64) -> f64 {
        ((value - self.from) / (self.to - self.from).max(1e-9)).clamp(0.0, 1.0)
    }
}

/// At which of their ends lines have their names; the upright axis is at the other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// Where a mark of a logarithmic axis is, and what stands there.
pub(super) fn decades(least: f64, greatest: f64, word: impl Fn(f64) -> String) -> (f64, f64, Vec<(f64, String)>) {
    let (from, to) = (least.max(1e-12).log10().floor(), greatest.max(1e-12).log10().ceil());
    let to = if to > from { to } else { from + 1.0 };
    // At most a few dozen decades.
    let marks = (from as i32..=to as i32).map(|power| (f64::from(power), word(10f64.powi(power)))).collect();
    (from, to, marks)
}

/// The chart; `label` tells what it shows to who does not see it.
pub(super) fn svg(label: &str, x: &Axis, y: &Axis, lines: &[Line], names: Side) -> String {
    let (left, right) = if names == Side::Right { (MARKS, NAMES) } else { (NAMES, MARKS) };
    let (inner_width, inner_height) = (WIDTH - left - right, HEIGHT - TOP - BOTTOM);
    // Where the marks, and where the names stand, and which way their text grows from there.
    let (marks_x, marks_anchor, title_x) =
        if names == Side::Right { (left - 8.0, "end", 11.0) } else { (WIDTH - right + 8.0, "start", WIDTH - 4.0) };
    let (names_x, names_anchor) =
        if names == Side::Right { (WIDTH - right + 12.0, "start") } else { (left - 12.0, "end") };
    let at_x = |value: f64| left + x.part(value) * inner_width;
    let at_y = |value: f64| TOP + (1.0 - y.part(value)) * inner_height;
    let mut svg = String::new();
    // Writing to a string does not fail, here and below.
    let _ = writeln!(
        svg,
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        super::escaped(label)
    );
    for (value, word) in &y.marks {
        let (at, end) = (at_y(*value), left + inner_width);
        let _ = writeln!(svg, "<line class=\"grid\" x1=\"{left}\" y1=\"{at:.1}\" x2=\"{end:.1}\" y2=\"{at:.1}\"/>");
        let _ = writeln!(
            svg,
            "<text x=\"{marks_x:.1}\" y=\"{:.1}\" text-anchor=\"{marks_anchor}\">{word}</text>",
            at + 4.0
        );
    }
    for (value, word) in &x.marks {
        let (at, bottom) = (at_x(*value), TOP + inner_height);
        let _ = writeln!(svg, "<line class=\"grid\" x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom:.1}\"/>");
        let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{word}</text>", bottom + 18.0);
    }
    let (middle, bottom) = (left + inner_width / 2.0, HEIGHT - 8.0);
    let _ = writeln!(
        svg,
        "<text class=\"title\" x=\"{middle:.1}\" y=\"{bottom:.1}\" text-anchor=\"middle\">{}</text>",
        x.title
    );
    let middle = TOP + inner_height / 2.0;
    let _ = writeln!(
        svg,
        "<text class=\"title\" transform=\"translate({title_x} {middle:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        y.title
    );
    let end =
        |line: &Line| if names == Side::Right { line.points.last().copied() } else { line.points.first().copied() };
    let ends: Vec<f64> = lines.iter().map(|line| end(line).map_or(0.0, |(_, value)| at_y(value))).collect();
    for (line, name_y) in lines.iter().zip(spread(&ends, TOP + inner_height)) {
        let Some((end_x, end_y)) = end(line).map(|(px, py)| (at_x(px), at_y(py))) else { continue };
        let points: Vec<String> =
            line.points.iter().map(|(px, py)| format!("{:.1},{:.1}", at_x(*px), at_y(*py))).collect();
        let class = if line.is_bold { "series own" } else { "series" };
        let _ = writeln!(svg, "<g class=\"{class}\" style=\"--hue:{:.0}\">", line.hue);
        let _ = writeln!(svg, "<title>{}</title>", super::escaped(&line.name));
        let _ = writeln!(svg, "<polyline points=\"{}\"/>", points.join(" "));
        if line.points.len() < 12 {
            for (px, py) in &line.points {
                let _ = writeln!(svg, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.6\"/>", at_x(*px), at_y(*py));
            }
        }
        let _ = writeln!(svg, "<path class=\"lead\" d=\"M{end_x:.1} {end_y:.1} L{names_x:.1} {name_y:.1}\"/>");
        let (away, name) = (if names == Side::Right { 3.0 } else { -3.0 }, super::escaped(&line.name));
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{names_anchor}\">{name}</text>",
            names_x + away,
            name_y + 4.0
        );
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

/// Moves what stands too close apart, as little as may be, above `bottom` if there is room.
fn spread(wanted: &[f64], bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    let mut placed = wanted.to_vec();
    // Groups that touch share the way: each is put around the middle of what its members want.
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let span = |group: &[usize]| {
        let middle = group.iter().map(|&n| wanted[n]).sum::<f64>() / group.len() as f64;
        let half = NAME_HEIGHT * (group.len() as f64 - 1.0) / 2.0;
        let middle = middle.min(bottom - half).max(TOP + half);
        (middle - half, middle + half)
    };
    for n in order {
        let mut group = vec![n];
        while let Some(above) = groups.pop() {
            if span(&above).1 + NAME_HEIGHT > span(&group).0 {
                group = [above, group].concat();
            } else {
                groups.push(above);
                break;
            }
        }
        groups.push(group);
    }
    for group in groups {
        let (first, _) = span(&group);
        for (k, n) in group.into_iter().enumerate() {
            placed[n] = first + NAME_HEIGHT * k as f64;
        }
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::{NAME_HEIGHT, decades, spread};

    /// Names never overlap, keep their order, and stay where they are if there is room.
    #[test]
    fn names_do_not_overlap() {
        let wanted = [100.0, 101.0, 102.0, 300.0, 301.0, 99.0, 20.0, 458.0, 459.0];
        let placed = spread(&wanted, 460.0);
        assert!((placed[6] - 20.0).abs() < 1e-9);
        let mut order: Vec<usize> = (0..wanted.len()).collect();
        order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
        let gaps = order.windows(2).map(|pair| placed[pair[1]] - placed[pair[0]]);
        assert!(gaps.into_iter().all(|gap| gap >= NAME_HEIGHT - 1e-9), "{placed:?}");
        assert!(placed.iter().all(|&at| at <= 460.0));
    }

    /// A logarithmic axis has whole decades, one at least.
    #[test]
    fn whole_decades() {
        let (from, to, marks) = decades(283.0, 61_000.0, |value| format!("{value}"));
        assert_eq!((from, to, marks.len()), (2.0, 5.0, 4));
        assert_eq!(decades(100.0, 100.0, |_| String::new()).2.len(), 2);
    }
}
