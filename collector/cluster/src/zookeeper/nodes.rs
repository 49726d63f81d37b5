//! The collectors' nodes in ZooKeeper: their layout, and the members that they describe.
//!
//! Upstream's collectors find each other by the children of four nodes, one for each face; a child is named `host:port`, and
//! its data is the context path of the face (proto/docs/skywalking.md section 5.3). All nodes of a collector end with its
//! session, and the session identifies the nodes of one collector.
//!
//! A member of Rollcall publishes one of upstream's nodes only for a service that it provides. Agents can register with it, so it
//! publishes nodes below `agent_gRPC` and `agent_jetty`. It publishes none below `remote`: upstream's collectors would send it a
//! share of their metrics and, if its address sorts first, their registrations. It publishes none below `ui`, where upstream's web
//! application expects GraphQL. Members of Rollcall find each other below `/rollcall/members`, which upstream's collectors do not
//! read; the entry there has the same format as in etcd.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rollcall_domain::{
    Timestamp,
    membership::{Member, State},
};
use rollcall_zookeeper::Step;

use crate::entry;

/// The parent nodes of the collectors' nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parents {
    pub(super) agent_grpc: String,
    pub(super) agent_jetty: String,
    pub(super) ui: String,
    pub(super) remote: String,
    pub(super) members: String,
}

/// One child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) data: Bytes,
    /// The session that the node ends with; 0 for a persistent node.
    pub(super) owner: i64,
    pub(super) created: Timestamp,
}

/// All children, by path.
pub(super) type Nodes = BTreeMap<String, Node>;

/// The changes after which the collector is registered as desired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// The collector is registered as desired.
    Nothing,
    /// These steps, in one transaction.
    Steps(Vec<Step>),
    /// Another collector holds a node of this path.
    Taken(String),
}

impl Parents {
    pub(super) fn new(namespace: &str) -> Self {
        let base = match namespace.trim_matches('/') {
            "" => String::new(),
            namespace => format!("/{namespace}"),
        };
        let below = |path: &str| format!("{base}/{path}");
        Self {
            agent_grpc: below("skywalking/agent_gRPC/gRPC"),
            agent_jetty: below("skywalking/agent_jetty/jetty"),
            ui: below("skywalking/ui/jetty"),
            remote: below("skywalking/remote/gRPC"),
            members: below("rollcall/members"),
        }
    }

    pub(super) fn all(&self) -> [&str; 5] {
        [
            &self.agent_grpc,
            &self.agent_jetty,
            &self.ui,
            &self.remote,
            &self.members,
        ]
    }

    /// The steps after which the session `own` has exactly the nodes of the member `desired`.
    pub(super) fn plan(&self, nodes: &Nodes, desired: Option<&Member>, own: i64) -> Plan {
        let mut wanted = desired
            .map(|member| self.nodes_of(member))
            .unwrap_or_default();
        let mut steps = Vec::new();
        for (path, node) in nodes {
            match (wanted.remove(path), node.owner == own) {
                (Some(_), false) => return Plan::Taken(path.clone()),
                (Some(data), true) if data != node.data => {
                    let path = path.clone();
                    steps.push(Step::Set { path, data });
                }
                (None, true) => steps.push(Step::Delete { path: path.clone() }),
                (Some(_), true) | (None, false) => {}
            }
        }
        let missing = wanted.into_iter();
        steps.extend(missing.map(|(path, data)| Step::Create { path, data }));
        if steps.is_empty() {
            Plan::Nothing
        } else {
            Plan::Steps(steps)
        }
    }

