//! The table of keys, the source of parsing, suggestions, `--print-config` and the tables of `docs/configuration.md`. The
//! defaults are in the bundled `application.yml`, which a test compares with this table.

mod field;

pub(super) use field::Field;

/// One key of the configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) module: &'static str,
    pub(super) provider: &'static str,
    pub(super) name: &'static str,
    /// The variable that overrides the file.
    pub(super) env: &'static str,
    pub(super) field: Field,
    /// The text in the table of `docs/configuration.md`.
    pub(super) doc: &'static str,
}

macro_rules! keys {
    ($($module:ident . $provider:ident { $($name:ident $env:ident $kind:ident $doc:literal => $($at:ident).+;)* })*) => {
        /// Every key, in the order of the bundled file.
        pub(super) const KEYS: &[Key] = &[$($(Key {
            module: stringify!($module),
            provider: stringify!($provider),
            name: stringify!($name),
            env: stringify!($env),
            field: Field::$kind(|config| &mut config.$($at).+),
            doc: $doc,
        },)*)*];
    };
}

keys! {
    naming.jetty {
        host SW_NAMING_JETTY_HOST Host "Address where agents request the list of collectors" => naming.listen.host;
        port SW_NAMING_JETTY_PORT Port "Its port" => naming.listen.port;
        tls SW_NAMING_JETTY_TLS Tls "Connections that are accepted while `tls.default.enabled` is true: `off` (plain only), `optional` (plain and TLS on one port), `required` (TLS only), `mutual` (TLS with a client certificate)" => naming.tls;
        context_path SW_NAMING_JETTY_CONTEXT_PATH ContextPath "Prefix of its paths" => naming.context_path;
    }
    remote.gRPC {
        host SW_REMOTE_GRPC_HOST Host "Address where other collectors reach this one" => remote.listen.host;
        port SW_REMOTE_GRPC_PORT Port "Its port" => remote.listen.port;
        tls SW_REMOTE_GRPC_TLS Tls "As in `naming.jetty`; unless it is `off`, this collector reaches the others over TLS" => remote.tls;
        advertised_host SW_REMOTE_GRPC_ADVERTISED_HOST AdvertisedHost "Host published to other collectors; empty: the host, or this machine's address" => remote.advertised.host;
        advertised_port SW_REMOTE_GRPC_ADVERTISED_PORT AdvertisedPort "Port published to other collectors; empty: the port" => remote.advertised.port;
        buffer_size SW_REMOTE_GRPC_BUFFER_SIZE Count "Registrations that may wait to be forwarded to the collector that commits them; further ones are committed by this collector" => remote.buffer_size;
    }
    agent_gRPC.gRPC {
        host SW_AGENT_GRPC_HOST Host "Address where agents register over gRPC" => agent_grpc.listen.host;
        port SW_AGENT_GRPC_PORT Port "Its port" => agent_grpc.listen.port;
        tls SW_AGENT_GRPC_TLS Tls "As in `naming.jetty`; modules that share a listener must have the same value" => agent_grpc.tls;
        advertised_host SW_AGENT_GRPC_ADVERTISED_HOST AdvertisedHost "Host published to agents; empty: the host, or this machine's address" => agent_grpc.advertised.host;
        advertised_port SW_AGENT_GRPC_ADVERTISED_PORT AdvertisedPort "Port published to agents; empty: the port" => agent_grpc.advertised.port;
        max_message_size SW_AGENT_GRPC_MAX_MESSAGE_SIZE Bytes "Largest message that an agent may send" => agent_grpc.max_message_size;
        max_health_watchers SW_AGENT_GRPC_MAX_HEALTH_WATCHERS Count "Most streams of `grpc.health.v1.Health/Watch`; further ones are refused" => agent_grpc.max_health_watchers;
        authentication SW_AUTHENTICATION Secret "Token that agents (their `agent.authentication`) and the other collectors must send over gRPC; empty: none" => agent_grpc.authentication;
    }
    agent_jetty.jetty {
        host SW_AGENT_JETTY_HOST Host "Address where agents register over HTTP" => agent_jetty.listen.host;
        port SW_AGENT_JETTY_PORT Port "Its port" => agent_jetty.listen.port;
        tls SW_AGENT_JETTY_TLS Tls "As in `naming.jetty`; modules that share a listener must have the same value" => agent_jetty.tls;
        context_path SW_AGENT_JETTY_CONTEXT_PATH ContextPath "Prefix of its paths" => agent_jetty.context_path;
        advertised_host SW_AGENT_JETTY_ADVERTISED_HOST AdvertisedHost "Host published to agents; empty: the host, or this machine's address" => agent_jetty.advertised.host;
        advertised_port SW_AGENT_JETTY_ADVERTISED_PORT AdvertisedPort "Port published to agents; empty: the port" => agent_jetty.advertised.port;
        max_body_size SW_AGENT_JETTY_MAX_BODY_SIZE Bytes "Largest request body" => agent_jetty.max_body_size;
        authentication SW_AGENT_JETTY_AUTHENTICATION Secret "Token that agents must send over HTTP, as the header `authentication`; empty: none" => agent_jetty.authentication;
    }
    ui.jetty {
        host SW_UI_JETTY_HOST Host "Query API, probes, metrics" => ui.listen.host;
        port SW_UI_JETTY_PORT Port "Its port" => ui.listen.port;
        tls SW_UI_JETTY_TLS Tls "As in `naming.jetty`; modules that share a listener must have the same value" => ui.tls;
        context_path SW_UI_JETTY_CONTEXT_PATH ContextPath "Prefix of its paths; they are also served at the root" => ui.context_path;
        advertised_host SW_UI_JETTY_ADVERTISED_HOST AdvertisedHost "Host published to users; empty: the host, or this machine's address" => ui.advertised.host;
        advertised_port SW_UI_JETTY_ADVERTISED_PORT AdvertisedPort "Port published to users; empty: the port" => ui.advertised.port;
        allowed_hosts SW_UI_JETTY_ALLOWED_HOSTS Names "Host names, separated by commas, by which browsers and scrapers may address the query API and the metrics, beside loopback names, IP addresses and the advertised hosts; `*`: any" => ui.allowed_hosts;
        max_page_size SW_UI_JETTY_MAX_PAGE_SIZE Bytes "Largest page of a list; a page ends early, with `next`, before an item that would exceed it" => ui.max_page_size;
        max_application_metrics SW_UI_JETTY_MAX_APPLICATION_METRICS Count "Applications with their own series in `rollcall_instances`; all others share the series with the label `overflow`" => ui.max_application_metrics;
        max_service_metrics SW_UI_JETTY_MAX_SERVICE_METRICS Count "Nacos services with their own series in `rollcall_service_instances`; all others share the series with the label `overflow`" => ui.max_service_metrics;
        max_event_subscribers SW_UI_JETTY_MAX_EVENT_SUBSCRIBERS Count "Most readers of the event feed, of which each page of the console is one; further ones are refused" => ui.max_event_subscribers;
        token SW_UI_JETTY_TOKEN Secret "Token that every caller but the probes must send (`Authorization: Bearer`); empty: none" => ui.token;
        user SW_UI_JETTY_USER Text "Name with which browsers sign in, beside the token or instead of it; empty: none" => ui.user;
        password SW_UI_JETTY_PASSWORD Password "Its password, at least 12 bytes" => ui.password;
        allow_anonymous SW_UI_JETTY_ALLOW_ANONYMOUS Flag "Serve callers without token and user on addresses other than loopback" => ui.allow_anonymous;
    }
    cluster.etcd {
        endpoints SW_CLUSTER_ETCD_ENDPOINTS Endpoints "The members of an etcd cluster, separated by commas: `host:port`, or with `http://` or `https://` before it" => cluster.etcd.endpoints;
        namespace SW_NAMESPACE Namespace "Prefix of every key, as `/namespace` or `/team/namespace`, so that several fleets can share an etcd; also for the store" => cluster.etcd.namespace;
        lease_term SW_CLUSTER_ETCD_LEASE_TERM Duration "A collector that has not renewed its lease for this long is not a member; whole seconds" => cluster.lease_term;
        user SW_CLUSTER_ETCD_USER Text "User to authenticate as; empty: no authentication" => cluster.etcd.user;
        password SW_CLUSTER_ETCD_PASSWORD Password "Password of the user" => cluster.etcd.password;
        ca_file SW_CLUSTER_ETCD_CA_FILE File "Certificate authority (PEM) of the servers' certificates; empty: no TLS" => cluster.etcd.ca_file;
        cert_file SW_CLUSTER_ETCD_CERT_FILE File "Client certificate (PEM) of the collector, if the servers require one" => cluster.etcd.cert_file;
        key_file SW_CLUSTER_ETCD_KEY_FILE File "Private key (PEM) of that certificate" => cluster.etcd.key_file;
    }
    cluster.zookeeper {
        host_port SW_CLUSTER_ZK_HOST_PORT ConnectString "The servers of a ZooKeeper ensemble, separated by commas, as ZooKeeper reads them: port 2181 by default, and a chroot (`/path`) after the last one" => cluster.zookeeper.host_port;
        session_timeout SW_CLUSTER_ZK_SESSION_TIMEOUT Millis "A collector that has not renewed its session for this long is not a member; a plain number is milliseconds" => cluster.zookeeper.session_timeout;
        namespace SW_NAMESPACE Namespace "Prefix of every path, as `/namespace` or `/team/namespace`, so that several fleets can share an ensemble; also for the store" => cluster.zookeeper.namespace;
        enable_acl SW_ZK_ENABLE_ACL Flag "Authenticate with `expression`, and create nodes that only this user may read and change" => cluster.zookeeper.enable_acl;
        expression SW_ZK_EXPRESSION Credentials "`user:password`, of ZooKeeper's scheme `digest`" => cluster.zookeeper.expression;
    }
    storage.embedded {
        path SW_STORAGE_PATH Directory "Directory of the store; `--data-dir` wins" => storage.embedded.path;
        backup_path SW_STORAGE_BACKUP_PATH File "Directory of the backups that `rollcall-collector store backup` makes; empty: `backups` in the directory of the store" => storage.embedded.backup_path;
        max_backups SW_STORAGE_MAX_BACKUPS Count "Most backups in that directory; a further one is refused until one is moved elsewhere or removed" => storage.embedded.max_backups;
        backup_timeout SW_STORAGE_BACKUP_TIMEOUT Duration "Longest time of a backup, which then ends with an error: the store grows while a backup is written" => storage.embedded.backup_timeout;
    }
    storage.etcd {
        endpoints SW_STORAGE_ETCD_ENDPOINTS OptionalEndpoints "As in `cluster.etcd`; this key and those below, if empty, have the value of `cluster.etcd`" => storage.etcd.endpoints;
        namespace SW_STORAGE_ETCD_NAMESPACE Namespace "Namespace of the store; empty: the namespace of the cluster; `/`: no prefix" => storage.etcd.namespace;
        user SW_STORAGE_ETCD_USER Text "As in `cluster.etcd`" => storage.etcd.user;
        password SW_STORAGE_ETCD_PASSWORD Password "As in `cluster.etcd`" => storage.etcd.password;
        ca_file SW_STORAGE_ETCD_CA_FILE File "As in `cluster.etcd`" => storage.etcd.ca_file;
        cert_file SW_STORAGE_ETCD_CERT_FILE File "As in `cluster.etcd`" => storage.etcd.cert_file;
        key_file SW_STORAGE_ETCD_KEY_FILE File "As in `cluster.etcd`" => storage.etcd.key_file;
    }
    register.default {
        queue_capacity SW_REGISTER_QUEUE_CAPACITY Count "Registrations that may wait for the writer; further ones are refused as overloaded" => register.queue_capacity;
        deadline SW_REGISTER_DEADLINE Duration "Time that a caller waits for its id" => register.deadline;
        batch_rows SW_REGISTER_BATCH_ROWS Count "Most rows in one durable commit" => register.batch_rows;
        max_name_bytes SW_REGISTER_MAX_NAME_BYTES Bytes "Longest code, UUID, operation name or address" => register.max_name_bytes;
        max_assigned_ids SW_REGISTER_MAX_ASSIGNED_IDS Count "Most ids that the collector assigns of each kind (applications, instances, operations, addresses); an assigned id is never freed" => register.max_assigned_ids;
        max_adopted_ids SW_REGISTER_MAX_ADOPTED_IDS Count "Most ids that the collector adopts from agents that hold ids unknown to the store" => register.max_adopted_ids;
        max_batch SW_REGISTER_MAX_BATCH Count "Most elements of one message or body, nested elements included" => register.max_batch;
        change_interval SW_REGISTER_CHANGE_INTERVAL Duration "Shortest interval between two writes of the changed properties of one instance; the newest properties are written at its end" => register.change_interval;
        max_held_per_message SW_REGISTER_MAX_HELD_PER_MESSAGE Count "Most unknown ids of operations and of called addresses that one segment, or one body of segments, may cause the collector to adopt" => register.max_held_per_message;
        max_new_per_peer SW_REGISTER_MAX_NEW_PER_PEER Count "New ids a second that one address may cause: registrations, adopted instance ids, and adopted ids of other kinds are counted separately" => register.max_new_per_peer;
        max_new_burst_per_peer SW_REGISTER_MAX_NEW_BURST_PER_PEER Count "New ids that one address may cause at once" => register.max_new_burst_per_peer;
        listen_after_loss SW_REGISTER_LISTEN_AFTER_LOSS Listening "Whether a start begins with a listening period, in which the collector adopts the ids that agents up to 6.2 hold and assigns no new ids to agents up to 7.0: `auto` (if the store was lost), `always`, `never`" => register.listening.mode;
        listening_period SW_REGISTER_LISTENING_PERIOD Duration "Length of the listening period" => register.listening.period;
        inventory_memory SW_REGISTER_INVENTORY_MEMORY OptionalBytes "Most memory for everything that is registered; at the limit known agents continue and new names are refused; empty: half of what the process may use" => register.inventory_memory;
        max_properties SW_REGISTER_MAX_PROPERTIES Count "Most properties of one instance" => register.properties.count;
        max_property_name_bytes SW_REGISTER_MAX_PROPERTY_NAME_BYTES Bytes "Longest name of a property; a longer one is cut" => register.properties.name_bytes;
        max_property_value_bytes SW_REGISTER_MAX_PROPERTY_VALUE_BYTES Bytes "Longest value of a property; a longer one is cut" => register.properties.value_bytes;
        max_properties_bytes SW_REGISTER_MAX_PROPERTIES_BYTES Bytes "Most bytes of names and values of all properties of one instance; properties that do not fit are left out" => register.properties.total_bytes;
    }
    liveness.default {
        silent_after SW_LIVENESS_SILENT_AFTER Duration "An instance without a signal for this long is silent" => liveness.silent_after;
        down_after SW_LIVENESS_DOWN_AFTER Duration "An instance without a signal for this long is down" => liveness.down_after;
        tick SW_LIVENESS_TICK Duration "Interval between two sweeps for expired leases" => liveness.tick;
        max_expired_per_tick SW_LIVENESS_MAX_EXPIRED_PER_TICK Count "Most leases that expire in one tick; the remaining leases expire in later ticks. A fleet that could not expire within one term at this rate gets a higher limit" => liveness.max_expired_per_tick;
        restart_spread SW_LIVENESS_RESTART_SPREAD Duration "Longest random addition to the full term that each lease gets after a start; at most `silent_after`" => liveness.restart_spread;
        forget_after SW_LIVENESS_FORGET_AFTER Duration "An instance that has been down or left for this long leaves the counts and lists; its id stays assigned" => liveness.forget_after;
        write_back_interval SW_LIVENESS_WRITE_BACK_INTERVAL Duration "Interval between two writes of the last-seen times to the store" => liveness.write_back_interval;
    }
    timeline.default {
        per_instance SW_TIMELINE_PER_INSTANCE Count "Last changes kept of each instance" => timeline.per_instance;
        per_peer SW_TIMELINE_PER_PEER Count "Changes of agents' instances, and as many of Nacos services, that one peer (an IPv4 address or a /64 network) may cause within an hour; further ones are counted and not recorded one by one" => timeline.per_peer;
        memory SW_TIMELINE_MEMORY Bytes "Memory for the changes of all instances, one half for agents and one for Nacos services; at the limit the changes of the instance whose last change is the oldest are dropped" => timeline.memory;
        journal_size SW_TIMELINE_JOURNAL_SIZE Bytes "Size of the journal of events on disk; beyond it the oldest events are dropped" => timeline.journal_size;
        journal_path SW_TIMELINE_JOURNAL_PATH File "Directory of the journal; empty: `events` in the directory of the embedded store, and no journal with another store" => timeline.journal_path;
        mass_window SW_TIMELINE_MASS_WINDOW Duration "Longest pause between two instances that fall silent together" => timeline.mass_window;
        mass_instances SW_TIMELINE_MASS_INSTANCES Count "Fewest instances that fall silent together and are reported as one event" => timeline.mass_instances;
        mass_percent SW_TIMELINE_MASS_PERCENT Count "Smallest share of the instances of an application, or of all instances, that must fall silent together to be reported as one event, in percent" => timeline.mass_percent;
    }
    nacos.default {
        host SW_NACOS_HOST Host "Address where Nacos clients call over HTTP and gRPC" => nacos.listen.host;
        port SW_NACOS_PORT Port "Port of HTTP" => nacos.listen.port;
        tls SW_NACOS_TLS Tls "As in `naming.jetty`, of both ports" => nacos.tls;
        grpc_port SW_NACOS_GRPC_PORT OptionalPort "Port of gRPC; empty: the HTTP port + 1000, which clients assume" => nacos.grpc_port;
        udp_port SW_NACOS_UDP_PORT OptionalPort "UDP port from which changes are pushed to 1.x clients; empty: the number of the HTTP port" => nacos.udp_port;
        context_path SW_NACOS_CONTEXT_PATH ContextPath "Prefix of the HTTP paths" => nacos.context_path;
        advertised_host SW_NACOS_ADVERTISED_HOST AdvertisedHost "Host in the lists of servers that clients request; empty: the host, or this machine's address" => nacos.advertised_host;
        max_message_size SW_NACOS_MAX_MESSAGE_SIZE Bytes "Largest HTTP body and largest gRPC message" => nacos.max_message_size;
        users_file SW_NACOS_USERS_FILE File "File of users: name, bcrypt hash and rights on each line; empty: callers need not sign in" => nacos.users_file;
        token_secret SW_NACOS_TOKEN_SECRET Password "Secret that signs tokens, at least 32 bytes; empty: generated at the first start and kept in the store" => nacos.token_secret;
        token_ttl SW_NACOS_TOKEN_TTL Duration "Time for which a token is valid" => nacos.token_ttl;
        allow_anonymous SW_NACOS_ALLOW_ANONYMOUS Flag "Serve callers without users on addresses other than loopback" => nacos.allow_anonymous;
        push_window SW_NACOS_PUSH_WINDOW Duration "Shortest interval between two pushes of one service; a change after a longer pause is pushed at once" => nacos.push_window;
        push_timeout SW_NACOS_PUSH_TIMEOUT Duration "Time for a gRPC client to acknowledge a push" => nacos.push_timeout;
        push_retries SW_NACOS_PUSH_RETRIES Count "Repetitions of a push that is not acknowledged; after them the client gets the next change" => nacos.push_retries;
        idle_after SW_NACOS_IDLE_AFTER Duration "Time without a message after which the collector probes a gRPC client" => nacos.idle_after;
        detection_timeout SW_NACOS_DETECTION_TIMEOUT Duration "Time for the client to answer the probe; then its connection is closed and its instances are removed" => nacos.detection_timeout;
        warm_up SW_NACOS_WARM_UP Duration "Time after a start for which lists are refused if a store that is not new has no recent list of instances, or if collectors share their instances and no other one has served for as long, so that no client sees an incomplete list" => nacos.warm_up;
        always_warm_up SW_NACOS_ALWAYS_WARM_UP Flag "Whether every start refuses lists for `warm_up`, also the first one: set it before clients of another Nacos server move to this collector, whose consumers would otherwise see lists without the providers that have not arrived" => nacos.always_warm_up;
        member_grace SW_NACOS_MEMBER_GRACE Duration "Time for which the ephemeral instances of a collector that has left the cluster stay listed, so that their clients can register at another one" => nacos.member_grace;
        max_services SW_NACOS_MAX_SERVICES Count "Most services" => nacos.max_services;
        max_services_per_peer SW_NACOS_MAX_SERVICES_PER_PEER OptionalCount "Most services that one address (IPv6: a /64 network) has registered at this collector since its start and that still exist; empty: half of `nacos.default.max_services`" => nacos.max_services_per_peer;
        max_instances_per_service SW_NACOS_MAX_INSTANCES_PER_SERVICE Count "Most instances of one service" => nacos.max_instances_per_service;
        max_instances_per_connection SW_NACOS_MAX_INSTANCES_PER_CONNECTION Count "Most instances of one gRPC connection" => nacos.max_instances_per_connection;
        max_subscriptions SW_NACOS_MAX_SUBSCRIPTIONS Count "Most subscriptions of all clients; those that poll take at most a tenth" => nacos.max_subscriptions;
        max_subscriptions_per_connection SW_NACOS_MAX_SUBSCRIPTIONS_PER_CONNECTION Count "Most subscriptions of one gRPC connection" => nacos.max_subscriptions_per_connection;
        max_patterns_per_connection SW_NACOS_MAX_PATTERNS_PER_CONNECTION Count "Most patterns that one gRPC connection watches" => nacos.max_patterns_per_connection;
        max_matches SW_NACOS_MAX_MATCHES Count "Most services that match a pattern when a client begins to watch it" => nacos.max_matches;
        max_connections SW_NACOS_MAX_CONNECTIONS Count "Most gRPC connections of Nacos clients; `server.default.max_connections` applies too" => nacos.max_connections;
        max_namespaces SW_NACOS_MAX_NAMESPACES Count "Most namespaces" => nacos.max_namespaces;
        max_metadata SW_NACOS_MAX_METADATA Bytes "Most bytes of the metadata of one instance or service" => nacos.max_metadata;
        memory SW_NACOS_MEMORY Bytes "Most bytes that all services, with their settings and overrides, and instances take" => nacos.memory;
        memory_per_peer SW_NACOS_MEMORY_PER_PEER OptionalBytes "Most bytes of the services, with their settings and overrides, and instances that one address (IPv6: a /64 network) has registered at this collector since its start and that still exist; empty: half of `nacos.default.memory`" => nacos.memory_per_peer;
        body_cache SW_NACOS_BODY_CACHE Bytes "Most bytes of the cache of encoded lists" => nacos.body_cache;
        override_term SW_NACOS_OVERRIDE_TERM Duration "Time for which the weight, state or metadata that an operator set is kept after its instance was removed" => nacos.override_term;
        empty_service_term SW_NACOS_EMPTY_SERVICE_TERM Duration "Time after which a service without instances is removed, unless it was created explicitly" => nacos.empty_service_term;
        probe_ranges SW_NACOS_PROBE_RANGES Ranges "Addresses at which persistent instances may be probed: ranges such as `10.0.0.0/8`, separated by commas; `private`: the private ranges and loopback; empty: none" => nacos.probe_ranges;
        max_probes SW_NACOS_MAX_PROBES Count "Most concurrent probes" => nacos.max_probes;
        write_queue SW_NACOS_WRITE_QUEUE Count "Changes that may wait for the store; further ones are refused" => nacos.write_queue;
        journal SW_NACOS_JOURNAL Bytes "Most bytes of `catalog.journal`, the changes of ephemeral instances since their list was last committed" => nacos.journal;
    }
    tls.default {
        enabled SW_CORE_GRPC_SSL_ENABLED Flag "Use TLS, as the key `tls` of each module sets it" => tls.enabled;
        cert_chain_path SW_CORE_GRPC_SSL_CERT_CHAIN_PATH File "Certificate (PEM) of this collector, followed by its intermediate authorities" => tls.cert_chain_path;
        key_path SW_CORE_GRPC_SSL_KEY_PATH File "Private key (PEM, not encrypted) of that certificate" => tls.key_path;
        trusted_ca_path SW_CORE_GRPC_SSL_TRUSTED_CA_PATH File "Authorities (PEM) that sign the certificates of clients (`mutual`) and of the other collectors; empty: none" => tls.trusted_ca_path;
        reload_interval SW_TLS_RELOAD_INTERVAL Duration "Interval at which the three files are read again; SIGHUP reads them at once" => tls.reload_interval;
        max_handshakes SW_TLS_MAX_HANDSHAKES Count "Most TLS handshakes under way, over all listeners; a further one replaces the oldest" => tls.max_handshakes;
    }
    server.default {
        max_connections SW_SERVER_MAX_CONNECTIONS Count "Most connections of one listener; further ones are served one HTTP/1 request or closed. The limit on open files may allow fewer" => server.limits.max_connections;
        max_connections_per_peer SW_SERVER_MAX_CONNECTIONS_PER_PEER Count "Most connections of one address (IPv6: a /64 network) over all listeners; at most three quarters of what the limit on open files allows" => server.max_connections_per_peer;
        max_connection_age SW_SERVER_MAX_CONNECTION_AGE MaxAge "Age at which the collector requests that a peer close its connection, shortened at random by up to a fifth (GOAWAY, `Connection: close`), so that agents spread over the members again; `off`: no limit; empty: 30m in a cluster, otherwise no limit" => server.max_connection_age;
        handshake_timeout SW_SERVER_HANDSHAKE_TIMEOUT Duration "Time for a new connection to show its protocol" => server.limits.handshake_timeout;
        header_timeout SW_SERVER_HEADER_TIMEOUT Duration "Time for one HTTP/1 request header, and between two requests" => server.limits.header_timeout;
        max_header_size SW_SERVER_MAX_HEADER_SIZE Bytes "Largest header section; it has at most 100 fields" => server.limits.max_header_size;
        max_streams_per_connection SW_SERVER_MAX_STREAMS_PER_CONNECTION Count "Most concurrent requests on one HTTP/2 connection" => server.limits.max_streams_per_connection;
        read_timeout SW_SERVER_READ_TIMEOUT Duration "Longest pause of a peer within a request; a unary call has twice as long in total" => server.limits.read_timeout;
        write_timeout SW_SERVER_WRITE_TIMEOUT Duration "Longest pause of a peer while it reads an answer; then its connection is closed" => server.limits.write_timeout;
        ping_interval SW_SERVER_PING_INTERVAL Duration "Time without a frame after which the collector pings an HTTP/2 peer, which every gRPC agent is" => server.limits.ping_interval;
        ping_timeout SW_SERVER_PING_TIMEOUT Duration "Time for the peer to answer; then its connection is closed, and the reason says whether the machine of the peer acknowledged the ping" => server.limits.ping_timeout;
        inbound_memory SW_SERVER_INBOUND_MEMORY Bytes "Most bytes of request bodies in memory, and at most three quarters of them for one address (IPv6: a /64 network), or one body of the largest size; further requests are refused" => server.inbound_memory;
        work_memory SW_SERVER_WORK_MEMORY Bytes "Most bytes of decoded messages and of the work on them, and at most three quarters of them for one address, or one message of the largest size; further messages are refused" => server.work_memory;
        outbound_memory SW_SERVER_OUTBOUND_MEMORY Bytes "Most bytes of answers that wait for their peers, and at most three quarters of them for one address; a request whose answer exceeds it is refused, and a stream waits for room" => server.outbound_memory;
        connection_memory SW_SERVER_CONNECTION_MEMORY Bytes "Most bytes for connections, their streams, and bodies that no handler has read, and at most three quarters of them for one address; further connections are closed, further streams refused" => server.connection_memory;
        shutdown_grace SW_SERVER_SHUTDOWN_GRACE Duration "Time for requests in progress to finish when the collector stops" => server.shutdown_grace;
    }
    log.default {
        format SW_LOG_FORMAT LogFormat "Form of log lines: `human`, or `json` (one object in each line); `--log-format` wins" => log.format;
        level SW_LOG_LEVEL LogLevel "A level (`error`, `warn`, `info`, `debug`, `trace`, `off`), or several of `MODULE=LEVEL`, separated by commas; modules that are not named have the level that stands alone, or `info`; `RUST_LOG` wins, and so does `--log-level`" => log.level;
    }
}
