//! A shell in the root of the repository. It runs in its own network namespace if the system allows that.
//!
//! The commands use the default ports. In a network namespace they are free, even if other programs on this machine use them.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rollcall_tests::process::without_crate_variables;

/// A line that marks the end of a command's output.
const END: &str = "-- end of the command --";

/// A running shell. Dropping this value ends the shell and all processes that it has started.
pub(crate) struct Shell {
    shell: Child,
    input: ChildStdin,
    output: mpsc::Receiver<String>,
}

impl Shell {
    pub(crate) fn start() -> Self {
        let mut command = Command::new(if namespaces() { "unshare" } else { "setsid" });
        if namespaces() {
            // When the first process of a process namespace ends, the system ends all its other processes.
            command.args(["--net", "--pid", "--fork", "--mount-proc", "--kill-child"]);
        } else {
            command.arg("--wait");
        }
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SW_")) {
            command.env_remove(name);
        }
        without_crate_variables(&mut command);
        let mut shell = command
            .args(["bash", "-m"])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("bash, unshare and setsid");
        let input = shell.stdin.take().expect("stdin is piped");
        let output = lines(shell.stdout.take().expect("stdout is piped"));
        let mut shell = Self {
            shell,
            input,
            output,
        };
        if namespaces() {
            shell.run("ip link set lo up", Duration::from_secs(30));
        }
        shell
    }

    /// Runs commands, and returns their standard output together with that of background jobs.
    ///
    /// # Panics
    /// When the commands print nothing for longer than `within`.
    pub(crate) fn run(&mut self, commands: &str, within: Duration) -> String {
        writeln!(self.input, "{commands}\nprintf '\\n%s\\n' '{END}'").expect("a running shell");
        let mut output = Vec::new();
        loop {
            match self.output.recv_timeout(within) {
                Ok(line) if line == END => break,
                Ok(line) => output.push(line),
                Err(error) => panic!("{commands}: {error}; so far: {output:#?}"),
            }
        }
        output.join("\n").trim().to_owned()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Without namespaces, the shell must end its jobs itself.
        let ended = writeln!(self.input, "kill $(jobs -p); wait; exit");
        if ended.is_err() || namespaces() {
            drop(self.shell.kill());
        }
        drop(self.shell.wait());
    }
}

/// Whether this process may create namespaces.
fn namespaces() -> bool {
    Command::new("unshare")
        .args(["--net", "--pid", "--fork", "--mount-proc", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn lines(stream: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
