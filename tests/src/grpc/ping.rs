use rollcall_proto::register::{Commands, ServiceInstancePingClient, ServiceInstancePingPkg};
use tonic::{Request, Status};

use super::Client;

impl Client {
    /// `doPing` as Java agents of 6.3 to 7.0 call it.
    ///
    /// # Errors
    /// The collector's status.
    ///
    /// # Panics
    /// Never: the version is a valid header value.
    pub async fn ping(&self, instance: i32, uuid: &str) -> Result<Commands, Status> {
        let mut request = Request::new(ServiceInstancePingPkg {
            service_instance_id: instance,
            time: 1,
            service_instance_uuid: uuid.to_owned(),
        });
        let version = "6.6.0".parse().expect("a header value");
        request.metadata_mut().insert("agent-version", version);
        let mut client = ServiceInstancePingClient::new(self.channel.clone());
        Ok(client.do_ping(request).await?.into_inner())
    }
}

/// Whether the commands reset the agent, so that it drops its ids and registers again after ten minutes.
pub fn is_reset(commands: &Commands) -> bool {
    let mut commands = commands.commands.iter();
    commands.any(|command| command.command == "ServiceMetadataReset")
}
