//! The memory of a million instances, beyond their strings: `cargo bench -p rollcall-catalog --bench footprint`.

use std::sync::Arc;

use rollcall_catalog::{
    Catalog, Config, Connection, Endpoint, NoEvents, ServiceKey,
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
    let store = Memory::default().into();
    let (catalog, _workers) =
        open(config, clock, store, Arc::new(NoEvents)).expect("an empty store");
    let strings = SERVICES * PER_SERVICE * "10.10.10.10".len();
    let before = resident();
    (0..SERVICES).for_each(|service| beats(&catalog, service));
    report("kept alive by beats, one each", before, strings);
    let before = resident();
    (0..SERVICES).for_each(|service| batch(&catalog, service));
    // The addresses are those of the first million, and shared with them.
    report("in batches of a connection each", before, 0);
}

fn registration(service: usize, number: usize) -> Registration {
    let number = service * PER_SERVICE + number;
    let ip = format!(
        "10.{}.{}.{}",
        number >> 16,
        (number >> 8) & 255,
        number & 255
    );
    let endpoint = Endpoint::new(&ip, 8080, "").expect("an endpoint");
    let mut registration = Registration::new(endpoint, Kind::Ephemeral);
    let metadata: Metadata = [("preserved.register.source", "SPRING_CLOUD")]
        .into_iter()
        .collect();
    registration.metadata = Arc::new(metadata);
    registration
}

fn key(of: &str, service: usize) -> ServiceKey {
    ServiceKey::new("", "", &format!("{of}-{service}")).expect("a name")
}

fn beats(catalog: &Catalog, service: usize) {
    let key = key("beats", service);
    for number in 0..PER_SERVICE {
        let registration = registration(service, number);
        let publisher = registration.endpoint.publisher();
        let done = catalog.register_ephemeral(&publisher, &key, registration);
        done.expect("room");
    }
}

fn batch(catalog: &Catalog, service: usize) {
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
    let batch = (0..PER_SERVICE).map(|number| registration(service, number));
    let done = catalog.batch_register(id, &key("batch", service), batch.collect());
    done.expect("room");
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
