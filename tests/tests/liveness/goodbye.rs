//! Tests agents that announce their stop, and instances that are forgotten.

use std::time::Duration;

use rollcall_agent::Agent;
use rollcall_proto::goodbye::{AgentClient, LeaveRequest};
use rollcall_tests::{
    PATIENCE,
    cluster::Cluster,
    eventually,
    grpc::Client,
    process::{Collector, Options},
    query::{Counts, State},
};
use tonic::{Code, Status};

async fn leave(client: &Client, application: i32, instance: i32, uuid: &str) -> Result<(), Status> {
    let request = LeaveRequest {
        application_id: application,
        application_instance_id: instance,
        agent_uuid: uuid.to_owned(),
        reason: "the end of the test".to_owned(),
    };
    let mut client = AgentClient::new(client.channel.clone());
    client.leave(request).await.map(drop)
}

fn options() -> Options {
    Collector::options().env("SW_LIVENESS_WRITE_BACK_INTERVAL", "60s")
}

async fn reports(collector: &Collector, instance: i32, state: State) {
    eventually(PATIENCE, async || {
        let known = collector.query().instance(instance).await?;
        if known.state == state {
            Ok(())
        } else {
            Err(format!("{known:?}"))
        }
    })
    .await;
}

/// Waits until a return is durable. Nothing reports it: neither other members nor metrics need to know.
async fn durable() {
    tokio::time::sleep(Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_goodbye_is_a_separate_state_at_every_member_and_after_a_restart() {
    let mut cluster = Cluster::start_with(2, options).await;
    // The entry of the killed member stays until its lease expires.
    cluster.expect_trouble();
    let client = cluster.members[0].collector.grpc().await;
    let application = client.application("orders").await.unwrap();
    let instance = client.instance(application, "process").await.unwrap();
    // After a lost store, an id may belong to another process, so a goodbye must match the application, the id and the UUID.
    for (application, instance, uuid) in [
        (application, instance, "another process"),
        (application + 7, instance, "process"),
        (application, instance + 7, "process"),
    ] {
        let refused = leave(&client, application, instance, uuid)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::NotFound, "{refused}");
    }
    reports(&cluster.members[0].collector, instance, State::Up).await;

    for _again in 0..2 {
        leave(&client, application, instance, "process")
            .await
            .unwrap();
    }
    for member in &cluster.members {
        reports(&member.collector, instance, State::Left).await;
        let known = member.collector.query().instance(instance).await.unwrap();
        assert!(
            known.why.sentence.starts_with("Left: its agent announced"),
            "{known:?}"
        );
        let applications = member.collector.query().applications().await.unwrap();
        let left = Counts {
            up: 0,
            silent: 0,
            down: 0,
            left: 1,
        };
        assert_eq!(applications[0].instances, left);
    }
    cluster.members[1].collector.kill();
    cluster.members[1].collector.restart().await;
    reports(&cluster.members[1].collector, instance, State::Left).await;
    // A goodbye is not final: the next signal makes the instance up again.
    let other = Client::lazy(cluster.members[1].collector.listeners().grpc);
    let again = other.instance(application, "process").await.unwrap();
    assert_eq!(again, instance);
    for member in &cluster.members {
        reports(&member.collector, instance, State::Up).await;
    }
}

#[tokio::test]
async fn the_departure_of_an_agent_that_shuts_down_survives_a_restart() {
    let mut collector = Collector::start().await;
    let naming = collector.listeners().naming.to_string();
    let agent = Agent::builder("orders")
        .collectors([naming])
        .start()
        .unwrap();
    let instance = eventually(PATIENCE, async || {
        let query = collector.query();
        let applications = query.applications().await?;
        let application = applications.first().ok_or("no application")?;
        let instances = query.instances(application.id).await?;
        let instance = instances.first().ok_or("no instance")?;
        Ok::<_, String>(instance.id)
    })
    .await;
    reports(&collector, instance, State::Up).await;
    tokio::task::spawn_blocking(move || agent.shutdown(Duration::from_secs(5)))
        .await
        .unwrap()
        .unwrap();
    // The answer to the goodbye means that it is durable.
    collector.kill();
    collector.restart().await;
    reports(&collector, instance, State::Left).await;
}

#[tokio::test]
async fn an_agent_that_came_back_is_up_after_a_kill() {
    let mut collector = options().start().await;
    let client = collector.grpc().await;
    let application = client.application("orders").await.unwrap();
    let instance = client.instance(application, "process").await.unwrap();
    leave(&client, application, instance, "process")
        .await
        .unwrap();
    collector.kill();
    collector.restart().await;
    reports(&collector, instance, State::Left).await;
    let client = collector.grpc().await;
    let again = client.instance(application, "process").await.unwrap();
    assert_eq!(again, instance);
    reports(&collector, instance, State::Up).await;
    durable().await;
    collector.kill();
    collector.restart().await;
    let known = collector.query().instance(instance).await.unwrap();
    assert_eq!(known.state, State::Up, "{known:?}");
}

#[tokio::test]
async fn instances_that_left_or_are_down_are_forgotten_and_keep_their_ids() {
    let collector = Collector::options()
        .terms(Duration::from_secs(1), Duration::from_secs(2))
        .env("SW_LIVENESS_FORGET_AFTER", "4s")
        .start()
        .await;
    let client = collector.grpc().await;
    let query = collector.query();
    let application = client.application("orders").await.unwrap();
    let left = client.instance(application, "left").await.unwrap();
    let down = client.instance(application, "down").await.unwrap();
    leave(&client, application, left, "left").await.unwrap();
    reports(&collector, down, State::Down).await;
    let ids = async |states: &str| {
        let listed = query.instances_in(application, states).await.unwrap();
        listed.iter().map(|one| one.id).collect::<Vec<_>>()
    };
    eventually(PATIENCE, async || {
        let listed = query.instances(application).await?;
        if listed.is_empty() {
            Ok(())
        } else {
            Err(format!("{listed:?}"))
        }
    })
    .await;
    let counts = query.applications().await.unwrap()[0].instances;
    assert_eq!(
        counts,
        Counts {
            up: 0,
            silent: 0,
            down: 0,
            left: 0,
        }
    );
    assert_eq!(ids("left").await, [left]);
    assert_eq!(ids("down,left").await, [left, down]);
    assert_eq!(ids("up,silent").await, [0; 0]);
    assert_eq!(query.instance(left).await.unwrap().state, State::Left);
    let again = client.instance(application, "left").await.unwrap();
    assert_eq!(again, left, "the forgotten instance did not keep its id");
    let listed = query.instances(application).await.unwrap();
    assert_eq!(
        listed.len(),
        1,
        "the instance is not listed again: {listed:?}"
    );
}
