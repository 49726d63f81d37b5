//! Rules on sizes in bytes.

use super::rule;
use crate::config::Config;
use crate::config::error::Broken;
use crate::config::value::print_bytes;

/// The limits on properties may not exceed what a message may contain.
pub(super) fn properties(config: &Config) -> Broken {
    let caps = &config.register.properties;
    let most = |key, value: usize, most: usize| {
        (value > most).then(|| rule(&[key], format!("{value} has to be at most {most}")))
    };
    [
        most("register.default.max_properties", caps.count, 512),
        most(
            "register.default.max_property_name_bytes",
            caps.name_bytes,
            8 * 1024,
        ),
        most(
            "register.default.max_property_value_bytes",
            caps.value_bytes,
            16 * 1024,
        ),
        most(
            "register.default.max_properties_bytes",
            caps.total_bytes,
            64 * 1024,
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The largest message that is held in memory has to fit into its budget.
pub(super) fn memory(config: &Config) -> Broken {
    let server = &config.server;
    let requests = ("server.default.inbound_memory", server.inbound_memory);
    let answers = ("server.default.outbound_memory", server.outbound_memory);
    let sizes = [
        (
            "agent_gRPC.gRPC.max_message_size",
            config.agent_grpc.max_message_size,
            requests,
        ),
        (
            "agent_jetty.jetty.max_body_size",
            config.agent_jetty.max_body_size,
            requests,
        ),
        (
            "nacos.default.max_message_size",
            config.nacos.max_message_size,
            requests,
        ),
        ("ui.jetty.max_page_size", config.ui.max_page_size, answers),
    ];
    let too_large = sizes
        .into_iter()
        .filter(|(_, size, (_, limit))| size > limit);
    too_large
        .map(|(key, size, (budget, limit))| {
            let message = format!(
                "{} has to be at most {budget} ({})",
                print_bytes(size),
                print_bytes(limit)
            );
            rule(&[key, budget], message)
        })
        .collect()
}
