//! The port between a collector and the task that talks to its coordinator, with a scripted coordinator.

use rollcall_domain::{Timestamp, membership::State};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::*;
use crate::testing::member;

/// The next action of the scripted coordinator.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// Register this collector as desired.
    Register,
    /// Report that another collector has its address.
    Refuse,
    /// Register this collector, without a confirmation.
    Write,
    /// Fail once.
    Fail,
}

#[derive(Debug, thiserror::Error)]
#[error("unavailable")]
struct Unavailable;

struct Scripted(mpsc::UnboundedReceiver<Order>);

impl Coordinator for Scripted {
    type Error = Unavailable;

    async fn session(&mut self, port: &mut Port) -> Result<Infallible, Unavailable> {
        loop {
            let order = self.0.recv().await;
            let desired = port.desired();
            match order {
                Some(Order::Register) => {
                    port.publish(desired.clone());
                    port.registered(desired.as_ref());
                }
                Some(Order::Refuse) => port.degraded(Fault::Taken, "it is taken"),
                Some(Order::Write) => port.publish(desired),
                Some(Order::Fail) => return Err(Unavailable),
                None => std::future::pending().await,
            }
        }
    }
}

struct Fixture {
    cluster: Coordinated,
    orders: mpsc::UnboundedSender<Order>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Fixture {
    #[expect(clippy::disallowed_methods, reason = "joined below")]
    fn start() -> Self {
        let (orders, receiver) = mpsc::unbounded_channel();
        let (cluster, keeper) = pair(Scripted(receiver));
        let stop = CancellationToken::new();
        Self {
            cluster,
            orders,
            stop: stop.clone(),
            task: tokio::spawn(async move { keeper.run(stop).await }),
        }
    }

    fn order(&self, order: Order) {
        self.orders.send(order).unwrap();
    }

    /// Waits until the health is this.
    async fn is(&self, health: Option<&str>) {
        let mut reported = self.cluster.health();
        let changed = reported.wait_for(|reported| reported.as_deref() == health);
        timeout(Duration::from_secs(60), changed)
            .await
            .unwrap()
            .unwrap();
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

const DRAINING: Timestamp = Timestamp::from_millis(9);
const WITHIN: Duration = Duration::from_secs(2);

#[tokio::test(start_paused = true)]
async fn a_collector_is_healthy_once_it_is_registered_as_desired() {
    let fixture = Fixture::start();
    let session = fixture.cluster.join(member("a"));
    fixture
        .is(Some("the coordinator has not been reached yet"))
        .await;
    assert_eq!(fixture.cluster.view().borrow().members(), []);
    fixture.order(Order::Register);
    fixture.is(None).await;
    assert_eq!(fixture.cluster.view().borrow().members(), [member("a")]);
    fixture.order(Order::Refuse);
    fixture.is(Some("it is taken")).await;
    drop(session);
    fixture.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_unavailable_coordinator_leaves_the_last_view_and_is_retried() {
    let fixture = Fixture::start();
    let session = fixture.cluster.join(member("a"));
    fixture.order(Order::Register);
    fixture.is(None).await;
    for _ in 0..20 {
        fixture.order(Order::Fail);
    }
    fixture.is(Some("unavailable")).await;
    assert_eq!(fixture.cluster.view().borrow().members(), [member("a")]);
    fixture.order(Order::Register);
    let before = Instant::now();
    fixture.is(None).await;
    assert!(before.elapsed() < Duration::from_secs(20), "20 pauses");
    drop(session);
    fixture.stop().await;
}

#[tokio::test(start_paused = true)]
async fn draining_waits_until_the_other_members_have_the_event() {
    let fixture = Fixture::start();
    let mut session = fixture.cluster.join(member("a"));
    fixture.order(Order::Register);
    fixture.is(None).await;
    let before = Instant::now();
    let later = async {
        sleep(Duration::from_millis(500)).await;
        fixture.order(Order::Register);
    };
    tokio::join!(session.drain(DRAINING, WITHIN), later);
    assert_eq!(
        before.elapsed(),
        Duration::from_millis(500) + DRAIN_ANNOUNCE_TIME
    );
    let view = fixture.cluster.view().borrow().clone();
    let known = &view.members()[0];
    assert_eq!((known.state, known.since), (State::Draining, DRAINING));
    fixture.order(Order::Register);
    session.leave(WITHIN).await;
    assert_eq!(fixture.cluster.view().borrow().members(), []);
    fixture.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_longer_for_an_unavailable_coordinator() {
    let fixture = Fixture::start();
    let mut session = fixture.cluster.join(member("a"));
    fixture.order(Order::Register);
    fixture.is(None).await;
    let before = Instant::now();
    session.drain(DRAINING, WITHIN).await;
    session.leave(WITHIN).await;
    assert_eq!(before.elapsed(), WITHIN * 2);
    fixture.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_a_registration_that_is_not_confirmed_yet() {
    let fixture = Fixture::start();
    let session = fixture.cluster.join(member("a"));
    fixture.order(Order::Write);
    let mut view = fixture.cluster.view();
    view.changed().await.unwrap();
    let before = Instant::now();
    let later = async {
        sleep(Duration::from_millis(500)).await;
        fixture.order(Order::Register);
    };
    tokio::join!(session.leave(WITHIN), later);
    assert_eq!(before.elapsed(), Duration::from_millis(500));
    assert_eq!(fixture.cluster.view().borrow().members(), []);
    fixture.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_was_never_registered_stops_at_once() {
    let fixture = Fixture::start();
    let mut session = fixture.cluster.join(member("a"));
    fixture.order(Order::Refuse);
    fixture.is(Some("it is taken")).await;
    let before = Instant::now();
    session.drain(DRAINING, WITHIN).await;
    session.leave(WITHIN).await;
    assert!(before.elapsed() <= DRAIN_ANNOUNCE_TIME);
    fixture.stop().await;
}
