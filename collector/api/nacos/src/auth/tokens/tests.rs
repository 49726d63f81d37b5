use super::*;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

#[test]
fn a_token_is_valid_until_its_life_ends() {
    let tokens = Tokens::new(SECRET, 100).unwrap();
    let token = tokens.issue("orders", 1_000);
    assert_eq!(tokens.verify(&token, 1_000), Ok("orders".to_owned()));
    assert_eq!(tokens.verify(&token, 1_099), Ok("orders".to_owned()));
    assert_eq!(tokens.verify(&token, 1_100), Err(Denied::TokenExpired));
}

#[test]
fn any_change_makes_a_token_invalid() {
    let tokens = Tokens::new(SECRET, 100).unwrap();
    let token = tokens.issue("orders", 1_000);
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(
            tokens.verify(&changed, 1_000),
            Err(Denied::TokenInvalid),
            "{at}"
        );
    }
    for other in [
        "",
        ".",
        "..",
        "a.b",
        &token[..token.len() - 1],
        &"x".repeat(5000),
    ] {
        assert_eq!(tokens.verify(other, 1_000), Err(Denied::TokenInvalid));
    }
}

#[test]
fn a_token_without_a_signature_or_of_another_secret_is_invalid() {
    let tokens = Tokens::new(SECRET, 100).unwrap();
    let other = Tokens::new(b"another secret of thirty-two byte", 100).unwrap();
    assert_eq!(
        tokens.verify(&other.issue("orders", 1_000), 1_000),
        Err(Denied::TokenInvalid)
    );
    // {"alg":"none"}.{"sub":"orders","exp":9999999999}.
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJvcmRlcnMiLCJleHAiOjk5OTk5OTk5OTl9.";
    assert_eq!(tokens.verify(none, 1_000), Err(Denied::TokenInvalid));
}

#[test]
fn a_short_secret_is_refused() {
    assert!(matches!(
        Tokens::new(&SECRET[1..], 1),
        Err(SecretTooShort(31))
    ));
}
