//! Clients of the registration services, with short forms of an agent's calls.

mod ping;
pub mod raw;

use std::{net::SocketAddr, time::Duration};

pub use ping::is_reset;

use rollcall_proto::{
    application::{Application, ApplicationRegisterServiceClient},
    instance::{
        ApplicationInstance, ApplicationInstanceHeartbeat, ApplicationInstanceRecover,
        InstanceDiscoveryServiceClient, OsInfo,
    },
    jvm::{Cpu, JvmMetric, JvmMetrics, JvmMetricsServiceClient},
    network_address::{NetworkAddressRegisterServiceClient, NetworkAddresses},
    service_name::{ServiceNameCollection, ServiceNameDiscoveryServiceClient, ServiceNameElement},
};
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};

/// The timeout of one call: longer than any deadline of the collector.
const TIMEOUT: Duration = Duration::from_secs(25);

/// 2018-10-06 in milliseconds, as an agent sends its clock. Any time will do, because the collector records an agent's clock but
/// does not trust it.
const AGENT_TIME: i64 = 1_538_800_000_000;

/// One connection to a collector; clones share it.
#[derive(Clone, Debug)]
pub struct Client {
    /// The connection, for the generated clients of `rollcall-proto`.
    pub channel: Channel,
}

impl Client {
    /// Connects.
    ///
    /// # Panics
    /// When the connection is refused.
    pub async fn connect(server: SocketAddr) -> Self {
        let channel = Self::endpoint(server).connect().await;
        Self {
            channel: channel.unwrap_or_else(|error| panic!("connecting to {server}: {error:?}")),
        }
    }

    /// A client that connects at its first call, and reconnects whenever the connection is lost.
    pub fn lazy(server: SocketAddr) -> Self {
        Self {
            channel: Self::endpoint(server).connect_lazy(),
        }
    }

    fn endpoint(server: SocketAddr) -> Endpoint {
        let endpoint = Endpoint::from_shared(format!("http://{server}"))
            .expect("an address is a valid authority");
        endpoint.timeout(TIMEOUT).connect_timeout(TIMEOUT)
    }

    /// `applicationCodeRegister` as 5.x agents call it: the id of a code.
    ///
    /// # Errors
    /// The collector's status.
    ///
    /// # Panics
    /// When the answer is not exactly this code, or the id is 0, at which a 5.x agent would retry without a pause.
    pub async fn application(&self, code: &str) -> Result<i32, Status> {
        let request = Application {
            application_code: vec![code.to_owned()],
        };
        let mut client = ApplicationRegisterServiceClient::new(self.channel.clone());
        let answer = client
            .application_code_register(request)
            .await?
            .into_inner()
            .application;
        let [mapping] = answer.as_slice() else {
            panic!("not one mapping for {code}: {answer:?}")
        };
        assert_eq!(mapping.key, code);
        assert_ne!(mapping.value, 0, "no id for {code}");
        Ok(mapping.value)
    }

    /// Like [`Client::application`], with a token.
    ///
    /// # Errors
    /// The collector's status.
    ///
    /// # Panics
    /// When the token is not a valid header value, or the answer has no mapping.
    pub async fn application_as(&self, token: &str, code: &str) -> Result<i32, Status> {
        let mut request = tonic::Request::new(Application {
            application_code: vec![code.to_owned()],
        });
        let token = token.parse().expect("a token");
        request.metadata_mut().insert("authentication", token);
        let mut client = ApplicationRegisterServiceClient::new(self.channel.clone());
        let answer = client.application_code_register(request).await?;
        let mapping = answer.into_inner().application.pop();
        Ok(mapping.expect("a mapping").value)
    }

    /// `register` as 3.2.6 agents call it: the ids of codes, in the order of the answer, with the echoed code.
    ///
    /// # Errors
    /// The collector's status.
    pub async fn applications(&self, codes: &[&str]) -> Result<Vec<(String, i32)>, Status> {
        let request = Application {
            application_code: codes.iter().map(|&code| code.to_owned()).collect(),
        };
        let mut client = ApplicationRegisterServiceClient::new(self.channel.clone());
        let answer = client.register(request).await?.into_inner().application;
        Ok(answer
            .into_iter()
            .map(|mapping| (mapping.key, mapping.value))
            .collect())
    }

    /// `registerInstance` as 5.x agents call it: the id of a process; 0 if none is assigned yet.
    ///
    /// # Errors
    /// The collector's status.
    pub async fn instance(&self, application: i32, uuid: &str) -> Result<i32, Status> {
        let request = ApplicationInstance {
            application_id: application,
            agent_uuid: uuid.to_owned(),
            register_time: AGENT_TIME,
            osinfo: Some(os_info()),
        };
        let mut client = InstanceDiscoveryServiceClient::new(self.channel.clone());
        let answer = client.register_instance(request).await?.into_inner();
        assert_eq!(answer.application_id, application);
        Ok(answer.application_instance_id)
    }

