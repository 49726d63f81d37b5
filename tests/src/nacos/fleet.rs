//! Tests all clients on one collector. Each client registers an instance of the same service and subscribes to the service.

use std::net::SocketAddr;

use tokio::task::JoinSet;

use super::{Client, Driver, Face, Host, Outcome, collector, life::addresses};
use crate::{PATIENCE, eventually, process::Collector, until};

const SERVICE: &str = "fleet";

/// The outcomes of the last three promises of [`super::Promise::ALL`], for each client in the given order.
///
/// # Panics
/// When a client does not start.
pub async fn on_one_collector(clients: &[Client]) -> Vec<[Outcome; 3]> {
    let (mut collector, server) = collector(Collector::options()).await;
    let mut drivers = start(clients, server.http).await;
    let all = (0..clients.len()).map(address).collect::<Vec<_>>();

    let mut sees = Vec::new();
    for ((place, driver), client) in drivers.iter_mut().enumerate().zip(clients) {
        let joined = join(place, driver, client).await;
        sees.push(joined.map_err(|error| broken(error, driver)));
    }
    let mut others = Vec::new();
    for (driver, joined) in drivers.iter().zip(sees) {
        others.push(match joined {
            Ok(()) => reported(driver, &all).await,
            Err(outcome) => outcome,
        });
    }

    let before = drivers
        .iter()
        .map(|driver| driver.changes(SERVICE).len())
        .collect::<Vec<_>>();
    has_stored_all(&collector).await;
    collector.restart().await;
    let mut kept = Vec::new();
    for ((driver, client), before) in drivers.iter_mut().zip(clients).zip(before) {
        if client.face == Face::Poll {
            // This client ends its subscription at the first failed poll and leaves the retry to the application.
            let subscribe = format!("subscribe {SERVICE}");
            drop(until(PATIENCE, async || driver.run(&subscribe).await).await);
        }
        kept.push(lists_all_again(driver, before, &all).await);
    }

    // One client with UDP and one with gRPC are killed. The others keep running, because the Node.js client ignores empty lists.
    let dead = [Face::Udp, Face::Grpc].map(|face| {
        clients
            .iter()
            .position(|client| client.face == face)
            .expect("a client of each protocol")
    });
    for place in dead {
        drivers[place].kill();
    }
    let alive = (0..clients.len())
        .filter(|place| !dead.contains(place))
        .map(address)
        .collect::<Vec<_>>();
    let mut deaths = Vec::new();
    for (place, driver) in drivers.iter().enumerate() {
        deaths.push(match dead.contains(&place) {
            true => Outcome::NotMade,
            false => reported(driver, &alive).await,
        });
    }
    let rows = others.into_iter().zip(kept).zip(deaths);
    rows.map(|((others, kept), deaths)| [others, kept, deaths])
        .collect()
}

/// Waits until all instances are stored in the rows of the roster, which is when its journal is empty.
async fn has_stored_all(collector: &Collector) {
    eventually(PATIENCE, async || {
        let journal = "rollcall_nacos_journal_bytes";
        match collector.query().metric(journal).await? {
            0 => Ok(()),
            bytes => Err(format!("{journal} is {bytes}")),
        }
    })
    .await;
}

async fn start(clients: &[Client], server: SocketAddr) -> Vec<Driver> {
    let mut starting = JoinSet::new();
    for (place, client) in clients.iter().copied().enumerate() {
        starting.spawn(async move { (place, client.start(server).await) });
    }
    let mut drivers = starting.join_all().await;
    drivers.sort_by_key(|&(place, _)| place);
    let drivers = drivers.into_iter().map(|(_, driver)| driver);
    drivers
        .map(|driver| driver.expect("a driver that is ready"))
        .collect()
}

async fn join(place: usize, driver: &mut Driver, client: &Client) -> Result<(), String> {
    driver.run(&format!("subscribe {SERVICE}")).await?;
    let address = address(place).replace(':', " ");
    let (term, _) = client.term();
    driver
        .run(&format!(
            "register {SERVICE} {address} 1 DEFAULT ephemeral {term}"
        ))
        .await?;
    Ok(())
}

fn address(place: usize) -> String {
    format!("10.3.0.{}:80", 10 + place)
}

/// Waits until the client's last report has exactly these instances.
async fn reported(driver: &Driver, wanted: &[String]) -> Outcome {
    let wanted = |hosts: &[Host]| addresses(hosts) == wanted;
    match driver.reports(SERVICE, PATIENCE, wanted).await {
        Ok(_) => Outcome::Held,
        Err(instead) => broken(instead, driver),
    }
}

/// Waits until the client lists all instances after a restart, and checks that it received no shorter list in the meantime.
async fn lists_all_again(driver: &mut Driver, before: usize, all: &[String]) -> Outcome {
    let listed = until(PATIENCE, async || match driver.list(SERVICE).await {
        Ok(hosts) if addresses(&hosts) == all => Ok(()),
        other => Err(format!("the list is {other:?}")),
    });
    if let Err(instead) = listed.await {
        return broken(instead, driver);
    }
    let changes = driver.changes(SERVICE);
    match changes
        .iter()
        .skip(before)
        .find(|hosts| hosts.len() < all.len())
    {
        None => Outcome::Held,
        Some(hosts) => broken(
            format!("a list without some instances was reported: {hosts:?}"),
            driver,
        ),
    }
}

fn broken(instead: String, driver: &Driver) -> Outcome {
    Outcome::Broken {
        instead,
        output: driver.output(),
    }
}
