//! Tests that a request of one generation never changes the ids of another generation.
//!
//! A property test generates sequences of requests, each for one face of the collector. A sequence runs twice, the second time
//! with each request over another face. After every answer the test derives the facts that every later answer must agree with
//! ([`Facts`]): a key keeps its first id, and no id that was assigned or adopted is assigned to another key.
//!
//! The requests are sent one after the other. The tests `uniqueness` and `fire` send them concurrently.

use std::collections::{BTreeSet, HashMap};

use proptest::{collection::vec, prelude::*, test_runner::Config};
use rollcall_proto::register::{ServiceInstancePingClient, ServiceInstancePingPkg};
use rollcall_tests::{grpc, key::Dictionary, process::Collector};
use tonic::{metadata::MetadataValue, transport::Channel};

use crate::face::{Client, Face, Name, Reply, Request, Sender};

/// A request. Before it is sent, the ids that it needs are requested.
#[derive(Clone, Debug)]
enum Step {
    /// The code.
    Application(String),
    /// The code of the application, and a UUID.
    Instance(String, String),
    /// The code of the application, the type of the span, and the name.
    Operation(String, i32, String),
    /// A host and port.
    Address(String),
    /// A service and its instance, as agents of 8.x name them.
    Named(String, String),
    /// With an id that may never have been assigned.
    Heartbeat(i32),
    /// With ids that may never have been assigned.
    Segment(Sender),
    /// A ping of 6.x with an id that may never have been assigned and a UUID, and with or without the agent's version.
    Ping(i32, String, bool),
}

/// A key that has an id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// The code.
    Application(String),
    /// The id of the application, and the UUID.
    Instance(i32, String),
    /// The id of the application, the type of the span, and the name.
    Operation(i32, i32, String),
    /// A host and port.
    Address(String),
}

/// The facts that follow from the answers so far.
#[derive(Default)]
struct Facts {
    /// The assigned ids.
    ids: HashMap<Key, i32>,
    /// The adopted ids, which belong to no key.
    adopted: BTreeSet<(Dictionary, i32)>,
    /// The application of each adopted instance that a segment named together with its application.
    applications: HashMap<i32, i32>,
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
    fn dictionary(&self) -> Dictionary {
        match self {
            Self::Application(_) => Dictionary::Applications,
            Self::Instance(..) => Dictionary::Instances,
            Self::Operation(..) => Dictionary::Operations,
            Self::Address(_) => Dictionary::Addresses,
        }
    }
}

impl Facts {
    /// Records the answer to a request for the id of a key.
    fn assigned(&mut self, key: Key, id: i32) {
        if let Some(before) = self.ids.get(&key) {
            assert_eq!(id, *before, "{key:?} has another id than before");
            return;
        }
        assert!(
            !self.is_taken(key.dictionary(), id),
            "{key:?} got {id}, which belongs to another key"
        );
        self.ids.insert(key, id);
    }

    /// Records that an agent reported an id that it holds. The collector adopts an id that is not taken; 0 means "none".
    fn reported(&mut self, dictionary: Dictionary, id: i32) {
        if id != 0 && !self.is_taken(dictionary, id) {
            self.adopted.insert((dictionary, id));
        }
    }

    /// The known application of an instance.
    fn application_of(&self, instance: i32) -> Option<i32> {
        let assigned = self.ids.iter().find_map(|(key, id)| match key {
            Key::Instance(application, _) if *id == instance => Some(*application),
            _ => None,
        });
        assigned.or_else(|| self.applications.get(&instance).copied())
    }

    /// The UUID of the process that this id was assigned to.
    fn uuid_of(&self, instance: i32) -> Option<&str> {
        self.ids.iter().find_map(|(key, id)| match key {
            Key::Instance(_, uuid) if *id == instance => Some(uuid.as_str()),
            _ => None,
        })
    }

    /// Whether an id is reserved, adopted or assigned.
    fn is_taken(&self, dictionary: Dictionary, id: i32) -> bool {
        let has_reserved = [Dictionary::Applications, Dictionary::Operations];
        let is_reserved = id == 1 && has_reserved.contains(&dictionary);
        let is_assigned =
            |(key, known): (&Key, &i32)| key.dictionary() == dictionary && *known == id;
        is_reserved || self.adopted.contains(&(dictionary, id)) || self.ids.iter().any(is_assigned)
    }
}

