use super::*;
use crate::{
    ApplicationId, InstanceId, Timestamp,
    inventory::{Generation, Instance, Properties},
};

#[test]
fn the_digest_of_a_row_is_the_same_in_every_release() {
    let orders = Application {
        id: ApplicationId::new(-1).unwrap(),
        code: Some("orders".into()),
        registered_at: Timestamp::from_millis(1_500_000_000_000),
        alias_of: None,
    };
    assert_eq!(application(&orders), 983_544_844_757_901_779);
    let alias = Application {
        alias_of: ApplicationId::new(5),
        ..orders.clone()
    };
    assert_ne!(application(&alias), application(&orders));
}

#[test]
fn the_lasting_parts_of_a_row_are_in_its_digest() {
    let row = Instance {
        id: InstanceId::new(1).unwrap(),
        application: ApplicationId::new(-1),
        uuid: Some("u".into()),
        registered_at: Timestamp::from_millis(1),
        generation: Some(Generation::V5),
        adopted: false,
        properties: [("os", "Linux")].into_iter().collect(),
    };
    let changes: [fn(&mut Instance); 5] = [
        |row| row.id = InstanceId::new(2).unwrap(),
        |row| row.application = None,
        |row| row.uuid = Some("v".into()),
        |row| row.registered_at = Timestamp::from_millis(2),
        |row| row.adopted = true,
    ];
    let mut digests: Vec<u64> = changes
        .iter()
        .map(|change| {
            let mut other = row.clone();
            change(&mut other);
            instance(&other.view())
        })
        .collect();
    digests.push(instance(&row.view()));
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 6);
    let mut reported = row.clone();
    reported.generation = None;
    reported.properties = Properties::default();
    assert_eq!(instance(&reported.view()), instance(&row.view()));
}
