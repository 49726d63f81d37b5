//! The life of one agent: the test of every [`Promise`] to it, in their order.
//!
//! An application with the agent runs beside a collector of its own. The collector's terms and the deadlines of the test follow
//! from the agent's period. Each promise is a method of [`Life`] that returns the first difference between the actual and the
//! promised behaviour as a text. A broken promise does not end the life, except the first one: an agent that is not listed is not
//! tested further.
//!
//! The ids that an agent holds can be read from an application with an agent of 5.x, and only from it. Later agents are observed
//! through the collector alone.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{Outcome, Promise, Row};
use crate::{
    agent::{Agent, CODE, Generation, TOKEN},
    application::Application,
    process::Collector,
    query::{Instance, State},
    until,
};

/// The delay that a busy machine may add to any period.
const SLACK: Duration = Duration::from_secs(5);

/// The shortest observation of an idle agent.
const MINUTE: Duration = Duration::from_secs(60);

/// The tolerance when two answers report the same time. The collector computes the time from two clocks, which differ after a
/// restart.
const CLOCK_TOLERANCE: Duration = Duration::from_millis(10);

/// The ids of the only application and instance: the first ids of the sequences.
const FIRST_APPLICATION: i32 = -1;
const FIRST_INSTANCE: i32 = 1;

/// An application with an agent, and a collector that no other agent uses.
struct Life {
    agent: Agent,
    collector: Collector,
    application: Application,
}

/// The answer to a registration over HTTP: the id of an application, or of an instance.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Registered {
    i: i32,
    ii: i32,
}

/// Runs a whole life. If the agent is never listed, the remaining promises are not tested.
pub(super) async fn of(agent: Agent, starting: &Semaphore) -> Row {
    let silent_after = agent.period + SLACK;
    let mut collector = Collector::options()
        .terms(silent_after, silent_after + SLACK)
        .env("SW_AUTHENTICATION", TOKEN)
        // The collector assigns ids at once, because there is no other agent that could hold them.
        .without_listening()
        .start()
        .await;
    // Python sends no token over HTTP, so the collector requires none and logs a warning.
    collector.expect_log("requires a token of agents");
    let permit = starting.acquire().await.expect("the semaphore stays open");
    let application = agent.start(collector.listeners());
    let mut life = Life {
        agent,
        collector,
        application,
    };
    let registered = life.keeps(Promise::Registers).await;
    drop(permit);
    let listed = registered == Outcome::Held;
    let mut outcomes = vec![registered];
    for promise in Promise::ALL.into_iter().skip(1) {
        outcomes.push(if !promise.is_made_to(&life.agent) {
            Outcome::NotMade
        } else if listed {
            life.keeps(promise).await
        } else {
            Outcome::NotTested
        });
    }
    Row {
        agent: life.agent,
        outcomes,
    }
}

impl Life {
    /// Tests a promise.
    async fn keeps(&mut self, promise: Promise) -> Outcome {
        match self.test(promise).await {
            Ok(()) => Outcome::Held,
            Err(difference) => Outcome::Broken {
                instead: difference,
                log: self.application.log(),
            },
        }
    }

    async fn test(&mut self, promise: Promise) -> Result<(), String> {
        match promise {
            Promise::Registers => self.registers().await,
            Promise::ShowsProperties => self.shows_properties().await,
            Promise::AssignsNames => self.assigns_names().await,
            Promise::StaysUp => self.stays_up().await,
            Promise::LogsNoError => self.logs_no_error(),
            Promise::SurvivesRestart => self.survives_restart().await,
            Promise::Heals => self.heals().await,
            Promise::NoticesDeath => self.notices_death().await,
        }
    }

    /// [`Promise::Registers`]. An agent of 5.x also gets the first ids of the sequences.
    async fn registers(&self) -> Result<(), String> {
        self.application.started().await?;
        let instance = self
            .wait_until(self.agent.period + SLACK, |instance| {
                instance.state == State::Up && !instance.adopted
            })
            .await?;
        let generation = match self.agent.generation {
            Generation::V5 => "5.x",
            Generation::V6 => "6.x",
            Generation::V8 => "8.x",
        };
        expect_equal(
            "generation",
            instance.generation.as_deref(),
            Some(generation),
        )?;
        if self.agent.generation == Generation::V5 {
            expect_equal("instance", instance.id, FIRST_INSTANCE)?;
            expect_equal(
                "application",
                instance.application_id,
                Some(FIRST_APPLICATION),
            )?;
            expect_equal(
                "the agent's application",
                self.id("application").await?,
                FIRST_APPLICATION,
            )?;
            expect_equal(
                "the agent's instance",
                self.id("instance").await?,
                FIRST_INSTANCE,
            )?;
        }
        Ok(())
    }

