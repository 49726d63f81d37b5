use std::time::Instant;

use rollcall_tests::{
    grpc::{Client, is_reset},
    history::{Operation, Reply, Request, Signal},
    key::Key,
};
use tonic::{Code, Status};

/// Sends requests, and records them with their answers.
pub(crate) struct Recorder {
    start: Instant,
    operations: Vec<Operation>,
}

impl Recorder {
    /// A recorder whose times count from `start`.
    pub(crate) fn new(start: Instant) -> Self {
        Self {
            start,
            operations: Vec::new(),
        }
    }

    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    pub(crate) fn into_operations(self) -> Vec<Operation> {
        self.operations
    }

    /// Sends a request to the member that `client` is connected to, and records it with its answer.
    pub(crate) async fn send(
        &mut self,
        member: usize,
        client: &Client,
        request: Request,
    ) -> Result<Reply, String> {
        let sent = self.start.elapsed();
        let answer = match &request {
            Request::Assign(key) => match key.register(client).await {
                Ok(Some(id)) => Ok(Reply::Id(id)),
                Ok(None) => Err("no id yet".to_owned()),
                Err(status) => Err(status.to_string()),
            },
            &Request::Recover {
                application,
                instance,
            } => {
                let recorded = client.recover(application, instance).await;
                recorded
                    .map(|()| Reply::Recorded)
                    .map_err(|status| status.to_string())
            }
            Request::Signal {
                process,
                instance,
                by,
            } => match signal(client, process, *instance, *by).await {
                Err(status) if status.code() != Code::NotFound => Err(status.to_string()),
                Ok(true) => Ok(Reply::Renewed),
                Ok(false) | Err(_) => Ok(Reply::Unknown),
            },
        };
        self.operations.push(Operation {
            member,
            request,
            sent,
            ended: self.start.elapsed(),
            answer: answer.clone(),
        });
        answer
    }
}

/// Sends a signal of a process. Returns whether the process keeps its id.
async fn signal(client: &Client, process: &Key, instance: i32, by: Signal) -> Result<bool, Status> {
    match (by, process) {
        (Signal::Ping, Key::Instance(_, uuid)) => {
            let commands = client.ping(instance, uuid).await?;
            Ok(!is_reset(&commands))
        }
        _ => client.heartbeat(instance).await.map(|()| true),
    }
}
