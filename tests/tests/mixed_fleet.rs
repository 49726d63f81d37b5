//! Tests every agent of the conformance suite on one collector that loses its store twice.
//!
//! Agents up to 6.2 keep their ids, agents of 6.3 to 7.0 register again, and later agents identify themselves by name. At the end
//! no id belongs to two processes, every live process is up with its own application, and no dead process is up.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use rollcall_tests::{
    agent::{self, Agent, Generation, TOKEN},
    application::Application,
    process::Collector,
    query::{Instance, State},
    until,
};

/// The longest signal period of any agent, plus the delay of a busy machine.
const SILENT_AFTER: Duration = Duration::from_secs(30);
const DOWN_AFTER: Duration = Duration::from_secs(40);

/// The longest time until every agent reports again. It is longer than the retry interval of any agent: channel check, backoff and
/// heartbeat.
const RETURN: Duration = Duration::from_secs(120);

/// The duration of the second outage.
const OUTAGE: Duration = Duration::from_secs(150);

/// The interval of calls to applications that are not listed yet.
const CALL_INTERVAL: Duration = Duration::from_secs(2);

/// One process of the fleet.
struct Member {
    agent: Agent,
    code: String,
    application: Application,
}

struct Fleet {
    collector: Collector,
    members: Vec<Member>,
}

impl Member {
    /// The ids of the application and of the instance, if the agent holds ids and reports them.
    fn held(&self) -> Option<(i32, i32)> {
        let last = |what| self.application.ids(what).last().copied();
        match self.agent.generation {
            Generation::V5 => last("application").zip(last("instance")),
            Generation::V6 | Generation::V8 => None,
        }
    }
}

impl Fleet {
    async fn start() -> Self {
        let agents = agent::all(env!("CARGO_BIN_EXE_observed-application"));
        std::thread::scope(|scope| {
            for agent in &agents {
                scope.spawn(|| agent.install());
            }
        });
        let mut collector = Collector::options()
            .terms(SILENT_AFTER, DOWN_AFTER)
            .env("SW_AUTHENTICATION", TOKEN)
            .start()
            .await;
        // The collector warns about departures and adopted ids, which this test causes on purpose.
        collector.expect_warnings();
        let mut fleet = Self {
            collector,
            members: Vec::new(),
        };
        for (number, agent) in agents.into_iter().enumerate() {
            let code = format!("fleet-{number}");
            let application = agent.start_as(&code, fleet.collector.listeners());
            application.started().await.unwrap();
            fleet.members.push(Member {
                agent,
                code,
                application,
            });
        }
        fleet
    }

    /// The instances of the application with this code that are up.
    async fn up(&self, code: &str) -> Result<Vec<Instance>, String> {
        let query = self.collector.query();
        let applications = query.applications().await?;
        let mut named = applications
            .iter()
            .filter(|application| application.code.as_deref() == Some(code));
        let (Some(application), None) = (named.next(), named.next()) else {
            return Err(format!(
                "{code} is not listed exactly once: {applications:?}"
            ));
        };
        let mut instances = query.instances(application.id).await?;
        instances.retain(|instance| instance.state == State::Up);
        Ok(instances)
    }

    /// Checks that this member is up with its own name and, if it holds ids, with its ids. Returns its instance id.
    async fn is_there(&self, member: &Member) -> Result<i32, String> {
        if let Some((application, instance)) = member.held() {
            let known = self.collector.query().instance(instance).await?;
            return match known {
                Instance {
                    state: State::Up,
                    application_id,
                    ..
                } if application_id.is_none_or(|id| id == application) => Ok(instance),
                _ => Err(format!("{}: {known:?}", member.code)),
            };
        }
        match self.up(&member.code).await?.as_slice() {
            [instance] => Ok(instance.id),
            others => Err(format!(
                "{}: not one instance is up: {others:?}",
                member.code
            )),
        }
    }

