use std::{
    fmt,
    io::{BufRead, BufReader, Read, Write},
    process::{self, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;

use crate::eventually;

/// The lines that a process has written to one stream. They are complete when the stream ends.
#[derive(Clone, Debug)]
pub struct Lines(watch::Receiver<Vec<String>>);

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> (Self, JoinHandle<()>) {
        let (lines, receiver) = watch::channel(Vec::new());
        let reader = thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream
                .read_until(b'\n', &mut line)
                .is_ok_and(|read| read > 0)
            {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                lines.send_modify(|lines| lines.push(text));
                line.clear();
            }
        });
        (Self(receiver), reader)
    }

    /// The lines so far.
    pub fn so_far(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    /// Waits until `pick` finds a result in the lines written so far.
    ///
    /// # Errors
    /// The lines, if `within` elapses or the stream ends first.
    pub async fn find<T>(
        &self,
        within: Duration,
        mut pick: impl FnMut(&[String]) -> Option<T>,
    ) -> Result<T, Vec<String>> {
        let mut found = None;
        let mut lines = self.0.clone();
        let search = lines.wait_for(|lines| {
            found = pick(lines);
            found.is_some()
        });
        drop(tokio::time::timeout(within, search).await);
        found.ok_or_else(|| self.so_far())
    }

    /// Waits until the stream ends, which happens when the process closes it or ends, and returns all lines.
    ///
    /// # Panics
    /// When `within` has passed.
    pub async fn end(&self, within: Duration) -> Vec<String> {
        let mut lines = self.0.clone();
        let closed = async { while lines.changed().await.is_ok() {} };
        tokio::time::timeout(within, closed)
            .await
            .expect("the stream should have ended");
        self.so_far()
    }
}

/// A running process. Its output is captured, and dropping it kills the process.
pub struct Child {
    name: String,
    child: process::Child,
    readers: Vec<JoinHandle<()>>,
    /// Its standard output.
    pub stdout: Lines,
    /// Its standard error.
    pub stderr: Lines,
}

impl Child {
    /// Starts `command`. Failure messages use `name`.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub fn spawn(name: impl Into<String>, command: &mut Command) -> Self {
        let name = name.into();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("starting {name} ({command:?}): {error}"));
        let (stdout, stdout_reader) = Lines::of(child.stdout.take().expect("stdout is piped"));
        let (stderr, stderr_reader) = Lines::of(child.stderr.take().expect("stderr is piped"));
        Self {
            name,
            child,
            readers: vec![stdout_reader, stderr_reader],
            stdout,
            stderr,
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to its standard input.
    ///
    /// # Panics
    /// When the process has closed its input.
    pub fn write_line(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("stdin is piped");
        writeln!(stdin, "{line}")
            .unwrap_or_else(|error| panic!("writing to {}: {error}", self.name));
    }

    /// Closes its standard input.
    pub fn close_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When it has ended.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal)
            .unwrap_or_else(|error| panic!("signalling {}: {error}", self.name));
    }

    /// The exit status, if the process has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child
            .try_wait()
            .expect("the state of the child process")
    }

    /// Waits until the process has ended and all its output has been read.
    ///
    /// # Panics
    /// When `within` has elapsed, with the output so far.
    pub async fn exit(&mut self, within: Duration) -> ExitStatus {
        let status = eventually(within, async || {
            self.ended().ok_or_else(|| {
                format!(
                    "{} is still running; it wrote {:#?}",
                    self.name,
                    self.stderr.so_far()
                )
            })
        })
        .await;
        self.stdout.end(within).await;
        self.stderr.end(within).await;
        status
    }

    /// Kills the process (SIGKILL), and returns when it has ended and all its output has been read.
    pub fn kill(&mut self) -> ExitStatus {
        self.child.kill().expect("killing a child of this process");
        let status = self
            .child
            .wait()
            .expect("waiting for a child of this process");
        for reader in self.readers.drain(..) {
            reader.join().expect("a reader does not panic");
        }
        status
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("name", &self.name)
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PATIENCE;

    fn shell(script: &str) -> Child {
        Child::spawn("a shell", Command::new("/bin/sh").args(["-c", script]))
    }

    #[tokio::test]
    async fn a_line_is_found_as_soon_as_it_is_written() {
        let mut child = shell("echo one; read word; echo $word >&2; exec cat");
        child
            .stdout
            .find(PATIENCE, |lines| {
                lines.contains(&"one".to_owned()).then_some(())
            })
            .await
            .unwrap();
        child.write_line("two");
        child
            .stderr
            .find(PATIENCE, |lines| {
                lines.contains(&"two".to_owned()).then_some(())
            })
            .await
            .unwrap();
        assert_eq!(child.ended(), None);
    }

    #[tokio::test]
    async fn a_search_ends_with_the_stream() {
        let child = shell("echo one");
        let lines = child
            .stdout
            .find(PATIENCE, |_| None::<()>)
            .await
            .unwrap_err();
        assert_eq!(lines, ["one"]);
    }

    #[tokio::test]
    async fn everything_written_before_a_kill_is_kept() {
        let mut child = shell("echo one; echo two; exec cat");
        child
            .stdout
            .find(PATIENCE, |lines| (lines.len() == 2).then_some(()))
            .await
            .unwrap();
        assert_eq!(child.kill().code(), None);
        assert_eq!(child.stdout.so_far(), ["one", "two"]);
    }

    #[tokio::test]
    async fn the_exit_code_is_returned_with_all_output() {
        // More than a pipe holds.
        let mut child = shell("yes | head -n 100000 >&2; echo last; exit 64");
        assert_eq!(child.exit(PATIENCE).await.code(), Some(64));
        assert_eq!(child.stderr.so_far().len(), 100_000);
        assert_eq!(child.stdout.so_far(), ["last"]);
    }
}
