//! Tests a collector that has lost its store and whose agents still hold earlier ids: these agents keep the ids, and no other agent
//! gets them.
//!
//! The conformance tests have this scenario with real agents. These tests use every call by which an agent shows that it is alive,
//! and a fleet of several generations.

use std::{collections::BTreeSet, fs, time::Duration};

use rollcall_proto::{
    common::KeyWithStringValue,
    management::{InstancePingPkg, InstanceProperties, v3::ManagementServiceClient},
};
use rollcall_tests::{
    PATIENCE, eventually, grpc,
    process::{Collector, Options},
    query::{Application, State},
};
use tempfile::TempDir;
use tonic::{Code, transport::Channel};

/// Ids near the start of the sequences, so that the collector soon has to skip an adopted id.
const APPLICATION: i32 = 2;
const INSTANCE: i32 = 3;

/// A collector that has lost the ids above, which an agent still holds.
async fn forgetful() -> Collector {
    lost(Collector::options().without_listening()).await
}

/// A collector with these options that has lost its store.
async fn lost(options: Options) -> Collector {
    let mut collector = options.start().await;
    let client = collector.grpc().await;
    assert_eq!(client.application("first").await.unwrap(), -1);
    assert_eq!(client.application("orders").await.unwrap(), APPLICATION);
    for (uuid, id) in [("a", 1), ("b", 2), ("c", INSTANCE)] {
        assert_eq!(client.instance(APPLICATION, uuid).await.unwrap(), id);
    }
    collector.kill();
    collector.lose_store();
    collector.restart().await;
    assert!(collector.query().applications().await.unwrap().is_empty());
    collector
}

async fn new_instances(client: &grpc::Client, application: i32, prefix: &str) -> BTreeSet<i32> {
    let mut ids = BTreeSet::new();
    for number in 0..10 {
        ids.insert(
            client
                .instance(application, &format!("{prefix}-{number}"))
                .await
                .unwrap(),
        );
    }
    ids
}

/// Checks that the instance is listed, up and adopted, and that the collector no longer assigns its id, even after a restart.
async fn assert_adopted(mut collector: Collector) {
    for round in ["before", "after"] {
        let instance = collector.query().instance(INSTANCE).await.unwrap();
        assert_eq!(
            (instance.id, instance.adopted, instance.uuid),
            (INSTANCE, true, None)
        );
        if round == "before" {
            assert_eq!(instance.state, State::Up);
        }
        let client = collector.grpc().await;
        let other = client.application("other").await.unwrap();
        assert_eq!(other, -1);
        assert!(
            !new_instances(&client, other, round)
                .await
                .contains(&INSTANCE)
        );
        collector.restart().await;
    }
}

#[tokio::test]
async fn a_heartbeat_of_an_unknown_instance_adopts_it() {
    let collector = forgetful().await;
    collector.grpc().await.heartbeat(INSTANCE).await.unwrap();
    assert_adopted(collector).await;
}

#[tokio::test]
async fn jvm_metrics_of_an_unknown_instance_adopt_it() {
    let collector = forgetful().await;
    collector.grpc().await.jvm_metrics(INSTANCE).await.unwrap();
    assert_adopted(collector).await;
}

#[tokio::test]
async fn recovery_of_an_unknown_instance_adopts_it_with_its_application() {
    let collector = forgetful().await;
    let client = collector.grpc().await;
    client.recover(APPLICATION, INSTANCE).await.unwrap();
    let instance = collector.query().instance(INSTANCE).await.unwrap();
    assert_eq!(instance.application_id, Some(APPLICATION));
    assert_eq!(client.application("another").await.unwrap(), -1);
    assert_eq!(
        client.application("a third").await.unwrap(),
        -2,
        "the agent that recovered holds 2"
    );
}

#[tokio::test]
async fn an_instance_of_an_unknown_application_is_registered_under_that_id() {
    let collector = forgetful().await;
    let client = collector.grpc().await;
    let instance = client.instance(APPLICATION, "d").await.unwrap();
    assert_eq!(
        collector
            .query()
            .instance(instance)
            .await
            .unwrap()
            .application_id,
        Some(APPLICATION)
    );
    assert_eq!(client.application("another").await.unwrap(), -1);
    assert_eq!(client.application("a third").await.unwrap(), -2);
}

