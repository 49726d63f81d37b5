//! Tests that no route or RPC answers a caller without credentials, except the reviewed ones in [`public`].
//!
//! The test reads the routes from the sources of the collector: every string literal that looks like an HTTP path or like the name
//! of a gRPC method. So a new route is tested without a change here. It calls each one without credentials at a collector that
//! requires them on every face, once without TLS and once with TLS. Both calls must have the same outcome: denied, or, if the route
//! is public, answered. A literal that is no route has the outcome "absent" and is ignored.
//!
//! Three checks detect a search that misses routes: the files that add routes are listed, the public routes must exist, and the
//! number of denied calls has a lower bound. The tests of each face check which right a call needs.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use http::Method;
use rollcall_tests::process::collector_binary;

use super::peer::{Issued, connect, grpc, http1, listeners};
use public::{NACOS, PUBLIC};

mod public;

/// The files that add routes. For a new file, review the access of its routes, and check that this test finds them.
const ROUTERS: [&str; 10] = [
    "api/admin/src/console.rs",
    "api/admin/src/lib.rs",
    "api/admin/src/starting.rs",
    "api/nacos/src/grpc/unary.rs",
    "api/skywalking/src/grpc/reflection.rs",
    "api/skywalking/src/grpc/remote.rs",
    "api/skywalking/src/grpc/telemetry.rs",
    "api/skywalking/src/grpc/unary.rs",
    "api/skywalking/src/http/naming.rs",
    "api/skywalking/src/http/registration/routes.rs",
];

fn collector_sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../collector")
}

/// The source files below a directory with their texts, without tests.
fn sources(below: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).expect("a directory of sources") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() && !["tests", "target", "console", "node_modules"].contains(&name.as_str())
        {
            found.extend(sources(&path));
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = fs::read_to_string(&path).expect("a source");
            let text = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .unwrap_or_default();
            found.push((path, text.to_owned()));
        }
    }
    found
}

/// The string literals in the sources below a directory of the collector.
fn literals(below: &str) -> BTreeSet<String> {
    let all = sources(&collector_sources().join(below));
    let lines = all.iter().flat_map(|(_, text)| text.lines());
    let code = lines.filter(|line| !line.trim_start().starts_with("//"));
    let texts = code.flat_map(|line| line.split('"').skip(1).step_by(2));
    texts.map(str::to_owned).collect()
}

/// The HTTP paths in the sources below a directory, with parameters filled in.
fn http_paths(below: &str) -> BTreeSet<String> {
    let is_path = |text: &String| {
        text.starts_with('/')
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"/-_.{}*".contains(&byte))
    };
    let found = literals(below).into_iter().filter(is_path);
    found
        .map(|path| path.replace("{id}", "1").replace('*', "1"))
        .collect()
}

/// The HTTP paths in one source file, with parameters filled in.
fn http_paths_in(file: &str) -> BTreeSet<String> {
    let directory = Path::new(file).parent().unwrap().to_str().unwrap();
    let text = fs::read_to_string(collector_sources().join(file)).expect("a source");
    let is_here = |path: &String| text.contains(&format!("\"{path}\""));
    http_paths(directory).into_iter().filter(is_here).collect()
}

/// The paths of the gRPC methods in the sources below a directory: each `[package.]Service/method` as it is written, and in the
/// package of 8.4 and later.
fn grpc_paths(below: &str) -> BTreeSet<String> {
    let is_method = |text: &String| {
        let Some((service, method)) = text.split_once('/') else {
            return false;
        };
        let name = service.rsplit('.').next().unwrap_or_default();
        let is_name = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
        };
        name.starts_with(|first: char| first.is_ascii_uppercase())
            && is_name(service)
            && is_name(method)
            && !method.is_empty()
    };
    let found = literals(below).into_iter().filter(is_method);
    found
        .flat_map(|path| [format!("/{path}"), format!("/skywalking.v3.{path}")])
        .collect()
}

