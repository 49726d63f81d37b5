//! Every call, made by users whose rights are limited to one namespace or one group.

use rollcall_catalog::{Interest, Outbox};
use rollcall_domain::{
    Timestamp,
    catalog::{
        Checker, Cluster, Clusters, Endpoint, Kind, Metadata, MetadataChange, Override,
        Registration, ServiceKey, Settings, Subscriber,
    },
};

use super::*;
use crate::auth::parse_users;

/// A user, and the namespace and group that the user has no right to.
const USERS: [(&str, &str, (&str, &str)); 2] = [
    ("dev", "dev=rw", ("prod", "DEFAULT_GROUP")),
    ("mine", "public/MINE=rw", ("public", "MINEOTHER")),
];
/// Texts that only an answer about the hidden services has: the attacks contain none of them.
const MARKS: [&str; 4] = ["hidden-b", "classified", "10.9.9.7", "10.9.9.8"];
/// Parameters with which each call reads or changes something of the service that it names.
const USUAL: &str = "pageNo=1&pageSize=100&clusterName=DEFAULT&healthy=false&weight=0&enabled=false&metadata={\"k\":\"evil\"}&checkPort=1&useInstancePort4Check=true&healthChecker={\"type\":\"NONE\"}&protectThreshold=0.5&consistencyType=persist&ephemeral=false&withInstances=true&clientId=10.9.9.9:80%23false&entry=pushEnabled&value=false&beat={\"ip\":\"10.9.9.6\",\"port\":80}";
/// Calls that read and change no service.
const WITHOUT_EFFECT: [&str; 3] = [
    "GET /v1/ns/operator/distro/server",
    "GET /v1/ns/operator/distro/client",
    "GET /v3/admin/ns/client/distro",
];

/// A new call needs a line in the list with the services that it touches, and its attacks must have an effect for a user with all
/// rights.
#[test]
fn every_call_is_listed_with_what_it_touches() {
    let listed = include_str!("rights/calls.txt");
    let mut calls: Vec<_> = all_routes()
        .map(|route| match route.access {
            Access::Open => format!("{} open", route.name),
            Access::Admin => format!("{} admin", route.name),
            Access::Right(action, touches) => format!("{} {action:?} {touches:?}", route.name),
        })
        .collect();
    calls.sort_unstable();
    assert_eq!(calls.join("\n"), listed.trim_end(), "calls.txt");
}

#[tokio::test]
async fn no_call_reads_or_changes_a_service_beyond_the_callers_rights() {
    let hash = bcrypt::hash("s3cret", 4).unwrap();
    let rights = USERS.map(|(user, rights, _)| format!("{user} {hash} {rights}"));
    let users = format!("root {hash} admin\n{}", rights.join("\n"));
    let auth = Auth::new(parse_users(&users).unwrap(), &[7; 32], 18_000).unwrap();
    let token = async |user| {
        let session = auth.login(None, user, "s3cret", 1_700_000_000).await;
        session.unwrap().access_token
    };
    let root = token("root").await;
    for (user, _, place) in USERS {
        let limited = token(user).await;
        for route in all_routes() {
            let hidden = Hidden::place(Server::with(auth.clone()), place).await;
            let attacks = attacks(&route, place);
            let before = hidden.state().await;
            for attack in &attacks {
                let shown = hidden.shown(attack, &limited).await;
                assert_eq!(shown, None, "{user}: {attack}");
            }
            assert_eq!(hidden.state().await, before, "{user}: {}", route.name);
            if matches!(route.access, Access::Right(..)) && !WITHOUT_EFFECT.contains(&route.name) {
                let mut has_effect = false;
                for attack in &attacks {
                    let shown = hidden.shown(attack, &root).await;
                    has_effect |= shown.is_some() || hidden.state().await != before;
                    if has_effect {
                        break;
                    }
                }
                assert!(has_effect, "{} has no effect with all rights", route.name);
            }
        }
    }
}

/// Services that the user must not see.
struct Hidden {
    server: Server,
    place: (&'static str, &'static str),
}

impl Hidden {
    async fn place(server: Server, place: (&'static str, &'static str)) -> Self {
        let catalog = &server.running.catalog;
        let key = |name: &str| ServiceKey::new(place.0, place.1, name).unwrap();
        let metadata: Metadata = [("k", "classified")].into_iter().collect();
        let mut settings = Settings {
            metadata: metadata.clone().into(),
            ..Settings::default()
        };
        let mut cluster = Cluster::new("DEFAULT".into());
        cluster.checker = Checker::None;
        settings.clusters.insert("DEFAULT".into(), cluster);
        for name in ["hidden-a", "hidden-b", "hidden-c"] {
            let service = key(name);
            catalog
                .create_service(&service, settings.clone())
                .await
                .unwrap();
        }
        for ip in ["10.9.9.8", "10.9.9.9"] {
            let endpoint = Endpoint::new(ip, 80, "").unwrap();
            let mut registration = Registration::new(endpoint.clone(), Kind::Persistent);
            registration.metadata = Arc::new(metadata.clone());
            let publisher = endpoint.publisher();
            let service = key("hidden-a");
            let registered = catalog.register(&publisher, &service, registration);
            registered.await.unwrap();
        }
        let set = Override {
            metadata: Some(MetadataChange::Merge(metadata.into())),
            enabled: Some(true),
            ..Override::none(Timestamp::from_millis(0))
        };
        let at = Endpoint::new("10.9.9.9", 80, "").unwrap();
        catalog
            .set_override(&key("hidden-a"), &at, set)
            .await
            .unwrap();
        let interest = Interest {
            service: &key("hidden-a"),
            subscriber: Subscriber::Udp {
                ip: "10.9.9.7".into(),
                port: 7,
            },
            clusters: Clusters::default(),
            agent: "",
            app: "",
        };
        catalog.subscribe(interest, &Outbox::default()).unwrap();
        Self { server, place }
    }