    /// The nodes of a member. A member that does not serve has none below upstream's parents.
    fn nodes_of(&self, member: &Member) -> BTreeMap<String, Bytes> {
        let mut nodes = BTreeMap::new();
        let mut add = |parent: &str, name: &str, data: Bytes| {
            nodes.insert(format!("{parent}/{name}"), data);
        };
        add(&self.members, &member.address, entry::encode(member).into());
        if member.state == State::Serving {
            for (parent, address) in [
                (&self.agent_grpc, &member.agent_grpc),
                (&self.agent_jetty, &member.agent_jetty),
            ] {
                if let Some(address) = address {
                    let path_at = address.find('/').unwrap_or(address.len());
                    let (name, path) = address.split_at(path_at);
                    add(parent, name, Bytes::copy_from_slice(path.as_bytes()));
                }
            }
        }
        nodes
    }

    /// All collectors in `nodes`: Rollcall's from their entries, and upstream's from the nodes of each session; a persistent node
    /// is a collector of its own.
    pub(super) fn members(&self, nodes: &Nodes) -> Vec<Member> {
        let mut members = Vec::new();
        let mut owners_with_entry = BTreeSet::new();
        for (_, node) in children(nodes, &self.members) {
            match entry::decode(&node.data) {
                Ok(member) => {
                    members.push(member);
                    owners_with_entry.insert(node.owner);
                }
                Err(error) => tracing::debug!(%error, "a member entry cannot be read"),
            }
        }
        members.extend(self.of_upstream(nodes, &owners_with_entry));
        members
    }

    fn of_upstream(
        &self,
        nodes: &Nodes,
        owners_with_entry: &BTreeSet<i64>,
    ) -> impl Iterator<Item = Member> {
        let mut found: BTreeMap<(i64, &str), Member> = BTreeMap::new();
        // A collector of upstream is named by its first face in this order, in which the face for other collectors comes first.
        for parent in [&self.remote, &self.agent_grpc, &self.agent_jetty, &self.ui] {
            for (name, node) in children(nodes, parent) {
                if owners_with_entry.contains(&node.owner) {
                    continue;
                }
                // An operator created the persistent nodes; each is a member of its own.
                let by_hand = if node.owner == 0 { name } else { "" };
                let member = found
                    .entry((node.owner, by_hand))
                    .or_insert_with(|| upstream(name, node.created));
                let address = format!("{name}{}", String::from_utf8_lossy(&node.data));
                if *parent == self.agent_grpc {
                    member.agent_grpc = Some(address.into());
                } else if *parent == self.agent_jetty {
                    member.agent_jetty = Some(address.into());
                } else if *parent == self.ui {
                    member.ui = Some(address.into());
                }
            }
        }
        found.into_values()
    }
}

fn upstream(address: &str, since: Timestamp) -> Member {
    Member {
        address: address.into(),
        agent_grpc: None,
        agent_jetty: None,
        ui: None,
        version: None,
        state: State::Serving,
        since,
    }
}

