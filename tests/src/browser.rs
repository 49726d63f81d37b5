//! A real browser: Debian's Chromium without a window, driven over its DevTools protocol.
//!
//! The protocol runs over two pipes (`--remote-debugging-pipe`): a message is JSON that ends with a zero byte. So no other process
//! can connect to the browser, and the tests need no driver library.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};

mod page;

/// The longest time to wait for a page or for the browser's answer. A busy machine draws slowly.
const PATIENCE: Duration = Duration::from_secs(60);

/// Chromium with one page.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    input: ChildStdin,
    messages: UnboundedReceiver<Value>,
    session: String,
    last: u64,
    /// The errors that the page reported: console messages, exceptions, and violations of the content policy.
    complaints: Vec<String>,
    /// The origins that the browser sent requests to.
    origins: BTreeSet<String>,
    _profile: TempDir,
}

impl Browser {
    /// Starts the browser with an empty page.
    ///
    /// # Panics
    /// When Chromium is not installed or does not start.
    pub async fn start() -> Self {
        let profile = tempfile::tempdir().expect("a directory for the profile");
        let mut command = Command::new("sh");
        // The browser reads commands from descriptor 3 and writes answers to descriptor 4.
        let pipes = r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#;
        command.args([
            "-c",
            pipes,
            "sh",
            "chromium",
            "--headless=new",
            "--remote-debugging-pipe",
        ]);
        command.args([
            "--no-sandbox",
            "--no-first-run",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--hide-scrollbars",
        ]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starting chromium; tests/run installs it");
        let input = child.stdin.take().expect("stdin is piped");
        let output = child.stdout.take().expect("stdout is piped");
        let (sender, messages) = unbounded_channel();
        thread::spawn(move || {
            for message in BufReader::new(output).split(0) {
                let Ok(message) = message else { break };
                let Ok(message) = serde_json::from_slice(&message) else {
                    break;
                };
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut browser = Self {
            child,
            input,
            messages,
            session: String::new(),
            last: 0,
            complaints: Vec::new(),
            origins: BTreeSet::new(),
            _profile: profile,
        };
        browser.attach().await;
        browser
    }

    async fn attach(&mut self) {
        let target = self
            .send("Target.createTarget", json!({"url": "about:blank"}))
            .await;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = self.send("Target.attachToTarget", attach).await;
        let session = attached["sessionId"].as_str().expect("a session");
        session.clone_into(&mut self.session);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            self.send(&format!("{domain}.enable"), json!({})).await;
        }
        self.size(1280, 800).await;
    }

    /// Sends a command, and returns its result.
    ///
    /// # Panics
    /// When the browser refuses it or has ended.
    pub(crate) async fn send(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": parameters});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = serde_json::to_vec(&message).expect("JSON");
        bytes.push(0);
        self.input
            .write_all(&bytes)
            .expect("writing to the browser");
        self.input.flush().expect("writing to the browser");
        let answer = async {
            loop {
                let message = self.messages.recv().await.expect("the browser has ended");
                if message["id"] == json!(self.last) {
                    return message;
                }
                record(&message, &mut self.complaints, &mut self.origins);
            }
        };
        let answer = timeout(PATIENCE, answer).await;
        let answer = answer.unwrap_or_else(|_| panic!("the browser does not answer {method}"));
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].clone()
    }

    /// The errors that the page reported since the start, and every origin that it sent requests to.
    pub async fn complaints(&mut self) -> (Vec<String>, BTreeSet<String>) {
        // The browser sends the answer after everything that it reported before.
        self.send("Runtime.evaluate", json!({"expression": "1"}))
            .await;
        (self.complaints.clone(), self.origins.clone())
    }

    /// Writes a picture of the whole page.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub async fn picture(&mut self, path: &Path) {
        let metrics = self.send("Page.getLayoutMetrics", json!({})).await;
        let content = &metrics["cssContentSize"];
        let height = content["height"]
            .as_f64()
            .unwrap_or(800.0)
            .clamp(500.0, 1600.0);
        let clip = json!({"x": 0, "y": 0, "width": content["width"], "height": height, "scale": 1});
        let shot =
            json!({"format": "webp", "quality": 80, "captureBeyondViewport": true, "clip": clip});
        let shot = self.send("Page.captureScreenshot", shot).await;
        let data = shot["data"].as_str().expect("a picture");
        fs::write(path, base64(data)).expect("writing a picture");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            let _status = self.child.wait();
        }
    }
}

/// Records the error or the origin in an event.
fn record(message: &Value, complaints: &mut Vec<String>, origins: &mut BTreeSet<String>) {
    let parameters = &message["params"];
    match message["method"].as_str() {
        Some("Network.requestWillBeSent") => {
            let url = parameters["request"]["url"].as_str().unwrap_or_default();
            let end = url
                .match_indices('/')
                .nth(2)
                .map_or(url.len(), |(at, _)| at);
            if !url.starts_with("about:") && !url.starts_with("data:") {
                origins.insert(url[..end].to_owned());
            }
        }
        Some("Runtime.exceptionThrown") => complaints.push(parameters.to_string()),
        Some("Runtime.consoleAPICalled") if parameters["type"] != "log" => {
            complaints.push(parameters.to_string());
        }
        // The browser reports a failed request as an error. Such errors are left out, because tests stop the collector on purpose.
        Some("Log.entryAdded") if parameters["entry"]["source"] != "network" => {
            complaints.push(parameters.to_string());
        }
        _ => {}
    }
}

/// Decodes base64, as the protocol writes it.
fn base64(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.bytes() {
        let Some(value) = alphabet.iter().position(|known| *known == letter) else {
            break;
        };
        bits = bits << 6 | u32::try_from(value).expect("a small number");
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).expect("a byte"));
        }
    }
    bytes
}
