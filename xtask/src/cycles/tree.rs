//! The modules of a target: what each defines, imports, re-exports and names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Imports of imports that are followed before a name is given up.
const DEEPEST: usize = 16;

/// Arrows by the files they join, with the names that make them.
pub(super) type Arrows = BTreeMap<(usize, usize), BTreeSet<String>>;

/// The segments of a path.
type Names = Vec<String>;

/// The text of a file, if there is such a file.
type Read<'r> = &'r dyn Fn(&Path) -> Option<String>;

#[derive(Debug, Default)]
struct Module {
    file: usize,
    parent: usize,
    children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
    /// What `use` brings into scope, by its name here, re-exports included.
    imports: BTreeMap<String, Names>,
    globs: Vec<Names>,
    /// Every path named, those of private imports included.
    named: BTreeSet<Names>,
}

/// The modules of a target, the root first, and the files they are in.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) files: Vec<PathBuf>,
    modules: Vec<Module>,
}

#[derive(Debug, Clone, Copy)]
enum Target {
    Module(usize),
    /// An item of the module.
    Item(usize),
}

impl Tree {
    pub(super) fn read(root: &Path, read: Read<'_>) -> Self {
        let mut tree = Self::default();
        if let Some(source) = read(root) {
            let folder = root.parent().unwrap_or(Path::new(""));
            tree.add_file(root, folder, 0, &source, read);
        }
        tree
    }

