use super::*;

fn member(address: &str, state: State) -> Member {
    Member {
        address: address.into(),
        agent_grpc: None,
        agent_jetty: None,
        ui: None,
        version: Some("1".into()),
        state,
        since: Timestamp::from_millis(0),
    }
}

#[test]
fn members_are_sorted_as_text_and_the_later_one_of_an_address_counts() {
    let view = View::new([
        member("10.0.0.9:11800", State::Serving),
        member("10.0.0.10:11800", State::Starting),
        member("10.0.0.10:11800", State::Serving),
    ]);
    let seen: Vec<_> = view
        .members()
        .iter()
        .map(|m| (&*m.address, m.state))
        .collect();
    assert_eq!(
        seen,
        [
            ("10.0.0.10:11800", State::Serving),
            ("10.0.0.9:11800", State::Serving)
        ]
    );
}

#[test]
fn only_serving_members_are_listed() {
    let view = View::new([
        member("c", State::Draining),
        member("b", State::Serving),
        member("a", State::Starting),
    ]);
    let serving: Vec<_> = view.serving().map(|m| &*m.address).collect();
    assert_eq!(serving, ["b"]);
}

#[test]
fn the_owner_is_the_first_serving_collector_of_rollcall_by_address() {
    let upstream = Member {
        version: None,
        ..member("a", State::Serving)
    };
    let draining = member("b", State::Draining);
    let others = ["d", "c"].map(|address| member(address, State::Serving));
    let view = View::new([upstream, draining].into_iter().chain(others));
    assert_eq!(view.owner().map(|owner| &*owner.address), Some("c"));
    assert_eq!(View::new([member("a", State::Draining)]).owner(), None);
}
