//! Starts a small fleet with some dead instances, and takes a picture of every page.

use std::{fs, path::Path, process::Command, time::Duration};

use rollcall_tests::{
    PATIENCE,
    browser::Browser,
    eventually,
    process::{Child, Collector, collector_binary},
};

/// The applications, each with its number of instances.
const FLEET: [(&str, usize); 6] = [
    ("checkout", 6),
    ("inventory", 4),
    ("orders", 8),
    ("payments", 5),
    ("search", 12),
    ("shipping", 3),
];

/// The pages, by the names of their pictures.
const PAGES: [(&str, &str); 14] = [
    ("overview", ""),
    ("instances", "#/instances?state=silent,down"),
    ("application", "#/applications/-2"),
    ("instance", "#/instances/ID"),
    ("search", "#/search?text=orders"),
    ("services", "#/services"),
    ("service", "#/services/public/DEFAULT_GROUP/cart"),
    (
        "service-clients",
        "#/services/public/DEFAULT_GROUP/cart?tab=clients",
    ),
    (
        "service-subscribers",
        "#/services/public/DEFAULT_GROUP/cart?tab=subscribers",
    ),
    (
        "service-instance",
        "#/services/public/DEFAULT_GROUP/cart/DEFAULT/10.0.1.1/8080/persistent",
    ),
    ("naming", "#/naming"),
    ("members", "#/members"),
    ("headroom", "#/headroom"),
    ("changes", "#/events"),
];

/// Takes all pictures.
pub(crate) async fn take() {
    let terms = (Duration::from_secs(6), Duration::from_secs(12));
    let collector = Collector::options()
        .on_disk()
        .terms(terms.0, terms.1)
        .without_listening()
        .start()
        .await;
    let mut samples = samples(&collector);
    services(&collector).await;
    wait_for(&collector, samples.len()).await;
    for at in [9, 13] {
        samples[at].kill();
    }
    let killed = eventually(PATIENCE, async || {
        let query = collector.query();
        for application in query.applications().await? {
            let down = query.instances_in(application.id, "down").await?;
            if let Some(first) = down.first() {
                return Ok(first.id);
            }
        }
        Err("no instance is down yet".to_owned())
    })
    .await;
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../collector/docs/console");
    fs::create_dir_all(&directory).expect("a directory for pictures");
    let mut browser = Browser::start().await;
    for (name, hash) in PAGES {
        browser
            .scheme(if name == "instance" { "dark" } else { "light" })
            .await;
        let hash = hash.replace("ID", &killed.to_string());
        browser
            .open(&format!("http://{}/{hash}", collector.listeners().ui))
            .await;
        browser
            .until("document.querySelector('main h1') && !document.querySelector('.loading')")
            .await;
        browser
            .until("document.querySelector('.live').innerText === 'live'")
            .await;
        browser.settled(Duration::from_millis(1500)).await;
        browser
            .picture(&directory.join(format!("{name}.webp")))
            .await;
    }
}

fn samples(collector: &Collector) -> Vec<Child> {
    let naming = collector.listeners().naming.to_string();
    let names = FLEET
        .into_iter()
        .flat_map(|(code, count)| (1..=count).map(move |at| (code, at)));
    let start = |(code, at): (&str, usize)| {
        let mut command = Command::new(collector_binary());
        let name = format!("{code}-{at}");
        command.args(["sample", code, &name, &naming]);
        Child::spawn(name, &mut command)
    };
    names.map(start).collect()
}

async fn wait_for(collector: &Collector, count: usize) {
    eventually(PATIENCE, async || {
        let applications = collector.query().applications().await?;
        let up: u64 = applications.iter().map(|it| it.instances.up).sum();
        if up == count as u64 {
            Ok(())
        } else {
            Err(format!("{up} of {count} are up"))
        }
    })
    .await;
}

async fn services(collector: &Collector) {
    let client = collector.http(collector.nacos().await);
    for (service, network) in [("cart", 1), ("catalog", 2), ("pricing", 3), ("users", 4)] {
        for host in 1..=4 {
            let instance = format!("serviceName={service}&ip=10.0.{network}.{host}&port=8080");
            let more = "&ephemeral=false&metadata=%7B%22zone%22%3A%22eu-1%22%7D";
            let path = format!("/nacos/v1/ns/instance?{instance}{more}");
            let reply = client.post(&path, "").await.expect("an answer");
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
    }
    let admin = collector.http(collector.listeners().ui);
    let path = "/api/services/instances/override?service=cart&ip=10.0.1.2&port=8080";
    let reply = admin
        .post(path, r#"{"enabled": false}"#)
        .await
        .expect("an answer");
    assert_eq!(reply.status, 204, "{}", reply.text());
}
