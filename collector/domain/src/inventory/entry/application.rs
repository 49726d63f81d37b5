//! Applications as entries of a dictionary.

use std::sync::Arc;

use super::{
    super::{Application, cost, digest, sequence::Sequence},
    Dictionary, Entry,
};
use crate::ApplicationId;

impl Entry for Application {
    type Id = ApplicationId;
    type Key = Arc<str>;
    type KeyRef<'a> = &'a str;
    type Kept = Self;

    const DICTIONARY: Dictionary = Dictionary::Applications;
    const SEQUENCE: Sequence = Sequence::ZERO_CENTRED;
    const RESERVED: Option<i32> = Some(1);

    fn id(&self) -> ApplicationId {
        self.id
    }

    fn digest(&self) -> u64 {
        digest::application(self)
    }

    fn cost(&self) -> usize {
        cost::application(self.code.as_deref())
    }

    fn key(&self) -> Option<Arc<str>> {
        self.code.clone()
    }

    fn key_ref(&self) -> Option<&str> {
        self.code.as_deref()
    }

    fn borrow(key: &Arc<str>) -> &str {
        key
    }

    fn keep(&self) -> Self {
        self.clone()
    }

    fn of(_id: ApplicationId, kept: &Self) -> Self {
        kept.clone()
    }

    fn key_of(_id: ApplicationId, kept: &Self) -> Option<&str> {
        kept.key_ref()
    }

    fn has_key(_id: ApplicationId, kept: &Self, key: &str) -> bool {
        kept.code.as_deref() == Some(key)
    }

    fn is_adopted(&self) -> bool {
        self.code.is_none() && self.alias_of.is_none() && !self.is_reserved()
    }

    fn may_become(&self, later: &Self) -> bool {
        self.code == later.code && self.alias_of == later.alias_of
    }

    fn number(id: ApplicationId) -> i32 {
        id.get()
    }

    fn numbered(number: i32) -> Option<ApplicationId> {
        ApplicationId::new(number)
    }
}
