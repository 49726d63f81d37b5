use super::*;

fn parameters(query: &str) -> Result<Parameters, Refusal> {
    let known = ["limit", "cursor", "state", "name", "host"];
    Parameters::of(&format!("/list{query}").parse().unwrap(), &known)
}

fn page_request(query: &str) -> Result<PageRequest<i32>, Refusal> {
    PageRequest::of(&parameters(query)?, |text| text.parse().ok())
}

#[test]
fn a_list_has_a_hundred_entries_from_the_start_by_default() {
    let defaults = PageRequest {
        cursor: None,
        limit: 100,
    };
    assert_eq!(page_request("").unwrap(), defaults);
    let expected = PageRequest {
        cursor: Some(-3),
        limit: 1000,
    };
    assert_eq!(page_request("?limit=1000&cursor=-3").unwrap(), expected);
}

#[test]
fn a_state_filter_is_absent_or_a_list_of_known_states() {
    let read = |query: &str| {
        let filter = filter(&parameters(query)?)?;
        Ok::<_, Refusal>(filter.states)
    };
    assert_eq!(read("?limit=1").unwrap(), None);
    assert_eq!(read("?state=left").unwrap().unwrap(), [State::Left]);
    let several = read("?state=down,left&limit=1").unwrap().unwrap();
    assert_eq!(several, [State::Down, State::Left]);
    for query in [
        "?state=",
        "?state=dead",
        "?state=up,,down",
        "?state=up&state=down",
    ] {
        assert!(read(query).is_err(), "{query}");
    }
}

#[test]
fn a_name_or_host_filter_is_absent_or_a_nonempty_text() {
    let read = |query: &str| {
        let filter = filter(&parameters(query)?)?;
        Ok::<_, Refusal>((filter.name, filter.host))
    };
    assert_eq!(read("").unwrap(), (None, None));
    let both = read("?name=orders%201&host=web-1").unwrap();
    assert_eq!(
        both,
        (Some("orders 1".to_owned()), Some("web-1".to_owned()))
    );
    for query in ["?name=", "?host=", "?name=a&name=b"] {
        assert!(read(query).is_err(), "{query}");
    }
}

#[test]
fn bad_parameters_are_refused() {
    for query in [
        "?limit=0",
        "?limit=1001",
        "?limit=-1",
        "?limit=",
        "?limit=many",
        "?limit=1&limit=2",
        "?cursor=",
        "?cursor=x",
    ] {
        assert!(page_request(query).is_err(), "{query}");
    }
}
