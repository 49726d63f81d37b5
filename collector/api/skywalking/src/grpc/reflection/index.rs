//! The descriptors by the names that tools request.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use prost::Message as _;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet};
use rollcall_proto::FILE_DESCRIPTOR_SET;

/// The files, and the file of each symbol.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The encoded files, by name.
    files: HashMap<String, Bytes>,
    /// The name of the file of each service, call, message, field, enumeration and value.
    symbols: HashMap<String, String>,
    /// The services that this collector serves and whose descriptors it has.
    services: BTreeSet<&'static str>,
}

impl Index {
    /// The descriptors of this collector, which serves `services`.
    pub(super) fn new(services: impl Iterator<Item = &'static str>) -> Self {
        let mut index = Self::default();
        for set in [
            FILE_DESCRIPTOR_SET,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ] {
            // The descriptors are compiled in; the tests check that they can be read.
            let set = FileDescriptorSet::decode(set).unwrap_or_default();
            set.file.iter().for_each(|file| index.add(file));
        }
        let described = services.filter(|name| index.symbols.contains_key(*name));
        index.services = described.collect();
        index
    }

    pub(super) fn services(&self) -> impl Iterator<Item = &'static str> {
        self.services.iter().copied()
    }

    pub(super) fn file(&self, name: &str) -> Option<&Bytes> {
        self.files.get(name)
    }

    /// The file that declares a symbol.
    pub(super) fn file_of(&self, symbol: &str) -> Option<&Bytes> {
        self.files.get(self.symbols.get(symbol)?)
    }

    fn add(&mut self, file: &FileDescriptorProto) {
        let (name, package) = (file.name(), file.package());
        if self.files.contains_key(name) {
            return;
        }
        let encoded = file.encode_to_vec().into();
        self.files.insert(name.to_owned(), encoded);
        let mut symbols = Vec::new();
        for message in &file.message_type {
            add_message(&mut symbols, package, message);
        }
        for values in &file.enum_type {
            add_enum(&mut symbols, package, values);
        }
        for service in &file.service {
            let service_name = below(package, service.name());
            let calls = service.method.iter();
            symbols.extend(calls.map(|call| below(&service_name, call.name())));
            symbols.push(service_name);
        }
        let pairs = symbols.into_iter().map(|symbol| (symbol, name.to_owned()));
        self.symbols.extend(pairs);
    }
}

fn add_message(symbols: &mut Vec<String>, scope: &str, message: &DescriptorProto) {
    let name = below(scope, message.name());
    let fields = message.field.iter().map(|field| below(&name, field.name()));
    symbols.extend(fields);
    for inner in &message.nested_type {
        add_message(symbols, &name, inner);
    }
    for values in &message.enum_type {
        add_enum(symbols, &name, values);
    }
    symbols.push(name);
}

/// Adds an enumeration and its values. The values are in the scope that contains the enumeration.
fn add_enum(symbols: &mut Vec<String>, scope: &str, values: &EnumDescriptorProto) {
    let names = values.value.iter().map(|value| below(scope, value.name()));
    symbols.extend(names);
    symbols.push(below(scope, values.name()));
}

fn below(scope: &str, name: &str) -> String {
    match scope {
        "" => name.to_owned(),
        scope => format!("{scope}.{name}"),
    }
}
