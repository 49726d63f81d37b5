//! Tests one client with its own collector. One process of the client is the provider of a service, and a second process is the
//! consumer.

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use super::{Client, Driver, Face, Host, Outcome, Promise, collector};
use crate::{PATIENCE, process::Collector, until};

/// The time for which an idle client is checked for errors.
const IDLE: Duration = Duration::from_secs(10);

/// The time within which a subscriber must report a change.
const CHANGE: Duration = Duration::from_secs(1);

/// The longest delay after a term until a subscriber reports the end of an instance. On a busy machine the first beat after a restart
/// may come so late that the usual term, of 15 s, still applies.
const LATE: Duration = Duration::from_secs(15);

/// The service of the provider and the consumer, and the addresses that they register.
const SERVICE: &str = "orders";
const PROVIDER: &str = "10.1.0.1:80";
const CONSUMER: &str = "10.1.0.2:80";

/// A service with a persistent instance.
const PERSISTENT: &str = "ledger";

/// The outcomes of the first nine promises of [`Promise::ALL`] for one client on its own collector.
pub async fn on_its_own_collector(client: Client) -> Vec<Outcome> {
    let promises = &Promise::ALL[..9];
    let mut life = match Life::begin(client).await {
        Ok(life) => life,
        Err(instead) => {
            let output = Vec::new();
            let mut outcomes = vec![Outcome::Broken { instead, output }];
            outcomes.resize(promises.len(), Outcome::NotTested);
            return outcomes;
        }
    };
    let mut outcomes = Vec::new();
    for &promise in promises {
        let result = life.put_to_the_test(promise).await;
        outcomes.push(result.unwrap_or_else(|instead| Outcome::Broken {
            instead,
            output: [life.provider.output(), life.consumer.output()].concat(),
        }));
    }
    outcomes
}

struct Life {
    client: Client,
    collector: Collector,
    server: SocketAddr,
    provider: Driver,
    consumer: Driver,
    /// The listener to which the probes of one persistent instance connect. The probes of the other instance connect to the
    /// collector itself.
    backend: Option<TcpListener>,
}

impl Client {
    /// The metadata that shortens the term of an instance, if the client sends beats, and the term.
    pub(super) fn term(&self) -> (&'static str, Duration) {
        match (self.face, self.language) {
            (Face::Grpc, _) => ("zone=a", Duration::from_secs(2)),
            // This client sends its first beat up to ten seconds after the registration.
            (_, "Node.js") => (
                "preserved.heart.beat.interval=1000,preserved.heart.beat.timeout=11000,preserved.ip.delete.timeout=12000",
                Duration::from_secs(12),
            ),
            _ => (
                "preserved.heart.beat.interval=1000,preserved.heart.beat.timeout=3000,preserved.ip.delete.timeout=6000",
                Duration::from_secs(6),
            ),
        }
    }
}

impl Life {
    async fn begin(client: Client) -> Result<Self, String> {
        let (collector, server) = collector(Collector::options()).await;
        let (provider, consumer) =
            tokio::join!(client.start(server.http), client.start(server.http));
        Ok(Self {
            client,
            collector,
            server: server.http,
            provider: provider?,
            consumer: consumer?,
            backend: None,
        })
    }

    async fn put_to_the_test(&mut self, promise: Promise) -> Result<Outcome, String> {
        match promise {
            Promise::Registers => self.registers().await,
            Promise::SeesChanges => self.sees_changes().await,
            Promise::Updates => self.updates().await,
            Promise::Batches if !self.client.batch => Ok(Outcome::NotMade),
            Promise::Batches => self.batches().await,
            Promise::LogsNoError => self.logs_no_error().await,
            Promise::Persists => self.persists().await,
            Promise::Deregisters => self.deregisters().await,
            Promise::SurvivesRestart => self.survives_restart().await,
            Promise::Vanishes => self.vanishes().await,
            Promise::SeesOthers | Promise::KeepsOthers | Promise::SeesDeaths => {
                Ok(Outcome::NotTested)
            }
        }
    }

