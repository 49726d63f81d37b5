//! A service with its hosts as JSON: the part that all its consumers share.
//!
//! The text starts inside the object, after the field `lastRefTime`, whose value differs between messages. It runs to the end of
//! the message.

use std::io::Write as _;

use rollcall_domain::catalog::{Host, ServiceView};

use crate::render::Terms;

#[cfg(test)]
mod tests;

/// How long a client may use a list without a refresh, in milliseconds.
const CACHE: u32 = 10_000;

/// The approximate size of a host without its metadata, in bytes.
const HOST: usize = 400;

/// Encodes a service.
pub(super) fn encode(view: &ServiceView) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + view.hosts.len() * HOST);
    let (group, name) = (view.key.group(), view.key.name());
    put_text(&mut out, "\"name\":", name);
    put_text(&mut out, ",\"groupName\":", group);
    put_text(&mut out, ",\"clusters\":", view.clusters.as_str());
    put(
        &mut out,
        format_args!(",\"cacheMillis\":{CACHE},\"hosts\":["),
    );
    let service = Escaped::of(&format!("{group}@@{name}"));
    for (index, host) in view.hosts.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        put_host(&mut out, host, &service);
    }
    let is_protected = view.reach_protection_threshold;
    // 2.x and 3.x spell the flag differently.
    put(
        &mut out,
        format_args!(
            "],\"checksum\":\"\",\"allIPs\":false,\"allIps\":false,\"reachProtectionThreshold\":{is_protected},\"valid\":true}}}}"
        ),
    );
    out
}

fn put_host(out: &mut Vec<u8>, host: &Host, service: &Escaped) {
    let endpoint = &host.endpoint;
    let (port, service) = (endpoint.port, &service.0);
    let cluster = Escaped::of(&endpoint.cluster).0;
    let ip = Escaped::of(&endpoint.ip).0;
    out.push(b'{');
    match &host.instance_id {
        Some(id) => put_text(out, "\"instanceId\":", id),
        None => put(
            out,
            format_args!("\"instanceId\":\"{ip}#{port}#{cluster}#{service}\""),
        ),
    }
    let (weight, healthy, enabled) = (host.weight, host.healthy, host.enabled);
    let ephemeral = host.kind.is_ephemeral();
    put(
        out,
        format_args!(
            ",\"ip\":\"{ip}\",\"port\":{port},\"weight\":{weight:?},\"healthy\":{healthy},\"enabled\":{enabled},\"ephemeral\":{ephemeral}"
        ),
    );
    put(
        out,
        format_args!(
            ",\"clusterName\":\"{cluster}\",\"serviceName\":\"{service}\",\"metadata\":{{"
        ),
    );
    for (index, (key, value)) in host.metadata.iter().enumerate() {
        put_text(out, if index > 0 { "," } else { "" }, key);
        put_text(out, ":", value);
    }
    let terms = Terms::of(&host.metadata);
    put(
        out,
        format_args!(
            "}},\"instanceHeartBeatInterval\":{},\"instanceHeartBeatTimeOut\":{},\"ipDeleteTimeout\":{}}}",
            terms.interval, terms.unhealthy_after, terms.removed_after,
        ),
    );
}

/// A text escaped for JSON, without quotes.
struct Escaped(String);

impl Escaped {
    fn of(text: &str) -> Self {
        let is_plain = |c: char| c >= ' ' && c != '"' && c != '\\';
        if text.chars().all(is_plain) {
            return Self(text.to_owned());
        }
        let quoted = super::answer::quoted(text);
        let inner = quoted.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
        Self(inner.unwrap_or_default().to_owned())
    }
}

fn put_text(out: &mut Vec<u8>, before: &str, text: &str) {
    out.extend_from_slice(before.as_bytes());
    if serde_json::to_writer(out, text).is_err() {
        tracing::error!("cannot write a text to memory");
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    if out.write_fmt(text).is_err() {
        tracing::error!("cannot write a text to memory");
    }
}