    /// [`Promise::ShowsProperties`]. The keys of the properties depend on the agent's generation.
    async fn shows_properties(&self) -> Result<(), String> {
        let (process, host, with_language) = match self.agent.generation {
            Generation::V5 => ("process_no", "host_name", false),
            Generation::V6 => ("process_no", "host_name", true),
            Generation::V8 => ("Process No.", "hostname", true),
        };
        let own = Value::from(self.application.process_id().to_string());
        let reported = |instance: &Instance| {
            instance.properties.get(process) == Some(&own)
                && instance.properties.contains_key(host)
                && instance.language.is_some() == with_language
        };
        self.wait_until(2 * self.agent.period + SLACK, reported)
            .await?;
        Ok(())
    }

    /// [`Promise::AssignsNames`]. A call of the application creates the names.
    async fn assigns_names(&mut self) -> Result<(), String> {
        self.application.call("/orders", "payment:9090");
        if self.agent.generation == Generation::V6 {
            return self.requests_once().await;
        }
        let mut operations = [
            self.id("entry /orders").await?,
            self.id("exit /orders").await?,
        ];
        operations.sort_unstable();
        expect_equal("operations", operations, [-1, 2])?;
        expect_equal("address", self.id("address payment:9090").await?, -1)
    }

    /// Checks that an agent which does not report its ids has received them: it requests each name once, because without an id it
    /// would repeat the request at every tick.
    async fn requests_once(&self) -> Result<(), String> {
        const CALLS: [&str; 2] = [
            "Register/doEndpointRegister",
            "Register/doNetworkAddressRegister",
        ];
        let answered_once = until(self.agent.period + SLACK, async || {
            for call in CALLS {
                expect_equal(call, self.answered(call).await?, 1)?;
            }
            Ok::<_, String>(())
        });
        answered_once.await?;
        tokio::time::sleep(5 * self.agent.period).await;
        for call in CALLS {
            expect_equal(call, self.answered(call).await?, 1)?;
        }
        Ok(())
    }

    /// The number of successful answers to this gRPC call.
    async fn answered(&self, call: &str) -> Result<u64, String> {
        let counter =
            format!("rollcall_calls_total{{protocol=\"grpc\",call=\"{call}\",outcome=\"ok\"}}");
        self.collector.query().metric(&counter).await
    }

    /// [`Promise::StaysUp`]. The state must not have changed since a signal before the observation.
    async fn stays_up(&mut self) -> Result<(), String> {
        let before = self.instance().await?;
        // The effects of this request are part of the minute whose log is checked next.
        self.application.call("/orders", "payment:9090");
        let renewed = self
            .next_signal_after(&before, self.agent.period + SLACK)
            .await?;
        tokio::time::sleep(MINUTE.max(5 * self.agent.period)).await;
        let after = self.instance().await?;
        expect_equal("state", after.state, State::Up)?;
        if after.since < renewed.last_seen_at {
            Ok(())
        } else {
            Err(format!("the instance was not up until {}", after.since))
        }
    }

    /// [`Promise::LogsNoError`].
    fn logs_no_error(&self) -> Result<(), String> {
        let errors = self.application.errors();
        match errors.first() {
            None => Ok(()),
            Some(first) => Err(format!("{} lines are errors: {first}", errors.len())),
        }
    }

    /// [`Promise::SurvivesRestart`]. The instance keeps its ids, and other agents get other ids.
    async fn survives_restart(&mut self) -> Result<(), String> {
        let before = self.instance().await?;
        self.collector.restart().await;
        let after = self
            .next_signal_after(&before, self.longest_return())
            .await?;
        expect_equal("state", after.state, State::Up)?;
        expect_equal("instance", after.id, before.id)?;
        expect_equal("application", after.application_id, before.application_id)?;
        expect_equal("UUID", after.uuid, before.uuid)?;
        expect_equal(
            "first registration",
            after.registered_at,
            before.registered_at,
        )?;
        expect_equal("adopted", after.adopted, false)?;
        if self.agent.generation == Generation::V5 {
            self.ids_never_changed()?;
            let others = self.register_others().await?;
            expect_equal("others", others, (2, FIRST_INSTANCE + 1))?;
        }
        Ok(())
    }

    /// [`Promise::Heals`]. The ids of an agent of 5.x are adopted. Later agents are listed again with their properties.
    async fn heals(&mut self) -> Result<(), String> {
        if self.agent.generation == Generation::V5 {
            self.loses_store().await;
            return self.is_adopted().await;
        }
        let before = self.instance().await?;
        self.loses_store().await;
        let known = |instance: &Instance| {
            instance.state == State::Up && !instance.adopted && instance.uuid == before.uuid
        };
        self.wait_until(self.longest_return(), known).await?;
        self.shows_properties().await
    }

    /// Kills the collector, deletes its store, and starts it again.
    async fn loses_store(&mut self) {
        self.collector.kill();
        self.collector.lose_store();
        self.collector.restart().await;
    }

