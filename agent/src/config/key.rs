//! The keys of `agent.config` and their names in the environment.

/// A setting that may be set in a file or in the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    ApplicationCode,
    Namespace,
    Cluster,
    InstanceUuid,
    Authentication,
    Servers,
    DirectServers,
    DiscoveryPath,
    DiscoveryInterval,
    ChannelInterval,
    RegisterInterval,
    HeartbeatAfter,
    CallTimeout,
    OperationLimit,
    AddressLimit,
    TrustedCa,
    CertChain,
    CertSecret,
    ServerName,
}

/// The spellings of a key. In each list, the first spelling is the one of 5.x; the others belong to later generations of upstream's
/// agents.
#[derive(Debug)]
pub(crate) struct Spelling {
    pub(crate) key: Key,
    pub(crate) file: &'static [&'static str],
    pub(crate) environment: &'static [&'static str],
}

/// The keys are those of `org.apache.skywalking.apm.agent.core.conf.Config` at v5.0.0-GA, and the later spellings those of v7.0.0
/// and 9.x. The names in the environment are upstream's if its `agent.config` has one; the others follow upstream's rule
/// (`collector.x` is `SW_AGENT_COLLECTOR_X`).
///
/// An instance name (8.0 and later) and an instance UUID (up to 7.0) are the same setting: both identify the instance.
pub(crate) const SPELLINGS: [Spelling; 19] = [
    Spelling {
        key: Key::ApplicationCode,
        file: &["agent.application_code", "agent.service_name"],
        environment: &["SW_AGENT_NAME"],
    },
    Spelling {
        key: Key::Namespace,
        file: &["agent.namespace"],
        environment: &["SW_AGENT_NAMESPACE"],
    },
    Spelling {
        key: Key::Cluster,
        file: &["agent.cluster"],
        environment: &["SW_AGENT_CLUSTER"],
    },
    Spelling {
        key: Key::InstanceUuid,
        file: &["agent.instance_uuid", "agent.instance_name"],
        environment: &["SW_AGENT_INSTANCE_UUID", "SW_AGENT_INSTANCE_NAME"],
    },
    Spelling {
        key: Key::Authentication,
        file: &["agent.authentication"],
        environment: &["SW_AGENT_AUTHENTICATION"],
    },
    Spelling {
        key: Key::Servers,
        file: &["collector.servers"],
        environment: &["SW_AGENT_COLLECTOR_SERVERS"],
    },
    Spelling {
        key: Key::DirectServers,
        file: &["collector.direct_servers", "collector.backend_service"],
        environment: &[
            "SW_AGENT_COLLECTOR_DIRECT_SERVERS",
            "SW_AGENT_COLLECTOR_BACKEND_SERVICES",
        ],
    },
    Spelling {
        key: Key::DiscoveryPath,
        file: &["collector.discovery_service_name"],
        environment: &["SW_AGENT_COLLECTOR_DISCOVERY_SERVICE_NAME"],
    },
    Spelling {
        key: Key::DiscoveryInterval,
        file: &["collector.discovery_check_interval"],
        environment: &["SW_AGENT_COLLECTOR_DISCOVERY_CHECK_INTERVAL"],
    },
    Spelling {
        key: Key::ChannelInterval,
        file: &["collector.grpc_channel_check_interval"],
        environment: &["SW_AGENT_COLLECTOR_GRPC_CHANNEL_CHECK_INTERVAL"],
    },
    Spelling {
        key: Key::RegisterInterval,
        file: &["collector.app_and_service_register_check_interval"],
        environment: &["SW_AGENT_COLLECTOR_APP_AND_SERVICE_REGISTER_CHECK_INTERVAL"],
    },
    Spelling {
        key: Key::HeartbeatAfter,
        file: &["collector.heartbeat_period"],
        environment: &["SW_AGENT_COLLECTOR_HEARTBEAT_PERIOD"],
    },
    Spelling {
        key: Key::CallTimeout,
        file: &["collector.grpc_upstream_timeout"],
        environment: &["SW_AGENT_COLLECTOR_GRPC_UPSTREAM_TIMEOUT"],
    },
    Spelling {
        key: Key::OperationLimit,
        file: &[
            "dictionary.operation_name_buffer_size",
            "dictionary.endpoint_name_buffer_size",
        ],
        environment: &["SW_AGENT_DICTIONARY_OPERATION_NAME_BUFFER_SIZE"],
    },
    Spelling {
        key: Key::AddressLimit,
        file: &[
            "dictionary.application_code_buffer_size",
            "dictionary.service_code_buffer_size",
        ],
        environment: &["SW_AGENT_DICTIONARY_APPLICATION_CODE_BUFFER_SIZE"],
    },
    Spelling {
        key: Key::TrustedCa,
        file: &["agent.ssl_trusted_ca_path"],
        environment: &["SW_AGENT_SSL_TRUSTED_CA_PATH"],
    },
    Spelling {
        key: Key::CertChain,
        file: &["agent.ssl_cert_chain_path"],
        environment: &["SW_AGENT_SSL_CERT_CHAIN_PATH"],
    },
    Spelling {
        key: Key::CertSecret,
        file: &["agent.ssl_key_path"],
        environment: &["SW_AGENT_SSL_KEY_PATH"],
    },
    Spelling {
        key: Key::ServerName,
        file: &["agent.ssl_server_name"],
        environment: &["SW_AGENT_SSL_SERVER_NAME"],
    },
];

impl Key {
    pub(crate) fn spelling(self) -> &'static Spelling {
        // The rows are in the order of the declaration; a test below checks that.
        &SPELLINGS[self as usize]
    }

    /// The name under which a mistake is reported if the mistake is not in a file.
    pub(crate) fn name(self) -> &'static str {
        self.spelling().file[0]
    }

    pub(crate) fn of_file(name: &str) -> Option<Self> {
        let spelling = SPELLINGS
            .iter()
            .find(|spelling| spelling.file.contains(&name))?;
        Some(spelling.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_row() {
        assert!(
            SPELLINGS
                .iter()
                .enumerate()
                .all(|(index, spelling)| spelling.key as usize == index)
        );
        assert_eq!(Key::ServerName as usize + 1, SPELLINGS.len());
    }
}
