//! Import cycles: files of one target that use each other's items, directly or through other files.
//!
//! An arrow goes from a file to the file that defines an item it names, in a `use` or in a path. Names
//! are followed through re-exports to their definition, so that a parent that only re-exports is in no
//! cycle. A file's use of the modules below it is no arrow, because they are its parts; their use of the
//! file is one. So two parts that both use their parent are no cycle, and a part that another module
//! reaches past its parent can be in one.
//!
//! The check reads tokens, which needs no compilation: macros are not expanded, and the type of a method
//! call's receiver is unknown.

mod tree;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tree::{Arrows, Tree};

/// A cycle: its files in the order of their names, and the arrows among them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cycle {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) arrows: Vec<Arrow>,
}

/// One file's use of items of another.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arrow {
    pub(crate) from: PathBuf,
    pub(crate) to: PathBuf,
    pub(crate) names: BTreeSet<String>,
}

/// The cycles of the target with this root file; `read` returns a file's text, none for a missing file.
pub(crate) fn of_target(root: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Vec<Cycle> {
    let tree = Tree::read(root, read);
    let arrows = tree.arrows();
    let reached: Vec<BTreeSet<usize>> = (0..tree.files.len())
        .map(|from| reachable(from, &arrows))
        .collect();
    let mut cycles = Vec::new();
    let mut seen = BTreeSet::new();
    for file in 0..tree.files.len() {
        if !reached[file].contains(&file) || seen.contains(&file) {
            continue;
        }
        let mut cycle: Vec<usize> = reached[file]
            .iter()
            .copied()
            .filter(|&other| reached[other].contains(&file))
            .collect();
        seen.extend(cycle.iter().copied());
        cycle.sort_by_key(|&file| &tree.files[file]);
        let inside = |file: &usize| cycle.contains(file);
        cycles.push(Cycle {
            files: cycle.iter().map(|&f| tree.files[f].clone()).collect(),
            arrows: arrows
                .iter()
                .filter(|((from, to), _)| inside(from) && inside(to))
                .map(|((from, to), names)| Arrow {
                    from: tree.files[*from].clone(),
                    to: tree.files[*to].clone(),
                    names: names.clone(),
                })
                .collect(),
        });
    }
    cycles
}

/// The files that can be reached from a file by one arrow or more.
fn reachable(from: usize, arrows: &Arrows) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        let next = arrows.range((file, 0)..(file + 1, 0));
        open.extend(next.filter_map(|(&(_, to), _)| found.insert(to).then_some(to)));
    }
    found
}
