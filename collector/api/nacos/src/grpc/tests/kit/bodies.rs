//! The bodies of requests and of answers.

use serde_json::{Value, json};

use crate::grpc::wire::Payload;

pub(in crate::grpc::tests) fn read(payload: Payload) -> (String, Value) {
    let body = serde_json::from_slice(&payload.body.unwrap().value).unwrap();
    (payload.metadata.unwrap().r#type, body)
}

pub(in crate::grpc::tests) fn ports(service: &Value) -> Vec<i64> {
    let hosts = service["hosts"].as_array().unwrap();
    hosts
        .iter()
        .map(|host| host["port"].as_i64().unwrap())
        .collect()
}

pub(in crate::grpc::tests) fn setup() -> Value {
    json!({
        "requestId": null, "clientVersion": "Nacos-Java-Client:v2.5.1", "tenant": "public", "module": "internal",
        "labels": {"source": "sdk", "module": "naming", "AppName": "shop"}, "abilityTable": {},
    })
}

pub(in crate::grpc::tests) fn of(service: &str) -> Value {
    json!({"requestId": null, "module": "naming", "namespace": "public", "groupName": "DEFAULT_GROUP", "serviceName": service})
}

pub(in crate::grpc::tests) fn with(mut body: Value, fields: Value) -> Value {
    let fields = fields.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    body
}

pub(in crate::grpc::tests) fn host(port: u16) -> Value {
    json!({
        "ip": "10.0.0.1", "port": port, "weight": 1.0, "healthy": true, "enabled": true, "ephemeral": true,
        "clusterName": "DEFAULT", "metadata": {"k": "v"},
    })
}

pub(in crate::grpc::tests) fn instance(service: &str, kind: &str, port: u16) -> Value {
    with(of(service), json!({"type": kind, "instance": host(port)}))
}

pub(in crate::grpc::tests) fn batch(service: &str, ports: &[u16]) -> Value {
    let hosts: Vec<_> = ports.iter().map(|port| host(*port)).collect();
    with(
        of(service),
        json!({"type": "batchRegisterInstance", "instances": hosts}),
    )
}

pub(in crate::grpc::tests) fn subscribe(service: &str, clusters: &str) -> Value {
    with(
        of(service),
        json!({"subscribe": true, "clusters": clusters}),
    )
}