#[tokio::test]
async fn adopted_ids_do_not_move_the_sequence() {
    let collector = forgetful().await;
    let client = collector.grpc().await;
    client.recover(i32::MAX, i32::MAX).await.unwrap();
    client.recover(1 - (1 << 30), i32::MAX - 1).await.unwrap();
    assert_eq!(client.application("another").await.unwrap(), -1);
    assert_eq!(client.instance(-1, "d").await.unwrap(), 1);
}

/// Reports a process of an 8.x agent, which uses no ids.
async fn named(client: &grpc::Client, service: &str, instance: &str) {
    let mut management = ManagementServiceClient::new(client.channel.clone());
    let properties = InstanceProperties {
        service: service.to_owned(),
        service_instance: instance.to_owned(),
        properties: vec![KeyWithStringValue {
            key: "language".to_owned(),
            value: "python".to_owned(),
        }],
    };
    management
        .report_instance_properties(properties)
        .await
        .unwrap();
    keep_alive(&client.channel, service, instance).await;
}

async fn keep_alive(channel: &Channel, service: &str, instance: &str) {
    let ping = InstancePingPkg {
        service: service.to_owned(),
        service_instance: instance.to_owned(),
    };
    ManagementServiceClient::new(channel.clone())
        .keep_alive(ping)
        .await
        .unwrap();
}

async fn application(collector: &Collector, code: Option<&str>) -> Application {
    let applications = collector.query().applications().await.unwrap();
    let wanted = |found: &&Application| found.code.as_deref() == code;
    let found: Vec<_> = applications.iter().filter(wanted).collect();
    assert_eq!(found.len(), 1, "{code:?} in {applications:?}");
    found[0].clone()
}

async fn dropped(collector: &Collector, what: &str) -> u64 {
    let metrics = collector
        .http(collector.listeners().ui)
        .get("/metrics")
        .await
        .unwrap()
        .text();
    let name = format!("rollcall_dropped_total{{what=\"{what}\"}}");
    let line = metrics.lines().find(|line| line.starts_with(&name));
    let value = line.and_then(|line| line.rsplit(' ').next()).unwrap_or("0");
    value.parse().unwrap()
}

/// A process of 8.x never gets an id that an idle agent of an earlier generation still holds, even if the process reports first.
#[tokio::test]
async fn agents_without_ids_never_get_the_ids_of_idle_agents() {
    let collector = forgetful().await;
    let client = collector.grpc().await;
    for number in 0..20 {
        named(&client, &format!("service-{number}"), "rust").await;
    }
    // The idle agent from before the loss sends JVM metrics and then recovers.
    client.jvm_metrics(INSTANCE).await.unwrap();
    let adopted = collector.query().instance(INSTANCE).await.unwrap();
    assert_eq!((adopted.adopted, adopted.uuid), (true, None));
    client.recover(APPLICATION, INSTANCE).await.unwrap();
    let adopted = collector.query().instance(INSTANCE).await.unwrap();
    assert_eq!(adopted.application_id, Some(APPLICATION));
    for found in collector.query().applications().await.unwrap() {
        let instances = collector.query().instances(found.id).await.unwrap();
        let is_adopted = found.id == APPLICATION;
        assert_eq!(found.code.is_none(), is_adopted, "{found:?}");
        assert_eq!(instances.len(), 1, "{found:?}");
        assert_eq!(instances[0].id == INSTANCE, is_adopted);
    }
    assert_eq!(
        client.application("first").await.unwrap(),
        -1,
        "the agents without ids have used up an id of the sequence"
    );
}

