//! Tests every HTTP route and every RPC that the sources contain. Each is called without credentials, with and without TLS, and
//! must deny the call or be in the reviewed list of public routes.

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

/// The files that may add a route. For a new file, review the access of its routes, and check that the search below finds them.
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

/// The source files below a directory, without their tests.
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

/// The string literals in the sources.
fn literals(below: &str) -> BTreeSet<String> {
    let all = sources(&collector_sources().join(below));
    let lines = all.iter().flat_map(|(_, text)| text.lines());
    let code = lines.filter(|line| !line.trim_start().starts_with("//"));
    let texts = code.flat_map(|line| line.split('"').skip(1).step_by(2));
    texts.map(str::to_owned).collect()
}

/// The HTTP paths among the literals, with parameters filled in.
fn paths(below: &str) -> BTreeSet<String> {
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

/// The paths of gRPC methods among the literals: each `[package.]Service/method` as it is written, and in the package of 8.4 and
/// later.
fn methods(below: &str) -> BTreeSet<String> {
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
    Denied,
    /// The route or method does not exist.
    Absent,
    Answered,
}

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
        let one = match status.as_u16() {
            401 | 403 => Outcome::Denied,
            // The Nacos faces answer an unknown v1 call with 501, or with 400 and the text below.
            404 | 405 | 501 => Outcome::Absent,
            _ if text.contains("not supported") => Outcome::Absent,
            _ => Outcome::Answered,
        };
        // A path counts as answered if any method answers without credentials.
        outcome = match (outcome, one) {
            (Outcome::Answered, _) | (_, Outcome::Answered) => Outcome::Answered,
            (Outcome::Denied, _) | (_, Outcome::Denied) => Outcome::Denied,
            _ => Outcome::Absent,
        };
    }
    outcome
}

async fn grpc_outcome(server: SocketAddr, tls: Tls, path: &str) -> Outcome {
    let stream = connect(server, tls).await.unwrap();
    let status = grpc(stream, path)
        .await
        .unwrap_or_else(|error| panic!("{path}: {error}"));
    match status.as_deref() {
        Some("7") => Outcome::Denied,
        Some("12") => Outcome::Absent,
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

type Tls = Option<std::sync::Arc<rustls::ClientConfig>>;

/// The calls of one face: its name, the prefix of its paths, and the paths.
fn faces() -> Vec<(&'static str, &'static str, BTreeSet<String>)> {
    let registration = paths("api/skywalking/src/http/registration");
    let jetty: BTreeSet<_> = registration
        .into_iter()
        .chain(paths_of("api/skywalking/src/http/registration.rs"))
        .collect();
    let agents = methods("api/skywalking/src/grpc");
    let is_remote = |path: &&String| path.contains("RemoteCommonService");
    let remote = agents.iter().filter(is_remote).cloned().collect();
    let health = ["Check", "Watch"].map(|method| format!("/grpc.health.v1.Health/{method}"));
    let nacos = ["/Request/request", "/BiRequestStream/requestBiStream"].map(str::to_owned);
    vec![
        ("ui", "", paths("api/admin/src")),
        ("naming", "", paths_of("api/skywalking/src/http/naming.rs")),
        ("agent_jetty", "", jetty),
        ("nacos", "/nacos", paths("api/nacos/src/http")),
        ("remote", "", remote),
        ("agent_gRPC", "", agents.into_iter().chain(health).collect()),
        (
            "nacos_gRPC",
            "",
            methods("api/nacos/src/grpc")
                .into_iter()
                .chain(nacos)
                .collect(),
        ),
    ]
}

/// The HTTP paths among the literals of one file.
fn paths_of(file: &str) -> BTreeSet<String> {
    let path = Path::new(file);
    let below = path.parent().unwrap().to_str().unwrap();
    let text = fs::read_to_string(collector_sources().join(file)).expect("a source");
    let here = |path: &String| text.contains(&format!("\"{path}\""));
    paths(below).into_iter().filter(here).collect()
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

fn users(directory: &Path) -> PathBuf {
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
    let users = users(issued.directory.path());
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
    for (face, prefix, paths) in faces() {
        let (_, address) = *listeners.iter().find(|(name, _)| *name == face).unwrap();
        for path in paths {
            let outcomes = outcomes(&issued, face, address, &format!("{prefix}{path}")).await;
            let call = format!("{face} {path}");
            let signs_in = NACOS.contains(&(path.as_str(), "signing in")) && face == "nacos";
            let is_public = PUBLIC.iter().any(|(known, _)| *known == call)
                || (face == "nacos" && open.contains(&path));
            match outcomes {
                [one, other] if one != other => {
                    wrong.push(format!("{call}: {one:?} without TLS, {other:?} with TLS"))
                }
                [Outcome::Answered, _] if is_public => {
                    public.insert(call);
                }
                [Outcome::Answered, _] => {
                    wrong.push(format!("{call}: answered without credentials"))
                }
                [Outcome::Denied, _] if signs_in => {}
                [Outcome::Denied, _] if is_public => {
                    wrong.push(format!("{call}: listed as public, but denied"))
                }
                [Outcome::Denied, _] => denied += 1,
                _ => {}
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
