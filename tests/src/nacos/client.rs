use std::{
    fmt, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tempfile::TempDir;

use super::Driver;
use crate::{agent::install, process::Child};

/// The protocol of a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Face {
    /// HTTP with beats; the server pushes changes over UDP.
    Udp,
    /// HTTP with beats; the client polls for changes.
    Poll,
    /// gRPC.
    Grpc,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Program {
    Java,
    Python,
    Node,
    Go(&'static str),
    Rust,
}

/// One version of a client.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Its name in the package registry.
    pub package: &'static str,
    /// Its exact version.
    pub version: &'static str,
    /// The language of the applications that use it.
    pub language: &'static str,
    /// Its protocol.
    pub face: Face,
    /// Whether it can register several instances of a service in one call.
    pub batch: bool,
    program: Program,
}

/// All clients.
pub fn all() -> Vec<Client> {
    use Face::{Grpc, Poll, Udp};
    let client = |package, version, language, face, batch, program| Client {
        package,
        version,
        language,
        face,
        batch,
        program,
    };
    let java =
        |version, face, batch| client("nacos-client", version, "Java", face, batch, Program::Java);
    let python = |version, face, batch| {
        let package = "nacos-sdk-python";
        client(package, version, "Python", face, batch, Program::Python)
    };
    let go = |package, version, face, batch, sources| {
        client(package, version, "Go", face, batch, Program::Go(sources))
    };
    vec![
        java("1.4.8", Udp, false),
        java("2.1.2", Grpc, true),
        java("2.5.1", Grpc, true),
        java("3.0.3", Grpc, true),
        go("nacos-sdk-go", "1.1.6", Udp, false, "go1"),
        go("nacos-sdk-go/v2", "2.3.5", Grpc, true, "go2"),
        python("0.1.7", Poll, false),
        python("1.0.0", Poll, false),
        python("2.0.9", Grpc, true),
        python("3.2.0", Grpc, true),
        client("nacos", "2.6.3", "Node.js", Udp, false, Program::Node),
        client("nacos-sdk", "0.8.0", "Rust", Grpc, true, Program::Rust),
    ]
}

impl Client {
    /// Downloads and builds the missing parts at the pinned versions, below cargo's target directory.
    ///
    /// # Panics
    /// When a tool fails, with the output of that tool.
    pub fn install(&self) {
        self.program.installed();
    }

    /// A name for services and files, such as `java-1.4.8`.
    pub fn slug(&self) -> String {
        let language = self.language.trim_end_matches(".js");
        format!("{}-{}", language.to_lowercase(), self.version)
    }

    /// Starts the driver of this client and waits until it is ready.
    ///
    /// # Errors
    /// The driver's output, if it does not become ready.
    ///
    /// # Panics
    /// When the driver cannot be started.
    pub async fn start(&self, server: SocketAddr) -> Result<Driver, String> {
        let home = TempDir::new().expect("a temporary directory");
        let mut command = self.command(home.path(), server);
        command.current_dir(&home).env("HOME", home.path());
        for (name, _) in
            std::env::vars().filter(|(name, _)| name.to_lowercase().starts_with("nacos"))
        {
            command.env_remove(name);
        }
        Driver::new(Child::spawn(self.to_string(), &mut command), home).await
    }

    fn command(&self, home: &Path, server: SocketAddr) -> Command {
        let installed = self.program.installed();
        let mut command = match self.program {
            Program::Java => {
                let build = installed.join(self.version);
                let mut java = Command::new("java");
                java.args(["-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
                    .arg(format!("-Duser.home={}", home.display()))
                    .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
                    .arg("-cp")
                    .arg(format!("{0}/classes:{0}/client/*", build.display()))
                    .arg("rollcall.nacos.Driver");
                java
            }
            Program::Python => {
                let mut python = Command::new(installed.join("venv/bin/python"));
                let version = installed.join(self.version);
                let shared = installed.join("shared");
                python
                    .env(
                        "PYTHONPATH",
                        format!("{}:{}", version.display(), shared.display()),
                    )
                    .arg(install::sources("nacos/python").join("driver.py"));
                python
            }
            Program::Node => {
                let mut node = Command::new("node");
                node.arg(installed.join("driver.js"));
                node
            }
            Program::Go(_) => Command::new(installed.join("driver")),
            Program::Rust => Command::new(installed.join("debug/conformance-nacos-rust")),
        };
        command.arg(server.to_string());
        if self.program == Program::Python {
            command.arg(if self.face == Face::Poll {
                "polling"
            } else {
                "connected"
            });
        }
        command
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.package, self.version, self.language)
    }
}

impl Program {
    /// The directory of the program, which is installed if needed.
    fn installed(self) -> &'static Path {
        static PLACES: [OnceLock<PathBuf>; 6] = [const { OnceLock::new() }; 6];
        let (place, build): (usize, fn() -> PathBuf) = match self {
            Self::Java => (0, java),
            Self::Python => (1, python),
            Self::Node => (2, node),
            Self::Go("go1") => (3, || go("nacos/go1")),
            Self::Go(_) => (4, || go("nacos/go2")),
            Self::Rust => (5, rust),
        };
        PLACES[place].get_or_init(build)
    }
}

fn java() -> PathBuf {
    install::once("nacos/java", |sources, directory| {
        install::run(
            Command::new("mvn")
                .args(["--quiet", "--batch-mode", "--threads", "2", "--file"])
                .arg(sources.join("pom.xml"))
                .arg("process-classes")
                .arg(format!("-Drollcall.build={}", directory.display())),
        );
    })
}

fn python() -> PathBuf {
    install::once("nacos/python", |sources, directory| {
        let venv = directory.join("venv");
        install::run(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&venv),
        );
        let pip = |target: &str, what: &[&str]| {
            install::run(
                Command::new(venv.join("bin/python"))
                    .args([
                        "-m",
                        "pip",
                        "install",
                        "--quiet",
                        "--no-deps",
                        "--upgrade",
                        "--target",
                    ])
                    .arg(directory.join(target))
                    .args(what),
            );
        };
        let requirements = sources.join("requirements.txt").display().to_string();
        pip("shared", &["--requirement", &requirements]);
        let clients = fs::read_to_string(sources.join("clients.txt")).expect("a readable source");
        for pin in clients.lines() {
            let (_, version) = pin.split_once("==").expect("a pinned version");
            pip(version, &[pin]);
        }
    })
}

