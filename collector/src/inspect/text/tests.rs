use super::*;

#[test]
fn nothing_that_an_agent_reports_controls_the_terminal() {
    let evil = "orders\n\x1b[2J\u{9b}2J\u{7f}\u{202e}sredro\u{2028}";
    let shown = escaped(evil);
    assert_eq!(
        shown,
        r"orders\n\u{1b}[2J\u{9b}2J\u{7f}\u{202e}sredro\u{2028}"
    );
    assert_eq!(escaped("é中\u{1f600}"), "é中\u{1f600}");
    let json = escaped_json(&serde_json::to_string(evil).unwrap());
    assert!(
        !json.contains(|c: char| c.is_control() || c == '\u{202e}'),
        "{json}"
    );
    assert_eq!(serde_json::from_str::<String>(&json).unwrap(), evil);
}

#[test]
fn names_that_differ_do_not_look_the_same() {
    for invisible in [
        '\u{ad}',
        '\u{200b}',
        '\u{200d}',
        '\u{2060}',
        '\u{feff}',
        '\u{e0041}',
    ] {
        let name = format!("ord{invisible}ers");
        let shown = escaped(&name);
        assert!(shown.is_ascii() && shown != "orders", "{shown}");
        let json = escaped_json(&serde_json::to_string(&name).unwrap());
        assert!(json.is_ascii(), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), name);
    }
}

#[test]
fn a_long_text_is_cut_at_the_columns_that_it_takes() {
    assert_eq!(cut("orders", 6), "orders");
    assert_eq!(cut("orders-1", 6), "order…");
    assert_eq!(cut("订单服务", 6), "订单…");
    assert_eq!(width(&cut("订单服务", 6)), 5);
}

#[test]
fn an_age_is_in_its_largest_unit() {
    let now = Timestamp::from_second(1_000_000).unwrap();
    for (seconds, text) in [
        (-5, "now"),
        (0, "now"),
        (1, "1 s ago"),
        (59, "59 s ago"),
        (60, "1 m ago"),
        (3599, "59 m ago"),
        (3600, "1 h ago"),
        (47 * 3600, "47 h ago"),
        (48 * 3600, "2 d ago"),
    ] {
        let time = Timestamp::from_second(1_000_000 - seconds).unwrap();
        assert_eq!(age(Some(time), now), text, "{seconds}");
    }
    assert_eq!(age(None, now), "?");
}
