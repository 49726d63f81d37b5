//! 6.0.0-beta to 7.0.0.

use rollcall_domain::{
    InstanceId,
    inventory::{Generation, SpanType},
    liveness::Signal,
};
use rollcall_proto::{
    common::{KeyWithIntegerValue, KeyWithStringValue},
    register::{
        Commands, DetectPoint, Endpoint, EndpointMappingElement, Endpoints, NetAddresses,
        RegisterClient, Service, ServiceAndNetworkAddressMapping, ServiceAndNetworkAddressMappings,
        ServiceInstance, ServiceInstancePingClient, ServiceInstancePingPkg, ServiceInstances,
        Services,
    },
};
use rollcall_service::register::OperationRef;
use tonic::{Code, Request};

use super::fixture::Collector;

fn services<const N: usize>(names: [&str; N]) -> Services {
    let service = |name: &str| Service {
        service_name: name.to_owned(),
    };
    Services {
        services: names.map(service).into(),
    }
}

fn instances<const N: usize>(instances: [(i32, &str); N]) -> ServiceInstances {
    let instance = |(service_id, uuid): (i32, &str)| ServiceInstance {
        service_id,
        instance_uuid: uuid.to_owned(),
        time: 1,
        properties: [("language", "java"), ("ipv4", "10.0.0.1")]
            .map(|(key, value)| KeyWithStringValue {
                key: key.to_owned(),
                value: value.to_owned(),
            })
            .into(),
    };
    ServiceInstances {
        instances: instances.map(instance).into(),
    }
}

fn endpoint(service_id: i32, name: &str, from: i32) -> Endpoint {
    Endpoint {
        service_id,
        endpoint_name: name.to_owned(),
        from,
    }
}

fn ping(id: i32, uuid: &str) -> ServiceInstancePingPkg {
    ServiceInstancePingPkg {
        service_instance_id: id,
        time: 1_514_764_800_000,
        service_instance_uuid: uuid.to_owned(),
    }
}

/// The message of an agent that sends its version.
fn of_6_3<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let version = "6.3.0".parse().unwrap();
    request.metadata_mut().insert("agent-version", version);
    request
}

fn pairs<const N: usize>(pairs: [(&str, i32); N]) -> Vec<KeyWithIntegerValue> {
    let pair = |(key, value): (&str, i32)| KeyWithIntegerValue {
        key: key.to_owned(),
        value,
    };
    pairs.map(pair).into()
}

fn id(raw: i32) -> InstanceId {
    InstanceId::new(raw).unwrap()
}

#[tokio::test]
async fn services_and_instances_are_those_of_the_one_inventory() {
    let collector = Collector::start();
    let mut client = RegisterClient::new(collector.router());
    let reply = client
        .do_service_register(services(["orders", "pay"]))
        .await;
    assert_eq!(
        reply.unwrap().into_inner().services,
        pairs([("orders", -1), ("pay", 2)])
    );
    let reported = of_6_3(instances([(-1, "u"), (2, "u")]));
    let reply = client.do_service_instance_register(reported).await.unwrap();
    let mappings = reply.into_inner().service_instances;
    assert_eq!(mappings, pairs([("u", 1), ("u", 2)]));

    let orders = collector.services.roster.instance(id(1)).unwrap().instance;
    assert_eq!(orders.generation, Some(Generation::V6));
    let reported: Vec<_> = orders.properties.iter().collect();
    assert_eq!(
        reported,
        [
            ("language", "java"),
            ("ipv4", "10.0.0.1"),
            ("agent_version", "6.3.0")
        ]
    );
}

#[tokio::test]
async fn an_unusable_element_is_left_out_and_named_if_it_is_alone() {
    let collector = Collector::start();
    let mut client = RegisterClient::new(collector.router());
    let reply = client.do_service_instance_register(instances([(0, "a"), (2, "b"), (2, "")]));
    let mappings = reply.await.unwrap().into_inner().service_instances;
    assert_eq!(mappings, pairs([("b", 1)]));
    let refused = client
        .do_service_instance_register(instances([(0, "a")]))
        .await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(refused.message(), "serviceId is 0, which is not an id");
    let proxied = vec![endpoint(2, "/x", DetectPoint::Proxy.into())];
    let refused = client
        .do_endpoint_register(Endpoints { endpoints: proxied })
        .await;
    assert_eq!(
        refused.unwrap_err().message(),
        "from must be 0 (client) or 1 (server)"
    );
}

#[tokio::test]
async fn endpoints_are_operations_on_the_side_that_observed_them() {
    let collector = Collector::start();
    let mut client = RegisterClient::new(collector.router());
    let endpoints = [DetectPoint::Server, DetectPoint::Client]
        .map(|from| endpoint(2, "/x", from.into()))
        .to_vec();
    let reply = client.do_endpoint_register(Endpoints { endpoints }).await;
    let element = |from: DetectPoint, endpoint_id| EndpointMappingElement {
        service_id: 2,
        endpoint_name: "/x".to_owned(),
        endpoint_id,
        from: from.into(),
    };
    assert_eq!(
        reply.unwrap().into_inner().elements,
        [
            element(DetectPoint::Server, -1),
            element(DetectPoint::Client, 2)
        ]
    );
    let entry = OperationRef {
        application: rollcall_domain::ApplicationId::new(2).unwrap(),
        span_type: SpanType::Entry,
        name: "/x",
    };
    let ids = collector
        .services
        .register
        .operations(&[entry])
        .await
        .unwrap();
    assert_eq!(ids[0].unwrap().get(), -1);
}

