use std::collections::BTreeSet;

use rollcall_tests::{
    history::{Dump, History, Request},
    key::{Dictionary, Key},
    process::Collector,
};
use tokio::task::JoinSet;

use crate::{AT_ONCE, CONNECTIONS};

/// The final state of a member for every key of the history. If the member has lost a key, the request assigns a different id,
/// which the check detects.
pub(crate) async fn of(member: &Collector, history: &History) -> Dump {
    let keys = history.keys().into_iter().collect::<Vec<_>>();
    let mut callers = JoinSet::new();
    for keys in keys.chunks(keys.len().div_ceil(CONNECTIONS)) {
        let (keys, client) = (keys.to_vec(), member.grpc().await);
        callers.spawn(async move {
            let mut ids = Vec::new();
            for keys in keys.chunks(AT_ONCE) {
                let answers = Key::register_all(keys, &client).await;
                ids.extend(answers.expect("ids of known keys"));
            }
            ids
        });
    }
    Dump {
        ids: callers.join_all().await.into_iter().flatten().collect(),
        on_record: on_record(member, history).await,
    }
}

/// The adopted ids that the member has.
async fn on_record(member: &Collector, history: &History) -> BTreeSet<(Dictionary, i32)> {
    let query = member.query();
    let applications = query.applications().await.expect("the applications");
    let applications = applications
        .iter()
        .map(|application| (Dictionary::Applications, application.id));
    let mut on_record = applications.collect::<BTreeSet<_>>();
    let adopted = history.operations.iter();
    let adopted = adopted.filter_map(|operation| match operation.request {
        Request::Recover { instance, .. } => Some(instance),
        Request::Assign(_) | Request::Signal { .. } => None,
    });
    for instance in adopted.collect::<BTreeSet<_>>() {
        if query.instance(instance).await.is_ok() {
            on_record.insert((Dictionary::Instances, instance));
        }
    }
    on_record
}
