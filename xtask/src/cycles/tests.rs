use std::collections::BTreeMap;

use super::*;

/// The cycles of a target with these files, an arrow a line, a blank line between cycles.
fn cycles(files: &BTreeMap<&str, String>) -> String {
    let read = |path: &Path| files.get(path.to_str()?).cloned();
    let cycles = of_target(Path::new("lib.rs"), &read);
    let text = |arrow: &Arrow| arrow.to_string() + "\n";
    let lines = |cycle: &Vec<Arrow>| cycle.iter().map(text).collect();
    cycles.iter().map(lines).collect::<Vec<String>>().join("\n")
}

/// `cases.txt`: a title, the lines of files after their paths, and the expected arrows after `=>`.
#[test]
fn cycles_are_found_and_nothing_else() {
    for case in include_str!("cases.txt").split("\n\n") {
        let (mut files, mut expected) = (BTreeMap::<&str, String>::new(), String::new());
        let (title, lines) = case.split_once('\n').expect("a title and lines");
        for line in lines.lines() {
            if let Some(arrow) = line.strip_prefix("=>") {
                expected.extend([arrow.trim_start(), "\n"]);
            } else {
                let (path, source) = line.split_once(": ").expect("a path and a line");
                files.entry(path).or_default().extend([source, "\n"]);
            }
        }
        assert_eq!(cycles(&files), expected, "{title}");
    }
}
