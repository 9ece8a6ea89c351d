//! The modules of a target: what each defines, imports, re-exports and names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::tokens::{Token, tokens};

/// Imports of imports that are followed before a name is given up.
const DEEPEST: usize = 16;

/// Arrows by the files they join, with the names that make them.
pub(super) type Arrows = BTreeMap<(usize, usize), BTreeSet<String>>;

/// The segments of a path.
type Names = Vec<String>;

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

/// What a path leads to.
#[derive(Debug, Clone, Copy)]
enum Target {
    Module(usize),
    /// An item of the module.
    Item(usize),
}

impl Tree {
    pub(super) fn read(root: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Self {
        let mut tree = Self::default();
        if let Some(source) = read(root) {
            let folder = root.parent().unwrap_or(Path::new(""));
            tree.add_file(root, folder, 0, &source, read);
        }
        tree
    }

    /// Which file uses which, by what names.
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
    fn resolve(&self, module: usize, path: &[String], depth: usize) -> Option<Target> {
        if depth > DEEPEST {
            return None;
        }
        match path.first()?.as_str() {
            "crate" => Some(self.walk(0, &path[1..], depth)),
            "self" | "super" => Some(self.walk(module, path, depth)),
            _ => self.lookup(module, path, depth),
        }
    }

    /// As `lookup`; a name that is not found counts as the module's own, perhaps from a macro.
    fn walk(&self, module: usize, path: &[String], depth: usize) -> Target {
        match path.first().map(String::as_str) {
            None => Target::Module(module),
            Some("self") => self.walk(module, &path[1..], depth),
            Some("super") => self.walk(self.modules[module].parent, &path[1..], depth),
            Some(_) => self
                .lookup(module, path, depth)
                .unwrap_or(Target::Item(module)),
        }
    }

    fn lookup(&self, at: usize, path: &[String], depth: usize) -> Option<Target> {
        let (name, rest) = path.split_first()?;
        let module = &self.modules[at];
        if let Some(&child) = module.children.get(name) {
            return Some(self.walk(child, rest, depth));
        }
        if let Some(import) = module.imports.get(name) {
            return match self.resolve(at, import, depth + 1)? {
                Target::Module(found) => Some(self.walk(found, rest, depth + 1)),
                item @ Target::Item(_) => Some(item),
            };
        }
        if module.items.contains(name) {
            return Some(Target::Item(at));
        }
        module
            .globs
            .iter()
            .find_map(|glob| match self.resolve(at, glob, depth + 1)? {
                Target::Module(found) if depth < DEEPEST => self.lookup(found, path, depth + 1),
                _ => None,
            })
    }

    fn add_file(
        &mut self,
        path: &Path,
        folder: &Path,
        parent: usize,
        source: &str,
        read: &dyn Fn(&Path) -> Option<String>,
    ) -> usize {
        let file = self.files.len();
        self.files.push(path.to_path_buf());
        let module = self.add_module(file, parent);
        Reader {
            tree: self,
            tokens: &tokens(source),
            at: 0,
            open: vec![(module, 0, folder.to_path_buf())],
            path_attribute: None,
        }
        .read(path, read);
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
}

/// Reads one file's tokens into the tree.
struct Reader<'a> {
    tree: &'a mut Tree,
    tokens: &'a [Token],
    at: usize,
    /// The modules around: each with the depth of braces it was opened at and the folder its
    /// children's files are in.
    open: Vec<(usize, usize, PathBuf)>,
    path_attribute: Option<String>,
}

impl Reader<'_> {
    fn read(mut self, file: &Path, read: &dyn Fn(&Path) -> Option<String>) {
        let mut depth = 0_usize;
        while let Some(token) = self.tokens.get(self.at) {
            let next = self.tokens.get(self.at + 1);
            match token {
                Token::Sign('{') => depth += 1,
                Token::Sign('}') => {
                    depth = depth.saturating_sub(1);
                    if self.open.len() > 1
                        && self.open.last().is_some_and(|(_, at, _)| *at == depth)
                    {
                        self.open.pop();
                    }
                }
                Token::Word(word) => match (word.as_str(), next) {
                    ("mod", Some(Token::Word(name))) => {
                        self.at += 2;
                        if self.tokens.get(self.at) == Some(&Token::Sign('{')) {
                            self.open_inline(name, depth);
                            depth += 1;
                        } else {
                            self.declare(name, file, read);
                        }
                    }
                    ("use", Some(Token::Word(_) | Token::Sign('{'))) => self.read_use(),
                    (
                        "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "union",
                        Some(Token::Word(name)),
                    ) => {
                        self.module().items.insert(name.clone());
                        self.at += 1;
                    }
                    ("macro_rules", _) => {
                        if let Some(Token::Word(name)) = self.tokens.get(self.at + 2) {
                            self.module().items.insert(name.clone());
                        }
                    }
                    ("path", Some(Token::Sign('='))) => {
                        if let Some(Token::Text(path)) = self.tokens.get(self.at + 2) {
                            self.path_attribute = Some(path.clone());
                        }
                    }
                    _ => self.read_path(),
                },
                _ => {}
            }
            self.at += 1;
        }
    }

