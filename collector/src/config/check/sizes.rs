//! Rules on sizes in bytes.

use super::rule;
use crate::config::Config;
use crate::config::error::Broken;
use crate::config::value::print_bytes;

/// The largest message that is held in memory must fit into its budget.
pub(super) fn memory(config: &Config) -> Broken {
    let server = &config.server;
    let requests = ("server.default.inbound_memory", server.inbound_memory);
    let answers = ("server.default.outbound_memory", server.outbound_memory);
    let nacos = (
        "nacos.default.max_message_size",
        config.nacos.max_message_size,
        requests,
    );
    let nacos = config.nacos.is_on().then_some(nacos);
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
        ("ui.jetty.max_page_size", config.ui.max_page_size, answers),
    ];
    let too_large = sizes
        .into_iter()
        .chain(nacos)
        .filter(|(_, size, (_, limit))| size > limit);
    too_large
        .map(|(key, size, (budget, limit))| {
            let message = format!(
                "{key} ({}) has to be at most {budget} ({})",
                print_bytes(size),
                print_bytes(limit)
            );
            rule(&[key, budget], message)
        })
        .collect()
}
