//! Tests that a request of one generation never changes the ids of another generation. In any order of requests, a key keeps its
//! first id, and no adopted or assigned id is assigned to another key.

use std::collections::{HashMap, HashSet};

use proptest::{collection::vec, prelude::*, test_runner::Config};
use rollcall_proto::register::{ServiceInstancePingClient, ServiceInstancePingPkg};
use rollcall_tests::{grpc, process::Collector};
use tonic::{metadata::MetadataValue, transport::Channel};

use crate::face::{Client, Face, Name, Reply, Request, Sender};

/// A request. Before it is sent, the ids that it needs are requested.
#[derive(Clone, Debug)]
enum Step {
    Application(String),
    Instance(String, String),
    Operation(String, i32, String),
    Address(String),
    Named(String, String),
    /// With an id that may never have been assigned.
    Heartbeat(i32),
    /// With ids that may never have been assigned.
    Segment(Sender),
    /// A ping of 6.x with an id that may never have been assigned and a UUID, and with or without the agent's version.
    Ping(i32, String, bool),
}

/// The owner of an id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Application(String),
    Instance(i32, String),
    Operation(i32, i32, String),
    Address(String),
}

/// The facts that follow from the answers so far.
#[derive(Default)]
struct Facts {
    ids: HashMap<Key, i32>,
    /// The adopted ids that belong to no key, as the kind of a key and the id.
    held: HashSet<(u8, i32)>,
    /// The applications of instances with adopted ids, if a segment named them.
    owners: HashMap<i32, i32>,
}

fn code() -> impl Strategy<Value = String> {
    "[ab]".prop_map(|code| format!("app-{code}"))
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let uuid = || "[xyz]";
    let application = prop_oneof![-4..0_i32, 1..5_i32];
    let sender = (application, 1..9_i32, -4..5_i32);
    let sender = sender.prop_map(|(application, instance, operation)| Sender {
        application,
        instance,
        operation,
    });
    let step = prop_oneof![
        code().prop_map(Step::Application),
        (code(), uuid()).prop_map(|(code, uuid)| Step::Instance(code, uuid)),
        (code(), 0..2, "/[pq]").prop_map(|(code, side, name)| Step::Operation(code, side, name)),
        "db-[12]:1".prop_map(Step::Address),
        (code(), uuid()).prop_map(|(code, uuid)| Step::Named(code, uuid)),
        (1..9).prop_map(Step::Heartbeat),
        sender.prop_map(Step::Segment),
        (1..9, uuid(), any::<bool>())
            .prop_map(|(id, uuid, versioned)| Step::Ping(id, uuid, versioned)),
    ];
    vec((0..Face::ALL.len(), step), 1..40)
}

impl Key {
    fn kind(&self) -> u8 {
        match self {
            Self::Application(_) => 0,
            Self::Instance(..) => 1,
            Self::Operation(..) => 2,
            Self::Address(_) => 3,
        }
    }
}

impl Facts {
    fn record(&mut self, key: Key, id: i32) {
        if let Some(before) = self.ids.get(&key) {
            assert_eq!(id, *before, "{key:?} has another id than before");
            return;
        }
        assert!(
            !self.is_taken(key.kind(), id),
            "{key:?} got {id}, which belongs to another key"
        );
        self.ids.insert(key, id);
    }

    fn hold(&mut self, kind: u8, id: i32) {
        if id != 0 && !self.is_taken(kind, id) {
            self.held.insert((kind, id));
        }
    }

    /// The known application of an instance.
    fn owner(&self, instance: i32) -> Option<i32> {
        let assigned = self.ids.iter().find_map(|(key, id)| match key {
            Key::Instance(application, _) if *id == instance => Some(*application),
            _ => None,
        });
        assigned.or_else(|| self.owners.get(&instance).copied())
    }

    /// The UUID of the process with this id.
    fn uuid(&self, instance: i32) -> Option<&str> {
        self.ids.iter().find_map(|(key, id)| match key {
            Key::Instance(_, uuid) if *id == instance => Some(uuid.as_str()),
            _ => None,
        })
    }

    fn is_taken(&self, kind: u8, id: i32) -> bool {
        let is_reserved = id == 1 && (kind == 0 || kind == 2);
        let mut known = self.ids.iter();
        is_reserved
            || self.held.contains(&(kind, id))
            || known.any(|(key, known)| key.kind() == kind && *known == id)
    }
}

struct Fleet {
    clients: Vec<Client>,
    pings: ServiceInstancePingClient<Channel>,
    facts: Facts,
}

impl Fleet {
    /// Sends the request over face number `by`, or over the next face that has the call.
    async fn send(&mut self, by: usize, request: Request) -> Reply {
        let faces = self.clients.len();
        for face in (by..by + faces).map(|face| face % faces) {
            if let Some(answer) = self.clients[face].send(&request).await {
                return answer;
            }
        }
        panic!("no face has the call of {request:?}")
    }

