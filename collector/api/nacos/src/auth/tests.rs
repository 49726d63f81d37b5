use std::time::Duration;

use tokio::time::timeout;

use super::*;

/// bcrypt of `s3cret` with the lowest cost, so that the tests are quick.
fn users() -> Vec<User> {
    let hash = bcrypt::hash("s3cret", 4).unwrap();
    parse_users(&format!(
        "root {hash} admin\norders {hash} public=rw dev=r\n"
    ))
    .unwrap()
}

fn auth() -> Auth {
    Auth::new(users(), b"0123456789abcdef0123456789abcdef", 18_000).unwrap()
}

fn inline<'a>(username: &'a str, password: &'a str) -> Credentials<'a> {
    Credentials {
        username: Some(username),
        password: Some(password),
        ..Credentials::default()
    }
}

#[tokio::test]
async fn a_token_stands_for_its_user_in_both_places_it_may_be_sent() {
    let auth = auth();
    let session = auth.login(None, "orders", "s3cret", 1_000).await.unwrap();
    assert_eq!(
        (
            session.token_ttl,
            session.global_admin,
            session.username.as_str()
        ),
        (18_000, false, "orders")
    );
    let bearer = format!("Bearer {}", session.access_token);
    for sent in [
        Credentials {
            authorization: Some(&bearer),
            ..Credentials::default()
        },
        Credentials {
            access_token: Some(&session.access_token),
            ..Credentials::default()
        },
        inline("orders", "s3cret"),
    ] {
        let caller = auth.identify(None, sent, 1_001).await.unwrap();
        assert_eq!(caller.check(Action::Write, "", "DEFAULT_GROUP"), Ok(()));
        assert_eq!(caller.check(Action::Read, "dev", "g"), Ok(()));
        assert_eq!(
            caller.check(Action::Write, "dev", "g"),
            Err(Denied::Forbidden)
        );
        assert_eq!(caller.check_admin(), Err(Denied::Forbidden));
    }
    let expired = Credentials {
        access_token: Some(&session.access_token),
        ..Credentials::default()
    };
    assert_eq!(
        auth.identify(None, expired, 20_000).await.unwrap_err(),
        Denied::TokenExpired
    );
}

#[tokio::test]
async fn nothing_but_the_right_password_signs_in() {
    let auth = auth();
    for (name, password) in [
        ("orders", "S3cret"),
        ("orders", ""),
        ("nobody", "s3cret"),
        ("", ""),
        ("orders", &*"x".repeat(5_000)),
    ] {
        assert_eq!(
            auth.identify(None, inline(name, password), 0)
                .await
                .unwrap_err(),
            Denied::UnknownUser,
            "{name}"
        );
        assert_eq!(
            auth.login(None, name, password, 0).await.unwrap_err(),
            Denied::UnknownUser
        );
    }
    let nothing = Credentials::default();
    assert_eq!(
        auth.identify(None, nothing, 0).await.unwrap_err(),
        Denied::UnknownUser
    );
}

#[tokio::test]
async fn a_password_that_was_right_once_is_not_hashed_again_and_a_wrong_one_is_still_wrong() {
    let hash = bcrypt::hash("s3cret", 9).unwrap();
    let users = parse_users(&format!("orders {hash} admin")).unwrap();
    let auth = Auth::new(users, &[7; 32], 1).unwrap();
    auth.identify(None, inline("orders", "s3cret"), 0)
        .await
        .unwrap();
    let thousand = async {
        for _ in 0..1_000 {
            auth.identify(None, inline("orders", "s3cret"), 0)
                .await
                .unwrap();
        }
    };
    // Hashing all of them would take half a minute.
    timeout(Duration::from_secs(10), thousand).await.unwrap();
    assert!(
        auth.identify(None, inline("orders", "other"), 0)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn passwords_beyond_the_queue_are_refused_at_once() {
    let hash = bcrypt::hash("s3cret", 8).unwrap();
    let auth = Auth::new(
        parse_users(&format!("orders {hash} admin")).unwrap(),
        &[7; 32],
        1,
    )
    .unwrap();
    let mut calls = task_set(&auth, 200);
    let mut busy = 0;
    while let Some(denied) = calls.join_next().await {
        busy += usize::from(denied.unwrap() == Denied::Busy);
    }
    // Some passwords may be checked before the last call is made.
    assert!((100..=200 - 64).contains(&busy), "{busy}");
}

/// One address cannot prevent users at other addresses from signing in.
#[tokio::test]
async fn one_address_has_a_share_of_the_queue() {
    let auth = auth();
    let wrong = |peer: u8| {
        let auth = auth.clone();
        async move {
            let peer = Some([10, 0, 0, peer].into());
            let sent = inline("orders", "wrong");
            auth.identify(peer, sent, 0).await.unwrap_err()
        }
    };
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        calls.spawn(wrong(1));
    }
    calls.spawn(wrong(2));
    let denied = calls.join_all().await;
    let busy = denied
        .iter()
        .filter(|denied| **denied == Denied::Busy)
        .count();
    assert!((1..=12).contains(&busy), "{busy}");
    let right = auth.identify(Some([10, 0, 0, 1].into()), inline("orders", "s3cret"), 0);
    right.await.unwrap();
}

/// A host can use every address of its IPv6 network.
#[tokio::test]
async fn a_network_of_ipv6_addresses_has_one_share() {
    let auth = auth();
    let wrong = |host: u16| {
        let auth = auth.clone();
        async move {
            let peer = Some([0x2001, 0xdb8, 0, 1, 0, 0, 0, host].into());
            let sent = inline("orders", "wrong");
            auth.identify(peer, sent, 0).await.unwrap_err()
        }
    };
    let denied = futures_util::future::join_all((0..20).map(wrong)).await;
    assert!(denied.contains(&Denied::Busy), "{denied:?}");
}

/// If a caller gives up, its place is freed only when the hash is done.
#[tokio::test]
async fn callers_that_hang_up_do_not_multiply_the_work() {
    let hash = bcrypt::hash("s3cret", 10).unwrap();
    let users = parse_users(&format!("orders {hash} admin")).unwrap();
    let auth = Auth::new(users, &[7; 32], 1).unwrap();
    for _ in 0..100 {
        let call = auth.identify(None, inline("orders", "wrong"), 0);
        // Polled once, so that the hash begins, and then dropped.
        assert!(timeout(Duration::ZERO, call).await.is_err());
    }
    let mut most = 0;
    for _ in 0..100 {
        most = most.max(auth.under_way());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!((1..=2).contains(&most), "{most}");
}

fn task_set(auth: &Auth, calls: usize) -> tokio::task::JoinSet<Denied> {
    let mut set = tokio::task::JoinSet::new();
    for at in 0..calls {
        let auth = auth.clone();
        let call = async move {
            let password = format!("guess {at}");
            auth.identify(None, inline("orders", &password), 0)
                .await
                .unwrap_err()
        };
        set.spawn(call);
    }
    set
}

#[tokio::test]
async fn without_authentication_every_caller_may_do_everything_and_may_sign_in() {
    let auth = Auth::off();
    let caller = auth
        .identify(None, Credentials::default(), 0)
        .await
        .unwrap();
    assert_eq!(caller.check(Action::Write, "any", "any"), Ok(()));
    assert_eq!(caller.check_admin(), Ok(()));
    let session = auth.login(None, "nacos", "nacos", 0).await.unwrap();
    assert!(!session.access_token.is_empty() && session.token_ttl > 0);
}
