use super::*;

fn sample(at: i64, up: u32, applications: &[(i32, u32)]) -> Sample {
    let counts = |up| Counts {
        up,
        ..Counts::default()
    };
    Sample {
        at: Timestamp::from_millis(at),
        agents: counts(up),
        services: (up, 1),
        applications: applications
            .iter()
            .map(|(id, up)| (*id, counts(*up)))
            .collect(),
        slowest_commit: Duration::from_millis(3),
    }
}

fn history(samples: impl IntoIterator<Item = Sample>) -> History {
    let history = History::default();
    for sample in samples {
        history.0.lock().add(sample);
    }
    history
}

#[test]
fn an_hour_is_kept() {
    let samples = (0..200).map(|at| sample(at, 1, &[(2, 1)]));
    let shown = history(samples).shown(&[2]);
    assert_eq!(shown.times.len(), SAMPLES);
    assert_eq!(shown.times[0], view::time(Timestamp::from_millis(80)));
    assert_eq!(shown.agents.up.len(), SAMPLES);
    assert_eq!(shown.services.healthy.len(), SAMPLES);
    assert_eq!(shown.applications[&2].up.len(), SAMPLES);
}

#[test]
fn an_application_that_appears_later_has_zeros_before() {
    let history = history([sample(0, 1, &[]), sample(1, 2, &[(-3, 2)])]);
    let shown = history.shown(&[-3, 7]);
    assert_eq!(shown.applications[&-3].up, [0, 2]);
    assert_eq!(shown.applications.len(), 1, "an unknown id has no series");
}

#[test]
fn an_application_that_a_sample_lacks_has_a_zero_there_and_no_series_in_the_end() {
    let history = history([
        sample(0, 1, &[(2, 5), (3, 1)]),
        sample(1, 1, &[(3, 1)]),
        sample(2, 1, &[(2, 7), (3, 1)]),
    ]);
    assert_eq!(history.shown(&[2]).applications[&2].up, [5, 0, 7]);
    for at in 0..200 {
        history.0.lock().add(sample(at, 1, &[(3, 1)]));
    }
    assert!(history.shown(&[2]).applications.is_empty());
}

#[test]
fn the_number_of_series_is_bounded_and_an_empty_one_makes_room() {
    let many: Vec<(i32, u32)> = (1..=2000).map(|id| (id, 1)).collect();
    let history = history([sample(0, 1, &many)]);
    assert_eq!(history.0.lock().applications.len(), MAX_APPLICATIONS);
    for at in 0..200 {
        history.0.lock().add(sample(at, 0, &[(1, 0), (2, 1)]));
    }
    let ids: Vec<i32> = history.0.lock().applications.keys().copied().collect();
    assert!(!ids.contains(&1) && ids.contains(&2));
}
