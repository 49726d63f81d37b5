//! Sends the recorded HTTP calls to a collector, and compares its answers with the recorded ones.

use std::{collections::BTreeMap, net::SocketAddr};

use http::header::CONTENT_TYPE;
use rollcall_tests::nacos::{Http, encoded};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    compare::{self, Difference, differences},
    table::Finding,
};

/// A recorded call with the answer of each server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    id: String,
    method: String,
    path: String,
    #[serde(default)]
    query: BTreeMap<String, String>,
    form: Option<BTreeMap<String, String>>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    answers: BTreeMap<String, Response>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Response {
    status: u16,
    /// The media type, if the answer has one.
    r#type: Option<String>,
    body: String,
}

/// Sends every call, and returns the differences from the recorded answers.
pub(crate) async fn replay(server: SocketAddr, calls: Vec<Call>) -> Vec<Finding> {
    let http = Http::new(server);
    let mut findings = Vec::new();
    for call in calls {
        let ours = call.send(&http).await;
        for (version, theirs) in &call.answers {
            let found = theirs.compared_with(&ours, server.port()).into_iter();
            findings.extend(found.map(|difference| Finding {
                call: call.id.clone(),
                server: version.clone(),
                difference,
            }));
        }
    }
    findings
}

impl Call {
    async fn send(&self, http: &Http) -> Response {
        let pairs = |parameters: &BTreeMap<String, String>| {
            encoded(
                parameters
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str())),
            )
        };
        let mut target = self.path.clone();
        if !self.query.is_empty() {
            target = format!("{target}?{}", pairs(&self.query));
        }
        let mut headers = self.headers.clone();
        headers
            .entry("User-Agent".to_owned())
            .or_insert_with(|| "curl/7.88.1".to_owned());
        let form = self.form.as_ref().map(pairs);
        let reply = http.call(&self.method, &target, form, &headers).await;
        let reply = reply.unwrap_or_else(|error| panic!("{}: {error}", self.id));
        let media = reply.headers.get(CONTENT_TYPE).map(|value| {
            let value = value.to_str().expect("a media type");
            let media = value.split(';').next().unwrap_or_default();
            media.trim().to_ascii_lowercase()
        });
        Response {
            status: reply.status.as_u16(),
            r#type: media,
            body: reply.text(),
        }
    }
}

impl Response {
    fn compared_with(&self, ours: &Self, port: u16) -> Vec<Difference> {
        let mut found = Vec::new();
        let status = |answer: &Self| Value::from(answer.status);
        let media = |answer: &Self| answer.r#type.clone().map(Value::from);
        differences(
            "status",
            Some(&status(self)),
            Some(&status(ours)),
            &mut found,
        );
        differences(
            "type",
            media(self).as_ref(),
            media(ours).as_ref(),
            &mut found,
        );
        let body = |answer: &Self| compare::body(&answer.body, port);
        differences("", Some(&body(self)), Some(&body(ours)), &mut found);
        found
    }
}
