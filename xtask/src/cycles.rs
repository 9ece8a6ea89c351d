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
use std::fmt;
use std::path::{Path, PathBuf};

use tree::{Arrows, Tree};

/// One file's use of items of another.
#[derive(Debug)]
pub(crate) struct Arrow {
    pub(crate) from: PathBuf,
    pub(crate) to: PathBuf,
    pub(crate) names: BTreeSet<String>,
}

impl fmt::Display for Arrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let (from, to) = (self.from.display(), self.to.display());
        write!(f, "{from} -> {to}: {}", names.join(" "))
    }
}

/// The cycles of the target with this root file, as the arrows among the files of each; `read` returns a file's text,
/// none for a missing file.
pub(crate) fn of_target(root: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Vec<Vec<Arrow>> {
    let tree = Tree::read(root, read);
    let arrows = tree.arrows();
    let reached: Vec<_> = (0..tree.files.len())
        .map(|from| reachable(from, &arrows))
        .collect();
    let both_ways = |a: usize, b: usize| reached[a].contains(&b) && reached[b].contains(&a);
    // A cycle is found at its first file.
    let is_first = |file: usize| both_ways(file, file) && !(0..file).any(|f| both_ways(f, file));
    let cycles = (0..tree.files.len()).filter(|&file| is_first(file));
    let arrows_of = |first| {
        let inside = arrows
            .iter()
            .filter(move |((from, to), _)| both_ways(first, *from) && both_ways(first, *to));
        let arrows = inside.map(|((from, to), names)| Arrow {
            from: tree.files[*from].clone(),
            to: tree.files[*to].clone(),
            names: names.clone(),
        });
        arrows.collect()
    };
    cycles.map(arrows_of).collect()
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
