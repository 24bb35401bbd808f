//! The picture for [Graphviz](https://graphviz.org/doc/info/lang.html).

use super::graph::Graph;

pub(super) fn text(graph: &Graph) -> String {
    let mut text = "digraph strait {\n  rankdir=LR;\n  node [fontname=\"monospace\", fontsize=10];\n".to_owned();
    for (at, process) in graph.processes.iter().enumerate() {
        let style = if process.is_dead { ", style=dashed, color=red" } else { ", style=rounded" };
        text += &format!("  p{at} [shape=box, label={}{style}];\n", quoted(&process.words()));
    }
    for (at, object) in graph.objects.iter().enumerate() {
        let style = if object.is_dead() { ", style=dashed, color=red" } else { "" };
        text += &format!("  o{at} [shape=ellipse, label={}{style}];\n", quoted(&object.words()));
    }
    for line in &graph.lines {
        let (process, object) = (line.process, line.object);
        text += &match (line.way.writes, line.way.reads) {
            (true, true) => format!("  p{process} -> o{object} [dir=both];\n"),
            (true, false) => format!("  p{process} -> o{object};\n"),
            (false, true) => format!("  o{object} -> p{process};\n"),
            (false, false) => format!("  p{process} -> o{object} [dir=none];\n"),
        };
    }
    text + "}\n"
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    /// A name can neither end its label nor begin another one.
    #[test]
    fn labels_stay_labels() {
        assert_eq!(quoted(r#"a" [x]"#), r#""a\" [x]""#);
        assert_eq!(quoted(r"a\"), r#""a\\""#);
    }
}
