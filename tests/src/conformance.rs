//! What every agent must live through, whatever it is written in: one scenario per promise, run for each [`Agent`].

use std::time::Duration;

use crate::{
    PATIENCE,
    application::{Agent, Application},
    eventually, holds_for,
    process::Collector,
    query::{Instance, State},
};

/// Long against the one second between two signs of life, as both test machine and Java machine may pause.
const SILENT_AFTER: Duration = Duration::from_secs(5);
const DOWN_AFTER: Duration = Duration::from_secs(8);

/// Who alone is registered: the sequences of the design start with these.
const FIRST_APPLICATION: i32 = -1;
const FIRST_INSTANCE: i32 = 1;

async fn collector() -> Collector {
    Collector::options()
        .terms(SILENT_AFTER, DOWN_AFTER)
        .start()
        .await
}

async fn registered(agent: Agent, collector: &Collector) -> Application {
    let application = agent.start("orders", &[collector.listeners().naming]);
    assert_eq!(application.id("application").await, FIRST_APPLICATION);
    assert_eq!(application.id("instance").await, FIRST_INSTANCE);
    application
}

/// Waits until the collector says this of the first instance.
async fn first_instance(collector: &Collector, wanted: impl Fn(&Instance) -> bool) -> Instance {
    let query = collector.query();
    eventually(PATIENCE, async || {
        let instance = query.instance(FIRST_INSTANCE).await?;
        if wanted(&instance) {
            Ok(instance)
        } else {
            Err(format!("{instance:?}"))
        }
    })
    .await
}

/// Waits for a sign of life that is newer than all before.
async fn heard_again(collector: &Collector) {
    let before = first_instance(collector, |_| true).await.last_seen_at;
    first_instance(collector, |instance| instance.last_seen_at > before).await;
}

fn assert_ids_never_changed(application: &Application) {
    assert_eq!(application.ids("application"), [FIRST_APPLICATION]);
    assert_eq!(application.ids("instance"), [FIRST_INSTANCE]);
}

/// The agent finds the collector through its naming port, and both agree on the ids.
pub async fn is_registered_with_the_first_ids(agent: Agent) {
    let collector = collector().await;
    let _application = registered(agent, &collector).await;
    let query = collector.query();
    let applications = query.applications().await.unwrap();
    let [orders] = applications.as_slice() else {
        panic!("not one application: {applications:?}")
    };
    assert_eq!(
        (orders.id, orders.code.as_deref()),
        (FIRST_APPLICATION, Some("orders"))
    );
    let instances = query.instances(FIRST_APPLICATION).await.unwrap();
    let [instance] = instances.as_slice() else {
        panic!("not one instance: {instances:?}")
    };
    assert_eq!(
        (instance.id, instance.application_id),
        (FIRST_INSTANCE, Some(FIRST_APPLICATION))
    );
    assert_eq!((instance.state, instance.adopted), (State::Up, false));
}

/// Names and addresses that the application uses get ids, which the agent learns.
pub async fn learns_the_ids_of_names_and_addresses(agent: Agent) {
    let collector = collector().await;
    let mut application = registered(agent, &collector).await;
    application.call("/orders", "payment:9090");
    let mut operations = [
        application.id("entry /orders").await,
        application.id("exit /orders").await,
    ];
    operations.sort_unstable();
    assert_eq!(operations, [-1, 2]);
    assert_eq!(application.id("address payment:9090").await, -1);
}

/// An idle agent stays up for longer than the term after which it would be silent.
pub async fn stays_up_while_it_runs(agent: Agent) {
    let collector = collector().await;
    let _application = registered(agent, &collector).await;
    let query = collector.query();
    holds_for(SILENT_AFTER + Duration::from_secs(2), async || {
        let instance = query.instance(FIRST_INSTANCE).await.unwrap();
        assert_eq!(instance.state, State::Up, "{instance:?}");
    })
    .await;
}

/// A collector that is killed and comes back on its data finds the agent as it was, and the agent finds the collector.
pub async fn survives_a_restart_of_the_collector(agent: Agent) {
    let mut collector = collector().await;
    let application = registered(agent, &collector).await;
    let before = first_instance(&collector, |_| true).await;
    collector.restart().await;
    heard_again(&collector).await;
    let after = first_instance(&collector, |instance| instance.state == State::Up).await;
    assert_eq!(
        (
            &after.uuid,
            &after.registered_at,
            after.application_id,
            after.adopted
        ),
        (
            &before.uuid,
            &before.registered_at,
            Some(FIRST_APPLICATION),
            false
        ),
    );
    assert_ids_never_changed(&application);

    let grpc = collector.grpc().await;
    assert_eq!(grpc.application("orders").await.unwrap(), FIRST_APPLICATION);
    assert_eq!(grpc.application("other").await.unwrap(), 2);
    assert_eq!(
        grpc.instance(FIRST_APPLICATION, "another process")
            .await
            .unwrap(),
        FIRST_INSTANCE + 1
    );
}

/// A collector whose store is lost takes the ids of the agents that are there as given, and gives them to nobody else.
pub async fn keeps_its_ids_when_the_store_is_lost(agent: Agent) {
    let mut collector = collector().await;
    let mut application = registered(agent, &collector).await;
    collector.kill();
    collector.lose_store();
    collector.restart().await;
    // JVM metrics tell the instance alone; which application it belongs to is in its trace segments.
    let adopted = first_instance(&collector, |instance| instance.state == State::Up).await;
    assert!(adopted.adopted, "{adopted:?}");
    application.call("/orders", "payment:9090");
    first_instance(&collector, |instance| {
        instance.application_id == Some(FIRST_APPLICATION)
    })
    .await;

    let grpc = collector.grpc().await;
    let other = grpc.application("other").await.unwrap();
    assert_ne!(other, FIRST_APPLICATION);
    assert_ne!(
        grpc.instance(other, "another process").await.unwrap(),
        FIRST_INSTANCE
    );
    heard_again(&collector).await;
    assert_ids_never_changed(&application);
}

/// The collector notices the death of the process: silent first, then down, and never gone.
pub async fn is_marked_after_it_was_killed(agent: Agent) {
    let collector = collector().await;
    let mut application = registered(agent, &collector).await;
    heard_again(&collector).await;
    application.kill();
    first_instance(&collector, |instance| instance.state == State::Silent).await;
    first_instance(&collector, |instance| instance.state == State::Down).await;
    let applications = collector.query().applications().await.unwrap();
    assert_eq!(
        (applications[0].instances.up, applications[0].instances.down),
        (0, 1)
    );
}
