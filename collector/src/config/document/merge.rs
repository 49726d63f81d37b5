//! Merge keys (`<<`).

use granit_parser::Span;

use super::{Entry, Fault, Node, fault};

/// The entries of a map, or of the maps of a list, that are merged into another.
pub(super) fn mergeable(node: Node, at: &Span) -> Result<Vec<Entry>, Fault> {
    match node {
        Node::Map(map) => Ok(map.entries),
        Node::List(list) => {
            let maps = list.items.into_iter().map(|item| mergeable(item, at));
            Ok(maps.collect::<Result<Vec<_>, _>>()?.concat())
        }
        Node::Empty | Node::Scalar(_) => Err(fault(at, "`<<` takes a map, or a list of maps")),
    }
}

/// Adds the merged entries whose names are not present. If two merged entries have the same name, the first one is used.
pub(super) fn merge(entries: &mut Vec<Entry>, merged: Vec<Entry>) {
    for entry in merged {
        if !entries.iter().any(|present| present.name == entry.name) {
            entries.push(entry);
        }
    }
}
