//! Where collectors stand in ZooKeeper, and what is read from it.
//!
//! Upstream's collectors know each other by the children of four nodes, one for each face; a child is named `host:port`, and
//! its data is the context path of the face (proto/docs/skywalking.md section 5.3). All nodes of a collector end with its
//! session, which is also how the nodes of one collector are known to belong together.
//!
//! A member of Rollcall publishes a node of upstream's only if it does what the node stands for: agents may register with it,
//! so it has those of `agent_gRPC` and `agent_jetty`. It has none below `remote`, where upstream's collectors send their
//! registrations and metrics to whichever address sorts first, and none below `ui`, where upstream's web application expects
//! GraphQL. Members of Rollcall find each other below `/rollcall/members`, where upstream's collectors do not look: the entry
//! there is the one that is in etcd under the same name.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rollcall_domain::{
    Timestamp,
    membership::{Member, State},
};
use rollcall_zookeeper::Step;

use crate::entry;

/// The nodes that collectors put children below.
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
    /// The session it ends with; 0 for a node that stays.
    pub(super) owner: i64,
    pub(super) created: Timestamp,
}

/// All children, by path.
pub(super) type Nodes = BTreeMap<String, Node>;

/// What there is to do for a collector to stand where it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// It does.
    Nothing,
    /// These steps, all at once.
    Steps(Vec<Step>),
    /// Somebody else has a node of this path.
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

    /// What has to be done so that the nodes of the session `own` are those of the member `wish`, and no others.
    pub(super) fn plan(&self, nodes: &Nodes, wish: Option<&Member>, own: i64) -> Plan {
        let mut wanted = wish.map(|member| self.nodes_of(member)).unwrap_or_default();
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

    /// The nodes of a member. One that does not serve has none where upstream's collectors look.
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

    /// All collectors that have `nodes`: those of Rollcall from their entries, and those of upstream, put together from their
    /// addresses.
    pub(super) fn members(&self, nodes: &Nodes) -> Vec<Member> {
        let mut members = Vec::new();
        let mut told = BTreeSet::new();
        for (_, node) in children(nodes, &self.members) {
            match entry::decode(&node.data) {
                Ok(member) => {
                    members.push(member);
                    told.insert(node.owner);
                }
                Err(error) => tracing::debug!(%error, "a member that cannot be read"),
            }
        }
        members.extend(self.of_upstream(nodes, &told));
        members
    }

    fn of_upstream(&self, nodes: &Nodes, told: &BTreeSet<i64>) -> impl Iterator<Item = Member> {
        let mut found: BTreeMap<(i64, &str), Member> = BTreeMap::new();
        // The first face that a collector has gives it its name: the one for other collectors, if it can be.
        for parent in [&self.remote, &self.agent_grpc, &self.agent_jetty, &self.ui] {
            for (name, node) in children(nodes, parent) {
                if told.contains(&node.owner) {
                    continue;
                }
                // Nodes that stay were put there by hand, and each stands for itself.
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

    /// What is there after `plan` was done by the session `owner`.
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
    fn a_member_has_the_nodes_of_upstream_that_it_does_the_work_of_and_its_entry() {
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
    fn a_namespace_is_before_both_trees() {
        let parents = Parents::new("ns");
        assert_eq!(parents.ui, "/ns/skywalking/ui/jetty");
        assert_eq!(parents.members, "/ns/rollcall/members");
    }

    #[test]
    fn a_draining_member_is_gone_from_where_upstream_looks_and_then_altogether() {
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
    fn a_node_of_somebody_else_is_never_touched() {
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
    fn a_collector_of_upstream_is_the_nodes_of_its_session() {
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
