//! A YAML document as plain nodes. A scalar is the text of the file, without the types of YAML 1.1 or 1.2. Only the table of keys
//! defines the meaning of a value, so `0089123` is a valid token.
//!
//! Quotes, escapes, block scalars, anchors, aliases, merge keys (`<<`) and the tags of YAML's own types are supported.
//! Duplicate names are kept, so that the reader of the nodes can report both lines.

use std::collections::HashMap;

use super::keys::KEYS;
use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, StructureStyle, Tag};

mod merge;

use merge::{merge, mergeable};

/// One node of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// No value, or `~`.
    Empty,
    /// One value.
    Scalar(Scalar),
    /// A list. No key of Rollcall accepts one.
    List(List),
    /// Names with their nodes, in the order of the file.
    Map(Map),
}

/// A value of the file, without quotes and escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scalar {
    pub(super) text: String,
    /// Whether the value is plain: no quotes, block or tag mark it as text. A plain `null` may mean no value.
    pub(super) is_plain: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct List {
    items: Vec<Node>,
    /// The source text, if it is on one line.
    pub(super) source: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Map {
    pub(super) entries: Vec<Entry>,
    /// The source text, if it is on one line and in braces.
    pub(super) source: Option<String>,
}

/// A name and its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    /// The line of the name, from 1.
    pub(super) line: usize,
    pub(super) node: Node,
}

/// Why a text is not a single valid document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The line, from 1.
    pub(super) line: usize,
    pub(super) message: String,
}

/// The greatest depth of nodes; a configuration has three levels.
const MAX_DEPTH: usize = 32;
/// The most nodes of a document after its aliases are expanded.
const MAX_NODES: usize = 20_000;
/// The prefix of YAML's own tags, which a file writes as `!!`.
const YAML: &str = "tag:yaml.org,2002:";
/// The longest source of a node that is shown in a message.
const MAX_SHOWN: usize = 100;

/// Parses one document; an empty text is [`Node::Empty`].
///
/// # Errors
/// The text is not YAML, has more than one document, or exceeds [`MAX_DEPTH`] or [`MAX_NODES`].
pub(super) fn parse(text: &str) -> Result<Node, Fault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let options = granit_parser::options! { emit_comments: false };
    let mut builder = Builder {
        source: text,
        events: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        room: MAX_NODES,
    };
    builder.document()
}

struct Builder<'t> {
    source: &'t str,
    events: Parser<'t, StrInput<'t>>,
    /// Finished nodes by the number of their anchor.
    anchors: HashMap<usize, Node>,
    /// Nodes that may still be created.
    room: usize,
}

impl<'t> Builder<'t> {
    fn document(&mut self) -> Result<Node, Fault> {
        let mut first = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(first.map_or(Node::Empty, |(node, _)| node)),
                Event::DocumentStart(..) => {}
                Event::StreamStart | Event::DocumentEnd => continue,
                _ => return Err(fault(&span, "is not YAML: a value is expected here")),
            }
            let (event, at) = self.next()?;
            let node = self.node(event, &at, 0)?;
            match first {
                None => first = Some((node, line(&at))),
                Some(_) if node == Node::Empty => {}
                Some((_, one)) => {
                    let message = format!(
                        "a second document begins here, and the first one at line {one}: remove the line between them \
                         (`---` or `...`) and write each module once"
                    );
                    return Err(fault(&span, message));
                }
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Fault> {
        match self.events.next() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.malformed(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// The node that begins with `event`.
    fn node(&mut self, event: Event<'t>, at: &Span, depth: usize) -> Result<Node, Fault> {
        self.take_room(at, depth)?;
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let node = scalar(&text, style, tag.as_deref(), at)?;
                check_anchor(anchor, &node, at)?;
                (node, anchor)
            }
            Event::SequenceStart(style, anchor, tag) => {
                check_tag(tag.as_deref(), &["seq"], at)?;
                (self.list(style, at, depth)?, anchor)
            }
            Event::MappingStart(style, anchor, tag) => {
                check_tag(tag.as_deref(), &["map"], at)?;
                (self.map(style, at, depth)?, anchor)
            }
            Event::Alias(anchor) => (self.aliased(anchor, at, depth)?, 0),
            _ => return Err(fault(at, "is not YAML: a value is expected here")),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, style: StructureStyle, begin: &Span, depth: usize) -> Result<Node, Fault> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, end) => {
                    let source = self.shown(style, begin, &end);
                    return Ok(Node::List(List { items, source }));
                }
                (event, at) => items.push(self.node(event, &at, depth + 1)?),
            }
        }
    }

    fn map(&mut self, style: StructureStyle, begin: &Span, depth: usize) -> Result<Node, Fault> {
        let mut entries = Vec::new();
        let mut merged = Vec::new();
        loop {
            let (name, at) = match self.next()? {
                (Event::MappingEnd, end) => {
                    merge(&mut entries, merged);
                    let source = self.shown(style, begin, &end);
                    return Ok(Node::Map(Map { entries, source }));
                }
                (event, at) => (self.node(event, &at, depth + 1)?, at),
            };
            let (event, value_at) = self.next()?;
            let node = self.node(event, &value_at, depth + 1)?;
            let name = match name {
                Node::Scalar(Scalar { text, is_plain }) if is_plain && text == "<<" => {
                    merged.extend(mergeable(node, &at)?);
                    continue;
                }
                Node::Scalar(Scalar { text, .. }) => text,
                Node::Empty => "~".to_owned(),
                Node::List(List { source, .. }) | Node::Map(Map { source, .. }) => {
                    source.unwrap_or_default()
                }
            };
            let line = line(&at);
            entries.push(Entry { name, line, node });
        }
    }

    fn aliased(&mut self, anchor: usize, at: &Span, depth: usize) -> Result<Node, Fault> {
        let node = self.anchors.get(&anchor).cloned();
        let node = node.ok_or_else(|| fault(at, "an alias of a node that contains it"))?;
        self.take_all(&node, at, depth)?;
        Ok(node)
    }

    /// Counts all nodes below a node that an alias copies.
    fn take_all(&mut self, node: &Node, at: &Span, depth: usize) -> Result<(), Fault> {
        let below: Vec<&Node> = match node {
            Node::Empty | Node::Scalar(_) => return Ok(()),
            Node::List(list) => list.items.iter().collect(),
            Node::Map(map) => map.entries.iter().map(|entry| &entry.node).collect(),
        };
        for node in below {
            self.take_room(at, depth + 1)?;
            self.take_all(node, at, depth + 1)?;
        }
        Ok(())
    }

    fn take_room(&mut self, at: &Span, depth: usize) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(fault(at, "nested deeper than any configuration"));
        }
        self.room = self.room.checked_sub(1).ok_or_else(|| {
            fault(
                at,
                format!("more than {MAX_NODES} values, with all aliases replaced"),
            )
        })?;
        Ok(())
    }

    /// The source of a node from `begin` to `end`, if it is short and on one line.
    fn shown(&self, style: StructureStyle, begin: &Span, end: &Span) -> Option<String> {
        let source = begin.start.byte_offset()?..end.end.byte_offset()?;
        let source = self.source.get(source)?;
        let is_short = style == StructureStyle::Flow && source.len() <= MAX_SHOWN;
        (is_short && !source.contains('\n')).then(|| source.to_owned())
    }

    fn malformed(&self, error: &ScanError) -> Fault {
        let line = error.marker().line();
        let source = self
            .source
            .lines()
            .nth(line.saturating_sub(1))
            .unwrap_or_default();
        let shown = shown_line(source);
        Fault {
            line,
            message: format!("is not YAML: {}{shown}", error.info()),
        }
    }
}

