use proptest::prelude::*;

use super::*;

const CAPS: Caps = Caps {
    count: 3,
    name_bytes: 8,
    value_bytes: 10,
    total_bytes: 40,
};

fn kept(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let kept = CAPS.fit(&pairs.into());
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    kept.iter().map(own).collect()
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(own).collect()
}

#[test]
fn texts_are_cut_at_a_character_and_the_last_pairs_are_left_out() {
    let reported = [
        ("os", "Linux"),
        ("a long name", "é é é é é"),
        ("c", "3"),
        ("d", "4"),
    ];
    assert_eq!(
        kept(&reported),
        owned(&[("os", "Linux"), ("a long n", "é é é "), ("c", "3")])
    );
    assert!(!CAPS.admit(&reported.as_slice().into()));
}

#[test]
fn a_property_that_does_not_fit_makes_no_room_for_itself() {
    let (long, short) = ("0123456789", "1");
    let reported = [
        ("aaaaaaaa", long),
        ("bbbbbbbb", long),
        ("cccccccc", long),
        ("d", short),
    ];
    assert_eq!(
        kept(&reported),
        owned(&[("aaaaaaaa", long), ("bbbbbbbb", long), ("d", short)])
    );
}

proptest! {
    #[test]
    fn what_fits_is_admitted_and_stays(pairs in prop::collection::vec((".{0,12}", ".{0,14}"), 0..6)) {
        let reported: Properties = pairs.into_iter().collect();
        let kept = CAPS.fit(&reported);
        prop_assert!(CAPS.admit(&kept));
        prop_assert_eq!(&CAPS.fit(&kept), &kept);
        if CAPS.admit(&reported) && reported.get(AGENT_VERSION).is_none() {
            prop_assert_eq!(kept, reported);
        }
    }
}