/// Clients of all faces of one collector, and the facts that follow from its answers.
struct Fleet {
    /// In the order of [`Face::ALL`].
    clients: Vec<Client>,
    pings: ServiceInstancePingClient<Channel>,
    facts: Facts,
}

impl Fleet {
    /// Sends the request over the face with this number, or over the next one that has the call.
    async fn send(&mut self, face: usize, request: Request) -> Reply {
        let faces = self.clients.len();
        for face in (face..face + faces).map(|face| face % faces) {
            if let Some(answer) = self.clients[face].send(&request).await {
                return answer;
            }
        }
        panic!("no face has the call of {request:?}")
    }

    async fn application(&mut self, face: usize, code: String) -> i32 {
        let answer = self
            .send(face, Request::Applications(vec![code.clone()]))
            .await;
        let Reply::Ids(ids) = answer else {
            panic!("{answer:?}")
        };
        self.facts.assigned(Key::Application(code), ids[0].1);
        ids[0].1
    }

    async fn instance(&mut self, face: usize, application: i32, uuid: String) {
        let request = Request::Instance {
            application,
            uuid: uuid.clone(),
        };
        let answer = self.send(face, request).await;
        let Reply::Instance(_, id) = answer else {
            panic!("{answer:?}")
        };
        self.facts.assigned(Key::Instance(application, uuid), id);
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

    /// Sends the requests of a step, and checks the answers.
    async fn run(&mut self, face: usize, step: Step) {
        match step {
            Step::Application(code) => {
                self.application(face, code).await;
            }
            Step::Instance(code, uuid) => {
                let application = self.application(face, code).await;
                self.instance(face, application, uuid).await;
            }
            Step::Operation(code, span_type, name) => {
                let application = self.application(face, code).await;
                let called = Name {
                    application,
                    span_type,
                    name: name.clone(),
                };
                let answer = self.send(face, Request::Names(vec![called])).await;
                let Reply::Names(ids) = answer else {
                    panic!("{answer:?}")
                };
                self.facts
                    .assigned(Key::Operation(application, span_type, name), ids[0].1);
            }
            Step::Address(address) => {
                let answer = self
                    .send(face, Request::Addresses(vec![address.clone()]))
                    .await;
                let Reply::Ids(ids) = answer else {
                    panic!("{answer:?}")
                };
                self.facts.assigned(Key::Address(address), ids[0].1);
            }
            Step::Named(service, instance) => {
                let request = Request::Named {
                    service: service.clone(),
                    instance: instance.clone(),
                };
                assert_eq!(self.send(face, request).await, Reply::Done);
                let application = self.application(face, service).await;
                self.instance(face, application, instance).await;
            }
            Step::Heartbeat(instance) => {
                assert_eq!(
                    self.send(face, Request::Heartbeat(instance)).await,
                    Reply::Done
                );
                self.facts.reported(Dictionary::Instances, instance);
            }
            Step::Ping(instance, uuid, sends_version) => {
                let is_reset = self.is_reset(instance, &uuid, sends_version).await;
                let is_its_own = self.facts.uuid_of(instance) == Some(uuid.as_str());
                assert_eq!(is_reset, !is_its_own, "{instance} {uuid}");
                // With a version the collector knows that the agent executes the command, and adopts nothing.
                if !sends_version {
                    self.facts.reported(Dictionary::Instances, instance);
                }
            }
            Step::Segment(sender) => self.segment(face, sender).await,
        }
    }

    async fn segment(&mut self, face: usize, sender: Sender) {
        assert_eq!(self.send(face, Request::Segment(sender)).await, Reply::Done);
        let Sender {
            application,
            instance,
            operation,
        } = sender;
        let known = self.facts.application_of(instance);
        self.facts.reported(Dictionary::Instances, instance);
        self.facts.reported(Dictionary::Operations, operation);
        // An instance that belongs to another application proves nothing about this application.
        if known.is_none_or(|known| known == application) {
            self.facts.reported(Dictionary::Applications, application);
            self.facts.applications.insert(instance, application);
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
        for (face, step) in &steps {
            fleet.run(*face, step.clone()).await;
        }
        for (face, step) in steps {
            fleet.run(face + 1, step).await;
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
