use super::*;

fn basic(pair: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(pair))
}

#[test]
fn the_token_or_the_user_with_the_password_is_admitted() {
    let both = Credentials::new("t0ken", "op", "pass:word").unwrap();
    for (sent, admitted) in [
        (&["Bearer t0ken".to_owned()][..], true),
        (&["bearer  t0ken".to_owned()], true),
        (&[basic("op:pass:word")], true),
        (&[basic("any:t0ken")], true),
        (&[basic("op:pass:wor")], false),
        (&[basic("op:")], false),
        (&[basic("t0ken")], false),
        (&[basic(":")], false),
        (&["Basic ???".to_owned()], false),
        (&["Bearer".to_owned()], false),
        (&["Bearer ".to_owned()], false),
        (&["Digest t0ken".to_owned()], false),
        (&["Bearer x".to_owned(), "Bearer t0ken".to_owned()], false),
        (&[], false),
    ] {
        let sent = sent.iter().map(|it| (AUTHORIZATION, it.parse().unwrap()));
        let headers = HeaderMap::from_iter(sent);
        assert_eq!(both.are_sent_with(&headers), admitted, "{headers:?}");
    }
}

#[test]
fn missing_credentials_admit_no_caller_and_are_never_shown() {
    assert!(Credentials::new("", "", "").is_none());
    let user = Credentials::new("", "op", "password").unwrap();
    for sent in ["Bearer ".to_owned(), basic("any:"), basic(":")] {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, sent.parse().unwrap())]);
        assert!(!user.are_sent_with(&headers), "{sent}");
    }
    assert_eq!(format!("{user:?}"), "Credentials(..)");
}
