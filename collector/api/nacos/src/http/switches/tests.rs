use super::*;

#[test]
fn a_changed_switch_is_shown_and_takes_effect() {
    let mut switches = Switches::default();
    for (entry, value) in [
        ("pushEnabled", "false"),
        ("clientBeatInterval", "7000"),
        ("lightBeatEnabled", "FALSE"),
        ("defaultCacheMillis", "4000"),
        ("pushCacheMillis", "20000"),
        ("defaultInstanceEphemeral", "false"),
        ("healthCheckTimes", "5"),
        ("check", "false"),
        ("overriddenServerStatus", "READ_ONLY"),
        ("pushVersion", "java:1.2.3"),
        ("limitedUrlMap", "/nacos/v1/ns/api:403"),
    ] {
        switches = changed(&switches, entry, value).unwrap().unwrap();
    }
    let expected = Switches {
        client_beat_interval: 7_000,
        light_beat_enabled: false,
        health_check_enabled: false,
        push_enabled: false,
        check_times: 5,
        default_instance_ephemeral: false,
        default_cache_millis: 4_000,
        push_cache_millis: 20_000,
        overridden_server_status: Some("READ_ONLY".to_owned()),
        others: switches.others.clone(),
    };
    assert_eq!(switches, expected);
    assert_eq!(switches.others.len(), 2);
    let shown = shown(&switches);
    assert_eq!(shown["checkTimes"], 5);
    assert_eq!(shown["pushJavaVersion"], "1.2.3");
    assert_eq!(shown["limitedUrlMap"], json!({"/nacos/v1/ns/api": 403}));
    assert_eq!(shown_v3(&switches)["pushVersionOfJava"], "1.2.3");
    let reset = changed(&switches, "overriddenServerStatus", "null").unwrap();
    assert_eq!(reset.unwrap().overridden_server_status, None);
}

#[test]
fn a_value_out_of_range_and_an_unknown_switch_change_nothing() {
    let switches = Switches::default();
    for (entry, value) in [
        ("pushCacheMillis", "1"),
        ("pushCacheMillis", "abc"),
        ("defaultCacheMillis", "999"),
        ("clientBeatInterval", "-1"),
        ("distroThreshold", "0"),
        ("distroThreshold", "NaN"),
        ("overriddenServerStatus", "SIDEWAYS"),
        ("pushVersion", "java:1.2"),
        ("pushVersion", "cobol:1.2.3"),
        ("limitedUrlMap", "x"),
        ("batch", "["),
        ("batch", r#"{"checkTimes":"three"}"#),
        ("batch", r#"{"checkTimes":0}"#),
        ("batch", r#"{"defaultPushCacheMillis":0}"#),
        ("batch", r#"{"clientBeatInterval":1.5}"#),
        ("batch", r#"{"distroThreshold":0}"#),
        ("batch", r#"{"overriddenServerStatus":"SIDEWAYS"}"#),
        ("batch", r#"{"overriddenServerStatus":7}"#),
        ("masters", &*"x".repeat(5_000)),
    ] {
        assert!(changed(&switches, entry, value).is_err(), "{entry} {value}");
    }
    assert_eq!(changed(&switches, "nosuch", "1"), Ok(None));
}

#[test]
fn all_switches_can_be_set_at_once() {
    let batch = r#"{"checkTimes":4,"pushGoVersion":"9.9.9","unknown":1}"#;
    let switches = changed(&Switches::default(), "batch", batch)
        .unwrap()
        .unwrap();
    assert_eq!(switches.check_times, 4);
    assert_eq!(shown(&switches)["pushGoVersion"], "9.9.9");
    assert!(!shown(&switches).contains_key("unknown"));
    // A console sends back the switches that it received.
    let all = serde_json::to_string(&shown(&switches)).unwrap();
    assert_eq!(changed(&switches, "batch", &all), Ok(Some(switches)));
}
