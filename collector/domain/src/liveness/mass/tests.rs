use proptest::prelude::*;

use super::*;

const CONFIG: MassConfig = MassConfig {
    window: Duration::from_secs(10),
    instances: 5,
    percent: 50,
};

/// The same population for every application.
struct Each(usize, usize);

impl Population for Each {
    fn up_in(&self, _: Option<ApplicationId>) -> usize {
        self.0
    }

    fn up_total(&self) -> usize {
        self.1
    }
}

fn instance(number: i32, application: i32, host: u64) -> SilentInstance {
    SilentInstance {
        instance: InstanceId::new(number).unwrap(),
        application: ApplicationId::new(application),
        host: Some(host),
        peer: Some(host + 1000),
        member: Some(Tag::of("b:1")),
    }
}

fn at(millis: i64) -> Moment {
    Moment::from_millis(millis)
}

/// The waves of these changes.
fn waves(changes: &[(i64, SilentInstance)], population: &Each) -> Vec<Wave> {
    let mut guard = Guard::new(CONFIG);
    let mut waves = Vec::new();
    for (now, instance) in changes {
        waves.extend(guard.observe(*instance, at(*now), population));
    }
    waves.extend(guard.poll(at(i64::MAX / 2), population));
    waves
}

#[test]
fn much_of_an_application_is_one_wave_with_what_it_has_in_common() {
    let changes: Vec<_> = (1..=40)
        .map(|n| {
            (
                i64::from(n) * 200,
                instance(n, 2, u64::from(n.unsigned_abs())),
            )
        })
        .collect();
    let waves = waves(&changes, &Each(2, 960));
    let share = |of| Share { silent: 40, of };
    let expected = Wave {
        silent: 40,
        first: at(200),
        last: at(8_000),
        patterns: vec![
            Pattern::Application(ApplicationId::new(2), share(Some(42))),
            Pattern::Member(Tag::of("b:1"), share(None)),
        ],
    };
    assert_eq!(waves, [expected]);
}

#[test]
fn a_host_is_named_and_unrelated_instances_are_not_a_wave() {
    let one_host: Vec<_> = (1..=6).map(|n| (0, instance(n, n, 7))).collect();
    let found = waves(&one_host, &Each(100, 1000));
    assert!(
        matches!(
            found[0].patterns[..],
            [Pattern::Host(..), Pattern::Peer(..), Pattern::Member(..)]
        ),
        "{found:?}"
    );
    let unrelated: Vec<_> = (1..=60)
        .map(|n| (0, instance(n, n, u64::from(n.unsigned_abs()))))
        .collect();
    assert_eq!(waves(&unrelated, &Each(100, 1000)), []);
    assert!(
        matches!(waves(&unrelated, &Each(100, 60))[0].patterns[0], Pattern::Everything(share) if share.of == Some(120))
    );
}

#[test]
fn a_pause_of_a_window_separates_waves_and_a_long_wave_ends() {
    let mut changes: Vec<_> = (1..=5).map(|n| (0, instance(n, 1, 1))).collect();
    changes.extend((6..=10).map(|n| (10_001, instance(n, 1, 1))));
    assert_eq!(waves(&changes, &Each(5, 5)).len(), 2);
    let slow: Vec<_> = (1..=40)
        .map(|n| (i64::from(n) * 9_000, instance(n, 1, 1)))
        .collect();
    let found = waves(&slow, &Each(40, 40));
    assert!(found.len() > 1, "{found:?}");
}

proptest! {
    /// Every change is in at most one wave, no share exceeds its group, and few changes are never a wave.
    #[test]
    fn waves_count_what_fell_silent(
        changes in prop::collection::vec((0_i64..20_000, 1_i32..5, 0_u64..4), 0..200),
        of in 0_usize..100,
    ) {
        let mut now = 0;
        let changes: Vec<_> = (1..).zip(&changes).map(|(n, (pause, application, host))| {
            now += pause;
            (now, instance(n, *application, *host))
        }).collect();
        let waves = waves(&changes, &Each(of, 2 * of));
        let total: usize = waves.iter().map(|wave| wave.silent).sum();
        prop_assert!(total <= changes.len());
        for wave in &waves {
            prop_assert!(wave.silent >= CONFIG.instances);
            prop_assert!(wave.first <= wave.last);
            prop_assert!(!wave.patterns.is_empty());
            for pattern in &wave.patterns {
                let (Pattern::Everything(share)
                | Pattern::Application(_, share)
                | Pattern::OneApplication(_, share)
                | Pattern::Host(_, share)
                | Pattern::Peer(_, share)
                | Pattern::Member(_, share)) = pattern;
                prop_assert!(share.silent <= wave.silent);
                prop_assert!(share.of.is_none_or(|of| share.silent <= of && share.silent * 100 >= of * CONFIG.percent));
            }
        }
    }
}

#[test]
fn a_wave_of_very_many_applications_counts_them_all() {
    for last in [4_095, 4_096, 5_000] {
        let changes: Vec<_> = (1..=last).map(|n| (0, instance(n, n, 1))).collect();
        let waves = waves(&changes, &Each(1, 1));
        assert_eq!(waves[0].silent, changes.len());
    }
}
