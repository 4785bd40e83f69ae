//! The modules of a crate and the paths that their code names, as far as the rules need them: no macro is expanded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A path from the root of the crate, such as `["wire", "frame", "Frame"]`.
pub(super) type Names = Vec<String>;

/// The modules of a crate.
pub(super) struct Modules {
    /// The code of each file, without tests, by its module.
    code: BTreeMap<Names, Vec<String>>,
    /// What each module imports or re-exports, under which name; `*` for all of a module.
    imports: BTreeMap<Names, Vec<(String, Names)>>,
}

impl Modules {
    /// Reads them from the files of `src`.
    pub(super) fn new(src: &Path, files: impl Iterator<Item = (PathBuf, String)>) -> Self {
        let mut code = BTreeMap::new();
        for (path, text) in files {
            let relative = path.strip_prefix(src).expect("it was found there").with_extension("");
            let mut module: Names = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if module.last().is_some_and(|last| last == "mod" || last == "lib") {
                module.pop();
            }
            code.insert(module, tokens(&text));
        }
        let imports = code.iter().map(|(module, tokens)| (module.clone(), imports(module, tokens))).collect();
        Self { code, imports }
    }

    /// Returns the modules, each with all that its code names of the crate: the modules in which those items are.
    pub(super) fn uses(&self) -> impl Iterator<Item = (&Names, BTreeSet<Names>)> {
        self.code.iter().map(|(module, tokens)| {
            let named = named(module, tokens).into_iter().chain(self.imported(module));
            (module, named.filter_map(|path| self.home(&path, 0)).collect())
        })
    }

    /// Returns the imports of a module that are for its own use: what a folder re-exports is not.
    fn imported(&self, module: &Names) -> impl Iterator<Item = Names> {
        let is_child = |path: &Names| path.len() > module.len() && path.starts_with(module);
        self.imports[module].iter().map(|(_, path)| path.clone()).filter(move |path| !is_child(path))
    }

    /// Returns the module in which the item is that this path names, which may lead through re-exports.
    fn home(&self, path: &[String], depth: usize) -> Option<Names> {
        let known = (0..=path.len()).rev().find(|length| self.code.contains_key(&path[..*length]))?;
        let (module, rest) = path.split_at(known);
        let Some(name) = rest.first() else { return Some(module.to_vec()) };
        for (import, target) in &self.imports[module] {
            let target = if import == name {
                [target.as_slice(), &rest[1..]].concat()
            } else if import == "*" && self.declares(target, name) {
                [target.as_slice(), rest].concat()
            } else {
                continue;
            };
            return if depth < 8 { self.home(&target, depth + 1) } else { None };
        }
        Some(module.to_vec())
    }

    /// Returns whether a module, or one that it re-exports all of, declares an item of this name.
    fn declares(&self, module: &[String], name: &str) -> bool {
        const KINDS: [&str; 9] = ["fn", "struct", "enum", "trait", "type", "const", "static", "mod", "macro_rules"];
        let Some(tokens) = self.code.get(module) else { return false };
        let is_declared = tokens.windows(2).any(|pair| KINDS.contains(&pair[0].as_str()) && pair[1] == name);
        let imports = || self.imports[module].iter();
        is_declared
            || imports().any(|(import, target)| import == name || (import == "*" && self.declares(target, name)))
    }
}

/// Splits code into names and other characters, without comments and texts.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if first == '"' {
            text_length(rest)
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if rest.starts_with("'\"'") || rest.starts_with("'{'") || rest.starts_with("'}'") {
            3
        } else if first.is_alphanumeric() || first == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// Returns how long the text is that begins here, with its quotes.
