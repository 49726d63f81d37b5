use serde::Deserialize;

use super::*;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Sample<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    whole: Whole,
    number: Number,
    flag: Flag,
    present: Present,
    list: List<Whole, 2>,
    #[serde(borrow)]
    pairs: Pairs<'a, 8>,
}

fn read(json: &str) -> Sample<'_> {
    serde_json::from_str(json).unwrap()
}

#[test]
fn null_is_as_absent() {
    let nulls = r#"{"text":null,"whole":null,"number":null,"flag":null,"present":null,"list":null,"pairs":null,"x":[{}]}"#;
    assert_eq!(read(nulls), read("{}"));
    assert!(read(r#"{"present":{}}"#).present.0);
}

#[test]
fn scalars_are_converted() {
    let read = read(r#"{"text":7,"whole":"80","number":"1.5","flag":"true"}"#);
    assert_eq!(&*read.text, "7");
    assert_eq!(read.whole, Whole(Some(80)));
    assert_eq!(read.number, Number(Some(1.5)));
    assert_eq!(read.flag, Flag(Some(true)));
}

/// Java's reader also keeps the fraction, and so does the collector for metadata over HTTP.
#[test]
fn a_number_with_a_fraction_keeps_it_as_a_text() {
    for (json, expected) in [(r#"{"text":1.0}"#, "1.0"), (r#"{"text":-2.50}"#, "-2.5")] {
        assert_eq!(&*read(json).text, expected);
    }
}

#[test]
fn whole_numbers_saturate() {
    assert_eq!(read(r#"{"whole":1e30}"#).whole, Whole(Some(i64::MAX)));
    assert_eq!(
        read(r#"{"whole":18446744073709551615}"#).whole,
        Whole(Some(i64::MAX))
    );
    assert_eq!(read(r#"{"whole":-3.9}"#).whole, Whole(Some(-3)));
}

#[test]
fn what_has_another_shape_is_refused() {
    for json in [
        r#"{"text":{}}"#,
        r#"{"whole":"x"}"#,
        r#"{"whole":true}"#,
        r#"{"flag":"perhaps"}"#,
        r#"{"list":{}}"#,
        r#"{"pairs":[]}"#,
        r#"{"pairs":{"a":{}}}"#,
        "[",
    ] {
        assert!(serde_json::from_str::<Sample<'_>>(json).is_err(), "{json}");
    }
}

#[test]
fn what_exceeds_a_limit_is_skipped() {
    let read =
        read(r#"{"list":[1,2,3,4],"pairs":{"a":"b","n":null,"c":"dddddddd","e":"f"},"text":"t"}"#);
    assert_eq!(read.list.items.len(), 2);
    assert!(read.list.is_cut);
    assert_eq!(read.pairs.entries, [("a".into(), "b".into())]);
    assert!(read.pairs.is_cut);
    assert_eq!(&*read.text, "t");
}

#[test]
fn empty_entries_count() {
    let json = format!(
        "{{\"pairs\":{{{}}}}}",
        (0..20)
            .map(|n| format!("\"{n:1}\":\"\""))
            .collect::<Vec<_>>()
            .join(",")
    );
    assert!(read(&json).pairs.is_cut);
}
