use super::*;

#[test]
fn a_period_begins_at_an_age_or_a_time() {
    assert_eq!(since("90m"), Ok(Since::Ago(Duration::from_secs(5400))));
    let noon: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
    assert_eq!(since("2026-01-31T13:00:00+01:00"), Ok(Since::At(noon)));
    for text in ["", "90", "m", "-5m", "yesterday", "2026-01-31"] {
        assert!(since(text).unwrap_err().contains("90m"), "{text}");
    }
}
