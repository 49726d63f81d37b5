//! The column `os_info`, which collectors of 3.2.6 store and display unchanged.

use rollcall_domain::inventory::Properties;
use serde::Serialize;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OsInfo<'a> {
    os_name: &'a str,
    host_name: &'a str,
    process_id: i64,
    ipv4s: Vec<&'a str>,
}

/// Compact JSON with the keys of 3.2.6. Unreported values are empty or 0. Agents of 8.0 and later use other names for the same
/// properties.
pub(super) fn encode(properties: &Properties) -> String {
    let reported = |names: [&str; 2]| {
        let mut values = names.into_iter().filter_map(|name| properties.get(name));
        values.next().unwrap_or_default()
    };
    let addresses = properties.iter().filter(|(name, _)| *name == "ipv4");
    let info = OsInfo {
        os_name: reported(["os_name", "OS Name"]),
        host_name: reported(["host_name", "hostname"]),
        process_id: reported(["process_no", "Process No."])
            .parse()
            .unwrap_or_default(),
        ipv4s: addresses.map(|(_, address)| address).collect(),
    };
    serde_json::to_string(&info).unwrap_or_default()
}