/// The outcome of a call without credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Refused for lack of credentials.
    Denied,
    /// The route or method does not exist.
    Absent,
    Answered,
}

/// The settings of a client with TLS; `None` for a plain connection.
type Tls = Option<std::sync::Arc<rustls::ClientConfig>>;

/// The outcome of a path over HTTP/1: answered if it answers any method, otherwise denied if it denies any.
async fn http_outcome(server: SocketAddr, tls: Tls, path: &str) -> Outcome {
    let mut outcome = Outcome::Absent;
    for method in [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
    ] {
        let stream = connect(server, tls.clone()).await.unwrap();
        let answer = http1(stream, method.clone(), path, "").await;
        let (status, text) = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let of_method = match status.as_u16() {
            401 | 403 => Outcome::Denied,
            // The Nacos faces answer an unknown v1 call with 501, or with 400 and the text below.
            404 | 405 | 501 => Outcome::Absent,
            _ if text.contains("not supported") => Outcome::Absent,
            _ => Outcome::Answered,
        };
        outcome = match (outcome, of_method) {
            (Outcome::Answered, _) | (_, Outcome::Answered) => Outcome::Answered,
            (Outcome::Denied, _) | (_, Outcome::Denied) => Outcome::Denied,
            _ => Outcome::Absent,
        };
    }
    outcome
}

/// The outcome of a gRPC method, by the status of an empty call.
async fn grpc_outcome(server: SocketAddr, tls: Tls, path: &str) -> Outcome {
    let stream = connect(server, tls).await.unwrap();
    let status = grpc(stream, path)
        .await
        .unwrap_or_else(|error| panic!("{path}: {error}"));
    match status.as_deref() {
        Some("7") => Outcome::Denied,  // PERMISSION_DENIED
        Some("12") => Outcome::Absent, // UNIMPLEMENTED
        _ => Outcome::Answered,
    }
}

fn is_grpc(face: &str) -> bool {
    face.ends_with("gRPC") || face == "remote"
}

/// The outcomes of a call without TLS and with TLS.
async fn outcomes(issued: &Issued, face: &str, server: SocketAddr, path: &str) -> [Outcome; 2] {
    if is_grpc(face) {
        let tls = Some(issued.authority.client(None, b"h2"));
        let plain = grpc_outcome(server, None, path).await;
        [plain, grpc_outcome(server, tls, path).await]
    } else {
        let tls = Some(issued.authority.client(None, b"http/1.1"));
        let plain = http_outcome(server, None, path).await;
        [plain, http_outcome(server, tls, path).await]
    }
}

/// The calls of every face: its name, the prefix of its paths, and the paths.
fn calls() -> Vec<(&'static str, &'static str, BTreeSet<String>)> {
    let naming = http_paths_in("api/skywalking/src/http/naming.rs");
    let mut jetty = http_paths("api/skywalking/src/http/registration");
    jetty.extend(http_paths_in("api/skywalking/src/http/registration.rs"));
    let mut agents = grpc_paths("api/skywalking/src/grpc");
    let is_remote = |path: &&String| path.contains("RemoteCommonService");
    let remote = agents.iter().filter(is_remote).cloned().collect();
    // Not all of these methods are literals in the sources.
    agents.extend(["Check", "Watch"].map(|method| format!("/grpc.health.v1.Health/{method}")));
    let mut nacos = grpc_paths("api/nacos/src/grpc");
    nacos.extend(["/Request/request", "/BiRequestStream/requestBiStream"].map(str::to_owned));
    vec![
        ("ui", "", http_paths("api/admin/src")),
        ("naming", "", naming),
        ("agent_jetty", "", jetty),
        ("nacos", "/nacos", http_paths("api/nacos/src/http")),
        ("remote", "", remote),
        ("agent_gRPC", "", agents),
        ("nacos_gRPC", "", nacos),
    ]
}