/// A line of the file for a message; empty if the line may hold a secret. Only a line that begins with a name and does not
/// contain the name of a secret key is shown.
fn shown_line(line: &str) -> String {
    let line = line.trim();
    let name = line.split_once(':').map_or("", |(name, _)| name.trim());
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let lower = line.to_ascii_lowercase();
    let mut secrets = KEYS.iter().filter(|key| key.field.is_secret());
    if !is_name || secrets.any(|key| lower.contains(key.name)) {
        return String::new();
    }
    let short: String = line.chars().take(MAX_SHOWN).collect();
    format!(", in `{short}`; put a text with special characters in quotes")
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, at: &Span) -> Result<Node, Fault> {
    const TYPES: &[&str] = &["str", "int", "float", "bool", "null", "timestamp"];
    check_tag(tag, TYPES, at)?;
    let is_plain = style == ScalarStyle::Plain && tag.is_none();
    let is_null = tag.is_some_and(|tag| tag.suffix() == "null");
    if is_null || (is_plain && matches!(text, "" | "~")) {
        return Ok(Node::Empty);
    }
    // The line break at the end of a block is removed.
    let text = match style {
        ScalarStyle::Literal | ScalarStyle::Folded => text.trim_end_matches('\n'),
        _ => text,
    };
    Ok(Node::Scalar(Scalar {
        text: text.to_owned(),
        is_plain,
    }))
}

/// Checks that an anchor has a value: a text that begins with `&` is often meant as the value. It may be a secret, so the message
/// does not have it.
fn check_anchor(anchor: usize, node: &Node, at: &Span) -> Result<(), Fault> {
    if anchor != 0 && *node == Node::Empty {
        let message = "an anchor without a value: put a text that begins with & in quotes";
        return Err(fault(at, message));
    }
    Ok(())
}

/// Checks that a tag is one of YAML's own `types`, or `!`, which only marks a scalar as text.
fn check_tag(tag: Option<&Tag>, types: &[&str], at: &Span) -> Result<(), Fault> {
    let Some(tag) = tag else {
        return Ok(());
    };
    let is_own = tag.handle() == YAML && types.contains(&tag.suffix());
    let is_bare = matches!((tag.handle(), tag.suffix()), ("!", "") | ("", "!"));
    if is_own || is_bare {
        return Ok(());
    }
    if tag.handle() == YAML {
        let message = format!("the tag !!{} has no meaning here: remove it", tag.suffix());
        return Err(fault(at, message));
    }
    // It may be a secret that is not in quotes.
    let message =
        "a tag has no meaning here: remove it, or put a text that begins with ! in quotes";
    Err(fault(at, message))
}

fn line(at: &Span) -> usize {
    at.start.line()
}

fn fault(at: &Span, message: impl Into<String>) -> Fault {
    Fault {
        line: line(at),
        message: message.into(),
    }
}
