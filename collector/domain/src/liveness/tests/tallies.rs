//! The tallies by application, compared with a scan of all leases.

use std::sync::Arc;

use parking_lot::Mutex;

use super::*;
use crate::ApplicationId;

type Grouped = Lessor<InstanceId, Option<ApplicationId>>;

const INSTANCES: i32 = 6;

#[derive(Clone, Debug)]
enum Step {
    Grant(i32),
    Renew(i32),
    Leave(i32),
    Remove(i32),
    /// Another collector reports it in this state.
    Report(i32, State),
    Learn(i32, Option<ApplicationId>),
    Pass(i64),
}

fn groups() -> [Option<ApplicationId>; 3] {
    [0, -1, 2].map(ApplicationId::new)
}

fn step() -> impl Strategy<Value = Step> {
    let number = || 1..=INSTANCES;
    prop_oneof![
        2 => number().prop_map(Step::Grant),
        2 => number().prop_map(Step::Renew),
        1 => number().prop_map(Step::Leave),
        1 => number().prop_map(Step::Remove),
        1 => (number(), prop::sample::select(State::ALL.to_vec())).prop_map(|(number, state)| Step::Report(number, state)),
        2 => (number(), prop::sample::select(groups().to_vec())).prop_map(|(number, group)| Step::Learn(number, group)),
        3 => (1..2 * DOWN).prop_map(Step::Pass),
    ]
}

/// The tally that [`Lessor::tally`] must return, counted from every lease.
fn scan(
    lessor: &Grouped,
    known: &HashMap<i32, ApplicationId>,
    group: Option<ApplicationId>,
) -> Tally {
    let mut tally = Tally::default();
    for number in 1..=INSTANCES {
        let view = lessor.view(id(number)).filter(|view| !view.forgotten);
        if let Some(view) = view
            && known.get(&number).copied() == group
        {
            tally.add(view.state);
        }
    }
    tally
}

proptest! {
    #[test]
    fn every_tally_equals_a_scan(steps in prop::collection::vec(step(), 1..80)) {
        let known: Arc<Mutex<HashMap<i32, ApplicationId>>> = Arc::default();
        let terms = Terms {
            forget_after: Duration::from_millis(2 * DOWN.unsigned_abs()),
            ..lessor().terms()
        };
        let applications = Arc::clone(&known);
        let lessor = Grouped::grouped(terms, move |id: InstanceId| {
            applications.lock().get(&id.get()).copied()
        });
        let mut now = 0;
        for step in steps {
            match step {
                Step::Grant(number) => { let _renewal = lessor.grant(id(number), Signal::Register, at(now)); },
                Step::Renew(number) => { let _renewal = lessor.renew(id(number), Signal::Heartbeat, at(now)); },
                Step::Leave(number) => { let _renewal = lessor.leave(id(number), at(now)); },
                Step::Remove(number) => { lessor.remove(id(number)); },
                Step::Report(number, state) => {
                    let report = LeaseRecord { state, ..stored(number, now, false) };
                    let _renewal = lessor.relay(report, at(now));
                }
                Step::Learn(number, group) => {
                    if let Some(group) = group {
                        known.lock().entry(number).or_insert(group);
                    }
                    // Between the two calls it is counted in the old group, also while its state changes.
                    let _renewal = lessor.renew(id(number), Signal::Heartbeat, at(now));
                    lessor.learn_group(id(number));
                }
                Step::Pass(gap) => {
                    now += gap;
                    let mut changed = Vec::new();
                    while lessor.expire(at(now), 3, &mut changed) {}
                }
            }
            let mut total = Tally::default();
            for group in groups() {
                let tally = lessor.tally(group);
                prop_assert_eq!(tally, scan(&lessor, &known.lock(), group), "{:?}", group);
                total.up += tally.up;
                total.silent += tally.silent;
                total.down += tally.down;
                total.left += tally.left;
            }
            let Counts { up, silent, down, left, .. } = lessor.counts();
            prop_assert_eq!(total, Tally { up, silent, down, left });
        }
    }
}
