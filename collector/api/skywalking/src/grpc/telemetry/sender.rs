//! Reads the sender of a message without decoding the rest.

use rollcall_domain::{InstanceId, Timestamp};
use rollcall_limits::Count;
use rollcall_protobuf::{self as protobuf, Fields, Malformed, Value};
use rollcall_service::{heartbeat::agent_time, register::InstanceName};

use crate::{event::Announcement, grpc::shape::Refused};

/// The field numbers of the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SenderFields {
    /// The field of the nested messages that name the sender; `None` if the message itself does.
    pub(super) within: Option<u32>,
    /// The names of the service and of the instance: 8.x and later.
    pub(super) names: Option<(u32, u32)>,
    /// The id of the instance: 6.x and 7.0. It may share a field number with a name, because their wire types differ.
    pub(super) id: Option<u32>,
}

/// The sender of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender<'a> {
    Name(InstanceName<'a>),
    Id(InstanceId),
}

impl SenderFields {
    /// Passes every sender in a message to `add`. Malformed bytes have no sender.
    ///
    /// # Errors
    /// The message has too many elements.
    pub(super) fn senders<'a>(
        &self,
        message: &'a [u8],
        count: &mut Count,
        mut add: impl FnMut(Sender<'a>),
    ) -> Result<(), Refused> {
        let Some(within) = self.within else {
            if let Some(sender) = self.sender(message, count)? {
                add(sender);
            }
            return Ok(());
        };
        for field in Fields::of(message) {
            count.field()?;
            match field {
                Ok((number, Value::Bytes(inner))) if number == within => {
                    count.elements(1)?;
                    if let Some(sender) = self.sender(inner, count)? {
                        add(sender);
                    }
                }
                Ok(_) => {}
                Err(Malformed) => break,
            }
        }
        Ok(())
    }

    fn sender<'a>(
        &self,
        message: &'a [u8],
        count: &mut Count,
    ) -> Result<Option<Sender<'a>>, Refused> {
        match self.read_sender(message, count) {
            Err(Refused::Malformed) => Ok(None),
            read => read,
        }
    }

    fn read_sender<'a>(
        &self,
        message: &'a [u8],
        count: &mut Count,
    ) -> Result<Option<Sender<'a>>, Refused> {
        let (service_field, instance_field) = self.names.unzip();
        let (mut service, mut instance, mut id) = ("", "", None);
        for field in Fields::of(message) {
            count.field()?;
            match field? {
                (number, Value::Bytes(bytes)) if Some(number) == service_field => {
                    service = protobuf::text(bytes)?;
                }
                (number, Value::Bytes(bytes)) if Some(number) == instance_field => {
                    instance = protobuf::text(bytes)?;
                }
                (number, Value::Varint(value)) if Some(number) == self.id => {
                    id = protobuf::int32(value).and_then(InstanceId::new);
                }
                _ => {}
            }
        }
        Ok(match id {
            Some(id) => Some(Sender::Id(id)),
            None if service.is_empty() || instance.is_empty() => None,
            None => Some(Sender::Name(InstanceName { service, instance })),
        })
    }
}

/// The segment inside an `UpstreamSegment`; `None` if it has none.
///
/// # Errors
/// The message has too many elements or is malformed.
pub(super) fn segment<'a>(
    message: &'a [u8],
    count: &mut Count,
) -> Result<Option<&'a [u8]>, Refused> {
    let mut segment = None;
    for field in Fields::of(message) {
        count.field()?;
        if let (2, Value::Bytes(bytes)) = field? {
            segment = Some(bytes);
        }
    }
    Ok(segment)
}

/// The segment inside an `UpstreamSegment` of 6.x and 7.0; `None` for a `SegmentObject`. 8.x agents send the latter in the same
/// call; it has the service name in field 4.
///
/// # Errors
/// The message has too many elements.
pub(super) fn segment_of_6x<'a>(
    message: &'a [u8],
    count: &mut Count,
) -> Result<Option<&'a [u8]>, Refused> {
    let mut segment = None;
    for field in Fields::of(message) {
        count.field()?;
        match field {
            Ok((1, Value::Bytes(_))) => {}
            Ok((2, Value::Bytes(bytes))) => segment = Some(bytes),
            Ok(_) | Err(Malformed) => return Ok(None),
        }
    }
    Ok(segment)
}

