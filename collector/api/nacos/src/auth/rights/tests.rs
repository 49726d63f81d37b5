use super::*;

#[test]
fn rights_are_per_namespace_and_group() {
    let rights = Rights::parse(["public=rw", "dev/ORDERS=r", "*/SHARED=r"]).unwrap();
    for (action, namespace, group, allowed) in [
        (Action::Write, "", "DEFAULT_GROUP", true),
        (Action::Write, "public", "any", true),
        (Action::Read, "dev", "ORDERS", true),
        (Action::Write, "dev", "ORDERS", false),
        (Action::Read, "dev", "DEFAULT_GROUP", false),
        (Action::Read, "prod", "SHARED", true),
        (Action::Write, "prod", "SHARED", false),
    ] {
        assert_eq!(
            rights.allow(action, namespace, group),
            allowed,
            "{action:?} {namespace} {group}"
        );
    }
    assert!(!rights.is_admin());
    assert!(
        Rights::parse(["admin"])
            .unwrap()
            .allow(Action::Write, "x", "y")
    );
    assert!(!Rights::parse([]).unwrap().allow(Action::Read, "x", "y"));
}

#[test]
fn a_word_that_is_not_a_right_is_named() {
    for word in [
        "public", "public=", "public=x", "=rw", "a/=r", "/b=r", "Admin",
    ] {
        assert_eq!(Rights::parse([word]), Err(word.to_owned()));
    }
}
