//! The properties of the process and its host (`OSInfo` on the wire).

use std::{env, net::IpAddr, process};

/// The process and its host. The properties come from system calls only: no file is read and no name is resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    /// `linux`, `macos`, `windows` ...
    pub(crate) os_name: &'static str,
    /// The host name.
    pub(crate) host_name: String,
    /// The process id.
    pub(crate) number: i32,
    /// The IPv4 addresses of all interfaces except loopback, as upstream's agents report them.
    pub(crate) ipv4s: Vec<String>,
}

impl Process {
    /// Reads the properties. A property that cannot be read stays empty, because registration works without it.
    pub(crate) fn describe() -> Self {
        Self {
            os_name: env::consts::OS,
            host_name: gethostname::gethostname().to_string_lossy().into_owned(),
            number: i32::try_from(process::id()).unwrap_or(-1),
            ipv4s: ipv4s(),
        }
    }
}

fn ipv4s() -> Vec<String> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    interfaces
        .iter()
        .map(if_addrs::Interface::ip)
        .filter(|address| address.is_ipv4() && !address.is_loopback())
        .map(|address: IpAddr| address.to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_described() {
        let process = Process::describe();
        assert_eq!(u32::try_from(process.number).unwrap(), process::id());
        assert!(!process.host_name.is_empty());
        assert!(
            process
                .ipv4s
                .iter()
                .all(|address| !address.starts_with("127."))
        );
    }
}
