//! Where each box stands: layers from left to right, data flowing to the right where it can.
//!
//! 1. Every line gets a direction: of one that goes both ways, from the object's first process on to all others.
//! 2. A depth-first walk turns round what would close a circle.
//! 3. A box stands one layer behind the last one that leads to it.
//! 4. A line that passes a layer has a place of its own in it, between the boxes.
//! 5. Within a layer, boxes are ordered by the middle of those they are connected with, in a few sweeps to and fro.

use super::graph::Graph;

const SWEEPS: usize = 8;
pub(super) const HEIGHT: f64 = 26.0;
const GAP_Y: f64 = 14.0;
const GAP_X: f64 = 70.0;
const MARGIN: f64 = 20.0;

/// A box, by its left upper corner.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Place {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) layer: usize,
}

#[derive(Debug)]
pub(super) struct Layout {
    /// Processes first, then objects, then where lines pass.
    pub(super) places: Vec<Place>,
    /// The places that each line of the graph passes, from left to right.
    pub(super) passes: Vec<Vec<usize>>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// `widths`: of the boxes, processes first.
pub(super) fn of(graph: &Graph, widths: &[f64]) -> Layout {
    let boxes = widths.len();
    let mut layers = layers(boxes, &directed(graph));
    // Rule 4.
    let mut widths = widths.to_vec();
    let mut passes = Vec::new();
    let mut neighbours: Vec<Vec<usize>> = vec![Vec::new(); boxes];
    for line in &graph.lines {
        let (a, b) = (line.process, graph.processes.len() + line.object);
        let (left, right) = if layers[a] < layers[b] { (a, b) } else { (b, a) };
        let mut last = left;
        let mut passed = Vec::new();
        for layer in layers[left] + 1..layers[right] {
            let pass = layers.len();
            layers.push(layer);
            widths.push(0.0);
            neighbours.push(vec![last]);
            neighbours[last].push(pass);
            passed.push(pass);
            last = pass;
        }
        neighbours[last].push(right);
        neighbours[right].push(last);
        passes.push(passed);
    }
    let mut columns: Vec<Vec<usize>> = vec![Vec::new(); layers.iter().max().map_or(0, |last| last + 1)];
    for (node, &layer) in layers.iter().enumerate() {
        columns[layer].push(node);
    }
    sort(&mut columns, &neighbours, layers.len());
    place(&columns, &neighbours, &widths, passes)
}

/// Rule 1.
fn directed(graph: &Graph) -> Vec<(usize, usize)> {
    let objects_at = graph.processes.len();
    let mut edges = Vec::new();
    for object in 0..graph.objects.len() {
        let has_writer = graph.lines_of(object).any(|line| line.way.writes && !line.way.reads);
        for (number, line) in graph.lines_of(object).enumerate() {
            let is_both = line.way.writes == line.way.reads;
            let leads_in = if is_both { number == 0 && !has_writer } else { line.way.writes };
            let (process, object) = (line.process, objects_at + object);
            edges.push(if leads_in { (process, object) } else { (object, process) });
        }
    }
    edges
}

/// Rules 2 and 3.
fn layers(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut entered = vec![0_usize; count];
    for &(from, to) in edges {
        next[from].push(to);
        entered[to] += 1;
    }
    // Those that nothing leads to first: data begins there.
    let mut starts: Vec<usize> = (0..count).collect();
    starts.sort_by_key(|&node| entered[node]);
    let (mut state, mut order) = (vec![0_u8; count], Vec::new());
    let mut forward: Vec<(usize, usize)> = Vec::new();
    for start in starts {
        if state[start] != 0 {
            continue;
        }
        let mut path = vec![(start, 0)];
        state[start] = 1;
        while let Some((node, at)) = path.pop() {
            let Some(&to) = next[node].get(at) else {
                state[node] = 2;
                order.push(node);
                continue;
            };
            path.push((node, at + 1));
            match state[to] {
                0 => {
                    forward.push((node, to));
                    state[to] = 1;
                    path.push((to, 0));
                }
                // It is on the way here: this one closes a circle.
                1 => forward.push((to, node)),
                _ => forward.push((node, to)),
            }
        }
    }
    let mut layers = vec![0_usize; count];
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (from, to) in forward {
        after[from].push(to);
    }
    for &node in order.iter().rev() {
        for &to in &after[node] {
            layers[to] = layers[to].max(layers[node] + 1);
        }
    }
    // What only leads somewhere stands right before it, not at the very left.
    for node in 0..count {
        if entered[node] == 0 {
            if let Some(first) = after[node].iter().map(|&to| layers[to]).min() {
                layers[node] = first.saturating_sub(1);
            }
        }
    }
    layers
}

/// Rule 5.
fn sort(columns: &mut [Vec<usize>], neighbours: &[Vec<usize>], count: usize) {
    let mut rank = vec![0.0_f64; count];
    for sweep in 0..SWEEPS {
        for column in columns.iter() {
            for (at, &node) in column.iter().enumerate() {
                rank[node] = (at as f64 + 0.5) / column.len() as f64;
            }
        }
        let numbers: Vec<usize> = match sweep % 2 {
            0 => (0..columns.len()).collect(),
            _ => (0..columns.len()).rev().collect(),
        };
        for number in numbers {
            let column = &mut columns[number];
            let key = |node: usize| middle(&neighbours[node], &rank).unwrap_or(rank[node]);
            column.sort_by(|&a, &b| key(a).total_cmp(&key(b)));
            for (at, &node) in column.iter().enumerate() {
                rank[node] = (at as f64 + 0.5) / column.len() as f64;
            }
        }
    }
}

fn middle(nodes: &[usize], of: &[f64]) -> Option<f64> {
    (!nodes.is_empty()).then(|| nodes.iter().map(|&node| of[node]).sum::<f64>() / nodes.len() as f64)
}

fn place(columns: &[Vec<usize>], neighbours: &[Vec<usize>], widths: &[f64], passes: Vec<Vec<usize>>) -> Layout {
    let mut places = vec![Place::default(); widths.len()];
    // How far below the first one of its column each is: a line takes less room than a box.
    let mut below = vec![0.0; widths.len()];
    let mut x = MARGIN;
    for (layer, column) in columns.iter().enumerate() {
        let widest = column.iter().map(|&node| widths[node]).fold(0.0, f64::max);
        let mut y = 0.0;
        for &node in column {
            (below[node], places[node].y) = (y, y);
            (places[node].x, places[node].width, places[node].layer) =
                (x + (widest - widths[node]) / 2.0, widths[node], layer);
            y += if widths[node] == 0.0 { GAP_Y } else { HEIGHT + GAP_Y };
        }
        x += widest + GAP_X;
    }
    // Each column as near to the middle of its neighbours as it can be as a whole.
    for _ in 0..SWEEPS {
        for column in columns {
            let wish = |&node: &usize| {
                let ys: Vec<f64> = neighbours[node].iter().map(|&it| places[it].y).collect();
                let wish = if ys.is_empty() { places[node].y } else { ys.iter().sum::<f64>() / ys.len() as f64 };
                wish - below[node]
            };
            let first = column.iter().map(wish).sum::<f64>() / column.len().max(1) as f64;
            for &node in column {
                places[node].y = first + below[node];
            }
        }
    }
    let top = places.iter().map(|it| it.y).fold(f64::INFINITY, f64::min);
    for place in &mut places {
        place.y += MARGIN - top;
    }
    let height = places.iter().map(|it| it.y + HEIGHT).fold(0.0, f64::max) + MARGIN;
    Layout { places, passes, width: x - GAP_X + MARGIN, height }
}

#[cfg(test)]
mod tests {
    use super::layers;

    /// Data flows to the right; a circle is cut once, and does not go on for ever.
    #[test]
    fn chains_and_circles() {
        assert_eq!(layers(5, &[(0, 1), (1, 2), (2, 3), (3, 4)]), [0, 1, 2, 3, 4]);
        assert_eq!(layers(4, &[(0, 1), (1, 2), (2, 3), (3, 0)]), [0, 1, 2, 3]);
        assert_eq!(layers(3, &[]), [0, 0, 0]);
        // Two writers of one object, one of which is at the end of a chain.
        assert_eq!(layers(5, &[(0, 1), (1, 2), (2, 3), (4, 3)]), [0, 1, 2, 3, 2]);
    }
}
