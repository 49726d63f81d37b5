//! More connections than the limits allow.

use super::*;

#[tokio::test]
async fn a_connection_over_the_limit_is_closed_at_once() {
    local(async {
        let server = start(
            Limits {
                max_connections: 2,
                ..Limits::generous()
            },
            PATIENCE,
        )
        .await;
        let (first, _second) = (server.connect().await, server.connect().await);
        server.wait_for_open(2).await;
        assert_eq!(everything(&mut server.connect().await).await, "");
        assert_eq!(
            (
                server.stats.accepted(),
                server.stats.refused(Full::Listener)
            ),
            (3, 1)
        );
        drop(first);
        server.wait_for_open(1).await;
        server.assert_serves().await;
    })
    .await;
}

#[tokio::test]
async fn many_idle_connections_do_not_block_new_ones() {
    local(async {
        let server = start(Limits::generous(), PATIENCE).await;
        let mut idle = Vec::new();
        for _ in 0..200 {
            idle.push(server.connect().await);
        }
        server.wait_for_open(200).await;
        server.assert_serves().await;
        drop(idle);
        server.wait_for_open(0).await;
    })
    .await;
}
