//! A client for HTTP/1 and gRPC, with or without TLS, and the options of the collector that it calls.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rollcall_tests::process::{Collector, Options};
use rollcall_tls::{
    Files,
    testing::{Authority, Signed},
};
use rustls::{ClientConfig, pki_types::ServerName};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// The longest wait for an answer, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection with or without TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An authority, and the files of a certificate that it signed.
pub(crate) struct Issued {
    pub(crate) authority: Authority,
    pub(crate) files: Files,
    pub(crate) directory: TempDir,
}

impl Issued {
    pub(crate) fn new() -> Self {
        let (authority, directory) = (Authority::new("own"), TempDir::new().unwrap());
        let files = authority.write(directory.path()).unwrap();
        Self {
            authority,
            files,
            directory,
        }
    }

    /// The options of a collector with this certificate, whose faces all use the TLS mode `mode`. Only the admin face also serves
    /// probes without TLS.
    pub(crate) fn options(&self, mode: &str) -> Options {
        options(&self.files, mode)
    }
}

/// The options of a collector with the certificate in these files, as in [`Issued::options`].
pub(crate) fn options(files: &Files, mode: &str) -> Options {
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let mut options = Collector::options()
        .env("SW_CORE_GRPC_SSL_ENABLED", "true")
        .env("SW_CORE_GRPC_SSL_CERT_CHAIN_PATH", path(&files.cert_chain))
        .env("SW_CORE_GRPC_SSL_KEY_PATH", path(&files.key))
        .env("SW_CORE_GRPC_SSL_TRUSTED_CA_PATH", path(&files.trusted_ca))
        .env("SW_UI_JETTY_TLS", "optional");
    for face in [
        "NAMING_JETTY",
        "REMOTE_GRPC",
        "AGENT_GRPC",
        "AGENT_JETTY",
        "NACOS",
    ] {
        options = options.env(format!("SW_{face}_TLS"), mode);
    }
    options
}

/// The addresses of every listener of `collector`, with the names of their faces.
pub(crate) async fn listeners(collector: &Collector) -> Vec<(&'static str, SocketAddr)> {
    let line = collector
        .wait_for_log(|line| line.message == "listening" && line.fields["module"] == "nacos")
        .await;
    let nacos = |field: &str| line.fields[field].as_str().unwrap().parse().unwrap();
    let own = collector.listeners();
    vec![
        ("naming", own.naming),
        ("remote", own.remote),
        ("agent_gRPC", own.grpc),
        ("agent_jetty", own.jetty),
        ("ui", own.ui),
        ("nacos", nacos("address")),
        ("nacos_gRPC", nacos("grpc")),
    ]
}

/// Connects with TLS if there are settings for it.
pub(crate) async fn connect(
    server: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
) -> io::Result<Box<dyn Stream>> {
    let socket = TcpStream::connect(server).await?;
    socket.set_nodelay(true)?;
    let Some(settings) = tls else {
        return Ok(Box::new(socket));
    };
    let name = ServerName::try_from("localhost").unwrap();
    let connecting = Box::pin(TlsConnector::from(settings).connect(name, socket));
    Ok(Box::new(connecting.await?))
}

/// Makes one HTTP/1 call on a connection, and returns the status and the text of the answer.
pub(crate) async fn http1(
    stream: Box<dyn Stream>,
    method: Method,
    path: &str,
    body: &'static str,
) -> Result<(StatusCode, String), String> {
    let exchange = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("connection", "close")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from_static(body.as_bytes())))
            .unwrap();
        let answer = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            if answer
                .headers()
                .get("content-type")
                .is_some_and(|kind| kind == "text/event-stream")
            {
                return Ok((status, String::new()));
            }
            let body = answer.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>((status, String::from_utf8_lossy(&body).into_owned()))
        };
        tokio::pin!(connection);
        tokio::select! {
            answer = answer => answer,
            Err(error) = &mut connection => Err(error),
        }
    };
    let answered = timeout(PATIENCE, exchange)
        .await
        .map_err(|_| "no answer".to_owned())?;
    answered.map_err(|error| format!("{error:?}"))
}

/// Makes a gRPC call with an empty message, and returns its status. `None` if the call is a stream that stays open.
pub(crate) async fn grpc(stream: Box<dyn Stream>, path: &str) -> Result<Option<String>, String> {
    let exchange = async {
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        let request = Request::post(format!("http://localhost{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(Bytes::from_static(&[0; 5])))
            .unwrap();
        let answer = async {
            let answer = sender.send_request(request).await?;
            let code = |headers: &http::HeaderMap| {
                let code = headers.get("grpc-status")?;
                Some(code.to_str().unwrap().to_owned())
            };
            if let Some(code) = code(answer.headers()) {
                return Ok(Some(code));
            }
            let collected = timeout(Duration::from_millis(500), answer.into_body().collect()).await;
            let Ok(collected) = collected else {
                return Ok(None);
            };
            Ok::<_, hyper::Error>(collected?.trailers().and_then(code))
        };
        tokio::pin!(connection);
        tokio::select! {
            answer = answer => answer,
            Err(error) = &mut connection => Err(error),
        }
    };
    let answered = timeout(PATIENCE, exchange)
        .await
        .map_err(|_| "no answer".to_owned())?;
    answered.map_err(|error| format!("{error:?}"))
}

/// The error that a client with this identity gets, in the handshake or at the first read.
pub(crate) async fn refusal(
    server: SocketAddr,
    authority: &Authority,
    identity: Option<&Signed>,
) -> String {
    let settings = authority.client(identity, b"http/1.1");
    match connect(server, Some(settings)).await {
        Err(error) => error.to_string(),
        Ok(stream) => match http1(stream, Method::GET, "/", "").await {
            Ok((status, text)) => panic!("answered {status} {text}"),
            Err(error) => error,
        },
    }
}
