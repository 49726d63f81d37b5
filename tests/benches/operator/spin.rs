//! A process that uses a part of one processor. It shows how much any other work on the machine delays naming.

use std::{
    env,
    process::{Child, Command},
    thread::sleep,
    time::{Duration, Instant},
};

/// How long the process works without a pause: about as long as one search of all instances takes.
const WORK: Duration = Duration::from_millis(20);

/// The process. It ends when the value is dropped.
pub(crate) struct Spinning(Child);

impl Spinning {
    /// Starts a process that uses this part of one processor.
    pub(crate) fn start(part: f64) -> Self {
        let own = env::current_exe().expect("the path of this program");
        let thousandths = format!("{:.0}", part.clamp(0.001, 1.0) * 1e3);
        let child = Command::new(own).args(["--spin", &thousandths]).spawn();
        Self(child.expect("another process"))
    }
}

impl Drop for Spinning {
    fn drop(&mut self) {
        self.0.kill().expect("a process that runs");
        self.0.wait().expect("the end of the process");
    }
}

/// Uses this part of one processor, in thousandths.
pub(crate) fn run(part: u32) -> ! {
    let pause = WORK * (1000 - part.min(1000)) / part.max(1);
    loop {
        let start = Instant::now();
        while start.elapsed() < WORK {
            std::hint::spin_loop();
        }
        sleep(pause);
    }
}
