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

/// The tolerance when two answers report the same time: the collector computes the time from two clocks, which differ after a
/// restart.
const WOBBLE: Duration = Duration::from_millis(10);

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
    async fn keeps(&mut self, promise: Promise) -> Outcome {
        match self.test(promise).await {
            Ok(()) => Outcome::Held,
            Err(instead) => Outcome::Broken {
                instead,
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

    async fn registers(&self) -> Result<(), String> {
        self.application.started().await?;
        let instance = self
            .becomes(self.agent.period + SLACK, |instance| {
                instance.state == State::Up && !instance.adopted
            })
            .await?;
        let generation = match self.agent.generation {
            Generation::V5 => "5.x",
            Generation::V6 => "6.x",
            Generation::V8 => "8.x",
        };
        same(
            "generation",
            instance.generation.as_deref(),
            Some(generation),
        )?;
        if self.agent.generation == Generation::V5 {
            same("instance", instance.id, FIRST_INSTANCE)?;
            same(
                "application",
                instance.application_id,
                Some(FIRST_APPLICATION),
            )?;
            same(
                "the agent's application",
                self.id("application").await?,
                FIRST_APPLICATION,
            )?;
            same(
                "the agent's instance",
                self.id("instance").await?,
                FIRST_INSTANCE,
            )?;
        }
        Ok(())
    }

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
        self.becomes(2 * self.agent.period + SLACK, reported)
            .await?;
        Ok(())
    }

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
        same("operations", operations, [-1, 2])?;
        same("address", self.id("address payment:9090").await?, -1)
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
                same(call, self.answered(call).await?, 1)?;
            }
            Ok::<_, String>(())
        });
        answered_once.await?;
        tokio::time::sleep(5 * self.agent.period).await;
        for call in CALLS {
            same(call, self.answered(call).await?, 1)?;
        }
        Ok(())
    }

    /// The number of successful answers to this gRPC call.
    async fn answered(&self, call: &str) -> Result<u64, String> {
        let counter =
            format!("rollcall_calls_total{{protocol=\"grpc\",call=\"{call}\",outcome=\"ok\"}}");
        self.collector.query().metric(&counter).await
    }

    async fn stays_up(&mut self) -> Result<(), String> {
        let before = self.instance().await?;
        // The effects of this request are part of the minute whose log is checked next.
        self.application.call("/orders", "payment:9090");
        let renewed = self
            .next_signal_after(&before, self.agent.period + SLACK)
            .await?;
        tokio::time::sleep(MINUTE.max(5 * self.agent.period)).await;
        let after = self.instance().await?;
        same("state", after.state, State::Up)?;
        if after.since < renewed.last_seen_at {
            Ok(())
        } else {
            Err(format!("the instance was not up until {}", after.since))
        }
    }

    fn logs_no_error(&self) -> Result<(), String> {
        let errors = self.application.errors();
        match errors.first() {
            None => Ok(()),
            Some(first) => Err(format!("{} lines are errors: {first}", errors.len())),
        }
    }

    async fn survives_restart(&mut self) -> Result<(), String> {
        let before = self.instance().await?;
        self.collector.restart().await;
        let after = self
            .next_signal_after(&before, self.returns_within())
            .await?;
        same("state", after.state, State::Up)?;
        same("instance", after.id, before.id)?;
        same("application", after.application_id, before.application_id)?;
        same("UUID", after.uuid, before.uuid)?;
        same(
            "first registration",
            after.registered_at,
            before.registered_at,
        )?;
        same("adopted", after.adopted, false)?;
        if self.agent.generation == Generation::V5 {
            self.ids_never_changed()?;
            let others = self.registers_others().await?;
            same("others", others, (2, FIRST_INSTANCE + 1))?;
        }
        Ok(())
    }

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
        self.becomes(self.returns_within(), known).await?;
        self.shows_properties().await
    }

    async fn loses_store(&mut self) {
        self.collector.kill();
        self.collector.lose_store();
        self.collector.restart().await;
    }

    /// Checks that a collector with a lost store adopts the ids of the running agent and assigns them to no other agent.
    async fn is_adopted(&mut self) -> Result<(), String> {
        let query = self.collector.query();
        // JVM metrics name only the instance; trace segments also name its application.
        let up = until(self.returns_within(), async || {
            let instance = query.instance(FIRST_INSTANCE).await?;
            same("state", instance.state, State::Up)?;
            same("adopted", instance.adopted, true)
        });
        up.await?;
        self.application.call("/orders", "payment:9090");
        let belongs = until(SLACK, async || {
            let application = query.instance(FIRST_INSTANCE).await?.application_id;
            same("application", application, Some(FIRST_APPLICATION))
        });
        belongs.await?;
        self.ids_never_changed()?;
        let (application, instance) = self.registers_others().await?;
        differs("application", application, FIRST_APPLICATION)?;
        differs("instance", instance, FIRST_INSTANCE)
    }

    async fn notices_death(&mut self) -> Result<(), String> {
        let id = match self.agent.generation {
            Generation::V5 => FIRST_INSTANCE,
            Generation::V6 | Generation::V8 => self.instance().await?.id,
        };
        let query = self.collector.query();
        self.application.kill();
        for (state, within) in [
            (State::Silent, self.agent.period + 2 * SLACK),
            (State::Down, 2 * SLACK),
        ] {
            let noticed = until(within, async || {
                same("state", query.instance(id).await?.state, state)
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
        self.becomes(within, |instance| {
            instance.last_seen_at > before.last_seen_at + WOBBLE
        })
        .await
    }

    /// The longest time until an agent reports again: two ticks of its channel and one of its heartbeat, and the time to back off
    /// once.
    fn returns_within(&self) -> Duration {
        3 * self.agent.period + 2 * SLACK
    }

    /// Waits until `wanted` holds for the only instance.
    async fn becomes(
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
        same("code", application.code.as_deref(), Some(CODE))?;
        let mut instances = query.instances(application.id).await?;
        match (instances.pop(), instances.as_slice()) {
            (Some(instance), []) => Ok(instance),
            (last, others) => Err(format!("not one instance: {last:?} {others:?}")),
        }
    }

    /// Waits for the id of `what`, in an agent that can be queried.
    async fn id(&self, what: &str) -> Result<i32, String> {
        self.application
            .id(what, 5 * self.agent.period + SLACK)
            .await
    }

    fn ids_never_changed(&self) -> Result<(), String> {
        let held = |what| self.application.ids(what);
        same(
            "ids of the application",
            held("application"),
            vec![FIRST_APPLICATION],
        )?;
        same(
            "ids of the instance",
            held("instance"),
            vec![FIRST_INSTANCE],
        )
    }

    /// Registers another application and another instance over HTTP, which needs no token here.
    async fn registers_others(&self) -> Result<(i32, i32), String> {
        let http = self.collector.http(self.collector.listeners().jetty);
        let reply = http.post("/application/register", r#"["other"]"#).await?;
        let application = reply.json::<Vec<Registered>>()[0].i;
        let other = json!({"ai": application, "au": "another", "rt": 0, "oi": {}}).to_string();
        let reply = http.post("/instance/register", other).await?;
        Ok((application, reply.json::<Registered>().ii))
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, is: T, wanted: T) -> Result<(), String> {
    if is == wanted {
        Ok(())
    } else {
        Err(format!("{what} is {is:?}, not {wanted:?}"))
    }
}

fn differs<T: PartialEq + std::fmt::Debug>(what: &str, is: T, unwanted: T) -> Result<(), String> {
    if is == unwanted {
        Err(format!("{what} is {is:?}, which is the agent's"))
    } else {
        Ok(())
    }
}
