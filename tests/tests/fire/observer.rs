use std::time::{Duration, Instant};

use rollcall_tests::{history::Report, query};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

/// Between two looks at one member.
const LOOK: Duration = Duration::from_millis(150);
/// A member that does not answer within this time is asked again.
const ANSWER: Duration = Duration::from_secs(1);

/// Records what one member reports of the agents.
pub(crate) struct Observer {
    pub(crate) member: usize,
    pub(crate) query: query::Client,
    /// The application of the agents.
    pub(crate) application: i32,
    /// What the times count from.
    pub(crate) start: Instant,
}

impl Observer {
    /// Looks until `stop` is closed, and returns what was reported.
    pub(crate) async fn run(self, mut stop: watch::Receiver<()>) -> Vec<Report> {
        let mut reports = Vec::new();
        loop {
            let sent = self.start.elapsed();
            let answer = timeout(ANSWER, self.query.instances(self.application)).await;
            if let Ok(Ok(instances)) = answer {
                let states = instances
                    .iter()
                    .map(|instance| (instance.id, instance.state));
                reports.push(Report {
                    member: self.member,
                    sent,
                    ended: self.start.elapsed(),
                    states: states.collect(),
                });
            }
            tokio::select! {
                _ = stop.changed() => return reports,
                () = sleep(LOOK) => {}
            }
        }
    }
}