    pub(super) fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for (at, module) in self.modules.iter().enumerate() {
            for path in &module.named {
                let Some(Target::Item(to)) = self.resolve(at, path, 0) else {
                    continue;
                };
                if !self.is_inside(to, at) {
                    let to = self.modules[to].file;
                    let names = arrows.entry((module.file, to)).or_default();
                    names.extend(path.last().cloned());
                }
            }
        }
        arrows
    }

    /// True for a module of the same file and for one below that file's.
    fn is_inside(&self, mut module: usize, of: usize) -> bool {
        let file = self.modules[of].file;
        while self.modules[module].file != file && module != 0 {
            module = self.modules[module].parent;
        }
        self.modules[module].file == file
    }

    /// What `path` means in a module; none for what is of another crate or of no module.
    fn resolve(&self, at: usize, path: &[String], depth: usize) -> Option<Target> {
        let Some((name, rest)) = path.split_first() else {
            return Some(Target::Module(at));
        };
        // A name that is not found counts as the module's own, perhaps from a macro.
        let inside = |module| {
            let found = self.resolve(module, rest, depth);
            Some(found.unwrap_or(Target::Item(module)))
        };
        let module = &self.modules[at];
        match (name.as_str(), module.children.get(name)) {
            ("crate", _) => return inside(0),
            ("self", _) => return inside(at),
            ("super", _) => return inside(module.parent),
            (_, Some(&child)) => return inside(child),
            _ if depth == DEEPEST => return None,
            _ => {}
        }
        if let Some(import) = module.imports.get(name) {
            return match self.resolve(at, import, depth + 1)? {
                Target::Module(found) => inside(found),
                item @ Target::Item(_) => Some(item),
            };
        }
        if module.items.contains(name) {
            return Some(Target::Item(at));
        }
        let found = |glob| match self.resolve(at, glob, depth + 1)? {
            Target::Module(found) => self.resolve(found, path, depth + 1),
            Target::Item(_) => None,
        };
        module.globs.iter().find_map(|glob| found(glob))
    }

    /// Adds a file's module; what is no Rust has nothing in it. `folder` is where its children's files are.
    fn add_file(
        &mut self,
        path: &Path,
        folder: &Path,
        parent: usize,
        source: &str,
        read: Read<'_>,
    ) -> usize {
        let file = self.files.len();
        self.files.push(path.to_path_buf());
        let module = self.add_module(file, parent);
        let trees = trees(TokenStream::from_str(source).unwrap_or_default());
        self.add_items(module, folder, &trees, read);
        module
    }

    fn add_module(&mut self, file: usize, parent: usize) -> usize {
        self.modules.push(Module {
            file,
            parent,
            ..Module::default()
        });
        self.modules.len() - 1
    }

    /// Reads what stands between the braces of a module, or deeper in it.
    fn add_items(&mut self, module: usize, folder: &Path, found: &[TokenTree], read: Read<'_>) {
        let mut path_attribute = None;
        let mut at = 0;
        while let Some(tree) = found.get(at) {
            let rest = &found[at + 1..];
            at += 1;
            let TokenTree::Ident(_) = tree else {
                match tree {
                    TokenTree::Group(group) => {
                        let inside = trees(group.stream());
                        path_attribute = path_of(&inside).or(path_attribute);
                        self.add_items(module, folder, &inside, read);
                    }
                    // A lifetime's name is no path.
                    tree if is(Some(tree), '\'') => at += 1,
                    _ => {}
                }
                continue;
            };
            let next = rest.first().and_then(word);
            match (word(tree).unwrap_or_default().as_str(), next) {
                ("mod", Some(name)) => {
                    let child = match rest.get(1) {
                        Some(TokenTree::Group(body)) if body.delimiter() == Delimiter::Brace => {
                            let child = self.add_module(self.modules[module].file, module);
                            let body = trees(body.stream());
                            self.add_items(child, &folder.join(&name), &body, read);
                            Some(child)
                        }
                        _ => self.add_child(module, folder, &name, path_attribute.take(), read),
                    };
                    if let Some(child) = child {
                        self.modules[module].children.insert(name, child);
                    }
                    at += 2;
                }
                // Not the `use<>` of a type.
                ("use", _) if !is(rest.first(), '<') => {
                    let length = rest.iter().position(|tree| is(Some(tree), ';'));
                    let length = length.unwrap_or(rest.len());
                    let exported = is_exported(&found[..at - 1]);
                    self.add_import(module, &rest[..length], &Names::new(), exported);
                    at += length;
                }
                (
                    "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "union",
                    Some(name),
                ) => {
                    self.modules[module].items.insert(name);
                    at += 1;
                }
                ("macro_rules", _) => {
                    let name = rest.get(1).and_then(word);
                    self.modules[module].items.extend(name);
                }
                (first, _) => {
                    let start = at - 1;
                    let mut path = vec![first.to_owned()];
                    while let [a, b, name, ..] = &found[at..]
                        && is(Some(a), ':')
                        && is(Some(b), ':')
                        && let Some(name) = word(name)
                    {
                        path.push(name);
                        at += 3;
                    }
                    // Not a field, a method, or the rest of a path that begins with a type in brackets.
                    let follows = match &found[..start] {
                        [.., a, b] if is(Some(a), ':') => is(Some(b), ':'),
                        [.., before] => is(Some(before), '.'),
                        [] => false,
                    };
                    if !follows {
                        self.modules[module].named.insert(path);
                    }
                }
            }
        }
    }

    /// Adds the module of a `mod name;`, if its file is there.
    fn add_child(
        &mut self,
        parent: usize,
        folder: &Path,
        name: &str,
        path_attribute: Option<String>,
        read: Read<'_>,
    ) -> Option<usize> {
        let file = &self.files[self.modules[parent].file];
        let candidates = match path_attribute {
            Some(path) => vec![file.with_file_name(path)],
            None => vec![
                folder.join(format!("{name}.rs")),
                folder.join(name).join("mod.rs"),
            ],
        };
        let found = candidates
            .into_iter()
            .find_map(|path| Some((read(&path)?, path)));
        let (source, path) = found?;
        let inside = if path.ends_with("mod.rs") {
            folder.join(name)
        } else {
            path.with_extension("")
        };
        Some(self.add_file(&path, &inside, parent, &source, read))
    }

    /// Adds what a `use` imports: `found` is what follows that word, or a branch of it.
    fn add_import(&mut self, to: usize, found: &[TokenTree], prefix: &[String], exported: bool) {
        let module = &mut self.modules[to];
        let mut path = prefix.to_vec();
        let mut alias = None;
        for (at, tree) in found.iter().enumerate() {
            match (tree, word(tree).as_deref()) {
                (_, Some("as")) => {
                    alias = Some(found.get(at + 1).and_then(word).unwrap_or_default());
                    break;
                }
                (_, Some(name)) => path.push(name.to_owned()),
                (tree, _) if is(Some(tree), '*') => return module.globs.push(path),
                (TokenTree::Group(group), _) => {
                    let branches = trees(group.stream());
                    let branches = branches.split(|tree| is(Some(tree), ','));
                    for branch in branches.filter(|branch| !branch.is_empty()) {
                        self.add_import(to, branch, &path, exported);
                    }
                    return;
                }
                _ => {}
            }
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
        if !exported {
            module.named.insert(path.clone());
        }
        module.imports.insert(name, path);
    }
}

fn trees(stream: TokenStream) -> Vec<TokenTree> {
    stream.into_iter().collect()
}

/// An identifier or a keyword.
fn word(tree: &TokenTree) -> Option<String> {
    match tree {
        TokenTree::Ident(word) => Some(word.to_string().trim_start_matches("r#").to_owned()),
        _ => None,
    }
}

fn is(tree: Option<&TokenTree>, sign: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(found)) if found.as_char() == sign)
}

/// True when what stands before a `use` is `pub` or `pub(…)`.
fn is_exported(before: &[TokenTree]) -> bool {
    let last = before
        .iter()
        .rfind(|tree| !matches!(tree, TokenTree::Group(_)));
    last.and_then(word).as_deref() == Some("pub")
}

/// The text of `path = "text"`, as it stands in an attribute.
fn path_of(attribute: &[TokenTree]) -> Option<String> {
    match attribute {
        [name, _, TokenTree::Literal(text)] if word(name)? == "path" => {
            Some(text.to_string().trim_matches('"').to_owned())
        }
        _ => None,
    }
}
