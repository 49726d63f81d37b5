//! Which caller may make which call, with authentication.

use serde_json::json;

use super::*;
use crate::auth::parse_users;

fn server() -> Server {
    let hash = bcrypt::hash("s3cret", 4).unwrap();
    let users = format!("root {hash} admin\norders {hash} public=rw dev=r public/OTHER=r");
    let auth = Auth::new(parse_users(&users).unwrap(), &[7; 32], 18_000).unwrap();
    Server::with(auth)
}

const REGISTER: &str = "POST /v1/ns/instance?serviceName=a&ip=10.0.0.1&port=80";

async fn token(server: &Server, user: &str) -> String {
    let login = format!("POST /v1/auth/users/login?username={user}");
    let session = server.form(&login, "password=s3cret").await.json();
    assert_eq!(session["tokenTtl"], 18_000);
    assert_eq!(session["globalAdmin"], user == "root");
    session["accessToken"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_caller_signs_in_on_each_path_and_in_each_place() {
    let server = server();
    for path in [
        "/v1/auth/login",
        "/v1/auth/users/login",
        "/v3/auth/user/login",
    ] {
        for (query, form) in [
            ("?username=orders&password=s3cret", ""),
            ("?username=orders", "password=s3cret"),
            ("", "username=orders&password=s3cret"),
        ] {
            let session = server
                .form(&format!("POST {path}{query}"), form)
                .await
                .json();
            assert_eq!(session["username"], "orders", "{path} {query}");
        }
        let refused = server
            .form(&format!("POST {path}"), "username=orders&password=wrong")
            .await;
        refused.is(403, "unknown user!");
    }
}

#[tokio::test]
async fn a_token_or_a_password_admits_a_call_and_nothing_else_does() {
    let server = server();
    let token = token(&server, "orders").await;
    for (suffix, headers) in [
        (format!("&accessToken={token}"), vec![]),
        (
            String::new(),
            vec![("authorization", format!("Bearer {token}"))],
        ),
        ("&username=orders&password=s3cret".to_owned(), vec![]),
    ] {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        server
            .send(&format!("{REGISTER}{suffix}"), "", &headers)
            .await
            .is_ok();
    }
    for (suffix, agent, message) in [
        ("", "curl", "unknown user!"),
        ("", "Nacos-Server", "unknown user!"), // CVE-2021-29441
        ("&username=nacos&password=nacos", "curl", "unknown user!"),
        ("&username=orders&password=wrong", "curl", "unknown user!"),
        ("&accessToken=x.y.z", "curl", "token invalid!"),
        ("&accessToken=AUTH_DISABLED", "curl", "token invalid!"),
    ] {
        let refused = server
            .send(&format!("{REGISTER}{suffix}"), "", &[("user-agent", agent)])
            .await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{suffix} {agent}");
        assert_eq!(refused.json()["message"], message);
    }
}

#[tokio::test]
async fn rights_are_those_of_the_namespace_and_the_group() {
    let server = server();
    let token = token(&server, "orders").await;
    for (call, status) in [
        ("POST /v1/ns/instance?serviceName=a&ip=1.1.1.1&port=1", 200),
        (
            "POST /v1/ns/instance?serviceName=a&ip=1.1.1.1&port=1&namespaceId=dev",
            403,
        ),
        (
            "PUT /v1/ns/instance/beat?serviceName=a&ip=1.1.1.1&port=1&namespaceId=dev",
            403,
        ),
        (
            "GET /v1/ns/instance/list?serviceName=a&namespaceId=dev",
            200,
        ),
        (
            "GET /v1/ns/instance/list?serviceName=a&namespaceId=prod",
            403,
        ),
        (
            "GET /v1/ns/service/list?pageNo=1&pageSize=10&namespaceId=prod",
            403,
        ),
        (
            "GET /v2/ns/instance/list?serviceName=a&namespaceId=prod",
            403,
        ),
        (
            "DELETE /v3/client/ns/instance?serviceName=a&ip=1.1.1.1&port=1&namespaceId=dev",
            403,
        ),
        // Rights are checked for the group in `serviceName`, not for the one in `groupName`.
        (
            "POST /v1/ns/instance?serviceName=X@@a&groupName=DEFAULT_GROUP&ip=1.1.1.1&port=1",
            200,
        ),
        ("GET /v1/console/namespaces", 403),
        (
            "PUT /v1/ns/operator/switches?entry=pushEnabled&value=false",
            403,
        ),
        ("GET /v3/admin/ns/client/list", 403),
        ("GET /v1/ns/operator/metrics", 200),
        ("GET /v1/console/health/readiness", 200),
    ] {
        let separator = if call.contains('?') { '&' } else { '?' };
        let answered = server
            .call(&format!("{call}{separator}accessToken={token}"))
            .await;
        assert_eq!(
            answered.status.as_u16(),
            status,
            "{call}: {}",
            answered.text
        );
    }
}

/// Every call authenticates its caller, except sign-in, the probes, the calls about the server itself (state, metrics, raft, list
/// of servers), and the lists of health checkers and selector types.
#[tokio::test]
async fn only_the_listed_calls_are_open() {
    let open: Vec<_> = all_routes()
        .filter(|route| route.access == Access::Open)
        .map(|route| route.path)
        .filter(|path| {
            ![
                "login",
                "health",
                "liveness",
                "readiness",
                "metrics",
                "state",
                "raft",
                "serverlist",
            ]
            .iter()
            .any(|word| path.contains(word))
        })
        .collect();
    assert_eq!(
        open,
        [
            "/v1/ns/service/selector/types",
            "/v3/admin/ns/service/selector/types"
        ]
    );
    let server = server();
    for route in all_routes().filter(|route| route.access != Access::Open) {
        let method = if route.method == "*" {
            "GET"
        } else {
            route.method
        };
        let path = route.path.replace('*', "public%23%23a");
        let refused = server.call(&format!("{method} {path}")).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{method} {path}");
        assert_eq!(refused.json()["message"], json!("unknown user!"));
    }
}
