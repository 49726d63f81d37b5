//! Connections to other collectors, with good and bad certificates.

use rollcall_server::{Handshakes, Inbound, Security, Serves, Serving, bind};
use rollcall_tls::testing::{Authority, Request};
use tokio_util::sync::CancellationToken;

use super::*;

/// A collector with this certificate that requires client certificates.
async fn member(certificates: Certificates) -> std::net::SocketAddr {
    let listening = bind("127.0.0.1", 0).await.unwrap().listen().unwrap();
    let address = listening.address();
    let serving = Serving {
        security: Some(Security {
            certificates,
            serves: Serves::CertifiedOnly,
            handshakes: Handshakes::new(10),
        }),
        ..Serving::generous()
    };
    let service =
        hyper::service::service_fn(|_: http::Request<Inbound<hyper::body::Incoming>>| async {
            let body = http_body_util::Full::new(bytes::Bytes::new());
            Ok::<_, std::convert::Infallible>(http::Response::new(body))
        });
    let serve = listening.serve(service, serving, CancellationToken::new());
    tokio::task::spawn_local(serve);
    address
}

/// A certificate for these names, and the authority that its holder trusts.
fn certificates(authority: &Authority, trusted: &Authority, request: &Request<'_>) -> Certificates {
    let directory = tempfile::tempdir().unwrap();
    let files = authority
        .sign(request)
        .write(directory.path(), &trusted.pem());
    Certificates::load(files.unwrap()).unwrap()
}

#[tokio::test]
async fn a_member_is_reached_only_with_a_certificate_that_both_sides_accept() {
    let local = tokio::task::LocalSet::new();
    let own = Authority::new("own");
    let connector = Connector {
        certificates: certificates(&own, &own, &Request::default()),
        refusal: Refusal::default(),
        patience: Duration::from_secs(30),
    };
    let test = async {
        let foreign = Authority::new("foreign");
        let expired = Request {
            expires: 2020,
            ..Request::default()
        };
        let elsewhere = Request {
            names: &["elsewhere.example"],
            ..Request::default()
        };
        for (authority, request, reason) in [
            (&own, Request::default(), None),
            (
                &own,
                expired,
                Some("the certificate of the server has expired"),
            ),
            (
                &own,
                elsewhere,
                Some("the certificate of the server is for another name"),
            ),
            (
                &foreign,
                Request::default(),
                Some(
                    "the certificate of the server is not signed by an authority in tls.default.trusted_ca_path",
                ),
            ),
        ] {
            let member = member(certificates(authority, &own, &request)).await;
            let uri: Uri = format!("http://localhost:{}", member.port())
                .parse()
                .unwrap();
            let connected = Box::pin(connector.clone().call(uri)).await;
            match (connected, reason) {
                (Ok(_), None) => {}
                (Err(error), Some(reason)) => {
                    let text = error.to_string();
                    assert!(text.starts_with(reason), "{text}");
                }
                (connected, reason) => panic!("{reason:?}: {connected:?}"),
            }
        }
    };
    local.run_until(test).await;
}
