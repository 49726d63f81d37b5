//! What trace segments tell of who lives and which ids are in use, read one segment at a time.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
};

use rollcall_domain::{AddressId, ApplicationId, InstanceId, OperationId};
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

use crate::{api::http::json::Object, service::register::Held};

/// What a body of `/segments` tells, of either generation.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// How many segments there were.
    pub(super) count: u64,
    /// Who sent them, and the application it says it belongs to. An id of 0 is nobody's.
    pub(super) instances: BTreeMap<InstanceId, Option<ApplicationId>>,
    /// The other ids that are used in them.
    pub(super) held: HashSet<Held>,
}

#[derive(Deserialize)]
struct Segment {
    sg: Object<Spans>,
}

#[derive(Deserialize)]
struct Spans {
    ai: i32,
    ii: i32,
    ss: Vec<Object<Span>>,
    /// 3.2.6 has the references here, and 5.x in each span.
    rs: Option<Vec<Object<Reference>>>,
}

#[derive(Deserialize)]
struct Span {
    /// The operation.
    #[serde(default)]
    oi: i32,
    /// The peer.
    #[serde(default)]
    pi: i32,
    rs: Option<Vec<Object<Reference>>>,
}

/// A reference to the segment that called, with the keys of either generation (3.2.6 before 5.x).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Reference {
    /// Parent instance.
    ai: i32,
    pii: i32,
    /// Entry instance.
    ea: i32,
    eii: i32,
    /// Parent operation.
    vi: i32,
    psi: i32,
    /// Entry operation.
    ei: i32,
    esi: i32,
    /// Address.
    ni: i32,
}

// === impl Told ===

impl Told {
    fn add(&mut self, spans: &Spans) {
        self.count += 1;
        if let Some(instance) = InstanceId::new(spans.ii) {
            self.instances
                .insert(instance, ApplicationId::new(spans.ai));
        }
        // Peers of 3.2.6 are applications, those of 5.x addresses (section 1.3).
        let peer: fn(i32) -> Option<Held> = match spans.rs {
            Some(_) => |raw| ApplicationId::new(raw).map(Held::Application),
            None => |raw| AddressId::new(raw).map(Held::Address),
        };
        let operation = |raw| OperationId::new(raw).map(Held::Operation);
        let instance = |raw| InstanceId::new(raw).map(Held::Instance);
        let spans_told = spans
            .ss
            .iter()
            .flat_map(|Object(span)| [operation(span.oi), peer(span.pi)]);
        let of_spans = spans.ss.iter().filter_map(|Object(span)| span.rs.as_ref());
        let references_told = of_spans.chain(&spans.rs).flatten().flat_map(|Object(r)| {
            let instances = [r.ai, r.pii, r.ea, r.eii].map(instance);
            let operations = [r.vi, r.psi, r.ei, r.esi].map(operation);
            instances.into_iter().chain(operations).chain([peer(r.ni)])
        });
        self.held
            .extend(spans_told.chain(references_told).flatten());
    }
}

impl<'de> Deserialize<'de> for Told {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Segments;

        impl<'de> Visitor<'de> for Segments {
            type Value = Told;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of segments")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut segments: A) -> Result<Told, A::Error> {
                let mut told = Told::default();
                while let Some(Object(segment)) = segments.next_element::<Object<Segment>>()? {
                    told.add(&segment.sg.0);
                }
                Ok(told)
            }
        }

        deserializer.deserialize_seq(Segments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(body: &str) -> Told {
        serde_json::from_str(body).unwrap()
    }

    fn operation(raw: i32) -> Held {
        Held::Operation(OperationId::new(raw).unwrap())
    }

    fn instance(raw: i32) -> Held {
        Held::Instance(InstanceId::new(raw).unwrap())
    }

    #[test]
    fn a_5x_segment_tells_its_instance_and_the_ids_in_its_spans_and_their_references() {
        let told = told(
            r#"[{"gt":[[1,2,3]],"sg":{"ts":[1,2,3],"ai":-1,"ii":2,"ss":[
                {"si":0,"tv":0,"lv":1,"ps":-1,"st":1,"et":2,"ci":3,"cn":"","oi":5,"on":"","pi":-6,"pn":"",
                 "ie":false,"to":[{"k":"a","v":"b"}],"lo":[{"ti":1,"ld":[{"k":"a","v":"b"}]}],
                 "rs":[{"pts":[1,2,3],"pii":9,"psp":1,"psi":7,"psn":"","ni":8,"nn":"","eii":10,"esi":-7,"esn":"","rv":0}]},
                {"si":1,"oi":0,"pi":0}]}},
               {"gt":[],"sg":{"ts":[],"ai":-1,"ii":2,"ss":[]}}]"#,
        );
        assert_eq!(told.count, 2);
        assert_eq!(
            told.instances,
            BTreeMap::from([(InstanceId::new(2).unwrap(), ApplicationId::new(-1))]),
        );
        let address = |raw| Held::Address(AddressId::new(raw).unwrap());
        assert_eq!(
            told.held,
            HashSet::from([
                instance(9),
                instance(10),
                operation(5),
                operation(7),
                operation(-7),
                address(-6),
                address(8)
            ]),
        );
    }

    #[test]
    fn peers_in_a_326_segment_are_applications() {
        let told = told(
            r#"[{"gt":[],"sg":{"ts":[],"ai":2,"ii":1,"rs":[{"ts":[],"ai":4,"si":0,"vi":3,"vn":"","ni":-4,"ea":1,"ei":6}],
                "ss":[{"si":0,"oi":5,"pi":-3}]}}]"#,
        );
        let application = |raw| Held::Application(ApplicationId::new(raw).unwrap());
        assert_eq!(
            told.held,
            HashSet::from([
                instance(4),
                instance(1),
                operation(5),
                operation(3),
                operation(6),
                application(-3),
                application(-4)
            ]),
        );
    }

    #[test]
    fn ids_of_0_are_nobodys() {
        let told = told(r#"[{"sg":{"ai":0,"ii":0,"ss":[{"oi":0}]}}]"#);
        assert_eq!(
            (told.count, told.instances.len(), told.held.len()),
            (1, 0, 0)
        );
    }
}
