use super::*;

#[test]
fn null_is_as_absent_in_every_field() {
    let json = r#"{"requestId":null,"headers":null,"module":null,"namespace":null,"groupName":"g","serviceName":"s",
        "type":null,"instance":null,"instances":null,"cluster":null,"healthyOnly":null,"selector":{"type":"none","type":"none"}}"#;
    let request = NamingRequest::read(json.as_bytes()).unwrap();
    assert_eq!(&*request.namespace, "");
    assert_eq!(&*request.service_name, "s");
    assert!(request.instance.is_none());
    assert!(!request.is_healthy_only());
}

#[test]
fn both_spellings_of_healthy_only_count() {
    for (json, expected) in [
        (r#"{"healthyOnly":true}"#, true),
        (r#"{"healthOnly":true}"#, true),
        (r#"{"healthyOnly":false,"healthOnly":true}"#, false),
        ("{}", false),
    ] {
        assert_eq!(
            NamingRequest::read(json.as_bytes())
                .unwrap()
                .is_healthy_only(),
            expected,
            "{json}"
        );
    }
}

#[test]
fn an_acknowledgement_is_judged_by_its_result_code() {
    for (json, number, is_accepted) in [
        (
            r#"{"resultCode":200,"success":false,"requestId":"17"}"#,
            Some(17),
            true,
        ),
        (r#"{"resultCode":500,"requestId":"17"}"#, Some(17), false),
        (r#"{"requestId":17}"#, Some(17), true),
        (r#"{"resultCode":200,"requestId":"x"}"#, None, true),
        (r#"{"resultCode":200,"requestId":null}"#, None, true),
    ] {
        let ack = Ack::read(json.as_bytes()).unwrap();
        assert_eq!(
            (ack.number(), ack.is_accepted()),
            (number, is_accepted),
            "{json}"
        );
    }
}

#[test]
fn set_ups_of_every_generation_are_read() {
    let go = r#"{"clientVersion":"Nacos-Go-Client:v2.3.5","tenant":"","labels":{"source":"sdk","module":"naming"},"clientAbilities":{}}"#;
    let java2 = r#"{"clientVersion":"Nacos-Java-Client:v2.0.3","labels":{"module":"naming","AppName":"shop"},"abilities":{"remoteAbility":{"supportRemoteConnection":true}},"tenant":null}"#;
    let java3 = r#"{"clientVersion":"Nacos-Java-Client:v3.0.3","labels":{"module":"naming"},"abilityTable":{"fuzzyWatch":true}}"#;
    for (json, waits) in [(go, false), (java2, false), (java3, true)] {
        let setup = Setup::read(json.as_bytes()).unwrap();
        assert_eq!(setup.ability_table.0, waits, "{json}");
        assert_eq!(&*setup.labels.unwrap().module, "naming");
    }
}

#[test]
fn a_list_of_short_items_takes_at_most_its_charge() {
    for item in ["{},", "[],", "\"\",", "null,"] {
        let body = format!("{{\"instances\":[{}{{}}]}}", item.repeat(1 << 17));
        let request = NamingRequest::read(body.as_bytes());
        let held = request.map_or(0, |request| {
            request.instances.items.capacity() * size_of::<Instance<'_>>()
        });
        assert!(
            held <= NamingRequest::cost(body.len(), true),
            "{item}: {held}"
        );
    }
}

#[test]
fn nesting_without_end_is_refused() {
    for open in ["[", "{\"a\":"] {
        let body = format!("{{\"x\":{}", open.repeat(1 << 20));
        assert!(NamingRequest::read(body.as_bytes()).is_none());
    }
}

#[test]
fn usual_requests_are_not_charged() {
    let register = r#"{"headers":{},"namespace":"public","serviceName":"order-service","groupName":"DEFAULT_GROUP","type":"registerInstance",
        "instance":{"ip":"10.0.0.1","port":8080,"weight":1.0,"healthy":true,"enabled":true,"ephemeral":true,"clusterName":"DEFAULT",
        "serviceName":"order-service","metadata":{"preserved.register.source":"SPRING_CLOUD"}},"module":"naming"}"#;
    assert!(NamingRequest::cost(register.len(), false) <= 8 << 10);
}

#[test]
fn a_request_kept_apart_is_the_same() {
    let json = r#"{"serviceName":"s","type":"t","instances":[{"ip":"1","port":2,"metadata":{"a":"b"}}],"receivedGroupKeys":["k"]}"#;
    let request = NamingRequest::read(json.as_bytes()).unwrap();
    let text = format!("{request:?}");
    assert_eq!(format!("{:?}", request.into_owned()), text);
}
