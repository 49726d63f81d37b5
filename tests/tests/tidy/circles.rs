//! Finds circular dependencies between modules.
//!
//! A module and its own children are one unit: a child may use items of its parent, and a parent may use items of its children. So
//! a dependency between a module and its ancestor or descendant does not count. A circle is a path along the other dependencies
//! that returns to its start.

use std::collections::{BTreeMap, BTreeSet};

use crate::Source;

type Arrows = BTreeMap<String, BTreeSet<String>>;

/// The first circle among the modules of one crate; `None` if there is none.
pub(crate) fn first(sources: &[Source]) -> Option<Vec<String>> {
    let arrows = arrows(sources);
    let mut done = BTreeSet::new();
    let starts = arrows.keys();
    starts
        .filter_map(|start| from(start, &arrows, &mut Vec::new(), &mut done))
        .next()
}

/// The dependencies of each module, except those on its own ancestors and descendants.
fn arrows(sources: &[Source]) -> Arrows {
    let modules: BTreeSet<&str> = sources.iter().map(|source| &*source.module).collect();
    let mut arrows = Arrows::new();
    for source in sources {
        for path in &source.paths {
            let Some(path) = path.strip_prefix("crate::") else {
                continue; // another crate, or a child of this module
            };
            let target = target(path, &modules);
            if !is_within(target, &source.module) && !is_within(&source.module, target) {
                let arrows = arrows.entry(source.module.clone()).or_default();
                arrows.insert(target.to_owned());
            }
        }
    }
    arrows
}

/// The innermost module of this crate in a path; the crate's root if the path has no such module.
fn target<'a>(mut path: &'a str, modules: &BTreeSet<&str>) -> &'a str {
    while !modules.contains(path) {
        path = path.rsplit_once("::").map_or("", |(parent, _)| parent);
        if path.is_empty() {
            break;
        }
    }
    path
}

fn is_within(module: &str, parent: &str) -> bool {
    parent.is_empty() || super::is_within(module, parent)
}

/// The first circle on a depth-first walk along the dependencies from `module`.
fn from(
    module: &str,
    arrows: &Arrows,
    walked: &mut Vec<String>,
    done: &mut BTreeSet<String>,
) -> Option<Vec<String>> {
    if let Some(at) = walked.iter().position(|before| before == module) {
        return Some(walked[at..].to_vec());
    }
    if done.contains(module) {
        return None;
    }
    walked.push(module.to_owned());
    let mut next = arrows.get(module).into_iter().flatten();
    let circle = next.find_map(|next| from(next, arrows, walked, done));
    walked.pop();
    done.insert(module.to_owned());
    circle
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(module: &str, paths: &[&str]) -> Source {
        Source {
            module: module.to_owned(),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }
    }

    #[test]
    fn a_circle_of_modules_is_found() {
        let sources = [
            source("", &["a::A", "c::C"]),
            source("a", &["crate::b::inner::B"]),
            source("b", &[]),
            source("b::inner", &["crate::c::C", "crate::b::B"]),
            source("c", &["crate::a::A", "std::fmt"]),
        ];
        let circle = ["a", "b::inner", "c"].map(str::to_owned);
        assert_eq!(first(&sources), Some(circle.to_vec()));
    }

    #[test]
    fn a_module_and_its_own_children_are_not_a_circle() {
        let sources = [
            source("", &["a::A"]),
            source("a", &["one::X", "crate::b::B"]),
            source("a::one", &["crate::a::A", "crate::a::two::Y"]),
            source("a::two", &["crate::a::A", "crate::b::B"]),
            source("b", &["serde::Serialize", "crate::Root"]),
        ];
        assert_eq!(first(&sources), None);
    }
}