/// The time of the agent's clock in a message of JVM metrics; `None` if it has several metrics. An agent collects one metric a
/// second and sends all that it has collected. So a single metric is at most a second old, while several may have waited for an
/// outage to end.
pub(super) fn time_of_jvm(message: &[u8]) -> Option<Timestamp> {
    let mut metrics = Fields::of(message).filter_map(|field| match field {
        Ok((1, Value::Bytes(metric))) => Some(metric),
        _ => None,
    });
    let (metric, None) = (metrics.next()?, metrics.next()) else {
        return None;
    };
    let time = Fields::of(metric).find_map(|field| match field {
        Ok((1, Value::Varint(millis))) => i64::try_from(millis).ok(),
        _ => None,
    });
    agent_time(time?)
}

/// The announcement in an `Event`; `None` for an event that is not an agent's announcement about itself.
pub(super) fn announcement(message: &[u8]) -> Option<Announcement> {
    let names = Fields::of(message).filter_map(|field| match field {
        Ok((3, Value::Bytes(name))) => Some(name),
        _ => None,
    });
    // If a field is repeated by mistake, the last value counts.
    names.last().and_then(Announcement::named)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: SenderFields = SenderFields {
        within: None,
        names: Some((2, 3)),
        id: Some(2),
    };

    fn count() -> Count {
        let budget = rollcall_limits::Budget::new("work", 0);
        let refused = rollcall_limits::RefusalsFamily::default();
        rollcall_limits::Work::new(
            100,
            budget,
            refused.reason("max_batch", rollcall_limits::work::MAX_BATCH),
        )
        .count()
    }

    fn senders<'a>(fields: &SenderFields, message: &'a [u8]) -> Vec<Sender<'a>> {
        let mut senders = Vec::new();
        fields
            .senders(message, &mut count(), |sender| senders.push(sender))
            .unwrap();
        senders
    }

    fn named<'a>(service: &'a str, instance: &'a str) -> Sender<'a> {
        Sender::Name(InstanceName { service, instance })
    }

    #[test]
    fn one_field_number_is_a_name_in_one_generation_and_an_id_in_another() {
        assert_eq!(
            senders(&FIELDS, b"\x0a\x01.\x12\x06orders\x1a\x01i"),
            [named("orders", "i")]
        );
        let seven = Sender::Id(InstanceId::new(7).unwrap());
        assert_eq!(senders(&FIELDS, b"\x0a\x01.\x10\x07"), [seven]);
    }

    #[test]
    fn each_nested_message_names_its_own_sender() {
        let fields = SenderFields {
            within: Some(1),
            ..FIELDS
        };
        let message = b"\x0a\x06\x12\x01s\x1a\x01a\x0a\x06\x12\x01s\x1a\x01b\x0a\x00";
        assert_eq!(
            senders(&fields, message),
            [named("s", "a"), named("s", "b")]
        );
    }

    #[test]
    fn an_anonymous_or_malformed_message_has_no_sender() {
        for message in [
            &b""[..],
            b"\x12\x06orders",
            b"\x1a\x01i",
            b"\x10\x00",
            b"\x12\x01\xff\x1a\x01i",
            b"\x12\x06orders\x1a\x01i\x0b",
            b"\x12\x09orders",
        ] {
            assert_eq!(senders(&FIELDS, message), [], "{message:?}");
        }
    }

    #[test]
    fn a_message_with_too_many_elements_is_refused_and_not_treated_as_anonymous() {
        let fields = SenderFields {
            within: Some(1),
            ..FIELDS
        };
        for message in [b"\x0a\x00".repeat(101), b"\x08\x01".repeat(2000)] {
            let refused = fields.senders(&message, &mut count(), |_| {});
            assert!(matches!(refused, Err(Refused::Work(_))), "{refused:?}");
        }
        let message = b"\x0a\x00".repeat(2000);
        let refused = segment_of_6x(&message, &mut count());
        assert!(matches!(refused, Err(Refused::Work(_))), "{refused:?}");
    }

    #[test]
    fn segments_of_two_generations_are_distinguished() {
        let of_6x = b"\x0a\x03\x0a\x01\x01\x12\x02\x20\x07";
        assert_eq!(
            segment_of_6x(of_6x, &mut count()).unwrap(),
            Some(&b"\x20\x07"[..])
        );
        let of_8x = b"\x0a\x01t\x12\x01s\x1a\x00\x22\x01s\x2a\x01i";
        assert_eq!(segment_of_6x(of_8x, &mut count()).unwrap(), None);
        assert_eq!(segment_of_6x(b"\x12\x09short", &mut count()).unwrap(), None);
    }
}