    /// Registers an instance of the service from both processes, so that no list is ever empty: some clients ignore empty lists.
    async fn registers(&mut self) -> Result<Outcome, String> {
        let (term, _) = self.client.term();
        let own = format!(
            "register {SERVICE} {} 1 DEFAULT ephemeral {term}",
            words(CONSUMER)
        );
        self.consumer.run(&own).await?;
        self.consumer.run(&format!("subscribe {SERVICE}")).await?;
        let other = format!(
            "register {SERVICE} {} 1 DEFAULT ephemeral {term}",
            words(PROVIDER)
        );
        self.provider.run(&other).await?;
        self.lists(SERVICE, |hosts| addresses(hosts) == [PROVIDER, CONSUMER])
            .await?;
        Ok(Outcome::Held)
    }

    async fn sees_changes(&mut self) -> Result<Outcome, String> {
        let (term, _) = self.client.term();
        let mut best = Duration::MAX;
        for weight in [2, 3, 4] {
            let change = format!(
                "register {SERVICE} {} {weight} DEFAULT ephemeral {term}",
                words(PROVIDER)
            );
            self.provider.run(&change).await?;
            let wanted = |hosts: &[Host]| {
                let host = hosts.iter().find(|host| host.address == PROVIDER);
                host.is_some_and(|host| host.weight == f64::from(weight))
            };
            best = best.min(self.consumer.reports(SERVICE, PATIENCE, wanted).await?);
        }
        if best > CHANGE {
            return Err(format!("reported after {best:?} at best"));
        }
        eprintln!("{}: a change is reported after {best:?}", self.client);
        Ok(Outcome::Held)
    }

    async fn updates(&mut self) -> Result<Outcome, String> {
        let update = format!(
            "update {SERVICE} {} 7.5 DEFAULT ephemeral {},colour=blue",
            words(PROVIDER),
            self.client.term().0
        );
        self.provider.run(&update).await?;
        self.lists(SERVICE, |hosts| {
            let host = hosts.iter().find(|host| host.address == PROVIDER);
            host.is_some_and(|host| {
                host.weight == 7.5
                    && host
                        .metadata
                        .get("colour")
                        .is_some_and(|colour| colour == "blue")
            })
        })
        .await?;
        Ok(Outcome::Held)
    }

    async fn batches(&mut self) -> Result<Outcome, String> {
        self.provider
            .run("batch bulk 10.1.1.1:80 10.1.1.2:80 10.1.1.3:80")
            .await?;
        self.lists("bulk", |hosts| hosts.len() == 3).await?;
        self.provider.run("batch bulk 10.1.1.2:80").await?;
        self.lists("bulk", |hosts| addresses(hosts) == ["10.1.1.2:80"])
            .await?;
        Ok(Outcome::Held)
    }

    async fn logs_no_error(&mut self) -> Result<Outcome, String> {
        let errors = |life: &Self| [life.provider.errors(), life.consumer.errors()].concat();
        let before = errors(self).len();
        tokio::time::sleep(IDLE).await;
        self.lists(SERVICE, |hosts| {
            addresses(hosts) == [PROVIDER, CONSUMER] && hosts.iter().all(|host| host.healthy)
        })
        .await?;
        match errors(self).get(before..) {
            None | Some([]) => Ok(Outcome::Held),
            Some(errors) => Err(format!(
                "{} errors, one of them: {}",
                errors.len(),
                errors[0]
            )),
        }
    }

    /// Registers two persistent instances, because Nacos 1.x returns all instances as healthy if none of them is.
    async fn persists(&mut self) -> Result<Outcome, String> {
        let backend = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = backend.local_addr().expect("a bound address").port();
        self.backend = Some(backend);
        for port in [port, self.server.port()] {
            let register = format!("register {PERSISTENT} 127.0.0.1 {port} 1 DEFAULT persistent -");
            self.provider.run(&register).await?;
        }
        self.lists(PERSISTENT, |hosts| {
            hosts.len() == 2 && hosts.iter().all(|host| host.healthy)
        })
        .await?;
        Ok(Outcome::Held)
    }