    /// Registers an instance whose agent reports these addresses of its machine.
    ///
    /// # Errors
    /// The collector's status.
    pub async fn instance_on(
        &self,
        application: i32,
        uuid: &str,
        addresses: &[&str],
    ) -> Result<i32, Status> {
        let mut os = os_info();
        os.ipv4s = addresses.iter().map(|it| (*it).to_owned()).collect();
        let request = ApplicationInstance {
            application_id: application,
            agent_uuid: uuid.to_owned(),
            register_time: AGENT_TIME,
            osinfo: Some(os),
        };
        let mut client = InstanceDiscoveryServiceClient::new(self.channel.clone());
        let answer = client.register_instance(request).await?.into_inner();
        Ok(answer.application_instance_id)
    }

    /// `heartbeat`.
    ///
    /// # Errors
    /// The collector's status.
    pub async fn heartbeat(&self, instance: i32) -> Result<(), Status> {
        self.heartbeat_at(instance, AGENT_TIME).await
    }

    /// `heartbeat` of an agent whose clock shows this time, in milliseconds.
    ///
    /// # Errors
    /// The collector's status.
    pub async fn heartbeat_at(&self, instance: i32, heartbeat_time: i64) -> Result<(), Status> {
        let request = ApplicationInstanceHeartbeat {
            application_instance_id: instance,
            heartbeat_time,
        };
        InstanceDiscoveryServiceClient::new(self.channel.clone())
            .heartbeat(request)
            .await
            .map(drop)
    }

    /// `registerRecover` as 3.2.6 agents call it after a reconnect.
    ///
    /// # Errors
    /// The collector's status.
    pub async fn recover(&self, application: i32, instance: i32) -> Result<(), Status> {
        let request = ApplicationInstanceRecover {
            application_id: application,
            application_instance_id: instance,
            register_time: AGENT_TIME,
            osinfo: Some(os_info()),
        };
        InstanceDiscoveryServiceClient::new(self.channel.clone())
            .register_recover(request)
            .await
            .map(drop)
    }

    /// JVM metrics with one measurement, as an agent sends them every second.
    ///
    /// # Errors
    /// The collector's status.
    pub async fn jvm_metrics(&self, instance: i32) -> Result<(), Status> {
        self.jvm_metrics_at(instance, AGENT_TIME).await
    }

    /// As [`Client::jvm_metrics`], with a metric of this time in milliseconds.
    ///
    /// # Errors
    /// The collector's status.
    pub async fn jvm_metrics_at(&self, instance: i32, time: i64) -> Result<(), Status> {
        let metric = JvmMetric {
            time,
            cpu: Some(Cpu { usage_percent: 1.5 }),
            ..JvmMetric::default()
        };
        let request = JvmMetrics {
            metrics: vec![metric],
            application_instance_id: instance,
        };
        JvmMetricsServiceClient::new(self.channel.clone())
            .collect(request)
            .await
            .map(drop)
    }

    /// `discovery` of entry operations of one application: their ids, in the order of the answer, with the echoed name.
    ///
    /// # Errors
    /// The collector's status.
    pub async fn operations(
        &self,
        application: i32,
        names: &[&str],
    ) -> Result<Vec<(String, i32)>, Status> {
        let operations = names.iter().map(|&name| (application, name));
        let answer = self.discover(&operations.collect::<Vec<_>>()).await?;
        let without_application = |((_, name), id): ((i32, String), i32)| (name, id);
        Ok(answer.into_iter().map(without_application).collect())
    }

    /// `discovery` of entry operations, each of an application and a name: their ids, in the order of the answer, with the echo.
    ///
    /// # Errors
    /// The collector's status.
    pub async fn discover(
        &self,
        operations: &[(i32, &str)],
    ) -> Result<Vec<((i32, String), i32)>, Status> {
        let element = |&(application_id, name): &(i32, &str)| ServiceNameElement {
            service_name: name.to_owned(),
            application_id,
            ..ServiceNameElement::default()
        };
        let request = ServiceNameCollection {
            elements: operations.iter().map(element).collect(),
        };
        let mut client = ServiceNameDiscoveryServiceClient::new(self.channel.clone());
        let answer = client.discovery(request).await?.into_inner().elements;
        let pair = |id: i32, element: Option<ServiceNameElement>| {
            let element = element.expect("an echo");
            ((element.application_id, element.service_name), id)
        };
        Ok(answer
            .into_iter()
            .map(|mapping| pair(mapping.service_id, mapping.element))
            .collect())
    }

    /// `batchRegister` of addresses: their ids, in the order of the answer, with the echoed address.
    ///
    /// # Errors
    /// The collector's status.
    pub async fn addresses(&self, addresses: &[&str]) -> Result<Vec<(String, i32)>, Status> {
        let request = NetworkAddresses {
            addresses: addresses
                .iter()
                .map(|&address| address.to_owned())
                .collect(),
        };
        let mut client = NetworkAddressRegisterServiceClient::new(self.channel.clone());
        let answer = client
            .batch_register(request)
            .await?
            .into_inner()
            .address_ids;
        Ok(answer
            .into_iter()
            .map(|mapping| (mapping.key, mapping.value))
            .collect())
    }
}

fn os_info() -> OsInfo {
    OsInfo {
        os_name: "Linux".to_owned(),
        hostname: "test".to_owned(),
        process_no: 1,
        ipv4s: vec!["127.0.0.1".to_owned()],
    }
}
