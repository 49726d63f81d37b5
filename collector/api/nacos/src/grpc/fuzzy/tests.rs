use super::*;

fn names(services: impl IntoIterator<Item = usize>) -> BTreeSet<Name> {
    let name = |n| Name {
        group: "G".into(),
        service: format!("s{n:03}"),
    };
    services.into_iter().map(name).collect()
}

fn watch(
    received: impl IntoIterator<Item = usize>,
    present: impl IntoIterator<Item = usize>,
) -> Watch {
    let pattern = Pattern::parse("public>>G>>s*").unwrap();
    Watch::new(pattern, true, names(received), names(present), 500)
}

fn name(n: usize) -> Name {
    names([n]).pop_first().unwrap()
}

#[test]
fn a_star_stands_at_the_start_and_at_the_end() {
    for (pattern, group, service, expected) in [
        ("n>>G>>s", "G", "s", true),
        ("n>>G>>s", "G", "st", false),
        ("n>>*>>s*", "any", "st", true),
        ("n>>G>>*t", "G", "st", true),
        ("n>>G>>*t*", "G", "stu", true),
        ("n>>G*>>*", "H", "s", false),
        ("n>>*>>*", "", "", true),
    ] {
        let parsed = Pattern::parse(pattern).unwrap();
        assert_eq!(
            parsed.matches(group, service),
            expected,
            "{pattern} {group} {service}"
        );
        assert_eq!(parsed.namespace(), "n");
    }
    for bad in ["", "n>>g", "n>>g>>s>>t", "n>>g>>a*b", "n>>>>s"] {
        assert_eq!(Pattern::parse(bad), None, "{bad}");
    }
}

#[test]
fn the_first_services_are_sent_in_batches_and_finished() {
    let mut watch = watch([], 0..23);
    let mut sizes = Vec::new();
    loop {
        match watch.next() {
            Some(Message::Sync {
                is_first,
                changes,
                total,
                current,
            }) => {
                assert!(is_first);
                assert_eq!((total, current), (3, sizes.len() + 1));
                sizes.push(changes.len());
                assert_eq!(watch.next(), None, "one at a time");
                watch.acknowledge(true);
            }
            last => {
                assert_eq!(last, Some(Message::Finish));
                break;
            }
        }
    }
    assert_eq!(sizes, [10, 10, 3]);
    assert_eq!(watch.next(), None);
}

#[test]
fn later_changes_are_sent_one_by_one() {
    let mut watch = watch(0..2, 0..2);
    assert_eq!(watch.next(), Some(Message::Finish));
    for (n, is_added) in [(2, true), (0, false)] {
        assert!(watch.change(&name(n), is_added));
        let change = Change {
            service: name(n),
            is_added,
        };
        assert_eq!(watch.next(), Some(Message::Change(change)));
        watch.acknowledge(true);
        assert_eq!(watch.next(), None);
    }
    let other = Name {
        group: "H".into(),
        service: "s".into(),
    };
    assert!(!watch.change(&other, true));
    assert_eq!(watch.next(), None);
}

#[test]
fn unacknowledged_changes_are_sent_again() {
    let mut watch = watch([], 0..1);
    let first = watch.next();
    watch.acknowledge(false);
    let Some(Message::Sync { changes, .. }) = watch.next() else {
        panic!("{first:?}");
    };
    assert_eq!(changes.len(), 1);
}

#[test]
fn a_service_that_appeared_and_vanished_is_not_reported() {
    let mut watch = watch([], []);
    assert_eq!(watch.next(), Some(Message::Finish));
    watch.change(&name(1), true);
    watch.change(&name(1), false);
    assert_eq!(watch.next(), None);
}

#[test]
fn a_client_that_has_services_is_sent_the_difference() {
    let mut watch = watch(0..5, 3..6);
    let Some(Message::Sync { changes, .. }) = watch.next() else {
        panic!();
    };
    let sent: Vec<_> = changes
        .iter()
        .map(|c| (&*c.service.service, c.is_added))
        .collect();
    assert_eq!(
        sent,
        [
            ("s005", true),
            ("s000", false),
            ("s001", false),
            ("s002", false)
        ]
    );
}

#[test]
fn missed_changes_are_found_in_the_next_listing() {
    let mut watches = Watches::default();
    watches.begin(watch(0..1, 0..1));
    let pattern = watches.next().unwrap();
    assert_eq!(watches.advance(&pattern, 1, 0), Some(Message::Finish));
    watches.change("", &name(9), true);
    watches.expire();
    assert_eq!(watches.stale(), std::slice::from_ref(&pattern));
    watches.refresh(&pattern, &names([0, 5]), |_| false);
    assert!(!watches.is_stale());
    assert_eq!(watches.next().as_ref(), Some(&pattern));
    let change = Change {
        service: name(5),
        is_added: true,
    };
    assert_eq!(
        watches.advance(&pattern, 2, 0),
        Some(Message::Change(change))
    );
    assert!(watches.next().is_none(), "waits for the acknowledgement");
    assert!(watches.check_deadlines(5_000, 5_000), "is repeated");
    assert!(!watches.acknowledge(2, true), "is not waited for any more");
}

#[test]
fn a_watch_is_bounded_and_has_all_again_when_there_is_room() {
    let pattern = Pattern::parse("public>>G>>s*").unwrap();
    let mut watch = Watch::new(pattern, true, [], names(0..2), 3);
    assert!(watch.change(&name(7), true));
    assert!(!watch.change(&name(8), true), "left out");
    assert!(!watch.change(&name(8), false), "was never there");
    assert!(!watch.is_stale);
    assert!(!watch.change(&name(5), true), "left out");
    assert!(watch.change(&name(0), false));
    assert!(watch.is_stale, "there is room again");
    // The listing ends at the limit. A service of the watch is beyond the limit, and still exists.
    watch.refresh(&names([1, 5, 6]), |found| *found == name(7));
    assert_eq!(watch.present, names([1, 5, 7]));
    assert!(watch.is_cut && !watch.is_stale);
}
