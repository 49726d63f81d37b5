//! Tests the Kubernetes examples: required fields, references, probes, and the collector's own ports and paths.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{default_of, default_ports, image, keeps_its_journal, names, text, texts, yaml};

const FILES: [&str; 2] = ["kubernetes/single.yml", "kubernetes/cluster.yml"];

/// The objects of a file by kind. Each kind must occur once.
fn objects(name: &str) -> BTreeMap<String, Value> {
    let mut objects = BTreeMap::new();
    for object in yaml::documents(&text(name)) {
        let kind = object["kind"].as_str().expect("a kind").to_owned();
        let version = match kind.as_str() {
            "Service" => "v1",
            "StatefulSet" => "apps/v1",
            "PodDisruptionBudget" => "policy/v1",
            kind => panic!("{name}: no schema for {kind}"),
        };
        assert_eq!(object["apiVersion"], version, "{name}: {kind}");
        assert_eq!(object["metadata"]["name"], "rollcall", "{name}: {kind}");
        assert!(objects.insert(kind, object).is_none());
    }
    objects
}

/// Checks that an object has these fields and no others.
fn has_only(object: &Value, required: &[&str], optional: &[&str]) {
    let found: BTreeSet<_> = names(object).into_iter().collect();
    for name in required {
        assert!(found.contains(name), "{name} is missing: {object:#}");
    }
    for name in found {
        let is_known = required.contains(&name) || optional.contains(&name);
        assert!(is_known, "{name} is not a field here: {object:#}");
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

#[test]
fn a_stateful_set_selects_its_own_pods_and_names_its_service() {
    for file in FILES {
        let objects = objects(file);
        let set = &objects["StatefulSet"];
        has_only(set, &["apiVersion", "kind", "metadata", "spec"], &[]);
        let spec = &set["spec"];
        has_only(
            spec,
            &["serviceName", "replicas", "selector", "template"],
            &["podManagementPolicy", "volumeClaimTemplates"],
        );
        let labels = &spec["template"]["metadata"]["labels"];
        assert_eq!(&spec["selector"]["matchLabels"], labels);
        let service = &objects["Service"];
        assert_eq!(spec["serviceName"], service["metadata"]["name"]);
        assert_eq!(&service["spec"]["selector"], labels);
        assert_eq!(service["spec"]["clusterIP"], "None");
        if let Some(budget) = objects.get("PodDisruptionBudget") {
            assert_eq!(&budget["spec"]["selector"]["matchLabels"], labels);
            assert_eq!(budget["spec"]["maxUnavailable"], "1");
        }
        let is_cluster = file.ends_with("cluster.yml");
        assert_eq!(objects.contains_key("PodDisruptionBudget"), is_cluster);
        assert_eq!(spec["replicas"], if is_cluster { "3" } else { "1" });
    }
}

#[test]
fn a_container_has_probes_limits_and_the_ports_of_the_collector() {
    for file in FILES {
        let objects = objects(file);
        let pod = &objects["StatefulSet"]["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], "true");
        let [container] = list(&pod["containers"]) else {
            panic!("{file}: one container")
        };
        assert_eq!(container["image"], image());
        let security = &container["securityContext"];
        assert_eq!(security["readOnlyRootFilesystem"], "true");
        assert_eq!(texts(&security["capabilities"]["drop"]), ["ALL"]);
        assert!(container["resources"]["limits"]["memory"].is_string());

        let ports = list(&container["ports"]);
        let numbers = ports
            .iter()
            .map(|port| port["containerPort"].as_str().unwrap().to_owned());
        assert_eq!(numbers.collect::<BTreeSet<_>>(), default_ports(), "{file}");
        let known: Vec<_> = ports.iter().map(|port| &port["name"]).collect();
        for port in list(&objects["Service"]["spec"]["ports"]) {
            assert!(known.contains(&&port["targetPort"]), "{file}: {port}");
            assert!(
                default_ports().contains(port["port"].as_str().unwrap()),
                "{file}: {port}"
            );
        }
        // /livez answers as soon as the port is bound, so a startup probe that uses it would add nothing.
        assert!(container["startupProbe"].is_null(), "{file}");
        for (probe, path) in [("readinessProbe", "/readyz"), ("livenessProbe", "/livez")] {
            let get = &container[probe]["httpGet"];
            assert_eq!(get["path"], path, "{file}: {probe}");
            assert!(known.contains(&&get["port"]), "{file}: {probe}");
        }
        let mounts = container["volumeMounts"].as_array();
        let claims = objects["StatefulSet"]["spec"]["volumeClaimTemplates"].as_array();
        let mounted = mounts.into_iter().flatten().map(|mount| &mount["name"]);
        let claimed = claims
            .into_iter()
            .flatten()
            .map(|claim| &claim["metadata"]["name"]);
        assert_eq!(mounted.collect::<Vec<_>>(), claimed.collect::<Vec<_>>());
    }
}

#[test]
fn a_container_sets_variables_of_the_collector() {
    for file in FILES {
        let objects = objects(file);
        let container = &objects["StatefulSet"]["spec"]["template"]["spec"]["containers"][0];
        let mut seen = BTreeSet::new();
        for variable in list(&container["env"]) {
            has_only(variable, &["name"], &["value", "valueFrom"]);
            assert_eq!(names(variable).len(), 2, "{file}: {variable}");
            let name = variable["name"].as_str().unwrap();
            assert!(seen.insert(name), "{file}: {name} twice");
            match name {
                "SW_CLUSTER" | "SW_STORAGE" => assert_eq!(variable["value"], "etcd"),
                name => drop(default_of(name)),
            }
        }
        assert!(seen.contains("SW_AUTHENTICATION"), "{file}");
        let variables = list(&container["env"]).iter();
        let variables = variables.map(|it| (it["name"].as_str().unwrap(), it["value"].clone()));
        let mounts = list(&container["volumeMounts"]).iter();
        let mounts = mounts.map(|mount| mount["mountPath"].as_str().unwrap());
        keeps_its_journal(&Value::from_iter(variables), mounts);
    }
}

/// A size in bytes, from the notation of Kubernetes (`2Gi`) or of the collector (`128MiB`).
fn bytes(text: &str) -> u64 {
    let digits = text.find(|letter: char| !letter.is_ascii_digit());
    let (number, unit) = text.split_at(digits.expect("a unit"));
    let factor = match unit {
        "Gi" | "GiB" => 1 << 30,
        "Mi" | "MiB" => 1 << 20,
        unit => panic!("{unit} is not a unit of sizes"),
    };
    number.parse::<u64>().unwrap() * factor
}

/// The collector must refuse work before the system kills it for lack of memory. The inventory takes half of the limit.
#[test]
fn the_budgets_fit_into_the_memory_of_the_container() {
    for file in FILES {
        let objects = objects(file);
        let container = &objects["StatefulSet"]["spec"]["template"]["spec"]["containers"][0];
        let limit = bytes(container["resources"]["limits"]["memory"].as_str().unwrap());
        let budget = |name: &str| {
            let variables = list(&container["env"]).iter();
            let mut set = variables.filter(|variable| variable["name"] == name);
            let value = set.next().and_then(|variable| variable["value"].as_str());
            bytes(&value.map_or_else(|| default_of(name), str::to_owned))
        };
        let budgets = [
            "SW_SERVER_INBOUND_MEMORY",
            "SW_SERVER_WORK_MEMORY",
            "SW_SERVER_OUTBOUND_MEMORY",
            "SW_SERVER_CONNECTION_MEMORY",
            "SW_TIMELINE_MEMORY",
        ];
        let together = limit / 2 + budgets.into_iter().map(budget).sum::<u64>();
        assert!(
            together + (128 << 20) <= limit,
            "{file}: {together} of {limit} bytes"
        );
    }
}

/// `/metrics` needs the admin token, which these annotations cannot carry.
#[test]
fn no_pod_claims_to_be_scraped_without_a_token() {
    for file in FILES {
        let template = &objects(file)["StatefulSet"]["spec"]["template"];
        assert!(template["metadata"]["annotations"].is_null(), "{file}");
        assert!(
            text(file).contains("collector/deploy/prometheus/prometheus.yml"),
            "{file}"
        );
    }
}
