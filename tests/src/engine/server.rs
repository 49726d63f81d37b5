use std::{
    env,
    fmt::Debug,
    fs,
    marker::PhantomData,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rollcall_etcd::testing::directory_in_memory;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    PATIENCE, eventually,
    process::{Child, free_addresses},
};

/// The timeout of one attempt. A starting server may accept a connection and never answer on it.
const TRY: Duration = Duration::from_secs(1);

/// The properties of a kind of server.
pub trait Engine: Debug {
    /// Its name.
    const NAME: &'static str;
    /// The files that the server needs and the Debian package of each. A file is a path or the name of a command.
    const NEEDS: &'static [(&'static str, &'static str)];

    /// The command that runs the server in the foreground for clients at `address`, with its files in `directory` and its data in
    /// `directory/data`.
    fn command(address: SocketAddr, directory: &Path) -> Command;

    /// Whether the server at `address` serves.
    ///
    /// # Errors
    /// The state that was found instead.
    fn serves(address: SocketAddr) -> impl Future<Output = Result<(), String>> + Send;
}

/// A real server in its own process. Dropping this value kills the server.
///
/// A restarted server keeps its data and its address.
#[derive(Debug)]
pub struct Server<E> {
    address: SocketAddr,
    command: Command,
    child: Option<Child>,
    engine: PhantomData<E>,
    directory: TempDir,
}

impl<E: Engine> Server<E> {
    /// Starts a server without data and waits until it serves.
    ///
    /// # Panics
    /// When it is not installed, with the command that installs it, or does not serve within [`PATIENCE`], with its log.
    pub async fn start() -> Self {
        let [address] = free_addresses();
        let mut server = Self::new(address, E::command);
        server.restart().await;
        server
    }

    /// A server that has not been started yet.
    ///
    /// # Panics
    /// When it is not installed, with the command that installs it.
    pub(super) fn new(
        address: SocketAddr,
        command: impl FnOnce(SocketAddr, &Path) -> Command,
    ) -> Self {
        for (file, package) in E::NEEDS {
            assert!(
                is_installed(file),
                "{} is not installed: sudo apt-get install {package}",
                E::NAME
            );
        }
        let directory = directory_in_memory();
        Self {
            address,
            command: command(address, directory.path()),
            child: None,
            engine: PhantomData,
            directory,
        }
    }

    /// The id of its process.
    ///
    /// # Panics
    /// When it does not run.
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("a running server").id()
    }

    /// Its client address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills the server (SIGKILL), even if it is paused, and returns when the process has ended.
    ///
    /// # Panics
    /// When it is stopped.
    pub fn kill(&mut self) {
        self.child.take().expect("a running server").kill();
    }

    /// Kills the server like [`Server::kill`], and deletes its data.
    ///
    /// # Panics
    /// When it is stopped.
    pub fn lose_data(&mut self) {
        self.kill();
        fs::remove_dir_all(self.data()).expect("a directory that is the server's own");
    }

    /// Copies the data of a stopped server.
    ///
    /// # Panics
    /// When it runs, or the data cannot be copied.
    pub fn copy_data(&self) -> TempDir {
        assert!(self.child.is_none(), "the data of a running server change");
        let copy = directory_in_memory();
        copy_directory(&self.data(), copy.path());
        copy
    }

    /// Replaces the data of a stopped server by a copy of [`Server::copy_data`].
    ///
    /// # Panics
    /// When it runs, or the data cannot be replaced.
    pub fn restore_data(&self, copy: &TempDir) {
        assert!(self.child.is_none(), "a running server keeps its data");
        fs::remove_dir_all(self.data()).expect("a directory that is the server's own");
        copy_directory(&copy.path().join("data"), self.directory.path());
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Sends SIGTERM and waits until the server has ended.
    ///
    /// # Panics
    /// When it is stopped, or does not end within [`PATIENCE`].
    pub async fn stop(&mut self) {
        let mut child = self.child.take().expect("a running server");
        child.signal(Signal::TERM);
        child.exit(PATIENCE).await;
    }

    /// Starts the server again and waits until it serves. A running server is killed first.
    ///
    /// # Panics
    /// When it does not serve within [`PATIENCE`], with its log.
    pub async fn restart(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
        let child = self.child.insert(Child::spawn(E::NAME, &mut self.command));
        eventually(PATIENCE, async || {
            let served = tokio::time::timeout(TRY, E::serves(self.address)).await;
            let served = served.unwrap_or_else(|_| Err(format!("no answer within {TRY:?}")));
            served.map_err(|error| (error, child.stderr.so_far()))
        })
        .await;
    }

    /// Pauses the server (SIGSTOP): its connections stay open, and it answers nothing.
    ///
    /// # Panics
    /// When it is stopped.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Resumes the server after [`Server::pause`].
    ///
    /// # Panics
    /// When it is stopped.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("a running server");
        child.signal(signal);
    }
}

/// Copies a directory into another one.
fn copy_directory(from: &Path, into: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, into]).status();
    assert!(copied.expect("cp").success(), "{}", from.display());
}

fn is_installed(file: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| directory.join(file).is_file())
}
