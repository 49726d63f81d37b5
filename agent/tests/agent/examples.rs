//! Runs the example programs as processes, with a naming server and a collector.

use std::{
    env::current_exe,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    fake::{Collector, PATIENCE},
    harness::naming_for,
};

/// A running example program. Dropping this value kills the program.
struct Example {
    child: Child,
    lines: Receiver<String>,
    log: Vec<String>,
}

impl Example {
    fn start(name: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(binary(name))
            .args(arguments)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let (line, lines) = channel();
        thread::spawn(move || {
            let read = BufReader::new(stderr).lines().map_while(Result::ok);
            read.map(|read| line.send(read)).all(|sent| sent.is_ok())
        });
        Self {
            child,
            lines,
            log: Vec::new(),
        }
    }

    /// Waits for a line of the program's log that contains `part`.
    fn line(&mut self, part: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|_| panic!("no `{part}` in {:#?}", self.log));
            self.log.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Waits until the program ends, and returns its exit code. Waits at most [`PATIENCE`] for each further line of its log.
    fn ended(&mut self) -> Option<i32> {
        // Standard error ends with the process.
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.log.push(line);
        }
        self.child.wait().unwrap().code()
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // `kill` fails if the program has already ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The path of an example's binary. Cargo builds the examples if it builds all tests of the package, but not for `--test agent`
/// alone.
fn binary(name: &str) -> PathBuf {
    let test = current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    profile.join("examples").join(name)
}

#[test]
fn the_plain_example_shows_its_ids_and_ends() {
    let collector = Collector::start();
    let naming = naming_for(&[&collector]);
    let mut example = Example::start("plain", &[&naming.address()]);
    let registered = example.line(" registered application");
    assert!(registered.contains("instance=Some("), "{registered}");
    let span = example.line("the span carries the id");
    assert!(span.contains("id="), "{span}");
    assert_eq!(example.ended(), Some(0), "{:#?}", example.log);
}

#[test]
fn the_web_example_serves_the_id_of_an_operation() {
    let collector = Collector::start();
    let naming = naming_for(&[&collector]);
    let mut example = Example::start("axum", &[&naming.address(), "127.0.0.1:0"]);
    let listening = example.line("listening");
    let (_, address) = listening.rsplit_once("address=").unwrap();
    let until = Instant::now() + PATIENCE;
    let mut response = get(address.trim());
    while !response.contains("x-operation: #") {
        assert!(response.contains("x-operation: /orders"), "{response}");
        assert!(response.ends_with(r#"["apples","pears"]"#), "{response}");
        assert!(Instant::now() < until, "{response}\n{:#?}", example.log);
        thread::park_timeout(Duration::from_millis(20));
        response = get(address.trim());
    }
    let pid = example.child.id().to_string();
    let interrupt = Command::new("kill").args(["-INT", &pid]).status();
    assert!(interrupt.unwrap().success());
    assert_eq!(example.ended(), Some(0), "{:#?}", example.log);
}

fn get(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /orders HTTP/1.0\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}
