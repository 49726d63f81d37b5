use std::{
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use fastrand::Rng;
use rollcall_tests::{
    grpc::Client,
    history::{Operation, Reply, Request, Signal},
    key::Key,
};
use tokio::sync::watch;

use crate::{MEMBERS, recorder::Recorder};

/// The pause between two requests of one writer, in milliseconds. It limits the number of keys, because a dump requests every key
/// again.
const PAUSE: Range<u64> = 50..350;
/// The number of attempts of a writer for one request, each at a random member.
const TRIES: usize = 3;
/// The number of writers that request the same new key.
const RIVALS: usize = 4;
/// One in this many requests adopts ids instead of requesting one.
const RECOVERY_ONE_IN: usize = 50;
/// The largest distance between an adopted id and the last assigned id. It is small, so that the sequence soon reaches the adopted
/// ids.
const AHEAD: i32 = 40;

/// The number of requests so far for keys that several writers share.
static SHARED: AtomicUsize = AtomicUsize::new(0);

/// Registers new names of every kind, each at a random member.
pub(crate) struct Writer {
    number: usize,
    members: Vec<Client>,
    recorder: Recorder,
    random: Rng,
    /// The last assigned ids.
    application: i32,
    instance: i32,
    /// A process with a new id that has sent no signal yet.
    fresh: Option<(Key, i32)>,
}

impl Writer {
    pub(crate) fn new(
        number: usize,
        members: Vec<Client>,
        recorder: Recorder,
        random: Rng,
    ) -> Self {
        Self {
            number,
            members,
            recorder,
            random,
            application: 0,
            instance: 0,
            fresh: None,
        }
    }

    /// Runs until the sender of `stop` is dropped, and returns the requests and their answers.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<()>) -> Vec<Operation> {
        for n in 0.. {
            let request = self.request(n);
            for _ in 0..TRIES {
                let member = self.random.usize(..MEMBERS);
                let answer = self
                    .recorder
                    .send(member, &self.members[member], request.clone())
                    .await;
                let pause = Duration::from_millis(self.random.u64(PAUSE));
                if tokio::time::timeout(pause, stop.changed()).await.is_ok() {
                    return self.recorder.into_operations();
                }
                if let Ok(answer) = answer {
                    self.remember(&request, answer);
                    break;
                }
            }
        }
        unreachable!("the writer ends only when it is stopped")
    }

    /// The next request.
    fn request(&mut self, n: usize) -> Request {
        // A random member gets this signal. It may not have read the new id from the store yet.
        if let Some((process, instance)) = self.fresh.take() {
            let by = Signal::Ping;
            return Request::Signal {
                process,
                instance,
                by,
            };
        }
        if self.instance > 0 && self.random.usize(..RECOVERY_ONE_IN) == 0 {
            let ahead = self.random.i32(1..=AHEAD);
            return Request::Recover {
                application: self.application.signum() * (self.application.abs() + ahead),
                instance: self.instance + ahead,
            };
        }
        // Rivals request the same key, so the kind depends on its number and the application is always the first one.
        let (name, kind, application) = if self.random.bool() {
            let number = SHARED.fetch_add(1, Ordering::Relaxed) / RIVALS;
            (format!("shared {number}"), number % 4, -1)
        } else {
            let name = format!("{} {n}", self.number);
            (name, self.random.usize(..4), self.application)
        };
        Request::Assign(match kind {
            0 => Key::Address(name),
            1 if application != 0 => Key::Instance(application, name),
            2 if application != 0 => Key::Operation(application, name),
            _ => Key::Application(name),
        })
    }

    fn remember(&mut self, request: &Request, answer: Reply) {
        match (request, answer) {
            (Request::Assign(Key::Application(_)), Reply::Id(id)) => self.application = id,
            (Request::Assign(key @ Key::Instance(..)), Reply::Id(id)) => {
                self.instance = id;
                self.fresh = Some((key.clone(), id));
            }
            _ => {}
        }
    }
}
