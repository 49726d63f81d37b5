//! The JSON of answers and pushes, with the reference's keys, codes and texts. Nothing is ever null.
//!
//! The part that many messages share (a service with its hosts) comes last, so that it can be appended without a copy.

use bytes::Bytes;

use super::{frame::Frame, fuzzy, kind::Naming};

#[cfg(test)]
mod tests;

/// Codes of the reference.
pub(super) mod code {
    /// The caller's mistake.
    pub(crate) const INVALID: i32 = 400;
    /// The caller lacks the right.
    pub(crate) const DENIED: i32 = 403;
    /// This server does not know all instances yet.
    pub(crate) const STARTING: i32 = 300;
    /// The connection is not set up.
    pub(crate) const UNREGISTERED: i32 = 301;
    /// There is no handler for this type.
    pub(crate) const NO_HANDLER: i32 = 302;
    /// The server failed.
    pub(crate) const FAILED: i32 = 500;
    /// This server does not implement the request.
    pub(crate) const NOT_SERVED: i32 = 501;
    /// The message cannot be read, or is for members of a cluster only.
    pub(crate) const UNREADABLE: i32 = 502;
    /// A limit is reached.
    pub(crate) const OVER_LIMIT: i32 = 503;
    /// A pattern matches more services than it may.
    pub(crate) const TOO_MANY_MATCHES: i32 = 50_311;
    /// The connection watches too many patterns.
    pub(crate) const TOO_MANY_PATTERNS: i32 = 50_310;
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: i32,
    pub(super) message: String,
    /// Whether the answer is an `ErrorResponse`, which makes the client retry.
    is_general: bool,
}

impl Refusal {
    /// A refusal with this code.
    pub(super) fn new(code: i32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            is_general: false,
        }
    }

    /// A refusal as an `ErrorResponse`. It makes every client retry, possibly at another server, so it is only for errors that a
    /// retry can solve. All other refusals have the type of the expected answer, so that the client reports the mistake at once.
    pub(super) fn general(code: i32, message: impl Into<String>) -> Self {
        Self {
            is_general: true,
            ..Self::new(code, message)
        }
    }

    /// The frame that answers a naming request.
    pub(super) fn into_frame(self, naming: Naming) -> Frame {
        if self.is_general {
            return error(self.code, &self.message);
        }
        // Some clients require these fields even in a refusal.
        let payload = match naming {
            Naming::ServiceQuery | Naming::Subscribe => {
                r#","serviceInfo":{"name":"","groupName":"","clusters":"","cacheMillis":10000,"hosts":[],"lastRefTime":0,"checksum":"","allIPs":false,"allIps":false,"reachProtectionThreshold":false,"valid":true}"#
            }
            Naming::ServiceList => r#","count":0,"serviceNames":[]"#,
            Naming::Instance
            | Naming::BatchInstance
            | Naming::PersistentInstance
            | Naming::FuzzyWatch => "",
        };
        let Self { code, message, .. } = self;
        let message = quoted(&message);
        let json = format!(
            r#"{{"resultCode":500,"errorCode":{code},"message":{message},"success":false{payload}}}"#
        );
        whole(naming.response(), &json)
    }
}

/// An `ErrorResponse`.
pub(super) fn error(code: i32, message: &str) -> Frame {
    typed_error("ErrorResponse", code, message)
}

