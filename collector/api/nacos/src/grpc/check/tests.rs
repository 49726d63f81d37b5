use super::*;

fn read(json: &str) -> NamingRequest<'_> {
    NamingRequest::read(json.as_bytes()).unwrap()
}

#[test]
fn names_are_refused_with_the_texts_of_the_reference() {
    let long = format!(r#"{{"groupName":"{}","serviceName":"s"}}"#, "g".repeat(129));
    for (json, expected) in [
        (
            r#"{"namespace":"a b","serviceName":"s"}"#,
            "Param 'namespaceId/tenant' is illegal, illegal characters",
        ),
        (
            r#"{"groupName":"a/b","serviceName":"s"}"#,
            "Param 'group' is illegal, illegal characters",
        ),
        (
            r#"{"serviceName":"@s"}"#,
            "Param 'serviceName' is illegal, illegal characters",
        ),
        (
            r#"{"serviceName":"a@@b"}"#,
            "Param 'serviceName' is illegal, illegal characters",
        ),
        (
            r#"{"serviceName":"s","clusters":"a,b/c"}"#,
            "Param 'cluster' is illegal, illegal characters",
        ),
        (
            &*long,
            "Param 'group' is illegal, the param length should not exceed 128.",
        ),
    ] {
        let refusal = names(&read(json), true).unwrap_err();
        assert_eq!(refusal.code, code::INVALID);
        assert!(
            refusal.message.contains(expected),
            "{json}: {}",
            refusal.message
        );
    }
    for json in [
        r#"{"namespace":"5fa-b_c","groupName":"a.b:c-d_e","serviceName":"com.x.Y:1.0:g","clusters":"a, b"}"#,
        r#"{"serviceName":"providers:com.x.Y::"}"#,
    ] {
        assert_eq!(names(&read(json), true), Ok(()), "{json}");
    }
    assert_eq!(names(&read("{}"), false), Ok(()));
}

/// The test suite of the reference expects these refusals.
#[test]
fn the_cluster_of_an_instance_is_one_name() {
    for (cluster, expected) in [
        ("c1,c2", "Param 'cluster' is illegal, illegal characters"),
        ("c/1", "Param 'cluster' is illegal, illegal characters"),
        (
            "c_1",
            "should be characters with only 0-9a-zA-Z-. (current: c_1)",
        ),
    ] {
        let json =
            format!(r#"{{"instance":{{"ip":"10.0.0.1","port":80,"clusterName":"{cluster}"}}}}"#);
        let request = read(&json);
        let refusal =
            instance(request.instance.as_ref().unwrap(), Kind::Ephemeral, None).unwrap_err();
        assert_eq!(refusal.code, code::INVALID);
        assert!(refusal.message.contains(expected), "{}", refusal.message);
    }
}

#[test]
fn what_an_instance_leaves_out_has_the_defaults_of_the_reference() {
    let request =
        read(r#"{"instance":{"ip":"10.0.0.1","port":80,"clusterName":null,"metadata":null}}"#);
    let read = instance(
        request.instance.as_ref().unwrap(),
        Kind::Ephemeral,
        Some("shop"),
    )
    .unwrap();
    assert_eq!(
        (&*read.endpoint.cluster, read.endpoint.port),
        ("DEFAULT", 80)
    );
    assert_eq!(
        (read.weight.to_bits(), read.enabled, read.healthy),
        (1_f64.to_bits(), true, true)
    );
    assert!(read.metadata.is_empty());
    assert_eq!(read.instance_id, None);
    assert_eq!(read.app.as_deref(), Some("shop"));
}

#[test]
fn metadata_counts_characters_of_keys_and_values() {
    let of = |value: String| {
        let json = format!(
            r#"{{"instance":{{"ip":"10.0.0.1","port":80,"metadata":{{"key":"{value}"}}}}}}"#
        );
        let request = NamingRequest::read(json.as_bytes()).unwrap();
        instance(request.instance.as_ref().unwrap(), Kind::Ephemeral, None).map(drop)
    };
    assert_eq!(of("é".repeat(1021)), Ok(()));
    assert!(of("é".repeat(1022)).is_err());
    assert!(of("x".repeat(1 << 20)).is_err());
}

/// A regression test: a subscription keeps the list of clusters, but only the length of each name was limited.
#[test]
fn a_list_of_clusters_has_a_limit() {
    let list = |names: usize| vec!["abc"; names].join(",");
    for field in ["cluster", "clusters"] {
        let json = |names| format!(r#"{{"serviceName":"s","{field}":"{}"}}"#, list(names));
        assert_eq!(names(&read(&json(256)), true), Ok(()));
        let refusal = names(&read(&json(257)), true).unwrap_err();
        let expected = "Param 'clusters' is illegal, the param length should not exceed 1024.";
        assert!(refusal.message.ends_with(expected), "{}", refusal.message);
    }
}
