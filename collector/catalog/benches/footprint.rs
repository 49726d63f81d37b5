//! What a million instances take, beyond their strings: `cargo bench -p rollcall-catalog --bench footprint`.

use std::sync::Arc;

use rollcall_catalog::{
    Config, Connection, Endpoint, NoEvents, ServiceKey,
    domain::{Kind, Limits, Metadata, Registration},
    open,
    store::Memory,
    testing::TestClock,
};
use rollcall_domain::Timestamp;

const SERVICES: usize = 1_000;
const PER_SERVICE: usize = 1_000;

fn main() {
    let limits = Limits {
        bytes: usize::MAX,
        ..Limits::default()
    };
    let config = Config {
        limits,
        ..Config::default()
    };
    let clock = Arc::new(TestClock::start());
    let (catalog, _workers) = open(
        config,
        clock,
        Arc::new(Memory::default()),
        Arc::new(NoEvents),
    )
    .expect("an empty store");
    let metadata: Arc<Metadata> = Arc::new(
        [("preserved.register.source", "SPRING_CLOUD")]
            .into_iter()
            .collect(),
    );
    let said = |service: usize, number: usize| {
        let number = service * PER_SERVICE + number;
        let ip = format!(
            "10.{}.{}.{}",
            number >> 16,
            (number >> 8) & 255,
            number & 255
        );
        let endpoint = Endpoint::new(&ip, 8080, "").expect("an endpoint");
        let mut said = Registration::new(endpoint, Kind::Ephemeral);
        said.metadata = Arc::new(Metadata::clone(&metadata));
        said
    };
    let key = |of: &str, service: usize| {
        ServiceKey::new("", "", &format!("{of}-{service}")).expect("a name")
    };
    let strings = SERVICES * PER_SERVICE * "10.10.10.10".len();
    let before = resident();
    for service in 0..SERVICES {
        let key = key("beats", service);
        for number in 0..PER_SERVICE {
            let said = said(service, number);
            let publisher = said.endpoint.publisher();
            catalog
                .register_ephemeral(&publisher, &key, said)
                .expect("room");
        }
    }
    report("kept alive by beats, one each", before, strings);
    let before = resident();
    for service in 0..SERVICES {
        let connection = Connection {
            client_id: format!("1700000000000_10.0.0.1_{service}").into(),
            ip: "10.0.0.1".into(),
            port: 1,
            client_ip: "10.0.0.1".into(),
            version: "Nacos-Java-Client:v2.5.1".into(),
            app: "unknown".into(),
            namespace: "public".into(),
            labels: [].into(),
            opened_at: Timestamp::from_millis(0),
        };
        let id = catalog.connect(connection).expect("room");
        let batch = (0..PER_SERVICE)
            .map(|number| said(service, number))
            .collect();
        catalog
            .batch_register(id, &key("batch", service), batch)
            .expect("room");
    }
    // The addresses are those of the first million, and shared with them.
    report("in batches of a connection each", before, 0);
}

#[expect(clippy::print_stdout, reason = "the result of the bench")]
fn report(what: &str, before: usize, strings: usize) {
    let count = SERVICES * PER_SERVICE;
    let used = resident().saturating_sub(before).saturating_sub(strings);
    println!("{count} instances {what}: {} bytes each", used / count);
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("pages") * 4096
}
