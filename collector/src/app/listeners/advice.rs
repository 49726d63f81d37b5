//! The advice to the operator if a port cannot be bound.

use std::io;

use rollcall_server::BindError;

/// The first port that every user may bind, unless the system is set otherwise.
const UNPRIVILEGED: u16 = 1024;

/// The advice if the port of `face`, a module with its provider, cannot be bound. `error` follows it in the message.
pub(in crate::app) fn advice(face: &str, error: &BindError) -> String {
    let (module, _) = face.split_once('.').unwrap_or((face, ""));
    let prefix = match module {
        "naming" => "SW_NAMING_JETTY",
        "remote" => "SW_REMOTE_GRPC",
        "agent_gRPC" => "SW_AGENT_GRPC",
        "agent_jetty" => "SW_AGENT_JETTY",
        _ => "SW_UI_JETTY",
    };
    let setting = Setting {
        port: &format!("the port of {face}"),
        host: &format!("the host of {face}"),
        port_key: &format!("{prefix}_PORT"),
        host_key: &format!("{prefix}_HOST"),
        alternative: "",
    };
    setting.advice(error)
}

/// The same for the port for Nacos clients that this variable sets.
pub(in crate::app) fn for_nacos(port_key: &str, error: &BindError) -> String {
    let setting = Setting {
        port: "a port for Nacos clients",
        host: "the host for Nacos clients",
        port_key,
        host_key: "SW_NACOS_HOST",
        alternative: ", or serve no Nacos clients (SW_NACOS=none)",
    };
    setting.advice(error)
}

/// The same for the UDP port for Nacos clients, whose host is bound already.
pub(in crate::app) fn for_datagrams(port: u16, error: &io::Error) -> String {
    let setting = Setting {
        port: &format!("UDP port {port}, from which Nacos clients receive datagrams"),
        host: "the host for Nacos clients",
        port_key: "SW_NACOS_UDP_PORT",
        host_key: "SW_NACOS_HOST",
        alternative: ", or serve no Nacos clients (SW_NACOS=none)",
    };
    setting.advice_for(port, error)
}

/// What a message calls a port and its host, and the variables that set them.
struct Setting<'a> {
    port: &'a str,
    host: &'a str,
    port_key: &'a str,
    host_key: &'a str,
    /// What else the operator can do.
    alternative: &'a str,
}

impl Setting<'_> {
    fn advice(&self, error: &BindError) -> String {
        if error.is_resolved {
            return self.advice_for(error.port, &error.source);
        }
        let Self { host, host_key, .. } = self;
        format!("{host} has no address here: correct the name, or write an address ({host_key})")
    }

    fn advice_for(&self, number: u16, error: &io::Error) -> String {
        let Self {
            port,
            host,
            port_key,
            host_key,
            alternative,
        } = self;
        let is = |errno: rustix::io::Errno| error.raw_os_error() == Some(errno.raw_os_error());
        match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "another program uses {port}: stop it, or set another port ({port_key}){alternative}"
            ),
            io::ErrorKind::PermissionDenied if number < UNPRIVILEGED => format!(
                "this user may not listen on {port}: set one from {UNPRIVILEGED} on ({port_key}), or give the process the \
                 capability CAP_NET_BIND_SERVICE"
            ),
            io::ErrorKind::PermissionDenied => format!(
                "a rule of the system (SELinux, AppArmor, seccomp or ip_unprivileged_port_start) forbids {port}: allow it, or \
                 set another port ({port_key}){alternative}"
            ),
            io::ErrorKind::AddrNotAvailable => format!(
                "{host} is not an address of this machine: set one that it has ({host_key})"
            ),
            io::ErrorKind::InvalidInput => format!(
                "{host} cannot be listened on: a link-local address needs its interface, as in fe80::1%eth0 ({host_key})"
            ),
            _ if is(rustix::io::Errno::AFNOSUPPORT) => format!(
                "the system has no IPv6, or no IPv4, for {host}: set an address of the other family ({host_key})"
            ),
            _ if is(rustix::io::Errno::MFILE) || is(rustix::io::Errno::NFILE) => format!(
                "no file descriptor is left for {port}: raise the limit of the process (ulimit -n, LimitNOFILE) or of the system \
                 (fs.file-max)"
            ),
            _ => format!(
                "{port} cannot be served: correct its host ({host_key}) or port ({port_key}){alternative}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    fn error(port: u16, errno: Errno) -> BindError {
        BindError {
            host: "10.0.0.1".to_owned(),
            port,
            is_resolved: true,
            source: errno.into(),
        }
    }

    #[test]
    fn each_error_says_what_to_do() {
        for (port, errno, advice) in [
            (
                80,
                Errno::ADDRINUSE,
                "another program uses the port of naming.jetty: stop it, or set another port (SW_NAMING_JETTY_PORT)",
            ),
            (
                80,
                Errno::ACCESS,
                "this user may not listen on the port of naming.jetty: set one from 1024 on (SW_NAMING_JETTY_PORT)",
            ),
            (
                80,
                Errno::PERM,
                "this user may not listen on the port of naming.jetty: set one from 1024 on (SW_NAMING_JETTY_PORT)",
            ),
            (8080, Errno::ACCESS, "a rule of the system (SELinux"),
            (
                80,
                Errno::ADDRNOTAVAIL,
                "the host of naming.jetty is not an address of this machine: set one that it has (SW_NAMING_JETTY_HOST)",
            ),
            (
                80,
                Errno::INVAL,
                "the host of naming.jetty cannot be listened on: a link-local address",
            ),
            (80, Errno::AFNOSUPPORT, "the system has no IPv6"),
            (
                80,
                Errno::MFILE,
                "no file descriptor is left for the port of naming.jetty",
            ),
            (
                80,
                Errno::NOBUFS,
                "the port of naming.jetty cannot be served: correct its host (SW_NAMING_JETTY_HOST) or port (SW_NAMING_JETTY_PORT)",
            ),
        ] {
            let found = super::advice("naming.jetty", &error(port, errno));
            assert!(found.starts_with(advice), "{errno}: {found}");
        }
    }

    #[test]
    fn ports_for_nacos_clients_can_also_be_switched_off() {
        let used = for_nacos("SW_NACOS_GRPC_PORT", &error(9848, Errno::ADDRINUSE));
        assert_eq!(
            used,
            "another program uses a port for Nacos clients: stop it, or set another port (SW_NACOS_GRPC_PORT), or serve no Nacos \
             clients (SW_NACOS=none)"
        );
        let used = for_datagrams(8848, &Errno::ADDRINUSE.into());
        assert!(
            used.starts_with("another program uses UDP port 8848"),
            "{used}"
        );
    }
}
