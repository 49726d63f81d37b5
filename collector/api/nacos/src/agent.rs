//! The program and version of a client, from `User-Agent`.

/// The program of a client, as far as answers depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agent {
    kind: Kind,
    version: (u32, u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Java,
    Dns,
    C,
    Go,
    CSharp,
    Other,
}

const PREFIXES: [(&str, Kind); 6] = [
    ("Nacos-Java-Client", Kind::Java),
    ("Nacos-DNS", Kind::Dns),
    ("Nacos-C-Client", Kind::C),
    ("vip-client4cpp", Kind::C),
    ("Nacos-Go-Client", Kind::Go),
    ("Nacos-CSharp-Client", Kind::CSharp),
];

impl Agent {
    /// Reads a text such as `Nacos-Java-Client:v1.4.2`.
    pub(crate) fn parse(text: &str) -> Self {
        let known = PREFIXES.iter().find(|(prefix, _)| text.starts_with(prefix));
        let kind = known.map_or(Kind::Other, |(_, kind)| *kind);
        let version = text.split_once(":v").map_or("", |(_, version)| version);
        Self {
            kind,
            version: parse_version(version),
        }
    }

    /// Whether lists name services with their group for this client: Java from 1.0.0, and Node, which announces itself as Java.
    pub(crate) fn wants_grouped_names(self) -> bool {
        self.kind == Kind::Java && self.version >= (1, 0, 0)
    }

    /// Whether this client understands pushes over UDP.
    pub(crate) fn accepts_datagrams(self) -> bool {
        let from = match self.kind {
            Kind::Java | Kind::Go => (0, 1, 0),
            Kind::Dns => (0, 4, 3),
            Kind::C => (1, 0, 12),
            Kind::CSharp => (0, 9, 0),
            Kind::Other => return false,
        };
        self.version >= from
    }
}

/// `major.minor.patch`; a part that is not a number counts as 0.
fn parse_version(text: &str) -> (u32, u32, u32) {
    let mut parts = text.split('.').map(|part| {
        let end = part
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(part.len());
        part[..end].parse().unwrap_or(0)
    });
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_known_by_their_agent() {
        for (text, grouped, datagrams) in [
            ("Nacos-Java-Client:v1.4.2", true, true),
            ("Nacos-Java-Client:v1.0.0", true, true), // Node
            ("Nacos-Java-Client:v0.9.1", false, true),
            ("Nacos-Java-Client:v2.0.0-SNAPSHOT", true, true),
            ("Nacos-Go-Client:v1.1.6", false, true),
            ("Nacos-CSharp-Client:v0.8.0", false, false),
            ("Nacos-C-Client:v1.0.12", false, true),
            ("Nacos-Python-Client:v0.1.16", false, false),
            ("Nacos-Server:v1.4.2", false, false),
            ("curl/7.88.1", false, false),
            ("", false, false),
            ("Nacos-Java-Client", false, false),
            ("Nacos-Java-Client:v99999999999.é.1", false, false),
        ] {
            let agent = Agent::parse(text);
            assert_eq!(agent.wants_grouped_names(), grouped, "{text}");
            assert_eq!(agent.accepts_datagrams(), datagrams, "{text}");
        }
    }
}