/// The calls that the tables of the Nacos face declare as `Open`.
fn open_calls() -> BTreeSet<String> {
    let all = sources(&collector_sources().join("api/nacos/src/http"));
    let lines = all.iter().flat_map(|(_, text)| text.lines());
    let open = lines.filter_map(|line| {
        let (before, after) = line.split_once("\" ")?;
        let is_open = after.split_whitespace().next() == Some("Open");
        is_open.then(|| before.rsplit('"').next().unwrap_or_default().to_owned())
    });
    open.collect()
}

/// Writes a file with one Nacos user, so that the Nacos face requires credentials.
fn write_users(directory: &Path) -> PathBuf {
    let mut child = Command::new(collector_binary())
        .args(["nacos", "hash-password"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "s3cret").unwrap();
    let output = child.wait_with_output().unwrap();
    let hash = String::from_utf8(output.stdout).unwrap();
    let path = directory.join("users");
    fs::write(&path, format!("root {} admin\n", hash.trim())).unwrap();
    path
}

#[test]
fn every_file_that_adds_routes_is_known() {
    let root = collector_sources();
    let mut found = BTreeSet::new();
    for below in ["api", "src"] {
        for (path, text) in sources(&root.join(below)) {
            if text.contains(".route(") {
                let path = path.strip_prefix(&root).unwrap();
                found.insert(path.to_string_lossy().into_owned());
            }
        }
    }
    let known: BTreeSet<_> = ROUTERS.map(str::to_owned).into();
    assert_eq!(
        found, known,
        "review the access of the routes in a new file, and check that this test finds them"
    );
}

#[tokio::test]
async fn every_route_and_rpc_denies_callers_without_credentials_or_is_public() {
    let issued = Issued::new();
    let users = write_users(issued.directory.path());
    let collector = issued
        .options("optional")
        .env("SW_UI_JETTY_TOKEN", "t0ken-of-the-operator")
        .env("SW_AUTHENTICATION", "t0ken")
        .env("SW_AGENT_JETTY_AUTHENTICATION", "t0ken")
        .env("SW_NACOS_USERS_FILE", users.to_str().unwrap())
        .start();
    let mut collector = collector.await;
    collector.expect_log("faces that still serve connections without TLS");
    let listeners = listeners(&collector).await;
    let open = open_calls();
    let reviewed: BTreeSet<_> = NACOS.map(|(path, _)| path.to_owned()).into();
    assert_eq!(
        open, reviewed,
        "review the calls that every caller of the Nacos face may make"
    );
    let (mut denied, mut wrong) = (0, Vec::new());
    let mut public: BTreeSet<String> = BTreeSet::new();
    for (face, prefix, paths) in calls() {
        let (_, address) = *listeners.iter().find(|(name, _)| *name == face).unwrap();
        for path in paths {
            let [plain, tls] = outcomes(&issued, face, address, &format!("{prefix}{path}")).await;
            let call = format!("{face} {path}");
            let is_open = face == "nacos" && open.contains(&path);
            let is_public = is_open || PUBLIC.iter().any(|(known, _)| *known == call);
            // A sign-in is open, and denies a caller without a user.
            let is_sign_in = is_open && NACOS.contains(&(path.as_str(), "signing in"));
            match plain {
                _ if plain != tls => {
                    wrong.push(format!("{call}: {plain:?} without TLS, {tls:?} with TLS"));
                }
                Outcome::Absent => {}
                Outcome::Answered if is_public => {
                    public.insert(call);
                }
                Outcome::Answered => wrong.push(format!("{call}: answered without credentials")),
                Outcome::Denied if is_sign_in => {}
                Outcome::Denied if is_public => {
                    wrong.push(format!("{call}: listed as public, but denied"));
                }
                Outcome::Denied => denied += 1,
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (known, _) in PUBLIC {
        assert!(
            public.contains(known),
            "{known} is listed as public, but does not exist"
        );
    }
    assert!(denied > 150, "only {denied} calls were found");
}