    async fn deregisters(&mut self) -> Result<Outcome, String> {
        let instance = |ip: &str| {
            format!(
                "parcels {ip} 80 1 DEFAULT ephemeral {}",
                self.client.term().0
            )
        };
        let (stays, goes) = (instance("10.1.2.1"), instance("10.1.2.2"));
        self.consumer.run(&format!("register {stays}")).await?;
        self.provider.run(&format!("register {goes}")).await?;
        self.lists("parcels", |hosts| hosts.len() == 2).await?;
        self.provider.run(&format!("deregister {goes}")).await?;
        self.lists("parcels", |hosts| addresses(hosts) == ["10.1.2.1:80"])
            .await?;
        Ok(Outcome::Held)
    }

    async fn survives_restart(&mut self) -> Result<Outcome, String> {
        let reported = self.consumer.changes(SERVICE).len();
        self.collector.restart().await;
        if self.client.face == Face::Poll {
            // This client ends its subscription at the first failed poll and leaves the retry to the application.
            self.accepts_of_consumer(&format!("subscribe {SERVICE}"))
                .await?;
        }
        self.lists(SERVICE, |hosts| addresses(hosts) == [PROVIDER, CONSUMER])
            .await?;
        self.lists(PERSISTENT, |hosts| hosts.len() == 2).await?;
        // The list may come from the client's cache. A later change that arrives proves that the subscription works again.
        let update = format!(
            "update {SERVICE} {} 8.5 DEFAULT ephemeral {}",
            words(PROVIDER),
            self.client.term().0
        );
        self.accepts(&update).await?;
        let wanted = |hosts: &[Host]| {
            hosts
                .iter()
                .any(|host| host.address == PROVIDER && host.weight == 8.5)
        };
        self.consumer.reports(SERVICE, PATIENCE, wanted).await?;
        let changes = self.consumer.changes(SERVICE);
        match changes.iter().skip(reported).find(|hosts| hosts.len() < 2) {
            None => Ok(Outcome::Held),
            Some(hosts) => Err(format!(
                "a list without an instance was reported: {hosts:?}"
            )),
        }
    }

    async fn vanishes(&mut self) -> Result<Outcome, String> {
        self.provider.kill();
        self.backend = None;
        let (_, term) = self.client.term();
        let limit = term + LATE;
        let removed = |hosts: &[Host]| addresses(hosts) == [CONSUMER];
        let after = self.consumer.reports(SERVICE, limit, removed).await?;
        self.lists(PERSISTENT, |hosts| {
            hosts.len() == 2 && hosts.iter().filter(|host| host.healthy).count() == 1
        })
        .await?;
        eprintln!("{}: removed {after:?} after its death", self.client);
        Ok(Outcome::Held)
    }

    /// Waits until the consumer lists the wanted instances, because some clients list from a cache that a push updates.
    async fn lists(
        &mut self,
        service: &str,
        wanted: impl Fn(&[Host]) -> bool,
    ) -> Result<(), String> {
        until(PATIENCE, async || match self.consumer.list(service).await {
            Ok(hosts) if wanted(&hosts) => Ok(()),
            other => Err(format!("the list of {service} is {other:?}")),
        })
        .await
    }

    /// Waits until the consumer's call succeeds.
    async fn accepts_of_consumer(&mut self, command: &str) -> Result<(), String> {
        until(PATIENCE, async || {
            self.consumer.run(command).await.map(drop)
        })
        .await
    }

    /// Waits until the provider's call succeeds.
    async fn accepts(&mut self, command: &str) -> Result<(), String> {
        until(PATIENCE, async || {
            self.provider.run(command).await.map(drop)
        })
        .await
    }
}

/// An address as two words of a command.
fn words(address: &str) -> String {
    address.replace(':', " ")
}

/// The addresses of instances, sorted.
pub(super) fn addresses(hosts: &[Host]) -> Vec<&str> {
    let mut addresses = hosts
        .iter()
        .map(|host| host.address.as_str())
        .collect::<Vec<_>>();
    addresses.sort_unstable();
    addresses
}
