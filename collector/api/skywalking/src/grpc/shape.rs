//! The structure of every call's messages, from the descriptors of the generated types.
//!
//! A message is counted on the wire before it is decoded: elements of repeated fields at any depth, numbers in packed fields, and
//! fields. Fields that no generated type has are not decoded, and count only as fields. The reader follows the wire format exactly
//! as the decoder does, except that it refuses groups, which no agent sends.

use std::{collections::HashMap, sync::LazyLock};

use rollcall_limits::{Count, work};
use rollcall_proto::FILE_DESCRIPTOR_SET;
use rollcall_protobuf::{Fields, Malformed, Value};
use tonic::Status;

#[cfg(test)]
mod tests;

/// The messages of every service in the descriptors.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    /// Messages refer to each other by their index. `None` for a message that the descriptors name but do not contain.
    messages: Vec<Option<Shape>>,
    /// The index of each message, by its name.
    names: HashMap<String, Index>,
    /// The request message of each call, by the call's path without the leading slash.
    calls: HashMap<String, Index>,
}

/// The index of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Index(usize);

/// The fields of a message that count as more than a plain field, by their number.
#[derive(Clone, Debug, Default)]
struct Shape(Vec<(u32, Field)>);

#[derive(Clone, Debug)]
struct Field {
    is_repeated: bool,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// A text or bytes.
    Text,
    /// A message of this type.
    Message(Index),
    /// Numbers, which may be packed: varints, or values of this many bytes.
    Varint,
    Fixed(usize),
}

/// Why a message is not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Malformed,
    Work(work::Error),
}

/// The deepest nesting of messages that is accepted. No schema nests as deep.
const MAX_DEPTH: usize = 16;

// Numbers of descriptor.proto.
const LABEL_REPEATED: u64 = 3;
const TYPE_GROUP: u64 = 10;
const TYPE_MESSAGE: u64 = 11;

impl From<Malformed> for Refused {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<work::Error> for Refused {
    fn from(error: work::Error) -> Self {
        Self::Work(error)
    }
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Malformed => Self::internal("the message cannot be decoded"),
            Refused::Work(error) => match error {
                work::Error::TooManyElements { .. } | work::Error::OverBudget(_) => {
                    Self::resource_exhausted(error.to_string())
                }
                work::Error::Stopped => Self::unavailable(error.to_string()),
            },
        }
    }
}

impl Shapes {
    /// The structure of the generated types.
    pub(super) fn get() -> &'static Self {
        static SHAPES: LazyLock<Shapes> = LazyLock::new(|| {
            let mut shapes = Shapes::default();
            // The descriptors are compiled in; the tests check that they can be read.
            match shapes.read(FILE_DESCRIPTOR_SET) {
                Ok(()) => shapes,
                Err(Malformed) => Shapes::default(),
            }
        });
        &SHAPES
    }

    /// The paths of all calls, without the slash in front.
    #[cfg(test)]
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.calls.keys().map(String::as_str)
    }

    /// The request message of the call at this path, if the descriptors have it.
    pub(super) fn input(&self, path: &str) -> Option<Index> {
        self.calls.get(path).copied()
    }

    /// Counts the message of a call.
    ///
    /// # Errors
    /// The message has too many elements or is malformed.
    pub(super) fn count(
        &self,
        path: &str,
        message: &[u8],
        count: &mut Count,
    ) -> Result<(), Refused> {
        let input = self.input(path).ok_or(Refused::Malformed)?;
        self.count_input(input, message, count)
    }

    /// As [`Shapes::count`], without a look-up of the path.
    ///
    /// # Errors
    /// As [`Shapes::count`].
    pub(super) fn count_input(
        &self,
        input: Index,
        message: &[u8],
        count: &mut Count,
    ) -> Result<(), Refused> {
        self.count_message(input, message, count, MAX_DEPTH)
    }

    fn count_message(
        &self,
        index: Index,
        message: &[u8],
        count: &mut Count,
        depth: usize,
    ) -> Result<(), Refused> {
        let shape = self.messages.get(index.0).and_then(Option::as_ref);
        let shape = shape.ok_or(Refused::Malformed)?;
        let depth = depth.checked_sub(1).ok_or(Refused::Malformed)?;
        for field in Fields::of(message) {
            let (number, value) = field?;
            count.field()?;
            let Some(field) = shape.field(number) else {
                continue;
            };
            if field.is_repeated {
                count.elements(field.kind.elements(value))?;
            }
            if let (Kind::Message(index), Value::Bytes(inner)) = (&field.kind, value) {
                self.count_message(*index, inner, count, depth)?;
            }
        }
        Ok(())
    }
}

