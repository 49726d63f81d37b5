//! The agents of the conformance tests. Each entry is one version, language and protocol.
//!
//! Each agent is the unmodified package of its ecosystem, pinned below `conformance/`. It observes a small application from the
//! same directory.

pub(crate) mod install;
mod java;
mod node;
mod python;
mod rust;

use std::{path::Path, process::Command, time::Duration};

use tempfile::TempDir;

use crate::{
    application::Application,
    process::{Child, Listeners},
};

/// The name of every application. The applications may share the name, because each has its own collector.
pub const CODE: &str = "orders";

/// The token that the collectors require over gRPC.
pub const TOKEN: &str = "s3cret/of-the+fleet=";

/// The way in which an agent is identified, and recovers when the collector has lost its store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Generation {
    /// 3.x and 5.x: finds its collector through the naming endpoint. The agent never gives up its assigned ids, so the collector
    /// adopts them.
    V5,
    /// 6.x and 7.x: registers again on the command `ServiceMetadataReset`.
    V6,
    /// Since 8.0: the agent has no ids and sends its name in every call.
    V8,
}

/// The protocol of an agent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// gRPC on the agent port.
    Grpc,
    /// JSON over HTTP, on the collector's `jetty` listener.
    Http,
}

/// The program that an agent observes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Program {
    /// Runs with the whole Java agent.
    Java,
    /// Starts the services of the Java agent's core.
    JavaCore,
    Python,
    Node,
    Rust,
    /// `observed-application` of this workspace, at this path.
    Own(&'static str),
}

/// One version of an agent.
#[derive(Clone, Copy, Debug)]
pub struct Agent {
    /// Its name in the package registry.
    pub package: &'static str,
    /// Its exact version.
    pub version: &'static str,
    /// The language of the applications that it observes.
    pub language: &'static str,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its generation.
    pub generation: Generation,
    /// The longest time between two signals. It is as short as the agent's configuration allows, because a test observes the agents
    /// for minutes only.
    pub period: Duration,
    program: Program,
}

/// All agents.
///
/// `observed_application` is the program with `rollcall-agent`: `env!("CARGO_BIN_EXE_observed-application")`, which cargo
/// defines for integration tests only.
pub fn all(observed_application: &'static str) -> Vec<Agent> {
    use Generation::{V5, V6, V8};
    let java = |version, generation, seconds, program| Agent {
        package: match program {
            Program::Java => "apm-agent",
            _ => "apm-agent-core",
        },
        version,
        language: "Java",
        protocol: Protocol::Grpc,
        generation,
        period: Duration::from_secs(seconds),
        program,
    };
    let python = |protocol| Agent {
        package: "apache-skywalking",
        version: "1.2.0",
        language: "Python",
        protocol,
        generation: V8,
        period: python::HEARTBEAT,
        program: Program::Python,
    };
    vec![
        java("5.0.0-GA", V5, 1, Program::JavaCore),
        java("6.6.0", V6, 1, Program::JavaCore),
        java("7.0.0", V6, 1, Program::JavaCore),
        java("8.3.0", V8, 2, Program::JavaCore),
        java("8.15.0", V8, 2, Program::JavaCore),
        java("9.4.0", V8, 2, Program::Java),
        python(Protocol::Grpc),
        python(Protocol::Http),
        Agent {
            package: "skywalking-backend-js",
            version: "0.9.0",
            language: "Node.js",
            protocol: Protocol::Grpc,
            generation: V8,
            period: node::HEARTBEAT,
            program: Program::Node,
        },
        Agent {
            package: "skywalking",
            version: "0.10.0",
            language: "Rust",
            protocol: Protocol::Grpc,
            generation: V8,
            period: rust::HEARTBEAT,
            program: Program::Rust,
        },
        Agent {
            package: "rollcall-agent",
            version: env!("CARGO_PKG_VERSION"),
            language: "Rust",
            protocol: Protocol::Grpc,
            generation: V5,
            period: Duration::from_secs(1),
            program: Program::Own(observed_application),
        },
    ]
}

impl Agent {
    /// Downloads and builds the missing parts at the pinned versions, below cargo's target directory.
    ///
    /// # Panics
    /// When a tool fails, with the output of that tool.
    pub fn install(&self) {
        match self.program {
            Program::Java | Program::JavaCore => drop(java::installed()),
            Program::Python => drop(python::installed()),
            Program::Node => drop(node::installed()),
            Program::Rust => drop(rust::installed()),
            Program::Own(_) => {}
        }
    }

    /// Starts an application [`CODE`] with this agent, which reports to the collector at these listeners.
    ///
    /// # Panics
    /// When it cannot be installed or started.
    pub fn start(&self, collector: Listeners) -> Application {
        self.start_as(CODE, collector)
    }

    /// Like [`Agent::start`], for an application called `code`.
    ///
    /// # Panics
    /// When it cannot be installed or started.
    pub fn start_as(&self, code: &str, collector: Listeners) -> Application {
        let home = TempDir::new().expect("a temporary directory");
        let mut command = self.command(home.path(), code, collector);
        // The environment of the machine must not affect the test.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SW_")) {
            command.env_remove(name);
        }
        command
            .envs(self.environment(code, collector))
            .env("SW_AGENT_AUTHENTICATION", TOKEN)
            .current_dir(&home);
        Application::new(Child::spawn(self.to_string(), &mut command), home)
    }

    fn command(&self, home: &Path, code: &str, collector: Listeners) -> Command {
        match self.program {
            Program::Java => java::whole(self, home, code, collector),
            Program::JavaCore => java::core(self, home, code, collector),
            Program::Python => python::command(),
            Program::Node => node::command(),
            Program::Rust => rust::command(code, collector),
            Program::Own(program) => {
                let mut command = Command::new(program);
                command.args([code, &collector.naming.to_string()]);
                command
            }
        }
    }

    fn environment(&self, code: &str, collector: Listeners) -> Vec<(&'static str, String)> {
        match self.program {
            Program::Python => python::environment(self.protocol, code, collector),
            Program::Node => node::environment(code, collector),
            Program::Java | Program::JavaCore | Program::Rust | Program::Own(_) => Vec::new(),
        }
    }
}

impl std::fmt::Display for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {} ({}, {})",
            self.package, self.version, self.language, self.protocol
        )
    }
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Grpc => "gRPC",
            Self::Http => "HTTP",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_match_the_pinned_ones() {
        for agent in all("") {
            let Agent {
                package, version, ..
            } = agent;
            let (pins, pin) = match agent.program {
                Program::Java | Program::JavaCore => (
                    include_str!("../conformance/java/pom.xml"),
                    format!(
                        "<artifactId>{package}</artifactId>\n                  <version>{version}<"
                    ),
                ),
                Program::Python => (
                    include_str!("../conformance/python/requirements.txt"),
                    format!("\n{package}=={version}\n"),
                ),
                Program::Node => (
                    include_str!("../conformance/node/package.json"),
                    format!("\"{package}\": \"{version}\""),
                ),
                Program::Rust => (
                    include_str!("../conformance/rust/Cargo.toml"),
                    format!("\n{package} = {{ version = \"={version}\""),
                ),
                Program::Own(_) => continue,
            };
            assert!(pins.contains(&pin), "{agent}: {pin:?}");
        }
    }
}