    fn module(&mut self) -> &mut Module {
        let (module, ..) = self.open[self.open.len() - 1];
        &mut self.tree.modules[module]
    }

    fn open_inline(&mut self, name: &str, depth: usize) {
        let (parent, _, folder) = self.open[self.open.len() - 1].clone();
        let file = self.tree.modules[parent].file;
        let module = self.tree.add_module(file, parent);
        self.module().children.insert(name.to_owned(), module);
        self.open.push((module, depth, folder.join(name)));
    }

    fn declare(&mut self, name: &str, file: &Path, read: &dyn Fn(&Path) -> Option<String>) {
        let (parent, _, folder) = self.open[self.open.len() - 1].clone();
        let beside = file.parent().unwrap_or(Path::new(""));
        let candidates = match self.path_attribute.take() {
            Some(path) => vec![beside.join(path)],
            None => vec![
                folder.join(format!("{name}.rs")),
                folder.join(name).join("mod.rs"),
            ],
        };
        for path in candidates {
            let Some(source) = read(&path) else { continue };
            let inside = if path.file_name().is_some_and(|file| file == "mod.rs") {
                path.parent().unwrap_or(Path::new("")).to_path_buf()
            } else {
                path.with_extension("")
            };
            let module = self.tree.add_file(&path, &inside, parent, &source, read);
            self.module().children.insert(name.to_owned(), module);
            return;
        }
    }

    /// A path in code, its first segment at the cursor. The cursor ends on its last segment.
    fn read_path(&mut self) {
        let preceded = self.at.checked_sub(1).map(|before| &self.tokens[before]);
        let mut path = Names::new();
        while let Some(word) = self.tokens.get(self.at).and_then(Token::word) {
            path.push(word.to_owned());
            let continues = self.tokens.get(self.at + 1) == Some(&Token::PathSeparator)
                && matches!(self.tokens.get(self.at + 2), Some(Token::Word(_)));
            if !continues {
                break;
            }
            self.at += 2;
        }
        // A field, a method, or the rest of a path that begins with a type in brackets.
        if !matches!(preceded, Some(Token::Sign('.') | Token::PathSeparator)) {
            self.module().named.insert(path);
        }
    }

    /// A `use`, the cursor on that word. It ends on the semicolon.
    fn read_use(&mut self) {
        let preceded = self.at.checked_sub(1).map(|before| &self.tokens[before]);
        // `pub use`, `pub(crate) use`
        let exported = matches!(preceded, Some(Token::Sign(')')))
            || preceded.and_then(Token::word) == Some("pub");
        self.at += 1;
        self.read_branch(&Names::new(), exported);
    }

    fn read_branch(&mut self, prefix: &[String], exported: bool) {
        let mut path = prefix.to_vec();
        loop {
            match self.tokens.get(self.at) {
                Some(Token::Word(word)) if word == "as" => {
                    let alias = self.tokens.get(self.at + 1).and_then(Token::word);
                    let alias = alias.unwrap_or_default().to_owned();
                    self.at += 2;
                    return self.import(path, alias, exported);
                }
                Some(Token::Word(word)) => path.push(word.clone()),
                Some(Token::PathSeparator) => {}
                Some(Token::Sign('*')) => {
                    self.at += 1;
                    return self.module().globs.push(path);
                }
                Some(Token::Sign('{')) => {
                    self.at += 1;
                    while !matches!(self.tokens.get(self.at), None | Some(Token::Sign('}'))) {
                        self.read_branch(&path, exported);
                        if self.tokens.get(self.at) == Some(&Token::Sign(',')) {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                _ => {
                    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
                        path.pop();
                    }
                    let name = path.last().cloned().unwrap_or_default();
                    return self.import(path, name, exported);
                }
            }
            self.at += 1;
        }
    }

    fn import(&mut self, path: Names, name: String, exported: bool) {
        let module = self.module();
        if !exported {
            module.named.insert(path.clone());
        }
        module.imports.insert(name, path);
    }
}