/// An 8.x process that is down stays down, even if an agent that holds the same number as an old id sends signals.
#[tokio::test]
async fn a_signal_with_an_id_never_renews_an_instance_without_ids() {
    let mut collector = Collector::options()
        .without_listening()
        .terms(Duration::from_secs(1), Duration::from_secs(2))
        .start()
        .await;
    collector.expect_log("sign of life refused");
    let client = collector.grpc().await;
    named(&client, "orders", "rust").await;
    let orders = application(&collector, Some("orders")).await;
    let instance = collector
        .query()
        .instances(orders.id)
        .await
        .unwrap()
        .remove(0);
    let is_down = async || match collector.query().instance(instance.id).await? {
        found if found.state == State::Down => Ok(()),
        found => Err(format!("{found:?}")),
    };
    eventually(PATIENCE, is_down).await;
    for refused in [
        client.heartbeat(instance.id).await,
        client.jvm_metrics(instance.id).await,
        client.recover(APPLICATION, instance.id).await,
    ] {
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    }
    assert_eq!(
        dropped(&collector, "signals_with_an_id_of_an_agent_without_ids").await,
        3
    );
    is_down().await.unwrap();
    keep_alive(&client.channel, "orders", "rust").await;
    let found = collector.query().instance(instance.id).await.unwrap();
    assert_eq!(found.state, State::Up, "its own signal did not renew it");
}

/// Agents with and without ids share one application, whichever of them registers it first, and also after a restart.
#[tokio::test]
async fn an_application_of_agents_with_and_without_ids_has_one_id_of_the_sequence() {
    let mut collector = Collector::start().await;
    for round in 0..2 {
        let client = collector.grpc().await;
        named(&client, "later-first", "8.x").await;
        let earlier = client.application("earlier-first").await.unwrap();
        named(&client, "earlier-first", "8.x").await;
        if round == 0 {
            let internal = application(&collector, Some("later-first")).await;
            assert!(
                internal.id <= -(1 << 30),
                "not an internal id: {internal:?}"
            );
        }
        let later = client.application("later-first").await.unwrap();
        assert_eq!((earlier, later), (-1, 2));
        for (code, id) in [("earlier-first", earlier), ("later-first", later)] {
            let instance = client.instance(id, code).await.unwrap();
            let found = application(&collector, Some(code)).await;
            assert_eq!((found.id, found.instances.up), (id, 2), "{found:?}");
            let instances = collector.query().instances(id).await.unwrap();
            assert!(
                instances
                    .iter()
                    .all(|found| found.application_id == Some(id))
            );
            assert!(instances.iter().any(|found| found.id == instance));
            client.recover(id, instance).await.unwrap();
        }
        collector.restart().await;
    }
}

