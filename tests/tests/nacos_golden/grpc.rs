//! Replays a recorded gRPC conversation with a collector and compares its answers and pushes.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use rollcall_tests::nacos::{self, Connection};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    compare::{differences, normalise},
    table::Finding,
};

/// The timeout of an expected push.
const PUSH: Duration = Duration::from_secs(5);

/// The time for which the replay waits for unexpected pushes. It is several of the collector's push windows.
const SILENCE: Duration = Duration::from_millis(250);

/// A recorded step: a call, or the pushes that arrived since the last step.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    id: String,
    /// The type of the call. It is empty if the step has pushes.
    r#type: String,
    body: Value,
    answers: BTreeMap<String, Recorded>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Recorded {
    Pushes(Vec<Message>),
    Reply(Message),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Message {
    r#type: String,
    body: String,
}

/// Replays the conversation, and returns the differences from the recorded answers.
pub(crate) async fn replay(server: SocketAddr, steps: Vec<Step>) -> Vec<Finding> {
    let mut first = Connection::open(server).await;
    let mut second = None;
    let mut findings = Vec::new();
    for step in steps {
        let expected = step.answers.values().map(Recorded::pushes).max();
        let expected = expected.unwrap_or_default();
        let ours = match step.id.as_str() {
            "setup-stream" => {
                first.set_up(Some(json!({}))).await;
                pushes(&mut first, expected).await
            }
            "setup-without-abilityTable" => {
                let connection = second.insert(Connection::open(server).await);
                connection.set_up(None).await;
                pushes(connection, expected).await
            }
            "second-setup" => {
                let connection = second.as_mut().expect("a second connection");
                connection.set_up(Some(json!({}))).await;
                pushes(connection, expected).await
            }
            _ if step.r#type.is_empty() => pushes(&mut first, expected).await,
            _ => step.call(&mut first).await,
        };
        if step.id == "register-overwrite" {
            pushes(&mut first, 1).await;
        }
        for (server, theirs) in &step.answers {
            let mut found = Vec::new();
            differences("", Some(&theirs.value()), Some(&ours), &mut found);
            findings.extend(found.into_iter().map(|difference| Finding {
                call: step.id.clone(),
                server: server.clone(),
                difference,
            }));
        }
    }
    findings
}

impl Step {
    async fn call(&self, connection: &mut Connection) -> Value {
        // A body that is not JSON is recorded as a text.
        let body = match &self.body {
            Value::String(text) => text.clone(),
            body => body.to_string(),
        };
        let reply = connection.call(&self.r#type, body).await;
        Message::from(reply.unwrap_or_else(|status| panic!("{}: {status:?}", self.id))).value()
    }
}

/// The messages on the stream. Waits for the recorded number of messages, and then until no message has arrived for a short time.
async fn pushes(connection: &mut Connection, expected: usize) -> Value {
    let mut pushes = Vec::new();
    loop {
        let patience = if pushes.len() < expected {
            PUSH
        } else {
            SILENCE
        };
        match connection.receive(patience).await {
            Some(message) => pushes.push(Message::from(message).value()),
            None => return Value::Array(pushes),
        }
    }
}

impl From<nacos::Message> for Message {
    fn from(message: nacos::Message) -> Self {
        let nacos::Message { r#type, body, .. } = message;
        Self { r#type, body }
    }
}

impl Message {
    fn value(&self) -> Value {
        let Self { r#type, body } = self;
        let body = serde_json::from_str::<Value>(body);
        let body = body.unwrap_or_else(|error| panic!("{error}: {self:?}"));
        normalise(json!({"type": r#type, "body": body}))
    }
}

impl Recorded {
    fn pushes(&self) -> usize {
        match self {
            Self::Pushes(pushes) => pushes.len(),
            Self::Reply(_) => 0,
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Pushes(pushes) => pushes.iter().map(Message::value).collect(),
            Self::Reply(message) => message.value(),
        }
    }
}
