use std::time::Duration;

use fastrand::Rng;
use rollcall_tests::{
    grpc::Client,
    history::{Operation, Request, Signal},
    key::Key,
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{MEMBERS, recorder::Recorder};

/// The interval between two signals of one agent, which is a fraction of the shortest term.
const BEAT: Duration = Duration::from_millis(250);
/// The timeout of an answer, after which an agent tries another member.
const ANSWER: Duration = Duration::from_millis(500);
/// After one in this many answered signals, the agent moves to another member, as it does when a connection reaches its maximum
/// age.
const MOVE_ONE_IN: usize = 40;

/// A process that holds an id and sends signals to changing members until the run ends.
pub(crate) struct Agent {
    pub(crate) process: Key,
    pub(crate) instance: i32,
    pub(crate) by: Signal,
    pub(crate) members: Vec<Client>,
    pub(crate) recorder: Recorder,
    pub(crate) random: Rng,
}

impl Agent {
    /// Sends signals until the sender of `stop` is dropped, and returns them with their answers.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<()>) -> Vec<Operation> {
        let mut member = self.random.usize(..MEMBERS);
        loop {
            let request = Request::Signal {
                process: self.process.clone(),
                instance: self.instance,
                by: self.by,
            };
            let called = self.recorder.send(member, &self.members[member], request);
            let pause = match timeout(ANSWER, called).await {
                Ok(Ok(_)) if self.random.usize(..MOVE_ONE_IN) > 0 => BEAT,
                Ok(Ok(_)) => {
                    member = self.random.usize(..MEMBERS);
                    BEAT
                }
                Ok(Err(_)) | Err(_) => {
                    member = (member + 1) % MEMBERS;
                    BEAT / 5
                }
            };
            tokio::select! {
                _ = stop.changed() => return self.recorder.into_operations(),
                () = sleep(pause) => {}
            }
        }
    }
}
