//! Who sent a message, read without decoding the rest of it.

use rollcall_domain::InstanceId;

use crate::{
    protobuf::{self, Fields, Value},
    service::register::InstanceName,
};

/// The numbers of the fields that name the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The field of the messages inside that have them; `None` for the message itself.
    pub(super) within: Option<u32>,
    /// The names of the service and of the instance: 8.x and later.
    pub(super) names: Option<(u32, u32)>,
    /// The id of the instance: 6.x and 7.0. It may have the number of one of the names, as an `int32` is no `string`.
    pub(super) id: Option<u32>,
}

/// Who sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender<'a> {
    Name(InstanceName<'a>),
    Id(InstanceId),
}

impl Place {
    /// Everybody whom a message names as its sender. What is no message names nobody.
    pub(super) fn senders<'a>(&self, message: &'a [u8]) -> impl Iterator<Item = Sender<'a>> {
        let Self { within, .. } = *self;
        let whole = within.is_none().then_some(message);
        let inner = Fields::of(message).filter_map(move |field| match field {
            Ok((number, Value::Bytes(bytes))) if Some(number) == within => Some(bytes),
            _ => None,
        });
        let place = *self;
        whole
            .into_iter()
            .chain(inner)
            .filter_map(move |message| place.sender(message))
    }

    fn sender<'a>(&self, message: &'a [u8]) -> Option<Sender<'a>> {
        let (service_field, instance_field) = self.names.unzip();
        let (mut service, mut instance, mut id) = ("", "", None);
        for field in Fields::of(message) {
            match field.ok()? {
                (number, Value::Bytes(bytes)) if Some(number) == service_field => {
                    service = protobuf::text(bytes).ok()?;
                }
                (number, Value::Bytes(bytes)) if Some(number) == instance_field => {
                    instance = protobuf::text(bytes).ok()?;
                }
                (number, Value::Varint(value)) if Some(number) == self.id => {
                    id = protobuf::int32(value).and_then(InstanceId::new);
                }
                _ => {}
            }
        }
        match id {
            Some(id) => Some(Sender::Id(id)),
            None if service.is_empty() || instance.is_empty() => None,
            None => Some(Sender::Name(InstanceName { service, instance })),
        }
    }
}

/// The segment inside an `UpstreamSegment` of 6.x and 7.0; `None` for a `SegmentObject`, which 8.x sends by the same call and
/// which names its service in field 4.
pub(super) fn segment_of_6x(message: &[u8]) -> Option<&[u8]> {
    let mut segment = None;
    for field in Fields::of(message) {
        match field.ok()? {
            (1, Value::Bytes(_)) => {}
            (2, Value::Bytes(bytes)) => segment = Some(bytes),
            _ => return None,
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place {
        within: None,
        names: Some((2, 3)),
        id: Some(2),
    };

    fn senders<'a>(place: &Place, message: &'a [u8]) -> Vec<Sender<'a>> {
        place.senders(message).collect()
    }

    fn named<'a>(service: &'a str, instance: &'a str) -> Sender<'a> {
        Sender::Name(InstanceName { service, instance })
    }

    #[test]
    fn one_field_number_is_a_name_in_one_generation_and_an_id_in_another() {
        assert_eq!(
            senders(&PLACE, b"\x0a\x01.\x12\x06orders\x1a\x01i"),
            [named("orders", "i")]
        );
        let seven = Sender::Id(InstanceId::new(7).unwrap());
        assert_eq!(senders(&PLACE, b"\x0a\x01.\x10\x07"), [seven]);
    }

    #[test]
    fn messages_inside_name_each_their_own() {
        let place = Place {
            within: Some(1),
            ..PLACE
        };
        let message = b"\x0a\x06\x12\x01s\x1a\x01a\x0a\x06\x12\x01s\x1a\x01b\x0a\x00";
        assert_eq!(senders(&place, message), [named("s", "a"), named("s", "b")]);
    }

    #[test]
    fn what_names_nobody_or_is_no_message_has_no_sender() {
        for message in [
            &b""[..],
            b"\x12\x06orders",
            b"\x1a\x01i",
            b"\x10\x00",
            b"\x12\x01\xff\x1a\x01i",
            b"\x12\x06orders\x1a\x01i\x0b",
            b"\x12\x09orders",
        ] {
            assert_eq!(senders(&PLACE, message), [], "{message:?}");
        }
    }

    #[test]
    fn the_segments_of_two_generations_are_told_apart() {
        let of_6x = b"\x0a\x03\x0a\x01\x01\x12\x02\x20\x07";
        assert_eq!(segment_of_6x(of_6x), Some(&b"\x20\x07"[..]));
        let of_8x = b"\x0a\x01t\x12\x01s\x1a\x00\x22\x01s\x2a\x01i";
        assert_eq!(segment_of_6x(of_8x), None);
        assert_eq!(segment_of_6x(b"\x12\x09short"), None);
    }
}
