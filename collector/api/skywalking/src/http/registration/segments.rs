//! Extracts the evidence in trace segments: which instances are alive, and which ids are in use. Reads one segment at a time.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
};

use rollcall_domain::{AddressId, ApplicationId, InstanceId, OperationId};
use rollcall_server::face::json::Object;
use rollcall_service::register::ForeignId;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};

use crate::gson;

/// The evidence in a body of `/segments`, of either generation.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// The number of segments.
    pub(super) count: u64,
    /// The senders, each with the application that it names. An id of 0 is ignored.
    pub(super) instances: BTreeMap<InstanceId, Option<ApplicationId>>,
    /// The other ids that the senders hold: operations and peers of spans. The ids in a reference to another segment belong to
    /// other processes.
    pub(super) held: HashSet<ForeignId>,
}

#[derive(Deserialize)]
struct Segment {
    sg: Object<Spans>,
}

#[derive(Deserialize)]
struct Spans {
    #[serde(deserialize_with = "gson::number")]
    ai: i32,
    #[serde(deserialize_with = "gson::number")]
    ii: i32,
    ss: Vec<Object<Span>>,
    /// 3.2.6 has the references here, 5.x in each span.
    rs: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Span {
    /// The operation.
    #[serde(default, deserialize_with = "gson::number")]
    oi: i32,
    /// The peer.
    #[serde(default, deserialize_with = "gson::number")]
    pi: i32,
}

// === impl Evidence ===

impl Evidence {
    fn add(&mut self, spans: &Spans) {
        self.count += 1;
        if let Some(instance) = InstanceId::new(spans.ii) {
            self.instances
                .insert(instance, ApplicationId::new(spans.ai));
        }
        // Peers are applications in 3.2.6 and addresses in 5.x (section 1.3).
        let peer: fn(i32) -> Option<ForeignId> = match spans.rs {
            Some(_) => |raw| ApplicationId::new(raw).map(ForeignId::Application),
            None => |raw| AddressId::new(raw).map(ForeignId::Address),
        };
        let operation = |raw| OperationId::new(raw).map(ForeignId::Operation);
        let held = spans
            .ss
            .iter()
            .flat_map(|Object(span)| [operation(span.oi), peer(span.pi)]);
        self.held.extend(held.flatten());
    }
}

impl<'de> Deserialize<'de> for Evidence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SegmentsVisitor;

        impl<'de> Visitor<'de> for SegmentsVisitor {
            type Value = Evidence;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of segments")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut segments: A) -> Result<Evidence, A::Error> {
                let mut evidence = Evidence::default();
                while let Some(Object(segment)) = segments.next_element::<Object<Segment>>()? {
                    evidence.add(&segment.sg.0);
                }
                Ok(evidence)
            }
        }

        deserializer.deserialize_seq(SegmentsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(body: &str) -> Evidence {
        serde_json::from_str(body).unwrap()
    }

    fn operation(raw: i32) -> ForeignId {
        ForeignId::Operation(OperationId::new(raw).unwrap())
    }

    #[test]
    fn a_5x_segment_has_its_instance_and_the_ids_of_its_spans_without_references() {
        let evidence = evidence(
            r#"[{"gt":[[1,2,3]],"sg":{"ts":[1,2,3],"ai":-1,"ii":2,"ss":[
                {"si":0,"tv":0,"lv":1,"ps":-1,"st":1,"et":2,"ci":3,"cn":"","oi":5,"on":"","pi":-6,"pn":"",
                 "ie":false,"to":[{"k":"a","v":"b"}],"lo":[{"ti":1,"ld":[{"k":"a","v":"b"}]}],
                 "rs":[{"pts":[1,2,3],"pii":9,"psp":1,"psi":7,"psn":"","ni":8,"nn":"","eii":10,"esi":-7,"esn":"","rv":0}]},
                {"si":1,"oi":0,"pi":0}]}},
               {"gt":[],"sg":{"ts":[],"ai":-1,"ii":2,"ss":[]}}]"#,
        );
        assert_eq!(evidence.count, 2);
        assert_eq!(
            evidence.instances,
            BTreeMap::from([(InstanceId::new(2).unwrap(), ApplicationId::new(-1))]),
        );
        let address = |raw| ForeignId::Address(AddressId::new(raw).unwrap());
        assert_eq!(evidence.held, HashSet::from([operation(5), address(-6)]),);
    }

    #[test]
    fn peers_in_a_326_segment_are_applications() {
        let evidence = evidence(
            r#"[{"gt":[],"sg":{"ts":[],"ai":2,"ii":1,"rs":[{"ts":[],"ai":4,"si":0,"vi":3,"vn":"","ni":-4,"ea":1,"ei":6}],
                "ss":[{"si":0,"oi":5,"pi":-3}]}}]"#,
        );
        let application = |raw| ForeignId::Application(ApplicationId::new(raw).unwrap());
        assert_eq!(
            evidence.held,
            HashSet::from([operation(5), application(-3)]),
        );
    }

    #[test]
    fn ids_of_0_are_ignored() {
        let evidence = evidence(r#"[{"sg":{"ai":0,"ii":0,"ss":[{"oi":0}]}}]"#);
        assert_eq!(
            (
                evidence.count,
                evidence.instances.len(),
                evidence.held.len()
            ),
            (1, 0, 0)
        );
    }
}