    /// Checks that a collector with a lost store adopts the ids of the running agent and assigns them to no other agent.
    async fn is_adopted(&mut self) -> Result<(), String> {
        let query = self.collector.query();
        // JVM metrics name only the instance; trace segments also name its application.
        let up = until(self.longest_return(), async || {
            let instance = query.instance(FIRST_INSTANCE).await?;
            expect_equal("state", instance.state, State::Up)?;
            expect_equal("adopted", instance.adopted, true)
        });
        up.await?;
        self.application.call("/orders", "payment:9090");
        let belongs = until(SLACK, async || {
            let application = query.instance(FIRST_INSTANCE).await?.application_id;
            expect_equal("application", application, Some(FIRST_APPLICATION))
        });
        belongs.await?;
        self.ids_never_changed()?;
        let (application, instance) = self.register_others().await?;
        expect_other("application", application, FIRST_APPLICATION)?;
        expect_other("instance", instance, FIRST_INSTANCE)
    }

    /// [`Promise::NoticesDeath`]. The terms begin with the last signal, which may have been a period before the death.
    async fn notices_death(&mut self) -> Result<(), String> {
        let id = match self.agent.generation {
            Generation::V5 => FIRST_INSTANCE,
            Generation::V6 | Generation::V8 => self.instance().await?.id,
        };
        let query = self.collector.query();
        self.application.kill();
        let (silent_within, down_within) = (self.agent.period + 2 * SLACK, 2 * SLACK);
        for (state, within) in [(State::Silent, silent_within), (State::Down, down_within)] {
            let noticed = until(within, async || {
                expect_equal("state", query.instance(id).await?.state, state)
            });
            noticed.await?;
        }
        Ok(())
    }

    /// Waits until the instance has a later signal than in `before`.
    async fn next_signal_after(
        &self,
        before: &Instance,
        within: Duration,
    ) -> Result<Instance, String> {
        self.wait_until(within, |instance| {
            instance.last_seen_at > before.last_seen_at + CLOCK_TOLERANCE
        })
        .await
    }

    /// The longest time until an agent reports again: two ticks of its channel and one of its heartbeat, and the time to back off
    /// once.
    fn longest_return(&self) -> Duration {
        3 * self.agent.period + 2 * SLACK
    }

    /// Waits until `wanted` holds for the only instance.
    async fn wait_until(
        &self,
        within: Duration,
        wanted: impl Fn(&Instance) -> bool,
    ) -> Result<Instance, String> {
        until(within, async || {
            let instance = self.instance().await?;
            if wanted(&instance) {
                Ok(instance)
            } else {
                Err(format!("{instance:?}"))
            }
        })
        .await
        .map_err(|seen| format!("not within {within:?}: {seen}"))
    }

    /// The only instance of the only application.
    async fn instance(&self) -> Result<Instance, String> {
        let query = self.collector.query();
        let applications = query.applications().await?;
        let [application] = applications.as_slice() else {
            return Err(format!("not one application: {applications:?}"));
        };
        expect_equal("code", application.code.as_deref(), Some(CODE))?;
        let mut instances = query.instances(application.id).await?;
        match (instances.pop(), instances.as_slice()) {
            (Some(instance), []) => Ok(instance),
            (last, others) => Err(format!("not one instance: {last:?} {others:?}")),
        }
    }

    /// Waits until an agent of 5.x knows the id of `subject`, such as `instance` or `entry /orders`.
    async fn id(&self, subject: &str) -> Result<i32, String> {
        self.application
            .id(subject, 5 * self.agent.period + SLACK)
            .await
    }

    /// Checks that an agent of 5.x has held no ids but the first ones.
    fn ids_never_changed(&self) -> Result<(), String> {
        let held = |subject| self.application.ids(subject);
        expect_equal(
            "ids of the application",
            held("application"),
            vec![FIRST_APPLICATION],
        )?;
        expect_equal(
            "ids of the instance",
            held("instance"),
            vec![FIRST_INSTANCE],
        )
    }

    /// Registers another application and another instance over HTTP, which needs no token here, and returns their ids.
    async fn register_others(&self) -> Result<(i32, i32), String> {
        let http = self.collector.http(self.collector.listeners().jetty);
        let reply = http.post("/application/register", r#"["other"]"#).await?;
        let application = reply.json::<Vec<Registered>>()[0].i;
        let other = json!({"ai": application, "au": "another", "rt": 0, "oi": {}}).to_string();
        let reply = http.post("/instance/register", other).await?;
        Ok((application, reply.json::<Registered>().ii))
    }
}

/// Fails if a value is not the wanted one.
fn expect_equal<T: PartialEq + std::fmt::Debug>(
    name: &str,
    is: T,
    wanted: T,
) -> Result<(), String> {
    if is == wanted {
        Ok(())
    } else {
        Err(format!("{name} is {is:?}, not {wanted:?}"))
    }
}

/// Fails if an id of another agent is one that the agent holds.
fn expect_other<T: PartialEq + std::fmt::Debug>(name: &str, is: T, held: T) -> Result<(), String> {
    if is == held {
        Err(format!("{name} is {is:?}, which is the agent's"))
    } else {
        Ok(())
    }
}
