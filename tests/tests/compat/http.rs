//! The requests over HTTP.

use rollcall_tests::{http, process::Collector};
use serde_json::{Value, json};

use crate::face::{Name, Reply, Request, Sender};

pub(crate) struct Client {
    http: http::Client,
}

impl Client {
    pub(crate) fn new(collector: &Collector) -> Self {
        Self {
            http: collector.http(collector.listeners().jetty),
        }
    }

    pub(crate) async fn send(&self, request: &Request) -> Reply {
        match request {
            Request::Applications(codes) => {
                let answer = self.post("/application/register", json!(codes)).await;
                Self::answer(answer, |reply| Reply::Ids(pairs(&reply, "c")))
            }
            Request::Instance { application, uuid } => {
                let os_info = json!({
                    "osName": "Linux", "hostName": "node1", "processId": 42, "ipv4s": ["10.0.0.1"],
                });
                let instance = json!({
                    "ai": application, "au": uuid, "rt": 1_514_764_800_000_i64, "oi": os_info,
                });
                let answer = self.post("/instance/register", instance).await;
                Self::answer(answer, |reply| {
                    Reply::Instance(id(&reply["ai"]), id(&reply["ii"]))
                })
            }
            Request::Heartbeat(instance) => {
                let heartbeat = json!({"ii": instance, "ht": 1_514_764_800_000_i64});
                let answer = self.post("/instance/heartbeat", heartbeat).await;
                Self::answer(answer, |_| Reply::Done)
            }
            Request::Names(names) => {
                let elements = names.iter().map(element).collect();
                let answer = self.post("/servicename/discovery", elements).await;
                Self::answer(answer, |reply| {
                    Reply::Names(array(&reply).iter().map(named).collect())
                })
            }
            Request::Addresses(addresses) => {
                let answer = self
                    .post("/networkAddress/register", json!(addresses))
                    .await;
                Self::answer(answer, |reply| Reply::Ids(pairs(&reply, "n")))
            }
            Request::Segment(sender) => {
                let answer = self.post("/segments", json!([segment(*sender)])).await;
                Self::answer(answer, |_| Reply::Done)
            }
            Request::Named { service, instance } => {
                let ping = json!({"service": service, "serviceInstance": instance});
                let answer = self.post("/v3/management/keepAlive", ping).await;
                Self::answer(answer, |_| Reply::Done)
            }
        }
    }

    /// The JSON of a 200; `None` for a 400.
    async fn post(&self, path: &str, body: Value) -> Option<Value> {
        let reply = self.http.post(path, body.to_string()).await;
        let reply = reply.expect("a reply");
        match reply.status.as_u16() {
            200 if reply.body.is_empty() => Some(Value::Null),
            200 => Some(reply.json()),
            400 => None,
            _ => panic!("{reply:?}"),
        }
    }

    fn answer(reply: Option<Value>, ok: impl FnOnce(Value) -> Reply) -> Reply {
        reply.map_or(Reply::Refused, ok)
    }
}

fn array(reply: &Value) -> &[Value] {
    reply.as_array().expect("an array")
}

fn id(value: &Value) -> i32 {
    let id = value.as_i64().expect("a number");
    id.try_into().expect("an id")
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// The keys with their ids, without keys whose id is 0.
fn pairs(reply: &Value, key: &str) -> Vec<(String, i32)> {
    let pairs = array(reply)
        .iter()
        .map(|entry| (text(&entry[key]), id(&entry["i"])));
    pairs.filter(|(_, id)| *id != 0).collect()
}

fn element(name: &Name) -> Value {
    json!({"ai": name.application, "sn": name.name, "st": name.span_type})
}

fn named(mapping: &Value) -> (Name, i32) {
    let element = &mapping["el"];
    let name = Name {
        application: id(&element["ai"]),
        span_type: id(&element["st"]),
        name: text(&element["sn"]),
    };
    (name, id(&mapping["si"]))
}

/// A segment of one span, with the keys that both generations share.
fn segment(sender: Sender) -> Value {
    json!({
        "gt": [[1, 2, 3]],
        "sg": {
            "ts": [1, 2, 3],
            "ai": sender.application,
            "ii": sender.instance,
            "ss": [{
                "si": 0, "tv": 0, "lv": 0, "ps": -1, "st": 1, "et": 2, "ci": 0, "cn": "",
                "oi": sender.operation, "on": "", "pi": 0, "pn": "", "ie": false, "to": [], "lo": [],
            }],
        },
    })
}
