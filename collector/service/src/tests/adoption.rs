//! Instances that hold an id that this store has never assigned.

use super::*;

#[tokio::test]
async fn a_sign_of_an_unknown_instance_adopts_it_and_a_later_one_reports_its_application() {
    let running = Fixture::start();
    let services = &running.services;
    let mut events = services.events.subscribe();
    services
        .heartbeat
        .renew(sign(1, Signal::JvmMetrics))
        .await
        .unwrap();
    let status = services.roster.instance(instance(1)).unwrap();
    assert!(status.instance.adopted);
    assert_eq!(
        (status.state, status.instance.application),
        (State::Up, None)
    );
    let adopted = happened(&mut events).await.kind;
    assert!(matches!(adopted, InstanceKind::Adopted(_)), "{adopted:?}");
    let up = |application| {
        let status = services.roster.application(application);
        status.map(|status| status.instances.up)
    };
    assert_eq!(up(None), Some(1));
    let telling = Sign {
        application: Some(application(-1)),
        ..sign(1, Signal::TraceSegment)
    };
    services.heartbeat.renew(telling).await.unwrap();
    let status = services.roster.instance(instance(1)).unwrap();
    assert_eq!(status.instance.application, Some(application(-1)));
    assert_eq!((up(None), up(Some(application(-1)))), (None, Some(1)));
    assert_eq!(
        services.register.application("new").await.unwrap(),
        application(2)
    );
    assert_eq!(
        services.register.instance(process(2, "new")).await.unwrap(),
        instance(2)
    );
}

#[tokio::test]
async fn recovering_keeps_the_uuid_and_renews() {
    let running = Fixture::start();
    let services = &running.services;
    let app = services.register.application("orders").await.unwrap();
    let id = services
        .register
        .instance(process(app.get(), "uuid"))
        .await
        .unwrap();
    let recovery = Recovery {
        application: app,
        instance: id,
        generation: None,
        properties: [("os_name", "Linux")].into_iter().collect(),
    };
    services.register.recover(recovery.clone()).await.unwrap();
    let status = services.roster.instance(id).unwrap();
    assert_eq!(status.instance.uuid.as_deref(), Some("uuid"));
    assert_eq!(status.instance.properties.get("os_name"), Some("Linux"));
    assert_eq!(status.signal, Signal::Recover);
    let elsewhere = Recovery {
        application: application(7),
        ..recovery
    };
    let refused = services.register.recover(elsewhere).await;
    assert!(
        matches!(refused, Err(Error::OtherApplication { .. })),
        "{refused:?}"
    );
}