    /// The answer to a call, if it shows something of the hidden services.
    async fn shown(&self, attack: &str, token: &str) -> Option<String> {
        let header = format!("Bearer {token}");
        let headers = [("authorization", &*header)];
        let answered = self.server.send(attack, "", &headers).await;
        let is_shown = MARKS.iter().any(|mark| answered.text.contains(mark));
        is_shown.then_some(answered.text)
    }

    async fn state(&self) -> String {
        let catalog = &self.server.running.catalog;
        let services = catalog.services(self.place.0, Some(self.place.1), 0, 100);
        let services = services.await.unwrap().items;
        let states = services.iter().map(|key| {
            let instances = catalog.instances(key);
            let subscribers = catalog.subscribers_of(key, 100).len();
            let settings = catalog.service(key).map(|one| one.settings);
            format!(
                "{key} {subscribers} {settings:?} {instances:?} {:?}",
                catalog.overrides(key)
            )
        });
        states.collect()
    }
}

/// The calls that try to reach the hidden services, by every way to name one.
fn attacks(route: &routes::Route, (namespace, group): (&str, &str)) -> Vec<String> {
    let method = if route.method == "*" {
        "GET"
    } else {
        route.method
    };
    let mut names = Vec::new();
    for service in ["hidden-a", "hidden-c", "hidden-d"] {
        let key = format!("{namespace}%23%23{group}@@{service}");
        names.extend(match group {
            "DEFAULT_GROUP" => vec![
                format!("namespaceId={namespace}&serviceName={service}"),
                format!("namespaceId={namespace}&serviceName={group}@@{service}"),
                format!("namespaceId={namespace}&dom={service}"),
                format!("namespaceId={namespace}&namespaceId=dev&serviceName={service}"),
                format!("namespaceId=dev&namespaceId={namespace}&serviceName={service}"),
                format!("namespaceId=dev&serviceName={service}&key={key}"),
            ],
            _ => vec![
                format!("groupName=MINE&serviceName={group}@@{service}"),
                format!("groupName={group}&serviceName=MINE@@{service}"),
                format!("groupName={group}&serviceName={service}"),
                format!("groupName=MINE&serviceName={service}&key={key}"),
                "groupName=MINE&serviceName=hidden".to_owned(),
            ],
        });
    }
    for prefix in [String::new(), format!("namespaceId={namespace}&")] {
        for group in ["", "groupName=*", "groupName=MINE", "groupName=MINEOTHER"] {
            names.push(format!("{prefix}{group}"));
        }
    }
    let mut attacks = Vec::new();
    for service in ["hidden-a", "hidden-c"] {
        let rest = format!("{namespace}%23%23{group}@@{service}");
        let path = route.path.replace('*', &rest);
        for name in &names {
            attacks.push(format!(
                "{method} {path}?{name}&{USUAL}&ip=10.9.9.9&port=80"
            ));
            attacks.push(format!("{method} {path}?{name}&{USUAL}"));
        }
        if !route.path.contains('*') {
            break;
        }
    }
    attacks
}

#[test]
fn the_calls_of_clients_have_no_line_and_those_of_operators_have_one() {
    let calls: Vec<_> = all_routes()
        .filter(routes::Route::is_operation)
        .map(|route| route.name)
        .collect();
    for call in [
        "PUT /v1/ns/operator/switches",
        "PUT /v2/ns/ops/switches",
        "PUT /v3/admin/ns/ops/switches",
        "PUT /v1/ns/instance",
        "PUT /v1/ns/service",
        "DELETE /v1/ns/service",
        "PUT /v1/ns/cluster",
        "PUT /v1/ns/instance/metadata/batch",
        "PUT /v1/ns/health/instance",
        "DELETE /v3/admin/ns/instance/override",
    ] {
        assert!(calls.contains(&call), "{call}: {calls:?}");
    }
    for call in &calls {
        assert!(!call.starts_with("GET"), "{call}");
        assert!(!call.ends_with("/beat"), "{call}");
        assert!(!call.contains("login"), "{call}");
    }
    assert!(!calls.contains(&"POST /v1/ns/instance"));
    assert!(!calls.contains(&"DELETE /v2/ns/instance"));
}