#[tokio::test]
async fn addresses_have_ids_and_their_mapping_is_accepted() {
    let collector = Collector::start();
    let mut client = RegisterClient::new(collector.router());
    client
        .do_service_instance_register(instances([(2, "u")]))
        .await
        .unwrap();
    let addresses = vec!["db:1".to_owned()];
    let reply = client
        .do_network_address_register(NetAddresses { addresses })
        .await;
    assert_eq!(
        reply.unwrap().into_inner().address_ids,
        pairs([("db:1", -1)])
    );
    let mappings = vec![ServiceAndNetworkAddressMapping {
        service_id: 2,
        service_instance_id: 1,
        network_address: "db:1".to_owned(),
        network_address_id: -1,
    }];
    let mappings = ServiceAndNetworkAddressMappings { mappings };
    let reply = client
        .do_service_and_network_address_mapping_register(mappings)
        .await;
    assert_eq!(reply.unwrap().into_inner(), Commands::default());
}

#[tokio::test]
async fn a_mapping_renews_an_instance_of_the_service_that_it_names_only() {
    let collector = Collector::start();
    let mut client = RegisterClient::new(collector.router());
    let reply = client.do_service_register(services(["orders", "other"]));
    let ids = reply.await.unwrap().into_inner().services;
    let [own, other] = [0, 1].map(|at: usize| ids[at].value);
    let new = instances([(own, "u")]);
    client.do_service_instance_register(new).await.unwrap();
    let mut pings = ServiceInstancePingClient::new(collector.router());
    pings.do_ping(ping(1, "u")).await.unwrap();
    for (service_id, signal) in [(other, Signal::Heartbeat), (own, Signal::Register)] {
        let mapping = ServiceAndNetworkAddressMapping {
            service_id,
            service_instance_id: 1,
            ..ServiceAndNetworkAddressMapping::default()
        };
        let mappings = ServiceAndNetworkAddressMappings {
            mappings: vec![mapping],
        };
        client
            .do_service_and_network_address_mapping_register(mappings)
            .await
            .unwrap();
        let status = collector.services.roster.instance(id(1)).unwrap();
        assert_eq!(status.signal, signal, "{service_id}");
    }
}

#[tokio::test]
async fn a_ping_renews_and_gets_no_command() {
    let collector = Collector::start();
    let mut register = RegisterClient::new(collector.router());
    register
        .do_service_instance_register(instances([(2, "u")]))
        .await
        .unwrap();
    let mut client = ServiceInstancePingClient::new(collector.router());
    for request in [of_6_3(ping(1, "u")), Request::new(ping(1, ""))] {
        let reply = client.do_ping(request).await.unwrap().into_inner();
        assert_eq!(reply, Commands::default());
    }
    let status = collector.services.roster.instance(id(1)).unwrap();
    assert_eq!(status.signal, Signal::Heartbeat);
}

#[tokio::test]
async fn a_resettable_agent_gets_a_new_reset_command_with_each_ping() {
    let collector = Collector::start();
    let mut register = RegisterClient::new(collector.router());
    register
        .do_service_instance_register(instances([(2, "u")]))
        .await
        .unwrap();
    let mut client = ServiceInstancePingClient::new(collector.router());
    let mut later = ping(7, "lost");
    later.time += 3000;
    let mut serial_numbers = Vec::new();
    for lost in [ping(7, "lost"), later, ping(1, "another")] {
        let reply = client.do_ping(of_6_3(lost)).await.unwrap().into_inner();
        let [command] = reply.commands.as_slice() else {
            panic!("{reply:?}")
        };
        assert_eq!(command.command, "ServiceMetadataReset");
        assert_eq!(command.args[0].key, "SerialNumber");
        serial_numbers.push(command.args[0].value.clone());
    }
    serial_numbers.dedup();
    assert_eq!(serial_numbers.len(), 3);
    assert!(collector.services.roster.instance(id(7)).is_none());
    let known = collector.services.roster.instance(id(1)).unwrap();
    assert_eq!(known.signal, Signal::Register, "renewed by another process");
}

#[tokio::test]
async fn an_agent_that_may_ignore_the_reset_gets_it_and_its_id_is_reserved() {
    let collector = Collector::start();
    let mut client = ServiceInstancePingClient::new(collector.router());
    for _ping in 0..2 {
        let reply = client.do_ping(ping(7, "lost")).await.unwrap();
        assert_eq!(reply.into_inner().commands.len(), 1);
    }
    let adopted = collector.services.roster.instance(id(7)).unwrap();
    assert!(adopted.instance.adopted);
    assert_eq!(adopted.signal, Signal::Heartbeat);
    let refused = client.do_ping(ping(0, "u")).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(
        refused.message(),
        "serviceInstanceId is 0, which is not an id"
    );
}

#[tokio::test]
async fn names_of_a_lost_service_are_left_out_after_its_agent_was_reset() {
    let collector = Collector::start();
    let mut client = RegisterClient::new(collector.router());
    client
        .do_service_register(services(["orders"]))
        .await
        .unwrap();
    let endpoints = || Endpoints {
        endpoints: [-1, 5]
            .map(|service| endpoint(service, "/x", DetectPoint::Server.into()))
            .into(),
    };
    let reply = client
        .do_endpoint_register(of_6_3(endpoints()))
        .await
        .unwrap();
    let answered: Vec<_> = reply
        .into_inner()
        .elements
        .iter()
        .map(|it| it.service_id)
        .collect();
    assert_eq!(answered, [-1]);
    let reply = client.do_endpoint_register(endpoints()).await.unwrap();
    assert_eq!(
        reply.into_inner().elements.len(),
        2,
        "one that cannot be reset keeps its ids"
    );
}