impl Shape {
    fn field(&self, number: u32) -> Option<&Field> {
        self.0
            .iter()
            .find_map(|(known, field)| (*known == number).then_some(field))
    }
}

impl Kind {
    fn elements(&self, value: Value<'_>) -> usize {
        match (self, value) {
            (Self::Varint, Value::Bytes(packed)) => {
                packed.iter().filter(|byte| **byte < 0x80).count()
            }
            (Self::Fixed(width), Value::Bytes(packed)) => packed.len() / width,
            _ => 1,
        }
    }
}

// === the descriptors ===

impl Shapes {
    fn read(&mut self, set: &[u8]) -> Result<(), Malformed> {
        for file in bytes(set, 1) {
            let file = file?;
            let package = text(file, 2)?;
            for message in bytes(file, 4) {
                self.read_message(package, message?)?;
            }
            for service in bytes(file, 6) {
                self.read_service(package, service?)?;
            }
        }
        Ok(())
    }

    fn read_message(&mut self, scope: &str, message: &[u8]) -> Result<(), Malformed> {
        let name = join(scope, text(message, 1)?);
        let mut shape = Shape::default();
        for field in bytes(message, 2) {
            let (number, field) = self.read_field(field?)?;
            if field.is_repeated || matches!(field.kind, Kind::Message(_)) {
                shape.0.push((number, field));
            }
        }
        for nested in bytes(message, 3) {
            self.read_message(&name, nested?)?;
        }
        let index = self.index(&name);
        if let Some(place) = self.messages.get_mut(index.0) {
            *place = Some(shape);
        }
        Ok(())
    }

    /// The index of the message with this name. Its descriptor may be read later.
    fn index(&mut self, name: &str) -> Index {
        if let Some(index) = self.names.get(name) {
            return *index;
        }
        let index = Index(self.messages.len());
        self.messages.push(None);
        self.names.insert(name.to_owned(), index);
        index
    }

    fn read_service(&mut self, package: &str, service: &[u8]) -> Result<(), Malformed> {
        let name = join(package, text(service, 1)?);
        for method in bytes(service, 2) {
            let method = method?;
            let path = format!("{name}/{}", text(method, 1)?);
            let input = text(method, 2)?.strip_prefix('.').ok_or(Malformed)?;
            let input = self.index(input);
            self.calls.insert(path, input);
        }
        Ok(())
    }

    fn read_field(&mut self, field: &[u8]) -> Result<(u32, Field), Malformed> {
        let number = u32::try_from(number(field, 3)?).map_err(|_too_large| Malformed)?;
        let kind = match self::number(field, 5)? {
            // double, fixed64, sfixed64; float, fixed32, sfixed32.
            1 | 6 | 16 => Kind::Fixed(8),
            2 | 7 | 15 => Kind::Fixed(4),
            TYPE_GROUP | TYPE_MESSAGE => {
                let name = text(field, 6)?.strip_prefix('.').ok_or(Malformed)?;
                Kind::Message(self.index(name))
            }
            9 | 12 => Kind::Text,
            _ => Kind::Varint,
        };
        let is_repeated = self::number(field, 4)? == LABEL_REPEATED;
        Ok((number, Field { is_repeated, kind }))
    }
}

/// The values of the length-delimited field with this number.
fn bytes(message: &[u8], wanted: u32) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    Fields::of(message).filter_map(move |field| match field {
        Ok((number, Value::Bytes(bytes))) if number == wanted => Some(Ok(bytes)),
        Ok(_) => None,
        Err(malformed) => Some(Err(malformed)),
    })
}

/// A text; empty if it is absent.
fn text(message: &[u8], wanted: u32) -> Result<&str, Malformed> {
    let bytes = bytes(message, wanted).last().transpose()?;
    rollcall_protobuf::text(bytes.unwrap_or_default())
}

/// A number; 0 if it is absent.
fn number(message: &[u8], wanted: u32) -> Result<u64, Malformed> {
    let mut found = 0;
    for field in Fields::of(message) {
        if let (number, Value::Varint(value)) = field?
            && number == wanted
        {
            found = value;
        }
    }
    Ok(found)
}

fn join(scope: &str, name: &str) -> String {
    if scope.is_empty() {
        name.to_owned()
    } else {
        format!("{scope}.{name}")
    }
}
