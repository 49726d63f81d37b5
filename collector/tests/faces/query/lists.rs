//! Lists, page by page and filtered.

use super::*;

/// The UUIDs of a list of instances, and the cursor of the next page.
async fn listed(collector: &Collector, path: &str) -> (Vec<String>, Value) {
    let reply = collector.get(path).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    let list = reply.json();
    let items = list["items"].as_array().unwrap();
    let uuids = items
        .iter()
        .map(|item| item["uuid"].as_str().unwrap().to_owned());
    (uuids.collect(), list["next"].clone())
}

/// Two applications with three instances on two hosts.
async fn two_applications() -> Collector {
    let collector = Collector::start();
    collector
        .post("/application/register", r#"["orders","stock"]"#)
        .await;
    for (application, uuid, host) in [
        (-1, "NAME:orders-1", "web-1"),
        (2, "stock-1", "web-1"),
        (-1, "orders-2", "web-2"),
    ] {
        let process = format!(
            r#"{{"ai":{application},"au":"{uuid}","rt":0,"oi":{{"osName":"Linux","hostname":"{host}","processNo":1,"ipv4s":[]}}}}"#
        );
        assert_eq!(
            collector.post("/instance/register", process).await.status,
            200
        );
    }
    collector
}

#[tokio::test]
async fn all_instances_are_listed_page_by_page_and_by_application() {
    let collector = two_applications().await;
    let all = ["NAME:orders-1", "orders-2", "stock-1"];
    let (uuids, next) = listed(&collector, "/api/instances").await;
    assert_eq!(
        (uuids, next),
        (all.map(str::to_owned).to_vec(), Value::Null)
    );
    let mut paged = Vec::new();
    let mut cursor = String::new();
    for _ in 0..3 {
        let path = format!("/api/instances?limit=1{cursor}");
        let (uuids, next) = listed(&collector, &path).await;
        paged.extend(uuids);
        cursor = next
            .as_str()
            .map_or(String::new(), |next| format!("&cursor={next}"));
    }
    assert_eq!(
        (paged.as_slice(), cursor.as_str()),
        (all.map(str::to_owned).as_slice(), "")
    );
    // An instance whose application was never reported is listed first.
    collector
        .post("/instance/heartbeat", r#"{"ii":9,"ht":0}"#)
        .await;
    let first = collector.get("/api/instances?limit=1").await.json();
    assert_eq!(
        (&first["items"][0]["id"], &first["next"]),
        (&9.into(), &"unknown:9".into())
    );
    let (rest, _) = listed(&collector, "/api/instances?cursor=unknown:9").await;
    assert_eq!(rest, all);
}

#[tokio::test]
async fn instances_are_filtered_by_state_name_and_host() {
    let collector = two_applications().await;
    for (query, expected) in [
        ("name=orders-1", &["NAME:orders-1"][..]),
        ("name=NAME:orders-1", &["NAME:orders-1"]),
        ("name=orders", &[]),
        ("host=WEB-1", &["NAME:orders-1", "stock-1"]),
        ("host=web-1&name=stock-1", &["stock-1"]),
        ("host=web-2&state=up", &["orders-2"]),
        ("host=web-2&state=down,left", &[]),
    ] {
        let (uuids, next) = listed(&collector, &format!("/api/instances?{query}")).await;
        assert_eq!(
            (uuids.as_slice(), next),
            (
                expected
                    .iter()
                    .map(|uuid| (*uuid).to_owned())
                    .collect::<Vec<_>>()
                    .as_slice(),
                Value::Null
            ),
            "{query}"
        );
    }
    let (uuids, _) = listed(&collector, "/api/applications/-1/instances?host=web-1").await;
    assert_eq!(uuids, ["NAME:orders-1"]);
}

#[tokio::test]
async fn an_application_is_found_by_its_code() {
    let collector = two_applications().await;
    let found = collector.get("/api/applications?code=stock").await.json();
    assert_eq!(
        (&found["items"][0]["id"], &found["next"]),
        (&2.into(), &Value::Null)
    );
    for code in ["nothing", "", "User"] {
        let found = collector
            .get(&format!("/api/applications?code={code}"))
            .await;
        assert_eq!(found.text(), r#"{"items":[],"next":null}"#, "{code}");
    }
    for filter in ["state=up", "text=st"] {
        let path = format!("/api/applications?code=stock&{filter}");
        let name = filter.split('=').next().unwrap();
        assert_eq!(collector.get(&path).await.refused(400), name, "{path}");
    }
}

#[tokio::test]
async fn an_unknown_parameter_is_refused_with_the_known_ones() {
    let collector = two_applications().await;
    for path in [
        "/api/applications",
        "/api/applications/-1",
        "/api/applications/-1/instances",
        "/api/instances",
        "/api/instances/1",
        "/api/members",
        "/api/events",
    ] {
        let reply = collector.get(&format!("{path}?stat=up")).await;
        assert_eq!(reply.refused(400), "stat", "{path}");
    }
    let reply = collector.get("/api/instances?stat=up").await;
    assert!(
        reply
            .text()
            .contains("state, name, host, text, limit, cursor"),
        "{}",
        reply.text()
    );
    for query in [
        "cursor=1",
        "cursor=0:1",
        "cursor=1:x",
        "state=dead",
        "host=",
    ] {
        assert_eq!(
            collector
                .get(&format!("/api/instances?{query}"))
                .await
                .status,
            400,
            "{query}"
        );
    }
}