/// While agents from before the loss report their ids, the collector assigns no new ids to agents that use ids.
#[tokio::test]
async fn held_ids_are_adopted_before_new_ones_are_assigned() {
    let period = "15s";
    let options = Collector::options().env("SW_REGISTER_LISTENING_PERIOD", period);
    let mut collector = lost(options).await;
    collector.expect_log("the store is empty and agents may hold ids");
    let client = collector.grpc().await;
    client.heartbeat(INSTANCE).await.unwrap();
    // New names get no id yet, which each call reports in its own form. Agents without ids do not wait.
    let refused = client.application("new").await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert!(refused.message().contains("listening"), "{refused}");
    assert_eq!(client.applications(&["new"]).await.unwrap(), []);
    assert_eq!(client.instance(APPLICATION, "new").await.unwrap(), 0);
    named(&client, "service", "rust").await;
    let ready = collector
        .http(collector.listeners().ui)
        .get("/readyz")
        .await
        .unwrap();
    assert!(ready.text().contains("listening"), "{}", ready.text());
    // Another agent from before the loss arrives later.
    client.recover(APPLICATION, 1).await.unwrap();
    assert!(dropped(&collector, "registrations_while_listening").await >= 3);
    eventually(PATIENCE, async || match client.application("new").await {
        Ok(-1) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert_eq!(
        client.instance(-1, "new").await.unwrap(),
        2,
        "1 and 3 are held"
    );
    assert_eq!(client.application("newer").await.unwrap(), -2, "2 is held");
    let ready = collector
        .http(collector.listeners().ui)
        .get("/readyz")
        .await
        .unwrap();
    assert!(ready.text().contains("\"ready\""), "{}", ready.text());
}

/// Other data in the directory shows that there was a store, so no agent has to name an unknown id first.
#[tokio::test]
async fn a_collector_that_lost_only_its_store_listens_from_its_start() {
    for nacos in ["", "none"] {
        let options = Collector::options().env("SW_REGISTER_LISTENING_PERIOD", "15s");
        let options = match nacos {
            "" => options,
            nacos => options.env("SW_NACOS", nacos),
        };
        let mut collector = options.start().await;
        collector.expect_log("the store of earlier runs is missing");
        let client = collector.grpc().await;
        let id = client.application("orders").await.unwrap();
        assert_eq!(client.instance(id, "a").await.unwrap(), 1);
        collector.kill();
        fs::remove_file(collector.data_dir().join("rollcall.redb")).unwrap();
        for _start in 0..2 {
            collector.restart().await;
            let client = collector.grpc().await;
            let refused = client.application("new").await.unwrap_err();
            assert_eq!(refused.code(), Code::Unavailable, "{refused}");
            assert!(refused.message().contains("listening"), "{refused}");
            // The second start finds only this adopted id and an agent that uses no ids in the store.
            client.recover(id, 1).await.unwrap();
            named(&client, "carts", "cart-1").await;
        }
        let client = collector.grpc().await;
        let new = eventually(PATIENCE, async || client.application("new").await).await;
        assert_eq!(client.instance(new, "b").await.unwrap(), 2, "1 is held");
    }
}

/// A regression test: an agent of 8.0 or later, which is registered during the period, made the next start trust the store.
#[tokio::test]
async fn a_period_that_a_stop_cut_short_begins_again_until_one_has_passed() {
    let directory = TempDir::new().unwrap();
    let start = async |period: &str| {
        let options = Collector::options().data_dir(directory.path());
        let options = options.env("SW_REGISTER_LISTENING_PERIOD", period);
        let mut collector = options.start().await;
        collector.expect_log("the store of earlier runs is missing");
        collector
    };
    let is_listening = async |collector: &Collector| {
        let ready = collector.http(collector.listeners().ui);
        ready
            .get("/readyz")
            .await
            .unwrap()
            .text()
            .contains("listening")
    };
    let mut collector = start("1h").await;
    named(&collector.grpc().await, "carts", "cart-1").await;
    collector.kill();
    fs::remove_file(directory.path().join("rollcall.redb")).unwrap();
    for _start in 0..2 {
        let mut collector = start("1h").await;
        let client = collector.grpc().await;
        named(&client, "carts", "cart-1").await;
        let refused = client.application("new").await.unwrap_err();
        assert!(refused.message().contains("listening"), "{refused}");
        collector.kill();
    }
    let mut collector = start("100ms").await;
    eventually(PATIENCE, async || match is_listening(&collector).await {
        true => Err("still listening"),
        false => Ok(()),
    })
    .await;
    // The end of the period is stored with the next commit.
    named(&collector.grpc().await, "carts", "cart-2").await;
    collector.kill();
    let collector = start("1h").await;
    assert!(!is_listening(&collector).await, "a whole period has passed");
    assert_eq!(collector.grpc().await.application("new").await.unwrap(), -1);
}

/// A new installation does not wait, also if it was started before.
#[tokio::test]
async fn a_new_collector_assigns_ids_at_once() {
    let mut collector = Collector::start().await;
    collector.restart().await;
    let client = collector.grpc().await;
    let id = client.application("orders").await.unwrap();
    let instance = client.instance(id, "a").await.unwrap();
    client.heartbeat(instance).await.unwrap();
    assert_eq!((id, instance), (-1, 1));
    assert_eq!(client.application("billing").await.unwrap(), 2);
}

/// Idle agents up to 6.2 send only the id of their instance. The instance is listed even though its application is unknown.
#[tokio::test]
async fn instances_without_an_application_are_listed_together() {
    let collector = forgetful().await;
    let client = collector.grpc().await;
    client.heartbeat(INSTANCE).await.unwrap();
    client.jvm_metrics(INSTANCE + 1).await.unwrap();
    let unknown = application(&collector, None).await;
    assert_eq!((unknown.id, unknown.instances.up), (0, 2));
    let instances = collector.query().instances(0).await.unwrap();
    let ids: Vec<i32> = instances.iter().map(|instance| instance.id).collect();
    assert_eq!(ids, [INSTANCE, INSTANCE + 1]);
    // One of the instances reports its application.
    client.recover(APPLICATION, INSTANCE).await.unwrap();
    let applications = collector.query().applications().await.unwrap();
    let ups: Vec<_> = applications
        .iter()
        .map(|found| (found.id, found.instances.up))
        .collect();
    assert_eq!(ups, [(0, 1), (APPLICATION, 1)]);
}
