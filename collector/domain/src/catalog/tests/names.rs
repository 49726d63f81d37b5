//! Names and keys.

use super::super::{Endpoint, Part, Problem, ServiceKey, cluster_name, namespace_name};

#[test]
fn the_empty_namespace_is_public_and_the_empty_group_the_default() {
    let short = ServiceKey::new("", "", "a").unwrap();
    let long = ServiceKey::new("public", "DEFAULT_GROUP", "a").unwrap();
    assert_eq!(short, long);
    assert_eq!(
        (short.namespace(), short.group(), short.name()),
        ("public", "DEFAULT_GROUP", "a")
    );
    assert_eq!(namespace_name("").unwrap(), "public");
    assert_eq!(&*Endpoint::new("h", 1, "").unwrap().cluster, "DEFAULT");
}

#[test]
fn names_of_dubbo_services_are_accepted() {
    for name in [
        "providers:com.acme.Order:1.0.0:",
        "a*b",
        "a/b",
        "服务",
        "a@@b",
    ] {
        assert_eq!(
            ServiceKey::new("n s".trim_end_matches(" s"), "g", name)
                .unwrap()
                .name(),
            name
        );
    }
}

#[test]
fn the_refusal_of_a_name_states_the_reason() {
    let problem = |namespace: &str, group: &str, name: &str| {
        let invalid = ServiceKey::new(namespace, group, name).unwrap_err();
        (invalid.part, invalid.problem)
    };
    assert_eq!(problem("", "", ""), (Part::Service, Problem::Empty));
    assert_eq!(problem("", "", "@a"), (Part::Service, Problem::At));
    assert_eq!(problem("", "", "a b"), (Part::Service, Problem::Whitespace));
    assert_eq!(
        problem("", "", "a\0b"),
        (Part::Service, Problem::Whitespace)
    );
    assert_eq!(problem("", "g@@h", "a"), (Part::Group, Problem::At));
    let cluster = cluster_name("a,b").unwrap_err();
    assert_eq!(cluster.problem, Problem::Comma);
    let text = "cluster \"a,b\" contains a comma, which separates clusters";
    assert_eq!(cluster.to_string(), text);
    assert_eq!(
        problem("n\n", "", "a"),
        (Part::Namespace, Problem::Whitespace)
    );
    assert_eq!(
        problem("", "", &"a".repeat(513)),
        (Part::Service, Problem::TooLong)
    );
    let text = ServiceKey::new("", "", &"é".repeat(400))
        .unwrap_err()
        .to_string();
    assert!(
        text.ends_with("is too long: at most 512 bytes are allowed"),
        "{text}"
    );
}

#[test]
fn keys_are_ordered_by_their_parts() {
    let key = |n, g, s| ServiceKey::new(n, g, s).unwrap();
    let ordered = [
        key("a", "g", "z"),
        key("a-b", "g", "a"),
        key("b", "g", "a"),
        key("b", "h", "a"),
    ];
    assert!(ordered.is_sorted());
}
