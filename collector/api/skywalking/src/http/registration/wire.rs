//! The JSON of registration with upstream's keys (proto/docs/skywalking.md section 2.3). Unknown keys are skipped; numbers and
//! texts are read as [`gson`] does.

use rollcall_domain::{ApplicationId, inventory::SpanType};
use rollcall_server::face::json::Object;
use rollcall_service::register::OperationRef;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::{
    gson::{self, Number, Text},
    os_info::OsInfoJson,
};

/// The request of `/application/register` and `/networkAddress/register`.
#[derive(Debug)]
pub(super) struct Texts(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts: Vec<Text> = Vec::deserialize(deserializer)?;
        Ok(Self(texts.into_iter().map(|Text(text)| text).collect()))
    }
}

/// An entry of the answer of `/application/register`.
#[derive(Debug, Serialize)]
pub(super) struct Application<'a> {
    pub(super) c: &'a str,
    /// 0 until there is an id.
    pub(super) i: i32,
}

/// The request of `/instance/register`.
#[derive(Debug, Deserialize)]
pub(super) struct NewInstance {
    #[serde(deserialize_with = "gson::number")]
    pub(super) ai: i32,
    #[serde(deserialize_with = "gson::text")]
    pub(super) au: String,
    /// The time of the agent, in milliseconds.
    #[serde(rename = "rt")]
    pub(super) at: Number<i64>,
    pub(super) oi: Object<OsInfoJson>,
}

/// The answer of `/instance/register`.
#[derive(Debug, Serialize)]
pub(super) struct Instance {
    pub(super) ai: i32,
    /// 0 until there is an id.
    pub(super) ii: i32,
}

/// The request of `/instance/heartbeat`.
#[derive(Debug, Deserialize)]
pub(super) struct Heartbeat {
    #[serde(deserialize_with = "gson::number")]
    pub(super) ii: i32,
    /// The time of the agent, in milliseconds.
    #[serde(rename = "ht")]
    pub(super) at: Number<i64>,
}

/// The answer of `/instance/heartbeat`.
#[derive(Debug, Serialize)]
pub(super) struct Done {}

/// An element of the request of `/servicename/discovery`.
#[derive(Debug, Deserialize)]
pub(super) struct ServiceName {
    #[serde(deserialize_with = "gson::number")]
    ai: i32,
    #[serde(deserialize_with = "gson::text")]
    sn: String,
    /// Absent in 3.2.6: entry.
    #[serde(default, deserialize_with = "gson::number")]
    st: i32,
}

/// An entry of the answer of `/servicename/discovery`.
#[derive(Debug, Serialize)]
pub(super) struct Operation<'a> {
    pub(super) si: i32,
    /// The requested element, byte for byte.
    pub(super) el: &'a RawValue,
}

/// An entry of the answer of `/networkAddress/register`.
#[derive(Debug, Serialize)]
pub(super) struct Address<'a> {
    /// 0 until there is an id.
    pub(super) i: i32,
    pub(super) n: &'a str,
}

/// A value of the right type that is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unusable {
    pub(super) key: &'static str,
    pub(super) message: &'static str,
}

// === impl ServiceName ===

impl ServiceName {
    pub(super) fn operation(&self) -> Result<OperationRef<'_>, Unusable> {
        let application = ApplicationId::new(self.ai).ok_or(Unusable {
            key: "ai",
            message: "must not be 0, which stands for no id",
        })?;
        let span_type = match self.st {
            0 => SpanType::Entry,
            1 => SpanType::Exit,
            2 => SpanType::Local,
            _ => {
                return Err(Unusable {
                    key: "st",
                    message: "must be 0 (entry), 1 (exit) or 2 (local)",
                });
            }
        };
        Ok(OperationRef {
            application,
            span_type,
            name: &self.sn,
        })
    }
}
