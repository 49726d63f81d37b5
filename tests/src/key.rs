//! The keys that have ids, and the order in which a collector must assign the ids.

use std::fmt;

use tonic::Status;

use crate::grpc::Client;

/// A space of ids, in which no id is assigned twice.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Dictionary {
    /// Named programs.
    Applications,
    /// Running processes.
    Instances,
    /// Entry, exit and local names within an application.
    Operations,
    /// Remote peers.
    Addresses,
}

impl Dictionary {
    /// All dictionaries.
    pub const ALL: [Self; 4] = [
        Self::Applications,
        Self::Instances,
        Self::Operations,
        Self::Addresses,
    ];

    /// The ids in the order of their assignment, apart from adopted ones (ARCHITECTURE.md, invariant 3).
    pub fn sequence(self) -> Box<dyn Iterator<Item = i32>> {
        // 0 means "none" on the wire.
        let zero_centred = (1..).flat_map(|magnitude| [magnitude, -magnitude]);
        match self {
            // 1 is reserved.
            Self::Applications | Self::Operations => Box::new(zero_centred.skip(1)),
            Self::Instances => Box::new(1..),
            Self::Addresses => Box::new([-1, 1].into_iter().chain(zero_centred.skip(2))),
        }
    }
}

/// A key that has an id.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Key {
    /// A code.
    Application(String),
    /// An application's id and the UUID of its agent.
    Instance(i32, String),
    /// An application's id and the name of an entry.
    Operation(i32, String),
    /// A host and port.
    Address(String),
}

impl Key {
    /// The dictionary of the key, in which its id is unique.
    pub fn dictionary(&self) -> Dictionary {
        match self {
            Self::Application(_) => Dictionary::Applications,
            Self::Instance(..) => Dictionary::Instances,
            Self::Operation(..) => Dictionary::Operations,
            Self::Address(_) => Dictionary::Addresses,
        }
    }

    /// Requests the id of this key from a collector, which assigns an id to a new key. `None` if the collector answers that the key
    /// has no id yet.
    ///
    /// # Errors
    /// The collector's status.
    pub async fn register(&self, client: &Client) -> Result<Option<i32>, Status> {
        let only = |answer: Vec<(String, i32)>| answer.first().map_or(0, |(_, id)| *id);
        let id = match self {
            Self::Application(code) => client.application(code).await?,
            Self::Instance(application, uuid) => client.instance(*application, uuid).await?,
            Self::Operation(application, name) => {
                only(client.operations(*application, &[name]).await?)
            }
            Self::Address(address) => only(client.addresses(&[address]).await?),
        };
        Ok(Some(id).filter(|id| *id != 0))
    }

    /// Like [`Key::register`] for each of `keys`, in fewer calls. Keys without an id are left out.
    ///
    /// # Errors
    /// The collector's status.
    pub async fn register_all(keys: &[Self], client: &Client) -> Result<Vec<(Self, i32)>, Status> {
        let (mut codes, mut operations, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
        let mut ids = Vec::new();
        for key in keys {
            match key {
                Self::Application(code) => codes.push(&**code),
                Self::Operation(application, name) => operations.push((*application, &**name)),
                Self::Address(address) => addresses.push(&**address),
                // The protocol has no call for several instances.
                Self::Instance(..) => {
                    ids.extend(key.register(client).await?.map(|id| (key.clone(), id)))
                }
            }
        }
        let codes = client.applications(&codes).await?.into_iter();
        ids.extend(codes.map(|(code, id)| (Self::Application(code), id)));
        let operations = client.discover(&operations).await?.into_iter();
        ids.extend(operations.map(|((of, name), id)| (Self::Operation(of, name), id)));
        let addresses = client.addresses(&addresses).await?.into_iter();
        ids.extend(addresses.map(|(address, id)| (Self::Address(address), id)));
        ids.retain(|(_, id)| *id != 0);
        Ok(ids)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application(code) => write!(f, "application {code}"),
            Self::Instance(application, uuid) => write!(f, "instance {uuid} of {application}"),
            Self::Operation(application, name) => write!(f, "operation {name} of {application}"),
            Self::Address(address) => write!(f, "address {address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Dictionary;

    fn first(dictionary: Dictionary) -> Vec<i32> {
        dictionary.sequence().take(5).collect()
    }

    #[test]
    fn ids_are_centred_on_zero_except_those_of_instances() {
        assert_eq!(first(Dictionary::Applications), [-1, 2, -2, 3, -3]);
        assert_eq!(first(Dictionary::Instances), [1, 2, 3, 4, 5]);
        assert_eq!(first(Dictionary::Operations), [-1, 2, -2, 3, -3]);
        assert_eq!(first(Dictionary::Addresses), [-1, 1, 2, -2, 3]);
    }
}
