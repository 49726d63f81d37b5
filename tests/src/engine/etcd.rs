mod ensemble;
mod keys;

use std::{net::SocketAddr, path::Path, process::Command};

use serde_json::{Value, json};

use super::{Engine, Server};
use crate::{http::Client, process::free_addresses};

pub use ensemble::Ensemble;
pub use keys::Taken;

/// One etcd server that forms a cluster by itself.
#[derive(Debug)]
pub enum Etcd {}

impl Engine for Etcd {
    const NAME: &'static str = "etcd";
    const NEEDS: &'static [(&'static str, &'static str)] = &[("etcd", "etcd-server")];

    fn command(address: SocketAddr, directory: &Path) -> Command {
        let peer = "http://127.0.0.1:0";
        command("alone", address, peer, &format!("alone={peer}"), directory)
    }

    async fn serves(address: SocketAddr) -> Result<(), String> {
        // A server whose space is used up still serves reads, so that alarm is excluded.
        let reply = Client::new(address).get("/health?exclude=NOSPACE").await?;
        let health = reply.text();
        if reply.status == 200 && health.contains("true") {
            Ok(())
        } else {
            Err(health)
        }
    }
}

/// The command of the server `name`, which the other servers of its `cluster` (`name=peer,name=peer`) reach at `peer`.
fn command(
    name: &str,
    address: SocketAddr,
    peer: &str,
    cluster: &str,
    directory: &Path,
) -> Command {
    let client = format!("http://{address}");
    let mut command = Command::new("etcd");
    command
        .args(["--name", name])
        .arg("--data-dir")
        .arg(directory.join("data"))
        .args(["--listen-client-urls", &client])
        .args(["--advertise-client-urls", &client])
        .args(["--listen-peer-urls", peer])
        .args(["--initial-advertise-peer-urls", peer])
        .args(["--initial-cluster", cluster])
        // The shortest lease term is one and a half election timeouts.
        .args(["--heartbeat-interval", "50"])
        .args(["--election-timeout", "500"])
        .args(["--logger", "zap"]);
    command
}

impl Server<Etcd> {
    /// Compacts the whole history. The server then refuses requests for older changes.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn compact(&self) {
        let revision =
            self.call("/v3/kv/range", json!({"key": "AA=="})).await["header"]["revision"].take();
        self.call(
            "/v3/kv/compaction",
            json!({"revision": revision, "physical": true}),
        )
        .await;
    }

    /// Starts a server without data whose database is limited to this many bytes.
    ///
    /// # Panics
    /// As [`Server::start`].
    pub async fn start_with_quota(bytes: u64) -> Self {
        Self::start_with(&["--quota-backend-bytes", &bytes.to_string()]).await
    }

    /// Starts a server without data, with these additional arguments.
    ///
    /// # Panics
    /// As [`Server::start`].
    pub async fn start_with(arguments: &[&str]) -> Self {
        let [address] = free_addresses();
        let mut server = Self::new(address, |address, directory| {
            let mut command = Etcd::command(address, directory);
            command.args(arguments);
            command
        });
        server.restart().await;
        server
    }

    /// Writes until the quota is used up, so that the server refuses every further write.
    ///
    /// # Panics
    /// When the server accepts more than its quota, or fails for another reason.
    pub async fn use_up_quota(&self) {
        const VALUE: usize = 512 * 1024;
        let client = Client::new(self.address());
        for number in 0..1000 {
            // Base64, 4 characters for 3 bytes.
            let key = format!("{number:08}");
            let put = json!({"key": key, "value": "A".repeat(VALUE / 3 * 4)}).to_string();
            let reply = client.post("/v3/kv/put", put).await;
            let reply = reply.unwrap_or_else(|error| panic!("a put: {error}"));
            if reply.status != 200 {
                let text = reply.text();
                assert!(text.contains("database space exceeded"), "{text}");
                return;
            }
        }
        panic!("etcd accepted 500 MiB");
    }

    /// Removes what [`Server::use_up_quota`] wrote, and makes the server accept writes again, as an operator would.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn make_space(&self) {
        // Base64 of the first byte of all these keys, and of the next one.
        let written = json!({"key": "0w==", "range_end": "1A=="});
        self.call("/v3/kv/deleterange", written).await;
        self.compact().await;
        self.call("/v3/maintenance/defragment", json!({})).await;
        self.disarm().await;
    }

    /// Raises the server's alarm for space, as a used-up quota does. The server refuses every write until [`Server::disarm`].
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn run_out_of_space(&self) {
        self.alarm("ACTIVATE").await;
    }

    /// Clears the alarm.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn disarm(&self) {
        self.alarm("DEACTIVATE").await;
    }

    async fn alarm(&self, action: &str) {
        let status = self.call("/v3/maintenance/status", json!({})).await;
        let member = &status["header"]["member_id"];
        let alarm = json!({"action": action, "memberID": member, "alarm": "NOSPACE"});
        self.call("/v3/maintenance/alarm", alarm).await;
    }

    /// Makes one call through the JSON gateway.
    async fn call(&self, path: &str, request: Value) -> Value {
        let client = Client::new(self.address());
        let reply = client.post(path, request.to_string()).await;
        let reply = reply.unwrap_or_else(|error| panic!("{path} of etcd: {error}"));
        assert_eq!(reply.status, 200, "{path} of etcd: {}", reply.text());
        reply.json()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// `key` and `value` in base64, the gateway's encoding of bytes.
    async fn put(etcd: &Server<Etcd>) -> Value {
        etcd.call("/v3/kv/put", json!({"key": "a2V5", "value": "dmFsdWU="}))
            .await
    }

    async fn get(etcd: &Server<Etcd>, request: Value) -> Value {
        etcd.call("/v3/kv/range", request).await["kvs"][0]["value"].take()
    }

    #[tokio::test]
    async fn data_survives_a_kill_at_the_same_address() {
        let mut etcd = Server::<Etcd>::start().await;
        let address = etcd.address();
        put(&etcd).await;
        etcd.kill();
        assert!(Etcd::serves(address).await.is_err());
        etcd.restart().await;
        assert_eq!(etcd.address(), address);
        assert_eq!(get(&etcd, json!({"key": "a2V5"})).await, "dmFsdWU=");
        etcd.stop().await;
        assert!(Etcd::serves(address).await.is_err());
    }

    #[tokio::test]
    async fn a_paused_server_answers_nothing() {
        let etcd = Server::<Etcd>::start().await;
        etcd.pause();
        let request = Client::new(etcd.address());
        let request = request.get("/health");
        tokio::pin!(request);
        let early = tokio::time::timeout(Duration::from_millis(200), &mut request).await;
        assert!(early.is_err(), "answered while paused: {early:?}");
        etcd.resume();
        assert_eq!(request.await.unwrap().status, 200);
    }

    #[tokio::test]
    async fn history_before_a_compaction_is_refused() {
        let etcd = Server::<Etcd>::start().await;
        let revision = put(&etcd).await["header"]["revision"].take();
        put(&etcd).await;
        let request = json!({"key": "a2V5", "revision": revision}).to_string();
        let client = Client::new(etcd.address());
        let before = client.post("/v3/kv/range", request.clone()).await.unwrap();
        assert_eq!(before.status, 200);
        etcd.compact().await;
        let after = client.post("/v3/kv/range", request).await.unwrap();
        assert!(after.text().contains("compacted"), "{}", after.text());
    }
}
