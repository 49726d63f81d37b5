//! A greedy peer beside another one: it uses up its share of each budget, and the rest is left.

use std::net::Ipv4Addr;

use rollcall_limits::Budget;
use tokio::net::TcpSocket;

use super::*;
use crate::traffic::CONNECTION_COST;
use crate::{Budgets, Closed};

const MIB: usize = 1 << 20;
const GREEDY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

fn budgets() -> Budgets {
    Serving::generous().budgets
}

async fn serve_within(budgets: Budgets) -> Running {
    let large = || async { vec![b'x'; 6 * MIB] };
    let routes = Router::new()
        .route("/large", get(large))
        .route("/less", get(|| async { vec![b'x'; MIB] }))
        .layer(axum::extract::DefaultBodyLimit::disable());
    serve_with(
        routes,
        Serving {
            budgets,
            ..Serving::generous()
        },
    )
    .await
}

impl Running {
    /// A connection of the peer with this address, whose system takes few bytes that it does not read.
    async fn connect_from(&self, peer: Ipv4Addr, request: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((peer, 0).into()).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(self.address).await.unwrap();
        // The collector may refuse and close the connection at once.
        let (Ok(()) | Err(_)) = stream.write_all(request.as_bytes()).await;
        stream
    }

    /// The answer to a request on a connection of its own.
    async fn ask(&self, peer: Ipv4Addr, request: &str) -> String {
        everything(&mut self.connect_from(peer, request).await).await
    }
}

fn get_request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
}

fn post_request(length: usize, sent: usize) -> String {
    let head = "POST /read HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ";
    format!("{head}{length}\r\n\r\n{}", "x".repeat(sent))
}

#[tokio::test]
async fn connections_of_one_peer_leave_a_quarter_for_the_others() {
    local(async {
        let connections = Budget::new("connections", 16 * CONNECTION_COST);
        let server = serve_within(Budgets {
            connections: connections.clone(),
            ..budgets()
        })
        .await;
        let mut held = Vec::new();
        for _ in 0..13 {
            held.push(server.connect_from(GREEDY, "").await);
        }
        wait_until(|| server.stats.closed_for(Closed::OverBudget) == 1).await;
        assert_eq!(connections.held(), 12 * CONNECTION_COST);
        assert_eq!(server.ask(GREEDY, &get_request("/")).await, "");
        assert!(connections.refused_shares() > 0);
        for _ in 0..10 {
            let answer = server.ask(OTHER, &get_request("/")).await;
            assert!(answer.ends_with("here"), "{answer}");
        }
        // What the peer gives back, it can have again.
        held.clear();
        wait_until(|| connections.held() == 0).await;
        let answer = server.ask(GREEDY, &get_request("/")).await;
        assert!(answer.ends_with("here"), "{answer}");
        wait_until(|| connections.peers() == 0).await;
    })
    .await;
}

#[tokio::test]
async fn bodies_of_one_peer_leave_a_quarter_for_the_others() {
    local(async {
        let requests = Budget::new("requests", 8 * MIB);
        let server = serve_within(Budgets {
            requests: requests.clone(),
            ..budgets()
        })
        .await;
        let _half_sent = server
            .connect_from(GREEDY, &post_request(2 * MIB, 2 * MIB - 1))
            .await;
        let mut others = Vec::new();
        for _ in 0..2 {
            let half_sent = post_request(2 * MIB, 2 * MIB - 1);
            others.push(server.connect_from(GREEDY, &half_sent).await);
        }
        wait_until(|| requests.held() == 3 * (2 * MIB - 1)).await;
        let refused = server.ask(GREEDY, &post_request(MIB, MIB)).await;
        assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
        let text = "the share of 127.0.0.1 in the memory budget `requests` is exhausted (6291456 bytes), try again later; \
                    the limit is three quarters of server.default.inbound_memory, or one item of the largest size if that is more";
        assert!(refused.contains(text), "{refused}");
        let served = server.ask(OTHER, &post_request(MIB, MIB)).await;
        assert!(served.ends_with("read"), "{served}");
    })
    .await;
}

#[tokio::test]
async fn unread_answers_of_one_peer_leave_a_quarter_for_the_others() {
    local(async {
        let answers = Budget::new("answers", 8 * MIB);
        let server = serve_within(Budgets {
            answers: answers.clone(),
            ..budgets()
        })
        .await;
        let unread = server.connect_from(GREEDY, &get_request("/large")).await;
        wait_until(|| answers.held() == 6 * MIB).await;
        let refused = server.ask(GREEDY, &get_request("/less")).await;
        assert!(refused.starts_with("HTTP/1.1 503"), "{refused:.200}");
        let share = "the share of 127.0.0.1 in the memory budget `answers`";
        let key = "three quarters of server.default.outbound_memory";
        assert!(
            refused.contains(share) && refused.contains(key),
            "{refused}"
        );
        let served = server.ask(OTHER, &get_request("/less")).await;
        assert!(served.starts_with("HTTP/1.1 200"), "{served:.200}");
        drop(unread);
        wait_until(|| answers.held() == 0).await;
        let served = server.ask(GREEDY, &get_request("/less")).await;
        assert!(served.starts_with("HTTP/1.1 200"), "{served:.200}");
    })
    .await;
}
