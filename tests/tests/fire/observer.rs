use std::time::{Duration, Instant};

use rollcall_tests::{history::Report, query};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

/// The interval between two queries of one member.
const LOOK: Duration = Duration::from_millis(150);
/// The timeout of an answer, after which the query is repeated.
const ANSWER: Duration = Duration::from_secs(1);

/// Records one member's reports of the agents.
pub(crate) struct Observer {
    pub(crate) member: usize,
    pub(crate) query: query::Client,
    /// The application of the agents.
    pub(crate) application: i32,
    /// The start of the history's clock.
    pub(crate) start: Instant,
}

impl Observer {
    /// Queries the member until the sender of `stop` is dropped, and returns the reports.
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
