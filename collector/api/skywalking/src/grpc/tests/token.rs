//! The token that agents must send.

use rollcall_proto::management::InstancePingPkg;
use rollcall_server::face::Token;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::fixture::{self, Collector, frame};

/// One call of each generation, with a meaningless message.
const CALLS: [&str; 6] = [
    "/ApplicationRegisterService/register",
    "/ApplicationRegisterService/applicationCodeRegister",
    "/Register/doServiceRegister",
    "/ManagementService/keepAlive",
    "/skywalking.v3.ManagementService/keepAlive",
    "/skywalking.v3.JVMMetricReportService/collect",
];

async fn status(collector: &Collector, path: &str, sent: &[(&str, &str)]) -> Code {
    let token = Token::new("s3cret");
    let router = collector.router_with(token, CancellationToken::new());
    fixture::call(router, path, sent, frame(b"")).await.0
}

#[tokio::test]
async fn every_call_is_denied_without_the_token() {
    let collector = Collector::start();
    for path in CALLS {
        for sent in [
            &[][..],
            &[("authentication", "wrong")],
            &[("authorization", "s3cret")],
        ] {
            let denied = Code::PermissionDenied;
            assert_eq!(
                status(&collector, path, sent).await,
                denied,
                "{path} {sent:?}"
            );
        }
        let admitted = status(&collector, path, &[("Authentication", "s3cret")]).await;
        assert_ne!(admitted, Code::PermissionDenied, "{path}");
    }
    let metrics = collector.services.exposition();
    let denied = format!(
        "rollcall_denied_total{{protocol=\"grpc\"}} {}",
        3 * CALLS.len()
    );
    assert!(metrics.contains(&denied), "{metrics}");
}

#[tokio::test]
async fn a_denied_call_changes_nothing() {
    let collector = Collector::start();
    let ping = InstancePingPkg {
        service: "orders".to_owned(),
        service_instance: "one".to_owned(),
    };
    let router = collector.router_with(Token::new("s3cret"), CancellationToken::new());
    let message = frame(&prost::Message::encode_to_vec(&ping));
    fixture::call(
        router,
        "/skywalking.v3.ManagementService/keepAlive",
        &[],
        message,
    )
    .await;
    assert!(
        collector
            .services
            .roster
            .applications(None, 1)
            .items
            .is_empty()
    );
}

#[tokio::test]
async fn health_checks_need_no_token() {
    let collector = Collector::start();
    assert_eq!(
        status(&collector, "/grpc.health.v1.Health/Check", &[]).await,
        Code::Ok
    );
}