fn node() -> PathBuf {
    install::once("nacos/node", |sources, directory| {
        for file in ["driver.js", "package.json", "package-lock.json"] {
            fs::copy(sources.join(file), directory.join(file)).expect("copying a source");
        }
        install::run(
            Command::new("npm")
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                .current_dir(directory),
        );
    })
}

fn go(sources: &str) -> PathBuf {
    install::once(sources, |sources, directory| {
        install::run(
            Command::new("go")
                .args(["build", "-mod=readonly", "-o"])
                .arg(directory.join("driver"))
                .arg(".")
                .env("GOTOOLCHAIN", "local")
                .current_dir(sources),
        );
    })
}

fn rust() -> PathBuf {
    install::once("nacos/rust", |sources, directory| {
        install::run(
            Command::new(env!("CARGO"))
                .args(["build", "--quiet", "--locked", "--target-dir"])
                .arg(directory)
                .arg("--manifest-path")
                .arg(sources.join("Cargo.toml")),
        );
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_match_the_pinned_ones() {
        for client in all() {
            let Client {
                package, version, ..
            } = client;
            let sources = Path::new("nacos");
            let (file, pin) = match client.program {
                Program::Java => (
                    format!("java/{version}/pom.xml"),
                    format!(
                        "<artifactId>{package}</artifactId>\n      <version>{version}</version>"
                    ),
                ),
                Program::Python => (
                    "python/clients.txt".to_owned(),
                    format!("{package}=={version}\n"),
                ),
                Program::Node => (
                    "node/package.json".to_owned(),
                    format!("\"{package}\": \"{version}\""),
                ),
                Program::Go(sources) => (
                    format!("{sources}/go.mod"),
                    format!("{package} v{version}\n"),
                ),
                Program::Rust => (
                    "rust/Cargo.toml".to_owned(),
                    format!("\n{package} = {{ version = \"={version}\""),
                ),
            };
            let path = install::sources(&sources.join(file).display().to_string());
            let pins = fs::read_to_string(&path).unwrap();
            assert!(
                pins.contains(&pin),
                "{client}: {pin:?} in {}",
                path.display()
            );
        }
    }
}
