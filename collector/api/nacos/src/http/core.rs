//! This server for clients and consoles: its state, its members, the probes.

use axum::{
    body::Body,
    http::{Response, StatusCode},
};
use serde_json::{Value, json};

use super::{
    Face,
    fault::{Fault, Generation},
    reply::{self, Reply},
    request::Request,
    routes::{Route, routes},
};

pub(super) fn routes() -> Vec<Route> {
    routes! {
        GET "/v1/console/server/state" Open Always state;
        GET "/v2/console/server/state" Open Always state;
        GET "/v3/admin/core/state" Open Always state;
        GET "/v3/console/server/state" Open Always state;
        GET "/v1/console/health/liveness" Open Always liveness;
        GET "/v2/console/health/liveness" Open Always liveness;
        GET "/v3/admin/core/state/liveness" Open Always liveness;
        GET "/v3/console/health/liveness" Open Always liveness;
        GET "/v1/console/health/readiness" Open Always readiness;
        GET "/v2/console/health/readiness" Open Always readiness;
        GET "/v3/admin/core/state/readiness" Open Always readiness;
        GET "/v3/console/health/readiness" Open Always readiness;
        GET "/v1/core/cluster/nodes" Admin Always members;
        GET "/v2/core/cluster/node/list" Admin Always members;
        GET "/v3/admin/core/cluster/node/list" Admin Always members;
        GET "/v3/console/core/cluster/nodes" Admin Always members;
        GET "/v1/core/cluster/self" Admin Always member;
        GET "/v2/core/cluster/node/self" Admin Always member;
        GET "/v3/admin/core/cluster/node/self" Admin Always member;
        GET "/v2/core/cluster/node/self/health" Open Always health;
        GET "/v3/admin/core/cluster/node/self/health" Open Always health;
        GET "/v1/ns/operator/servers" Admin Always servers;
        GET "/v1/ns/operator/distro/status" Admin Always distro_status;
        GET "/v1/ns/operator/distro/server" Read Always distro_server;
        GET "/v1/ns/operator/distro/client" ReadNamespace Always responsible;
        GET "/v3/admin/ns/client/distro" ReadNamespace Always responsible;
        GET "/serverlist" Open Always server_list;
        GET "/v3/admin/core/loader/current" Admin Always loader;
    }
    .into()
}

/// The version of the reference that this server reports to a generation.
const fn version(generation: Generation) -> &'static str {
    match generation {
        Generation::V1 => "1.4.8",
        Generation::V2 => "2.5.1",
        Generation::V3 => "3.0.3",
    }
}

async fn state(face: &Face, request: &Request<'_>) -> Reply {
    let version = version(request.generation);
    let state = if request.generation == Generation::V1 {
        json!({ "version": version, "standalone_mode": "standalone", "function_mode": null })
    } else {
        json!({
            "version": version,
            "startup_mode": "standalone",
            "function_mode": "naming",
            "server_port": face.settings.port.to_string(),
            "auth_enabled": face.auth.is_on().to_string(),
            "auth_system_type": "nacos",
            "auth_admin_request": "false",
            "console_ui_enabled": "false",
            "login_page_enabled": face.auth.is_on().to_string(),
        })
    };
    Ok(reply::data(request.generation, &state))
}

async fn liveness(_: &Face, request: &Request<'_>) -> Reply {
    Ok(well(request.generation))
}

/// Reports that the server is not ready while reads are refused.
async fn readiness(face: &Face, request: &Request<'_>) -> Reply {
    if face.catalog.is_complete() {
        Ok(well(request.generation))
    } else {
        Err(Fault::Loading)
    }
}

fn well(generation: Generation) -> Response<Body> {
    match generation {
        Generation::V1 => reply::text(StatusCode::OK, "OK"),
        Generation::V2 | Generation::V3 => reply::success(&"ok"),
    }
}

async fn health(face: &Face, _: &Request<'_>) -> Reply {
    Ok(reply::success(&face.status()))
}

fn own(face: &Face, request: &Request<'_>) -> Value {
    let settings = &face.settings;
    json!({
        "ip": settings.host,
        "port": settings.port,
        "state": face.status(),
        "extendInfo": {
            "lastRefreshTime": request.now_millis,
            "version": version(request.generation),
        },
        "address": face.address(),
        "failAccessCnt": 0,
    })
}

async fn members(face: &Face, request: &Request<'_>) -> Reply {
    Ok(reply::result(request.generation, &[own(face, request)]))
}

async fn member(face: &Face, request: &Request<'_>) -> Reply {
    Ok(reply::result(request.generation, &own(face, request)))
}

async fn servers(face: &Face, request: &Request<'_>) -> Reply {
    Ok(reply::json(&json!({ "servers": [own(face, request)] })))
}

async fn distro_status(face: &Face, request: &Request<'_>) -> Reply {
    Ok(reply::json(&json!({ "status": [own(face, request)] })))
}

async fn distro_server(face: &Face, request: &Request<'_>) -> Reply {
    request.service()?;
    responsible(face, request).await
}

async fn responsible(face: &Face, request: &Request<'_>) -> Reply {
    let server = json!({ "responsibleServer": face.address() });
    Ok(reply::data(request.generation, &server))
}

/// One `host:port` on each line, for clients that are configured with an endpoint.
async fn server_list(face: &Face, _: &Request<'_>) -> Reply {
    let list = format!("{}\r\n", face.address());
    Ok(reply::text(StatusCode::OK, list))
}

async fn loader(_: &Face, _: &Request<'_>) -> Reply {
    Ok(reply::success(&json!({})))
}

impl Face {
    fn address(&self) -> String {
        let settings = &self.settings;
        match settings.host.parse::<std::net::Ipv6Addr>() {
            Ok(ip) => format!("[{ip}]:{}", settings.port),
            Err(_no_ipv6) => format!("{}:{}", settings.host, settings.port),
        }
    }
}
