use tokio::net::TcpStream;

use super::bind;

#[tokio::test]
async fn a_bound_port_refuses_connections_until_it_listens() {
    let bound = bind("127.0.0.1", 0).await.unwrap();
    let refused = TcpStream::connect(bound.address()).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let listening = bound.listen().unwrap();
    let _waiting = TcpStream::connect(listening.address()).await.unwrap();
    assert_eq!(listening.stats().accepted(), 0);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = bind("localhost", 0).await.unwrap().listen().unwrap();
    assert!(taken.address().is_ipv4());
    let port = taken.address().port();
    let error = bind("127.0.0.1", port).await.unwrap_err();
    let expected = format!("cannot listen on 127.0.0.1 port {port}");
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.source.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.is_resolved);
    assert!(!bind("no such host", 0).await.unwrap_err().is_resolved);
}

#[tokio::test]
async fn of_two_processes_that_bind_a_port_at_once_one_listens() {
    let first = bind("127.0.0.1", 0).await.unwrap();
    let second = bind("127.0.0.1", first.address().port()).await.unwrap();
    let _listening = first.listen().unwrap();
    assert_eq!(
        second.listen().unwrap_err().source.kind(),
        std::io::ErrorKind::AddrInUse
    );
}
