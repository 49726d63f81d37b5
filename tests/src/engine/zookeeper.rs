use std::{fs, net::SocketAddr, path::Path, process::Command};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::Engine;

/// The archive with the server's classes. Its manifest names the other archives that it needs, except a logging backend.
const CLASSES: &str = "/usr/share/java/zookeeper.jar";
/// A logging backend that writes to standard error without configuration.
const LOGGER: &str = "/usr/share/java/slf4j-simple.jar";

/// One standalone ZooKeeper server.
#[derive(Debug)]
pub enum ZooKeeper {}

impl Engine for ZooKeeper {
    const NAME: &'static str = "ZooKeeper";
    const NEEDS: &'static [(&'static str, &'static str)] = &[
        ("java", "default-jre-headless"),
        (CLASSES, "libzookeeper-java"),
        (LOGGER, "libslf4j-java"),
    ];

    fn command(address: SocketAddr, directory: &Path) -> Command {
        let configuration = directory.join("zoo.cfg");
        let lines = [
            format!("dataDir={}", directory.join("data").display()),
            format!("clientPortAddress={}", address.ip()),
            format!("clientPort={}", address.port()),
            "maxClientCnxns=0".to_owned(),
            "admin.enableServer=false".to_owned(),
            // In milliseconds. The timeout of a session is between two and twenty ticks.
            "tickTime=500".to_owned(),
        ];
        fs::write(&configuration, lines.join("\n")).expect("writing into a temporary directory");
        let mut command = Command::new("java");
        command
            .arg("-Xmx256m")
            .args(["-classpath", &format!("{CLASSES}:{LOGGER}")])
            .arg("org.apache.zookeeper.server.ZooKeeperServerMain")
            .arg(configuration);
        command
    }

    /// Sends `srvr`, the only four-letter command that a server answers by default.
    async fn serves(address: SocketAddr) -> Result<(), String> {
        let answer = async {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(b"srvr").await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok(answer)
        };
        match answer.await {
            Ok(answer) if answer.contains("Mode: standalone") => Ok(()),
            Ok(answer) => Err(answer),
            Err::<_, std::io::Error>(error) => Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Server;

    #[tokio::test]
    async fn a_server_restarts_at_the_same_address() {
        let mut zookeeper = Server::<ZooKeeper>::start().await;
        let address = zookeeper.address();
        zookeeper.kill();
        assert!(ZooKeeper::serves(address).await.is_err());
        zookeeper.restart().await;
        zookeeper.stop().await;
        assert!(ZooKeeper::serves(address).await.is_err());
        assert_eq!(zookeeper.address(), address);
    }
}
