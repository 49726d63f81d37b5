//! Reads YAML as JSON values, as far as the examples of `collector/deploy` need it. Scalars are text; anchors, aliases and merge
//! keys are supported.

use std::collections::HashMap;

use granit_parser::{Event, Parser, StrInput};
use serde_json::{Map, Value};

/// The documents of a file.
///
/// # Panics
/// When the text is not YAML, or a name occurs twice in one mapping.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(
            text,
            granit_parser::options! { emit_comments: false },
        ),
        anchors: HashMap::new(),
    };
    let mut documents = Vec::new();
    loop {
        match reader.next() {
            Event::StreamEnd => return documents,
            Event::DocumentStart(..) => {
                let first = reader.next();
                documents.push(reader.value(first));
            }
            _ => {}
        }
    }
}

struct Reader<'t> {
    events: Parser<'t, StrInput<'t>>,
    anchors: HashMap<usize, Value>,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Event<'t> {
        let next = self.events.next().map(|event| event.expect("YAML").0);
        next.unwrap_or(Event::StreamEnd)
    }

    fn value(&mut self, event: Event<'t>) -> Value {
        let (value, anchor) = match event {
            Event::Alias(anchor) => return self.anchors[&anchor].clone(),
            Event::Scalar(text, _, anchor, _) => (Value::from(text.into_owned()), anchor),
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next() {
                        Event::SequenceEnd => break (Value::from(items), anchor),
                        event => items.push(self.value(event)),
                    }
                }
            }
            Event::MappingStart(_, anchor, _) => (Value::from(self.mapping()), anchor),
            event => panic!("a value: {event:?}"),
        };
        self.anchors.insert(anchor, value.clone());
        value
    }

    fn mapping(&mut self) -> Map<String, Value> {
        let (mut own, mut merged) = (Map::new(), Map::new());
        loop {
            let event = match self.next() {
                Event::MappingEnd => break,
                event => event,
            };
            let name = self.value(event);
            let name = name.as_str().expect("a name").to_owned();
            let event = self.next();
            let value = self.value(event);
            match (name.as_str(), value) {
                ("<<", Value::Object(more)) => merged.extend(more),
                (_, value) => {
                    let before = own.insert(name.clone(), value);
                    assert!(before.is_none(), "{name} occurs twice");
                }
            }
        }
        merged.extend(own);
        merged
    }
}
