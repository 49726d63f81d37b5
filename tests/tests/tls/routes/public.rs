//! The reviewed lists of routes that need no credentials.

/// The public routes of all faces except Nacos over HTTP, each with the reason.
pub(super) const PUBLIC: [(&str, &str); 15] = [
    (
        "ui /",
        "the page of the console: no data, prompts for the credentials",
    ),
    ("ui /console/console.js", "a file of that page"),
    ("ui /console/console.css", "a file of that page"),
    ("ui /console/icon.svg", "a file of that page"),
    ("ui /favicon.ico", "an empty answer"),
    ("ui /livez", "a probe: no data"),
    (
        "ui /readyz",
        "a probe: conditions of this process, no data of agents",
    ),
    (
        "naming /agent/gRPC",
        "agents of every generation call it without a token; the list has addresses only",
    ),
    ("naming /agent/jetty", "the same"),
    ("naming /ui/jetty", "the same"),
    ("naming /agentstream/grpc", "the same"),
    (
        "agent_gRPC /grpc.health.v1.Health/Check",
        "a probe: no data",
    ),
    ("agent_gRPC /grpc.health.v1.Health/Watch", "the same"),
    (
        "nacos_gRPC /Request/request",
        "an envelope: rights are checked by the kind of the message in it",
    ),
    ("nacos_gRPC /BiRequestStream/requestBiStream", "the same"),
];

/// The calls that the tables of the Nacos face declare as open, each with the reason.
pub(super) const NACOS: [(&str, &str); 33] = [
    (
        "/serverlist",
        "the addresses of servers, which clients request before they sign in",
    ),
    ("/v1/auth/login", "signing in"),
    ("/v1/auth/users/login", "signing in"),
    ("/v1/console/health/liveness", "a probe"),
    ("/v1/console/health/readiness", "a probe"),
    (
        "/v1/console/server/state",
        "version and mode, which clients request before they sign in",
    ),
    ("/v1/ns/health/checkers", "a fixed list of names"),
    ("/v1/ns/health/server", "a probe"),
    (
        "/v1/ns/operator/metrics",
        "counts only; the reference leaves it open",
    ),
    (
        "/v1/ns/ops/metrics",
        "counts only; the reference leaves it open",
    ),
    (
        "/v1/ns/raft/datum",
        "refused for every caller: there is no raft here",
    ),
    (
        "/v1/ns/raft/leader",
        "refused for every caller: there is no raft here",
    ),
    (
        "/v1/ns/raft/peer",
        "refused for every caller: there is no raft here",
    ),
    (
        "/v1/ns/raft/state",
        "refused for every caller: there is no raft here",
    ),
    (
        "/v1/ns/raft/vote",
        "refused for every caller: there is no raft here",
    ),
    ("/v1/ns/service/selector/types", "a fixed list of names"),
    ("/v2/console/health/liveness", "a probe"),
    ("/v2/console/health/readiness", "a probe"),
    (
        "/v2/console/server/state",
        "version and mode, which clients request before they sign in",
    ),
    ("/v2/core/cluster/node/self/health", "a probe"),
    (
        "/v2/ns/operator/metrics",
        "counts only; the reference leaves it open",
    ),
    (
        "/v2/ns/ops/metrics",
        "counts only; the reference leaves it open",
    ),
    ("/v3/admin/core/cluster/node/self/health", "a probe"),
    (
        "/v3/admin/core/state",
        "version and mode, which clients request before they sign in",
    ),
    ("/v3/admin/core/state/liveness", "a probe"),
    ("/v3/admin/core/state/readiness", "a probe"),
    ("/v3/admin/ns/health/checkers", "a fixed list of names"),
    (
        "/v3/admin/ns/ops/metrics",
        "counts only; the reference leaves it open",
    ),
    (
        "/v3/admin/ns/service/selector/types",
        "a fixed list of names",
    ),
    ("/v3/auth/user/login", "signing in"),
    ("/v3/console/health/liveness", "a probe"),
    ("/v3/console/health/readiness", "a probe"),
    (
        "/v3/console/server/state",
        "version and mode, which clients request before they sign in",
    ),
];