/// The children of one parent, by name.
fn children<'n>(nodes: &'n Nodes, parent: &str) -> impl Iterator<Item = (&'n str, &'n Node)> {
    let below = format!("{parent}/");
    nodes
        .iter()
        .filter_map(move |(path, node)| Some((path.strip_prefix(&below)?, node)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::member;

    const OWN: i64 = 7;
    const OTHER: i64 = 8;

    fn node(data: &str, owner: i64) -> Node {
        Node {
            data: data.to_owned().into(),
            owner,
            created: Timestamp::from_millis(5),
        }
    }

    fn nodes(of: &[(&str, &str, i64)]) -> Nodes {
        let nodes = of.iter();
        nodes
            .map(|(path, data, owner)| ((*path).to_owned(), node(data, *owner)))
            .collect()
    }

    /// The nodes after the session `owner` has executed `plan`.
    fn done(mut nodes: Nodes, plan: Plan, owner: i64) -> Nodes {
        let Plan::Steps(steps) = plan else {
            panic!("{plan:?}")
        };
        for step in steps {
            match step {
                Step::Create { path, data } => {
                    let text = String::from_utf8(data.into()).unwrap();
                    assert_eq!(nodes.insert(path, node(&text, owner)), None);
                }
                Step::Set { path, data } => nodes.get_mut(&path).unwrap().data = data,
                Step::Delete { path } => drop(nodes.remove(&path).unwrap()),
            }
        }
        nodes
    }

    #[test]
    fn a_member_has_its_entry_and_the_upstream_nodes_that_it_serves() {
        let parents = Parents::new("");
        let plan = parents.plan(&Nodes::new(), Some(&member("a")), OWN);
        let nodes = done(Nodes::new(), plan, OWN);
        let found: Vec<_> = nodes
            .iter()
            .filter(|(path, _)| path.starts_with("/skywalking"))
            .map(|(path, node)| (path.as_str(), &node.data[..]))
            .collect();
        assert_eq!(
            found,
            [
                ("/skywalking/agent_gRPC/gRPC/a:11800", &b""[..]),
                ("/skywalking/agent_jetty/jetty/a:12800", b"/"),
            ]
        );
        assert_eq!(nodes.len(), 3);
        assert_eq!(parents.members(&nodes), [member("a")]);
        assert_eq!(parents.plan(&nodes, Some(&member("a")), OWN), Plan::Nothing);
    }

    #[test]
    fn a_namespace_prefixes_both_trees() {
        let parents = Parents::new("ns");
        assert_eq!(parents.ui, "/ns/skywalking/ui/jetty");
        assert_eq!(parents.members, "/ns/rollcall/members");
    }

    #[test]
    fn a_draining_member_removes_upstreams_nodes_and_a_gone_one_its_entry() {
        let parents = Parents::new("");
        let serving = member("a");
        let plan = parents.plan(&Nodes::new(), Some(&serving), OWN);
        let nodes = done(Nodes::new(), plan, OWN);
        let draining = Member {
            state: State::Draining,
            ..serving
        };
        let nodes = done(
            nodes.clone(),
            parents.plan(&nodes, Some(&draining), OWN),
            OWN,
        );
        assert_eq!(parents.members(&nodes), [draining]);
        assert_eq!(nodes.len(), 1);
        let nodes = done(nodes.clone(), parents.plan(&nodes, None, OWN), OWN);
        assert_eq!(nodes, Nodes::new());
    }

    #[test]
    fn a_node_of_another_collector_is_never_changed() {
        let parents = Parents::new("");
        for path in [
            "/skywalking/agent_jetty/jetty/a:12800",
            "/rollcall/members/a:11800",
        ] {
            let nodes = nodes(&[(path, "", OTHER)]);
            let plan = parents.plan(&nodes, Some(&member("a")), OWN);
            assert_eq!(plan, Plan::Taken(path.to_owned()));
            assert_eq!(parents.plan(&nodes, None, OWN), Plan::Nothing);
        }
    }

    #[test]
    fn a_collector_of_upstream_is_assembled_from_the_nodes_of_its_session() {
        let parents = Parents::new("");
        let nodes = nodes(&[
            ("/skywalking/agent_gRPC/gRPC/j:11801", "", OTHER),
            ("/skywalking/agent_jetty/jetty/j:12801", "/sky", OTHER),
            ("/skywalking/remote/gRPC/j:11802", "", OTHER),
            ("/skywalking/ui/jetty/k:12800", "/", OTHER + 1),
            ("/skywalking/agent_gRPC/gRPC/hand:1", "", 0),
            ("/skywalking/agent_gRPC/gRPC/hand:2", "", 0),
        ]);
        let mut members = parents.members(&nodes);
        members.sort_by(|a, b| a.address.cmp(&b.address));
        let since = Timestamp::from_millis(5);
        let by_hand = |address: &str| Member {
            agent_grpc: Some(address.into()),
            ..upstream(address, since)
        };
        let expected = [
            by_hand("hand:1"),
            by_hand("hand:2"),
            Member {
                agent_grpc: Some("j:11801".into()),
                agent_jetty: Some("j:12801/sky".into()),
                ..upstream("j:11802", since)
            },
            Member {
                ui: Some("k:12800/".into()),
                ..upstream("k:12800", since)
            },
        ];
        assert_eq!(members, expected);
    }
}
