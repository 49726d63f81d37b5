//! The types of messages, by name. Only the name decides how a message is read and which handler answers it.

#[cfg(test)]
mod tests;

/// The type of a unary call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Asks whether a Nacos server answers at this address. The only call that is answered before the connection is set up.
    ServerCheck,
    /// Asks whether the server still knows the connection.
    HealthCheck,
    /// Naming.
    Naming(Naming),
    /// A configuration request, which this server refuses. The field is the type of the answer.
    Config(&'static str),
    /// A call between servers of the reference.
    Cluster,
}

/// A naming request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Naming {
    Instance,
    BatchInstance,
    PersistentInstance,
    ServiceQuery,
    ServiceList,
    Subscribe,
    FuzzyWatch,
}

/// A message of a client on its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sent {
    /// Sets the connection up.
    Setup,
    /// Acknowledges a push.
    Ack,
    /// Answers a probe, a set-up acknowledgement, or anything else: it shows that the client is alive.
    Other,
    /// Acknowledges the request to reconnect.
    Reset,
}

impl Kind {
    /// The type with this name; `None` for an unknown one.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "ServerCheckRequest" => Self::ServerCheck,
            "HealthCheckRequest" => Self::HealthCheck,
            "InstanceRequest" => Self::Naming(Naming::Instance),
            "BatchInstanceRequest" => Self::Naming(Naming::BatchInstance),
            "PersistentInstanceRequest" => Self::Naming(Naming::PersistentInstance),
            "ServiceQueryRequest" => Self::Naming(Naming::ServiceQuery),
            "ServiceListRequest" => Self::Naming(Naming::ServiceList),
            "SubscribeServiceRequest" => Self::Naming(Naming::Subscribe),
            "NamingFuzzyWatchRequest" => Self::Naming(Naming::FuzzyWatch),
            "ConfigQueryRequest" => Self::Config("ConfigQueryResponse"),
            "ConfigPublishRequest" => Self::Config("ConfigPublishResponse"),
            "ConfigRemoveRequest" => Self::Config("ConfigRemoveResponse"),
            "ConfigBatchListenRequest" => Self::Config("ConfigChangeBatchListenResponse"),
            "ConfigFuzzyWatchRequest" => Self::Config("ConfigFuzzyWatchResponse"),
            "ServerLoaderInfoRequest"
            | "ServerReloadRequest"
            | "MemberReportRequest"
            | "DistroDataRequest"
            | "ConfigChangeClusterSyncRequest" => Self::Cluster,
            _ => return None,
        })
    }

    /// The label in metrics.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::ServerCheck => "server_check",
            Self::HealthCheck => "health_check",
            Self::Naming(naming) => naming.label(),
            Self::Config(_) => "config",
            Self::Cluster => "cluster",
        }
    }
}

impl Naming {
    /// Every naming request.
    pub(super) const ALL: [Self; 7] = [
        Self::Instance,
        Self::BatchInstance,
        Self::PersistentInstance,
        Self::ServiceQuery,
        Self::ServiceList,
        Self::Subscribe,
        Self::FuzzyWatch,
    ];

    /// The type of its answer.
    pub(super) const fn response(self) -> &'static str {
        match self {
            Self::Instance | Self::PersistentInstance => "InstanceResponse",
            Self::BatchInstance => "BatchInstanceResponse",
            Self::ServiceQuery => "QueryServiceResponse",
            Self::ServiceList => "ServiceListResponse",
            Self::Subscribe => "SubscribeServiceResponse",
            Self::FuzzyWatch => "NamingFuzzyWatchResponse",
        }
    }

    /// Whether it needs the right to write: a subscription reads.
    pub(super) const fn is_write(self) -> bool {
        matches!(
            self,
            Self::Instance | Self::BatchInstance | Self::PersistentInstance
        )
    }

    /// Whether its body has lists.
    pub(super) const fn has_lists(self) -> bool {
        matches!(self, Self::BatchInstance | Self::FuzzyWatch)
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::BatchInstance => "batch_instance",
            Self::PersistentInstance => "persistent_instance",
            Self::ServiceQuery => "query",
            Self::ServiceList => "list",
            Self::Subscribe => "subscribe",
            Self::FuzzyWatch => "fuzzy_watch",
        }
    }
}

impl Sent {
    /// The message with this name. A message of any type shows that the client is alive.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "ConnectionSetupRequest" => Self::Setup,
            "NotifySubscriberResponse"
            | "NamingFuzzyWatchSyncResponse"
            | "NamingFuzzyWatchChangeNotifyResponse" => Self::Ack,
            "ConnectResetResponse" => Self::Reset,
            _ => Self::Other,
        }
    }
}