    /// Waits until every member is up, no two members share an id, and no other instance is up.
    async fn is_whole(&self, when: &str) {
        let whole = until(RETURN, async || {
            let mut ids = BTreeSet::new();
            for member in &self.members {
                if !ids.insert(self.is_there(member).await?) {
                    return Err(format!("{} shares its instance id", member.code));
                }
            }
            let mut applications = BTreeSet::new();
            for (application, _) in self.members.iter().filter_map(Member::held) {
                if !applications.insert(application) {
                    return Err(format!("two agents hold application id {application}"));
                }
            }
            let counts = self.counts().await?;
            let expected = u64::try_from(self.members.len()).expect("a small number");
            if counts == expected {
                Ok(())
            } else {
                Err(format!("{counts} instances are up, not {expected}"))
            }
        });
        if let Err(seen) = whole.await {
            panic!("{when}: {seen}");
        }
    }

    /// The number of instances that are up, over all applications.
    async fn counts(&self) -> Result<u64, String> {
        let applications = self.collector.query().applications().await?;
        Ok(applications.iter().map(|it| it.instances.up).sum())
    }

    /// Lets every application serve a request, so that agents that hold ids send them.
    fn call(&mut self) {
        for member in &mut self.members {
            member.application.call("/orders", "payment:9090");
        }
    }

    /// Calls the applications until every agent with ids is listed under the application whose id it holds. One call is not enough,
    /// because a 5.x agent that has not reconnected yet drops the segment of the call.
    async fn call_until_listed(&mut self) {
        let mut called = None;
        let listed = until(RETURN, async || {
            if called.is_none_or(|at: Instant| at.elapsed() > CALL_INTERVAL) {
                self.call();
                called = Some(Instant::now());
            }
            self.are_listed().await
        });
        listed.await.unwrap();
    }

    /// Checks that every agent with ids is listed under the application whose id it holds.
    async fn are_listed(&self) -> Result<(), String> {
        for member in &self.members {
            let Some((application, instance)) = member.held() else {
                continue;
            };
            let known = self.collector.query().instance(instance).await?;
            if known.application_id != Some(application) {
                return Err(format!("{} holds {application}: {known:?}", member.code));
            }
        }
        Ok(())
    }

    async fn loses_store(&mut self, outage: Duration) {
        self.collector.kill();
        self.collector.lose_store();
        tokio::time::sleep(outage).await;
        self.collector.restart().await;
    }

    /// Checks that members with ids still hold their first ids.
    fn kept_their_ids(&self) {
        for member in &self.members {
            if member.agent.generation == Generation::V5 {
                for what in ["application", "instance"] {
                    let ids: BTreeSet<i32> = member.application.ids(what).into_iter().collect();
                    assert_eq!(ids.len(), 1, "{}: ids of its {what}: {ids:?}", member.code);
                }
            }
        }
    }

    /// Kills one agent of each generation, and waits until the collector reports all of them down.
    async fn notices_deaths(&mut self) {
        let mut dead = Vec::new();
        for generation in [Generation::V5, Generation::V6, Generation::V8] {
            let at = self
                .members
                .iter()
                .position(|member| member.agent.generation == generation)
                .expect("an agent of each generation");
            let id = self.is_there(&self.members[at]).await.unwrap();
            let mut member = self.members.remove(at);
            member.application.kill();
            dead.push((id, member.code));
        }
        let query = self.collector.query();
        for (id, code) in dead {
            let down = until(DOWN_AFTER + RETURN, async || {
                match query.instance(id).await?.state {
                    State::Down => Ok(()),
                    state => Err(format!("{code} is {state:?}")),
                }
            });
            down.await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_mixed_fleet_survives_the_loss_of_its_store_twice() {
    let mut fleet = Fleet::start().await;
    fleet.is_whole("after the start").await;

    // The collector restarts at once, and the agents are called while it listens for held ids.
    fleet.loses_store(Duration::ZERO).await;
    fleet.call_until_listed().await;
    fleet.is_whole("called, after the first loss").await;

    // A long outage with idle agents. An idle 5.x agent reports its instance only, so the collector learns its application with its
    // next segment.
    fleet.loses_store(OUTAGE).await;
    fleet.is_whole("idle, after the second loss").await;
    fleet.kept_their_ids();

    fleet.notices_deaths().await;
    fleet.is_whole("after three deaths").await;
}
