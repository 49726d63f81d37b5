//! The lists that consumers receive.

use super::super::{Clusters, Host, Rules, Selection, Selector, Settings};
use super::*;

/// Instances a, b, ... with this health; the upper-case ones are disabled.
fn view(health: &str, threshold: f64, rules: Rules, healthy_only: bool) -> (String, bool) {
    let mut fixture = Fixture::new();
    for (number, c) in health.chars().enumerate() {
        let mut registration = registration(&format!("10.0.0.{number}"));
        registration.healthy = c.eq_ignore_ascii_case(&'h');
        registration.enabled = c.is_lowercase();
        fixture.register(&Publisher::Operator, "a", registration);
    }
    let settings = Settings {
        protect_threshold: threshold,
        ..Settings::default()
    };
    let (now, effects) = (fixture.now, &mut fixture.effects);
    fixture
        .registry
        .set_service(&key("a"), settings, now, effects)
        .unwrap();
    let selection = Selection {
        rules,
        healthy_only,
        ..Selection::default()
    };
    let view = fixture.registry.view(&key("a"), &selection);
    let shown = |host: &Host| if host.healthy { 'h' } else { 'u' };
    (
        view.hosts.iter().map(shown).collect(),
        view.reach_protection_threshold,
    )
}

fn is(view: (String, bool), hosts: &str, is_protected: bool) {
    assert_eq!(view, (hosts.to_owned(), is_protected));
}

#[test]
fn without_a_threshold_health_is_shown_as_it_is() {
    is(view("huh", 0.0, Rules::V2, false), "huh", false);
    is(view("huh", 0.0, Rules::V2, true), "hh", false);
    is(view("uu", 0.0, Rules::V2, false), "uu", false);
    is(view("uu", 0.0, Rules::V2, true), "", false);
}

#[test]
fn a_client_of_1_x_sees_all_as_healthy_when_none_is() {
    is(view("uu", 0.0, Rules::V1, false), "hh", true);
    is(view("uu", 0.0, Rules::V1, true), "hh", true);
    is(view("uh", 0.0, Rules::V1, true), "h", false);
    is(view("uu", -1.0, Rules::V1, false), "uu", false);
}

#[test]
fn at_the_threshold_or_below_all_are_shown_as_healthy() {
    is(view("hu", 0.5, Rules::V2, true), "hh", true);
    is(view("hhu", 0.5, Rules::V2, true), "hh", false);
    is(view("hh", 1.0, Rules::V2, false), "hh", false);
    is(view("", 1.0, Rules::V2, false), "", false);
}

#[test]
fn disabled_instances_are_not_shown_and_count_for_1_x_only() {
    is(view("hHHu", 0.5, Rules::V1, false), "hu", false);
    is(view("hHHu", 0.5, Rules::V2, false), "hh", true);
}

#[test]
fn clusters_are_a_list_that_may_be_empty() {
    for (list, expected) in [
        ("", true),
        ("DEFAULT", true),
        ("a, DEFAULT ,b", true),
        ("a,b", false),
        (",", true),
        ("default", false),
    ] {
        assert_eq!(
            Clusters::new(list).contains("DEFAULT"),
            expected,
            "{list:?}"
        );
    }
}

#[test]
fn a_label_selector_shows_a_consumer_its_own_providers_or_all() {
    let selector = Selector::parse("CONSUMER.label.zone = PROVIDER.label.zone").unwrap();
    let mut fixture = Fixture::new();
    for (ip, zone) in [("10.0.0.1", "a"), ("10.0.0.2", "b")] {
        let mut registration = registration(ip);
        registration.metadata = metadata(&[("zone", zone)]);
        fixture.register(&Publisher::Operator, "s", registration);
    }
    let settings = Settings {
        selector: Some(selector),
        ..Settings::default()
    };
    let (now, effects) = (fixture.now, &mut fixture.effects);
    fixture
        .registry
        .set_service(&key("s"), settings, now, effects)
        .unwrap();
    let shown = |labels: Option<&[(&str, &str)]>| {
        let selection = Selection {
            labels: labels.map(metadata),
            ..Selection::default()
        };
        fixture.registry.view(&key("s"), &selection).hosts.len()
    };
    assert_eq!(shown(Some(&[("zone", "a")])), 1);
    assert_eq!(shown(Some(&[("zone", "c")])), 2, "none matches: all");
    assert_eq!(shown(Some(&[("rack", "a")])), 2, "no such label: all");
    assert_eq!(shown(None), 2);
}

#[test]
fn a_selector_that_is_not_understood_is_refused() {
    for bad in [
        "",
        "CONSUMER.label.a = PROVIDER.label.b",
        "CONSUMER.label.a == PROVIDER.label.a",
        "CONSUMER.label. = PROVIDER.label.",
        "CONSUMER.label.a = PROVIDER.label.a & x",
        "1 = 1",
    ] {
        assert!(Selector::parse(bad).is_err(), "{bad:?}");
    }
    let two = "CONSUMER.label.A = PROVIDER.label.A & CONSUMER.label.B = PROVIDER.label.B";
    assert_eq!(Selector::parse(two).unwrap().expression(), two);
}
