use super::*;

#[test]
fn a_type_that_no_server_knows_is_none() {
    for name in [
        "",
        "NoSuchRequest",
        "instancerequest",
        "NotifySubscriberRequest",
    ] {
        assert_eq!(Kind::of(name), None, "{name}");
    }
}

#[test]
fn every_naming_request_has_an_answer_type() {
    for naming in Naming::ALL {
        assert!(naming.response().ends_with("Response"));
    }
    assert_eq!(
        Kind::of("ServiceQueryRequest"),
        Some(Kind::Naming(Naming::ServiceQuery))
    );
    assert_eq!(Naming::ServiceQuery.response(), "QueryServiceResponse");
}