fn text_length(rest: &str) -> usize {
    let mut escaped = false;
    for (index, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return index + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Returns the paths of the crate that are named in code beside its imports.
fn named(module: &Names, tokens: &[String]) -> Vec<Names> {
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let begins = matches!(tokens[at].as_str(), "crate" | "super" | "self") && is(tokens, at + 1, "::");
        // `$crate` stands in macros, which others expand.
        if tokens[at] == "use" && (at == 0 || tokens[at - 1] != "$") {
            at = tokens[at..].iter().position(|token| token == ";").map_or(tokens.len(), |end| at + end);
        } else if begins && (at == 0 || !["$", "::"].contains(&tokens[at - 1].as_str())) {
            let start = at;
            while is(tokens, at + 1, "::") && tokens.get(at + 2).is_some_and(|name| is_name(name)) {
                at += 2;
            }
            let path: Names = tokens[start..=at].iter().step_by(2).cloned().collect();
            paths.extend(absolute(module, &path));
        }
        at += 1;
    }
    paths
}

/// Returns what a module imports from the crate, under which name.
fn imports(module: &Names, tokens: &[String]) -> Vec<(String, Names)> {
    let mut paths = Vec::new();
    for (at, _) in tokens.iter().enumerate().filter(|(_, token)| *token == "use") {
        let end = tokens[at..].iter().position(|token| token == ";").map_or(tokens.len(), |end| at + end);
        tree(&tokens[at + 1..end], &mut Vec::new(), &mut paths);
    }
    let is_child = |name: &String| tokens.windows(2).any(|pair| pair[0] == "mod" && pair[1] == *name);
    let mut imports: Vec<(String, Names)> = Vec::new();
    for (name, path) in paths {
        // A path may begin with a child of the module, or with the name that an import gives to one.
        let other = path.first().and_then(|first| imports.iter().find(|(name, _)| name == first));
        let path = match other {
            _ if path.first().is_some_and(is_child) => Some([module.as_slice(), &path].concat()),
            Some((_, target)) if path.len() > 1 => Some([target.as_slice(), &path[1..]].concat()),
            _ => absolute(module, &path),
        };
        imports.extend(path.map(|path| (name, path)));
    }
    imports
}

/// Reads the tree of an import, and adds each of its paths with the name that it gets.
fn tree<'a>(mut tokens: &'a [String], prefix: &mut Names, paths: &mut Vec<(String, Names)>) -> &'a [String] {
    let depth = prefix.len();
    loop {
        match tokens {
            [brace, rest @ ..] if brace == "{" => {
                tokens = rest;
                while !tokens.is_empty() && tokens[0] != "}" {
                    tokens = tree(tokens, prefix, paths);
                    tokens = tokens.strip_prefix(&[",".to_owned()]).unwrap_or(tokens);
                }
                tokens = tokens.get(1..).unwrap_or_default();
                break;
            }
            [name, separator, rest @ ..] if separator == "::" => {
                prefix.push(name.clone());
                tokens = rest;
            }
            [name, keyword, other, rest @ ..] if keyword == "as" => {
                paths.push((other.clone(), [prefix.as_slice(), std::slice::from_ref(name)].concat()));
                tokens = rest;
                break;
            }
            [star, rest @ ..] if star == "*" => {
                paths.push(("*".to_owned(), prefix.clone()));
                tokens = rest;
                break;
            }
            [this, rest @ ..] if this == "self" => {
                paths.push((prefix.last().cloned().unwrap_or_default(), prefix.clone()));
                tokens = rest;
                break;
            }
            [name, rest @ ..] => {
                paths.push((name.clone(), [prefix.as_slice(), std::slice::from_ref(name)].concat()));
                tokens = rest;
                break;
            }
            [] => break,
        }
    }
    prefix.truncate(depth);
    tokens
}

/// Returns a path from the root of the crate, if it is one of the crate.
fn absolute(module: &Names, path: &[String]) -> Option<Names> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([module.as_slice(), rest].concat()),
        "super" => {
            let parent = module[..module.len().checked_sub(1)?].to_vec();
            match rest.first() {
                Some(next) if next == "super" => absolute(&parent, rest),
                _ => Some([parent.as_slice(), rest].concat()),
            }
        }
        _ => path.starts_with(module).then(|| path.to_vec()),
    }
}

fn is(tokens: &[String], at: usize, expected: &str) -> bool {
    tokens.get(at).is_some_and(|token| token == expected)
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}
