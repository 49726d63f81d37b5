//! Tests a real Java agent with three collectors: all of them list it as the same process, whichever collector it is connected to.

use jiff::Timestamp;
use rollcall_tests::{
    PATIENCE,
    agent::{self, Agent, CODE},
    cluster::{Cluster, Member},
    eventually,
    query::{Instance, State},
};

/// The version of the Java agent that discovers collectors through the naming list.
fn java() -> Agent {
    let agents = agent::all(env!("CARGO_BIN_EXE_observed-application")).into_iter();
    let mut java = agents.filter(|agent| (agent.language, agent.version) == ("Java", "5.0.0-GA"));
    java.next()
        .expect("an agent for Java that requests the list of collectors")
}

/// The only instance of the application, as a member reports it.
async fn instance(member: &Member) -> Result<Instance, String> {
    let query = member.collector.query();
    let applications = query.applications().await?;
    let ours = applications
        .iter()
        .find(|application| application.code.as_deref() == Some(CODE));
    let application = ours.ok_or("no such application")?;
    let instances = query.instances(application.id).await?;
    <[_; 1]>::try_from(instances)
        .map(|[instance]| instance)
        .map_err(|instances| format!("not one instance: {instances:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_java_agent_is_one_process_to_all_members_and_stays_up_when_two_of_them_die() {
    let java = java();
    java.install();
    let mut cluster = Cluster::start(3).await;
    let mut application = java.start(cluster.members[0].collector.listeners());
    application.started().await.unwrap();
    let first = eventually(PATIENCE, async || instance(&cluster.members[0]).await).await;
    for member in &cluster.members {
        eventually(PATIENCE, async || match instance(member).await {
            Ok(seen) if (seen.id, &seen.uuid, seen.state) == (first.id, &first.uuid, State::Up) => {
                Ok(())
            }
            other => Err(other),
        })
        .await;
    }

    // In the end, the agent must be connected to the remaining member. It detects a lost connection only when it sends data, so the
    // test makes calls.
    for member in &mut cluster.members[1..] {
        member.collector.kill();
    }
    let alone = Timestamp::now();
    eventually(PATIENCE, async || {
        application.call("/orders", "db:3306");
        match instance(&cluster.members[0]).await {
            Ok(seen) if seen.id == first.id && seen.last_seen_at > alone => Ok(()),
            other => Err(other),
        }
    })
    .await;
}
