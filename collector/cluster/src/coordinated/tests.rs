//! The line between a collector and the task that speaks to its coordinator, on a coordinator that does as it is told.

use rollcall_domain::Timestamp;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::*;
use crate::testing::member;

/// What the coordinator is to do next.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// Know this collector as it wishes.
    Fulfil,
    /// Say that somebody else has its address.
    Refuse,
    /// Go away, and be away at the next attempt too.
    Fail,
}

#[derive(Debug, thiserror::Error)]
#[error("it is away")]
struct Away;

struct Obedient(mpsc::UnboundedReceiver<Order>);

impl Coordinator for Obedient {
    type Error = Away;

    async fn attend(&mut self, desk: &mut Desk) -> Result<Infallible, Away> {
        loop {
            let order = self.0.recv().await;
            let wish = desk.wish();
            match order {
                Some(Order::Fulfil) => {
                    desk.publish(wish.clone());
                    desk.fulfilled(wish.as_ref());
                }
                Some(Order::Refuse) => desk.hindered(Trouble::Taken, "it is taken"),
                Some(Order::Fail) => return Err(Away),
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
        let (cluster, keeper) = pair(Obedient(receiver));
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
        let mut told = self.cluster.health();
        let told = told.wait_for(|told| told.as_deref() == health);
        timeout(Duration::from_secs(60), told)
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
async fn a_collector_is_well_once_it_is_known_as_it_wishes() {
    let fixture = Fixture::start();
    let session = fixture.cluster.join(member("a"));
    fixture
        .is(Some("the coordinator has not been reached yet"))
        .await;
    assert_eq!(fixture.cluster.view().borrow().members(), []);
    fixture.order(Order::Fulfil);
    fixture.is(None).await;
    assert_eq!(fixture.cluster.view().borrow().members(), [member("a")]);
    fixture.order(Order::Refuse);
    fixture.is(Some("it is taken")).await;
    drop(session);
    fixture.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_goes_away_leaves_the_last_view_and_is_asked_until_it_is_back() {
    let fixture = Fixture::start();
    let session = fixture.cluster.join(member("a"));
    fixture.order(Order::Fulfil);
    fixture.is(None).await;
    for _ in 0..20 {
        fixture.order(Order::Fail);
    }
    fixture.is(Some("it is away")).await;
    assert_eq!(fixture.cluster.view().borrow().members(), [member("a")]);
    fixture.order(Order::Fulfil);
    let before = Instant::now();
    fixture.is(None).await;
    assert!(before.elapsed() < Duration::from_secs(20), "20 pauses");
    drop(session);
    fixture.stop().await;
}

#[tokio::test(start_paused = true)]
async fn draining_waits_until_the_others_have_heard_of_it() {
    let fixture = Fixture::start();
    let mut session = fixture.cluster.join(member("a"));
    fixture.order(Order::Fulfil);
    fixture.is(None).await;
    let before = Instant::now();
    let later = async {
        sleep(Duration::from_millis(500)).await;
        fixture.order(Order::Fulfil);
    };
    tokio::join!(session.drain(DRAINING, WITHIN), later);
    assert_eq!(before.elapsed(), Duration::from_millis(500) + HEARD);
    let view = fixture.cluster.view().borrow().clone();
    let known = &view.members()[0];
    assert_eq!((known.state, known.since), (State::Draining, DRAINING));
    fixture.order(Order::Fulfil);
    session.leave(WITHIN).await;
    assert_eq!(fixture.cluster.view().borrow().members(), []);
    fixture.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_no_coordinator_that_is_away() {
    let fixture = Fixture::start();
    let mut session = fixture.cluster.join(member("a"));
    fixture.order(Order::Fulfil);
    fixture.is(None).await;
    let before = Instant::now();
    session.drain(DRAINING, WITHIN).await;
    session.leave(WITHIN).await;
    assert_eq!(before.elapsed(), WITHIN * 2);
    fixture.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_nobody_knows_has_nobody_to_wait_for() {
    let fixture = Fixture::start();
    let mut session = fixture.cluster.join(member("a"));
    fixture.order(Order::Refuse);
    fixture.is(Some("it is taken")).await;
    let before = Instant::now();
    session.drain(DRAINING, WITHIN).await;
    session.leave(WITHIN).await;
    assert!(before.elapsed() <= HEARD);
    fixture.stop().await;
}
