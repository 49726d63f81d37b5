//! Signs of life that another process sent with the id of an instance.

use super::*;

/// An agent has one application, so a sign with another one comes from a process that holds the id from an earlier store.
#[tokio::test]
async fn a_sign_that_names_another_application_is_stray() {
    let running = Fixture::start();
    let services = &running.services;
    let heartbeat = &services.heartbeat;
    let own = services.register.application("orders").await.unwrap();
    let other = services.register.application("payments").await.unwrap();
    let id = services
        .register
        .instance(process(own.get(), "uuid"))
        .await
        .unwrap();
    let signal = |id| services.roster.instance(id).unwrap().signal;
    let segment = |id, application| Sign {
        instance: id,
        application: Some(application),
        signal: Signal::TraceSegment,
    };
    let mut events = services.events.subscribe();
    let refused = heartbeat.renew(segment(id, other)).await.unwrap_err();
    assert!(
        matches!(refused, Error::OtherApplication { known, .. } if known == own),
        "{refused}"
    );
    let stray = happened(&mut events).await;
    assert!(matches!(stray.kind, InstanceKind::Stray(_)), "{stray:?}");
    assert_eq!(stray.instance, id);
    heartbeat.renew_known(segment(id, other));
    assert_eq!(signal(id), Signal::Register);
    let counted = "what=\"signals_of_another_application\"} 2";
    let exposition = services.exposition();
    assert!(exposition.contains(counted), "{exposition}");

    // If there are several signs, only the stray one is refused.
    let unknown = instance(77);
    let signs = [segment(unknown, other), segment(id, other)];
    let refused = heartbeat.renew_all(signs).await.unwrap_err();
    assert!(
        matches!(refused, Error::OtherApplication { .. }),
        "{refused}"
    );
    assert_eq!(signal(unknown), Signal::TraceSegment);
    assert_eq!(signal(id), Signal::Register);
    heartbeat.renew(segment(id, own)).await.unwrap();
    assert_eq!(signal(id), Signal::TraceSegment);
}

/// After a lost store an application may be known under two ids.
#[tokio::test]
async fn a_sign_that_names_an_unknown_application_renews() {
    let running = Fixture::start();
    let services = &running.services;
    let own = services.register.application("orders").await.unwrap();
    let ids = [
        services.register.instance(process(own.get(), "one")).await,
        services
            .register
            .instance(process(own.get(), "other"))
            .await,
    ];
    // The first application is in no row, the other one has a row without a name.
    let placeholder = Sign {
        application: Some(application(9)),
        ..sign(77, Signal::TraceSegment)
    };
    services.heartbeat.renew(placeholder).await.unwrap();
    for (id, unknown) in ids.into_iter().zip([8, 9]) {
        let segment = Sign {
            instance: id.unwrap(),
            application: Some(application(unknown)),
            signal: Signal::TraceSegment,
        };
        services.heartbeat.renew(segment).await.unwrap();
        let status = services.roster.instance(segment.instance).unwrap();
        assert_eq!(status.signal, Signal::TraceSegment);
        assert_eq!(status.instance.application, Some(own));
    }
}

/// Agents of 8.0 and later registered the application first, so it has two ids.
#[tokio::test]
async fn a_sign_that_names_its_application_by_another_id_renews() {
    let running = Fixture::start();
    let services = &running.services;
    let name = crate::register::InstanceName {
        service: "orders",
        instance: "of 8.x",
    };
    let named = services.register.named(name, Properties::default()).await;
    named.unwrap();
    let announced = services.register.application("orders").await.unwrap();
    let id = services
        .register
        .instance(process(announced.get(), "uuid"))
        .await
        .unwrap();
    let segment = Sign {
        instance: id,
        application: Some(announced),
        signal: Signal::TraceSegment,
    };
    services.heartbeat.renew(segment).await.unwrap();
    let status = services.roster.instance(id).unwrap();
    assert_eq!(status.signal, Signal::TraceSegment);
}
