use std::{net::Ipv4Addr, time::Duration};

use rollcall_catalog::testing::Running;
use rollcall_domain::catalog::{Clusters, Endpoint, Kind, Registration, ServiceKey};
use serde_json::Value;
use tokio::{task::JoinHandle, time::timeout};

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);
const JAVA: &str = "Nacos-Java-Client:v1.4.2";

/// Pushes of a catalog, and a client with a socket.
struct Scene {
    running: Running,
    push: Push,
    client: UdpSocket,
    loops: JoinHandle<()>,
}

impl Scene {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test has no task set; the handle is kept and aborted"
    )]
    async fn start() -> Self {
        let running = Running::start();
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let push = Push::new(running.catalog.clone(), Some(socket));
        let loops = tokio::spawn(push.clone().run(CancellationToken::new()));
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        Self {
            running,
            push,
            client,
            loops,
        }
    }

    fn subscribe(&self, service: &ServiceKey, clusters: &str) -> Option<Arc<Subscription>> {
        let interest = |subscriber| Interest {
            service,
            subscriber,
            clusters: Clusters::new(clusters),
            agent: JAVA,
            app: "unknown",
        };
        let address = self.client.local_addr().unwrap();
        self.push.subscribe(interest, address).unwrap()
    }

    fn register(&self, service: &ServiceKey, ip: &str) {
        let endpoint = Endpoint::new(ip, 80, "").unwrap();
        let publisher = endpoint.publisher();
        let registration = Registration::new(endpoint, Kind::Ephemeral);
        let catalog = &self.running.catalog;
        catalog
            .register_ephemeral(&publisher, service, registration)
            .unwrap();
    }

    /// The next push, and the address from which it came.
    async fn receive(&self) -> (Value, Value, SocketAddr) {
        let mut datagram = vec![0; 65_536];
        let received = timeout(PATIENCE, self.client.recv_from(&mut datagram)).await;
        let (length, from) = received.expect("no push arrived").unwrap();
        let mut text = Vec::new();
        if datagram.starts_with(&[0x1f, 0x8b]) {
            use std::io::Read as _;
            flate2::read::GzDecoder::new(&datagram[..length])
                .read_to_end(&mut text)
                .unwrap();
        } else {
            text.extend_from_slice(&datagram[..length]);
        }
        let push: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(push["type"], "dom");
        let list = serde_json::from_str(push["data"].as_str().unwrap()).unwrap();
        (push, list, from)
    }

    async fn acknowledge(&self, push: &Value, to: SocketAddr) {
        let id = &push["lastRefTime"];
        let ack = format!(r#"{{"type": "push-ack", "lastRefTime":"{id}", "data":""}}"#);
        self.client.send_to(ack.as_bytes(), to).await.unwrap();
    }

    async fn until(&self, reached: impl Fn(Counts) -> bool) {
        let waiting = async {
            while !reached(self.push.counts()) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, waiting)
            .await
            .expect("the counts were not reached");
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.loops.abort();
    }
}

fn service() -> ServiceKey {
    ServiceKey::new("", "", "a").unwrap()
}

/// Firewalls can admit one port; the reference pushes from any port.
#[tokio::test]
async fn a_change_is_pushed_from_the_one_port_that_reads_the_answers() {
    let scene = Scene::start().await;
    let service = service();
    scene.subscribe(&service, "c1,DEFAULT").unwrap();
    scene.register(&service, "10.0.0.1");
    let (push, list, from) = scene.receive().await;
    assert_eq!(Some(from), scene.push.address());
    assert_eq!(list["hosts"][0]["ip"], "10.0.0.1");
    assert_eq!(list["name"], "DEFAULT_GROUP@@a");
    assert_eq!(
        list["clusters"], "c1,DEFAULT",
        "echoed, because clients key their cache by it"
    );
    assert_eq!(list["cacheMillis"], 10_000);
    scene.acknowledge(&push, from).await;
    scene.until(|counts| counts.acknowledged == 1).await;
    assert_eq!((scene.push.counts().sent, scene.push.failing()), (1, 0));
}

#[tokio::test]
async fn a_subscription_of_a_service_that_does_not_exist_yet_is_kept() {
    let scene = Scene::start().await;
    let subscription = scene.subscribe(&service(), "").unwrap();
    subscription.sent(0); // the poll was answered with an empty list
    for number in 1..=40 {
        scene.register(&service(), &format!("10.0.0.{number}"));
    }
    loop {
        let (push, list, from) = scene.receive().await;
        scene.acknowledge(&push, from).await;
        if list["hosts"].as_array().unwrap().len() == 40 {
            break; // the latest state arrives, compressed, however many pushes it took
        }
    }
}

#[tokio::test]
async fn a_subscriber_that_has_the_list_is_not_pushed_it_again() {
    let scene = Scene::start().await;
    let service = service();
    scene.register(&service, "10.0.0.1");
    let subscription = scene.subscribe(&service, "").unwrap();
    let revision = scene
        .running
        .catalog
        .query(&service, &Selection::default())
        .unwrap()
        .revision;
    subscription.sent(revision);
    subscription.mark();
    scene.register(&service, "10.0.0.1"); // changes nothing
    scene.register(&service, "10.0.0.2");
    let (_, list, _) = scene.receive().await;
    assert_eq!(list["hosts"].as_array().unwrap().len(), 2);
    assert_eq!(scene.push.counts().sent, 1);
}

#[tokio::test]
async fn garbage_on_the_port_disturbs_nothing() {
    let scene = Scene::start().await;
    let to = scene.push.address().unwrap();
    for garbage in [
        &b""[..],
        b"{",
        &[0xff; 1400],
        b"{\"type\":\"push-ack\",\"lastRefTime\":\"1\"}",
    ] {
        scene.client.send_to(garbage, to).await.unwrap();
    }
    scene.subscribe(&service(), "").unwrap();
    scene.register(&service(), "10.0.0.1");
    let (push, _, from) = scene.receive().await;
    scene.acknowledge(&push, from).await;
    scene.until(|counts| counts.acknowledged == 1).await;
}

#[tokio::test]
async fn without_a_socket_every_client_polls() {
    let running = Running::start();
    let push = Push::new(running.catalog.clone(), None);
    let service = service();
    let interest = |subscriber| Interest {
        service: &service,
        subscriber,
        clusters: Clusters::default(),
        agent: JAVA,
        app: "",
    };
    let subscribed = push.subscribe(interest, ([127, 0, 0, 1], 9).into());
    assert!(subscribed.unwrap().is_none());
    assert_eq!(push.address(), None);
}
