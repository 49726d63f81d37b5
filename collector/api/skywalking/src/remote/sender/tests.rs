//! The selected member, and the clients as members join and leave.

use std::time::Duration;

use rollcall_domain::{
    Timestamp,
    membership::{Member, State},
};
use rollcall_service::register::Registration;
use tokio::{net::TcpListener, task::JoinSet};

use super::*;
use crate::remote::error::Error;

const OWN: &str = "b:11800";

fn member(address: &str, version: Option<&str>) -> Member {
    Member {
        address: address.into(),
        agent_grpc: None,
        agent_jetty: None,
        ui: None,
        version: version.map(Into::into),
        state: State::Serving,
        since: Timestamp::from_millis(0),
    }
}

/// A view of collectors of Rollcall.
fn view(addresses: &[&str]) -> Arc<View> {
    let members = addresses.iter().map(|address| member(address, Some("1")));
    Arc::new(View::new(members))
}

struct Running {
    sender: Sender,
    members: watch::Sender<Arc<View>>,
    _clients: JoinSet<()>,
}

impl Running {
    fn start() -> Self {
        let (members, receiver) = watch::channel(Arc::default());
        let config = client::Config {
            buffer_size: 8,
            patience: Duration::from_secs(20),
            certificates: None,
            token: None,
        };
        let metrics = Metrics::new();
        let (sender, clients) = build(config, OWN.into(), receiver, Clock::start(), &metrics);
        let mut running = JoinSet::new();
        running.spawn(clients.run(CancellationToken::new()));
        Self {
            sender,
            members,
            _clients: running,
        }
    }

    /// Returns once the clients match the view.
    async fn become_members(&self, view: Arc<View>) {
        self.members.send_replace(Arc::clone(&view));
        while !Arc::ptr_eq(&self.sender.peers.load().view, &view) {
            tokio::task::yield_now().await;
        }
    }

    /// Whether registrations are forwarded to the member at this address.
    fn forwards_to(&self, address: &str) -> bool {
        let peers = self.sender.peers.load();
        let client = self.sender.client();
        client.is_some_and(|client| Arc::ptr_eq(&peers.clients[address], &client))
    }
}

#[tokio::test]
async fn registrations_go_to_the_first_member_unless_it_is_this_one() {
    let running = Running::start();
    running.become_members(view(&["c:1", "a:1", OWN])).await;
    assert!(running.forwards_to("a:1"));
    assert!(running.sender.elsewhere().is_some());
    running.become_members(view(&["c:1", OWN])).await;
    assert!(running.sender.elsewhere().is_none());
}

#[tokio::test]
async fn all_work_is_local_without_a_selected_and_reachable_member() {
    let running = Running::start();
    assert!(running.sender.elsewhere().is_none());
    // This is not an address, so the member has no client.
    running.become_members(view(&["a b", OWN])).await;
    assert!(running.sender.elsewhere().is_none());
}

#[tokio::test]
async fn no_registration_is_forwarded_to_a_collector_of_upstream() {
    let running = Running::start();
    let upstream = member("a:1", None);
    let with_upstream = View::new([upstream, member(OWN, Some("1"))]);
    running.become_members(Arc::new(with_upstream)).await;
    assert!(running.sender.elsewhere().is_none());
    assert!(running.sender.peers.load().clients.is_empty());
}

#[tokio::test]
async fn a_member_that_stays_keeps_its_client_and_one_that_leaves_is_closed() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let first = silent.local_addr().unwrap().to_string();
    let running = Running::start();
    running.become_members(view(&[&first, OWN])).await;
    let before = Arc::clone(&running.sender.peers.load().clients[&*first]);
    running.become_members(view(&[&first, OWN, "c:1"])).await;
    assert!(running.forwards_to(&first));
    assert!(Arc::ptr_eq(
        &before,
        &running.sender.peers.load().clients[&*first]
    ));
    let waits = before.commit(vec![Registration::Application("orders".into())]);
    drop(before);
    running.become_members(view(&[OWN, "c:1"])).await;
    assert_eq!(waits.await, Err(Error::MemberLeft));
}