    async fn application(&mut self, by: usize, code: String) -> i32 {
        let answer = self
            .send(by, Request::Applications(vec![code.clone()]))
            .await;
        let Reply::Ids(ids) = answer else {
            panic!("{answer:?}")
        };
        self.facts.record(Key::Application(code), ids[0].1);
        ids[0].1
    }

    async fn instance(&mut self, by: usize, application: i32, uuid: String) {
        let request = Request::Instance {
            application,
            uuid: uuid.clone(),
        };
        let answer = self.send(by, request).await;
        let Reply::Instance(_, id) = answer else {
            panic!("{answer:?}")
        };
        self.facts.record(Key::Instance(application, uuid), id);
    }

    /// Sends a ping. Returns whether the answer has the command to register again.
    async fn is_reset(&mut self, instance: i32, uuid: &str, sends_version: bool) -> bool {
        let mut ping = tonic::Request::new(ServiceInstancePingPkg {
            service_instance_id: instance,
            time: 1_514_764_800_000,
            service_instance_uuid: uuid.to_owned(),
        });
        if sends_version {
            let version = MetadataValue::from_static("7.0.0");
            ping.metadata_mut().insert("agent-version", version);
        }
        let reply = self.pings.do_ping(ping).await.expect("a reply");
        !reply.into_inner().commands.is_empty()
    }

    async fn take(&mut self, by: usize, step: Step) {
        match step {
            Step::Application(code) => {
                self.application(by, code).await;
            }
            Step::Instance(code, uuid) => {
                let application = self.application(by, code).await;
                self.instance(by, application, uuid).await;
            }
            Step::Operation(code, span_type, name) => {
                let application = self.application(by, code).await;
                let called = Name {
                    application,
                    span_type,
                    name: name.clone(),
                };
                let answer = self.send(by, Request::Names(vec![called])).await;
                let Reply::Names(ids) = answer else {
                    panic!("{answer:?}")
                };
                self.facts
                    .record(Key::Operation(application, span_type, name), ids[0].1);
            }
            Step::Address(address) => {
                let answer = self
                    .send(by, Request::Addresses(vec![address.clone()]))
                    .await;
                let Reply::Ids(ids) = answer else {
                    panic!("{answer:?}")
                };
                self.facts.record(Key::Address(address), ids[0].1);
            }
            Step::Named(service, instance) => {
                let request = Request::Named {
                    service: service.clone(),
                    instance: instance.clone(),
                };
                assert_eq!(self.send(by, request).await, Reply::Done);
                let application = self.application(by, service).await;
                self.instance(by, application, instance).await;
            }
            Step::Heartbeat(instance) => {
                assert_eq!(
                    self.send(by, Request::Heartbeat(instance)).await,
                    Reply::Done
                );
                self.facts.hold(1, instance);
            }
            Step::Ping(instance, uuid, sends_version) => {
                let is_reset = self.is_reset(instance, &uuid, sends_version).await;
                let is_its_own = self.facts.uuid(instance) == Some(uuid.as_str());
                assert_eq!(is_reset, !is_its_own, "{instance} {uuid}");
                if !sends_version {
                    self.facts.hold(1, instance);
                }
            }
            Step::Segment(sender) => self.segment(by, sender).await,
        }
    }

    async fn segment(&mut self, by: usize, sender: Sender) {
        assert_eq!(self.send(by, Request::Segment(sender)).await, Reply::Done);
        let Sender {
            application,
            instance,
            operation,
        } = sender;
        let owner = *self.facts.owner(instance).get_or_insert(application);
        self.facts.hold(1, instance);
        self.facts.hold(2, operation);
        // An instance that belongs to another application proves nothing about this application.
        if owner == application {
            self.facts.hold(0, application);
            self.facts.owners.insert(instance, application);
        }
    }
}

fn check(steps: Vec<(usize, Step)>) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut collector = Collector::options().without_listening().start().await;
        // A segment may name an application that its instance does not belong to.
        collector.expect_log("sign of life refused");
        let mut clients = Vec::new();
        for face in Face::ALL {
            clients.push(face.client(&collector).await);
        }
        let connection = grpc::Client::connect(collector.listeners().grpc).await;
        let mut fleet = Fleet {
            clients,
            pings: ServiceInstancePingClient::new(connection.channel),
            facts: Facts::default(),
        };
        // Runs the steps twice, so that every key is requested again over another face.
        for (by, step) in &steps {
            fleet.take(*by, step.clone()).await;
        }
        for (by, step) in steps {
            fleet.take(by + 1, step).await;
        }
    });
}

proptest! {
    #![proptest_config(Config { cases: 16, max_shrink_iters: 64, ..Config::default() })]

    #[test]
    fn no_generation_changes_the_ids_of_another(steps in steps()) {
        check(steps);
    }
}