/// A refusal in an answer of this type.
pub(super) fn typed_error(kind: &str, code: i32, message: &str) -> Frame {
    let message = quoted(message);
    let json =
        format!(r#"{{"resultCode":500,"errorCode":{code},"message":{message},"success":false}}"#);
    whole(kind, &json)
}

/// `ServerCheckResponse`.
pub(super) fn server_check(connection: &str) -> Frame {
    let json = format!(
        r#"{{"resultCode":200,"errorCode":0,"connectionId":"{connection}","supportAbilityNegotiation":true,"success":true}}"#
    );
    whole("ServerCheckResponse", &json)
}

/// `HealthCheckResponse`.
pub(super) fn health_check() -> Frame {
    whole("HealthCheckResponse", SUCCESS)
}

const SUCCESS: &str = r#"{"resultCode":200,"errorCode":0,"success":true}"#;

/// A success that echoes the type of the request.
pub(super) fn done(naming: Naming, echoed: &str) -> Frame {
    let echoed = quoted(echoed);
    let json = format!(r#"{{"resultCode":200,"errorCode":0,"type":{echoed},"success":true}}"#);
    whole(naming.response(), &json)
}

/// `NamingFuzzyWatchResponse`.
pub(super) fn watching() -> Frame {
    whole(Naming::FuzzyWatch.response(), SUCCESS)
}

/// `ServiceListResponse`.
pub(super) fn list<'a>(count: usize, names: impl Iterator<Item = &'a str>) -> Frame {
    let names: Vec<_> = names.map(quoted).collect();
    let names = names.join(",");
    let json = format!(
        r#"{{"resultCode":200,"errorCode":0,"count":{count},"serviceNames":[{names}],"success":true}}"#
    );
    whole(Naming::ServiceList.response(), &json)
}

/// The answer to a query or a subscription. `service` is encoded by [`super::service_info`].
pub(super) fn service(naming: Naming, refreshed: u64, service: Bytes) -> Frame {
    let message = match naming {
        Naming::Subscribe => r#""message":"success","#,
        _ => "",
    };
    let json = format!(
        r#"{{"resultCode":200,"errorCode":0,{message}"success":true,"serviceInfo":{{"lastRefTime":{refreshed},"#
    );
    Frame::new(naming.response(), "", &json, service)
}

/// A push of a service.
pub(super) fn notify(own_ip: &str, request: u64, refreshed: u64, service: Bytes) -> Frame {
    let json = format!(
        r#"{{"headers":{{}},"requestId":"{request}","module":"naming","serviceInfo":{{"lastRefTime":{refreshed},"#
    );
    Frame::new("NotifySubscriberRequest", own_ip, &json, service)
}

/// `SetupAckRequest`, with the abilities of this server.
pub(super) fn setup_ack(own_ip: &str) -> Frame {
    let json = r#"{"headers":{},"abilityTable":{"supportPersistentInstanceByGrpc":true,"fuzzyWatch":true},"module":"internal"}"#;
    Frame::new("SetupAckRequest", own_ip, json, Bytes::new())
}

/// `ClientDetectionRequest`, which a client that is alive answers.
pub(super) fn detection(own_ip: &str, request: u64) -> Frame {
    let json = format!(r#"{{"headers":{{}},"requestId":"{request}","module":"internal"}}"#);
    Frame::new("ClientDetectionRequest", own_ip, &json, Bytes::new())
}

/// `ConnectResetRequest` without an address: the client connects to any of its servers.
pub(super) fn reset(own_ip: &str, request: u64, connection: &str) -> Frame {
    let json = format!(
        r#"{{"headers":{{}},"requestId":"{request}","connectionId":"{connection}","module":"internal"}}"#
    );
    Frame::new("ConnectResetRequest", own_ip, &json, Bytes::new())
}

/// A message of a fuzzy watch.
pub(super) fn watch(
    own_ip: &str,
    request: u64,
    pattern: &fuzzy::Pattern,
    message: &fuzzy::Message,
) -> Frame {
    let begin =
        format!(r#"{{"headers":{{}},"requestId":"{request}","module":"naming","syncType":"#);
    let kind = |is_added| {
        if is_added {
            "ADD_SERVICE"
        } else {
            "DELETE_SERVICE"
        }
    };
    let key = |name: &fuzzy::Name| {
        let namespace = pattern.namespace();
        quoted(&format!("{namespace}@@{}@@{}", name.group, name.service))
    };
    let text = quoted(pattern.text());
    let (name, json) = match message {
        fuzzy::Message::Change(change) => {
            let (key, kind) = (key(&change.service), kind(change.is_added));
            let json = format!(
                r#"{begin}"FUZZY_WATCH_RESOURCE_CHANGED","serviceKey":{key},"changedType":"{kind}"}}"#
            );
            ("NamingFuzzyWatchChangeNotifyRequest", json)
        }
        fuzzy::Message::Finish => {
            let json = format!(
                r#"{begin}"FINISH_FUZZY_WATCH_INIT_NOTIFY","groupKeyPattern":{text},"contexts":[],"totalBatch":0,"currentBatch":0}}"#
            );
            ("NamingFuzzyWatchSyncRequest", json)
        }
        fuzzy::Message::Sync {
            is_first,
            changes,
            total,
            current,
        } => {
            let sync = if *is_first {
                "FUZZY_WATCH_INIT_NOTIFY"
            } else {
                "FUZZY_WATCH_DIFF_SYNC_NOTIFY"
            };
            let context = |change: &fuzzy::Change| {
                let (key, kind) = (key(&change.service), kind(change.is_added));
                format!(r#"{{"serviceKey":{key},"changedType":"{kind}"}}"#)
            };
            let contexts: Vec<_> = changes.iter().map(context).collect();
            let contexts = contexts.join(",");
            let json = format!(
                r#"{begin}"{sync}","groupKeyPattern":{text},"contexts":[{contexts}],"totalBatch":{total},"currentBatch":{current}}}"#
            );
            ("NamingFuzzyWatchSyncRequest", json)
        }
    };
    Frame::new(name, own_ip, &json, Bytes::new())
}

/// A JSON string with its quotes.
pub(super) fn quoted(text: &str) -> String {
    // Every text can be encoded as JSON.
    serde_json::to_string(text).unwrap_or_else(|_error| "\"\"".to_owned())
}

fn whole(kind: &str, json: &str) -> Frame {
    Frame::new(kind, "", json, Bytes::new())
}
