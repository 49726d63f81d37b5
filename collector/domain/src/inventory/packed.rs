//! An instance in memory, in half of the bytes of [`Instance`]: there may be millions.

use super::{Generation, Instance, InstanceView, properties::PropertiesView};
use crate::{ApplicationId, InstanceId, Timestamp};

/// An instance without its id, which selects its place in a block.
#[derive(Clone)]
pub(super) struct PackedInstance {
    registered_at: Timestamp,
    /// The length of the UUID plus one, or 0 without a UUID; the UUID; the encoded properties. One block, because each allocation
    /// and each length in a struct would cost as much as a short text.
    texts: Box<[u8]>,
    pub(super) application: Option<ApplicationId>,
    generation: Option<Generation>,
    adopted: bool,
}

/// The length field in front of the UUID.
const LENGTH_BYTES: usize = size_of::<u32>();

impl PackedInstance {
    pub(super) fn pack(instance: &InstanceView<'_>) -> Self {
        let length = instance.uuid.map_or(0, |uuid| uuid.len() + 1);
        let bytes = Self::texts_len(instance.uuid, instance.properties);
        let mut texts = Vec::with_capacity(bytes);
        texts.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        texts.extend_from_slice(instance.uuid.unwrap_or_default().as_bytes());
        texts.extend_from_slice(instance.properties.as_bytes());
        Self {
            registered_at: instance.registered_at,
            texts: texts.into_boxed_slice(),
            application: instance.application,
            generation: instance.generation,
            adopted: instance.adopted,
        }
    }

    /// The length of the `texts` of such an instance, in bytes.
    pub(super) fn texts_len(uuid: Option<&str>, properties: PropertiesView<'_>) -> usize {
        LENGTH_BYTES + uuid.map_or(0, str::len) + properties.as_bytes().len()
    }

    pub(super) fn unpack(&self, id: InstanceId) -> Instance {
        self.view(id).into()
    }

    pub(super) fn view(&self, id: InstanceId) -> InstanceView<'_> {
        let (uuid, properties) = self.texts();
        InstanceView {
            id,
            application: self.application,
            // The bytes were UTF-8 when they were packed.
            uuid: uuid.map(|uuid| std::str::from_utf8(uuid).unwrap_or_default()),
            registered_at: self.registered_at,
            generation: self.generation,
            adopted: self.adopted,
            properties: PropertiesView::of(properties),
        }
    }

    /// The UUID.
    pub(super) fn uuid(&self) -> Option<&[u8]> {
        self.texts().0
    }

    /// The UUID, and the encoded properties.
    fn texts(&self) -> (Option<&[u8]>, &[u8]) {
        let Some((length, texts)) = self.texts.split_first_chunk::<LENGTH_BYTES>() else {
            return (None, &[]);
        };
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        match length
            .checked_sub(1)
            .and_then(|length| texts.split_at_checked(length))
        {
            Some((uuid, properties)) => (Some(uuid), properties),
            None => (None, texts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Properties;

    #[test]
    fn an_instance_survives_packing() {
        let id = InstanceId::new(7).unwrap();
        let properties: Properties = [("os_name", "Linux"), ("", "é")].into_iter().collect();
        for uuid in [None, Some(""), Some("0123456789abcdef"), Some("é")] {
            for properties in [Properties::default(), properties.clone()] {
                let instance = Instance {
                    id,
                    application: ApplicationId::new(-2),
                    uuid: uuid.map(Into::into),
                    registered_at: Timestamp::from_millis(-5),
                    generation: Generation::from_number(8),
                    adopted: true,
                    properties,
                };
                let packed = PackedInstance::pack(&instance.view());
                assert_eq!(packed.unpack(id), instance);
                assert_eq!(packed.uuid(), uuid.map(str::as_bytes));
            }
        }
    }

    #[test]
    fn a_place_in_a_block_takes_40_bytes() {
        assert_eq!(size_of::<std::sync::OnceLock<PackedInstance>>(), 40);
    }
}
