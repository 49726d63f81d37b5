//! The table of intended differences, and the check that the table matches the collector.

use std::{collections::BTreeSet, fmt::Write, fs, path::Path};

use serde::Deserialize;

use crate::compare::Difference;

/// A difference between the collector's answer to a call and the answer of one recorded server.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// The recorded call.
    pub(crate) call: String,
    /// The version of the server that was recorded.
    pub(crate) server: String,
    /// The place and the values of the difference.
    pub(crate) difference: Difference,
}

/// Intended differences with the same reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// The recorded conversation: `v1`, `v2`, `v3`, `grpc` or `udp`.
    scenario: String,
    /// The servers whose recorded answers differ from the collector's.
    servers: Vec<String>,
    /// The calls. `*` stands for any characters except a slash.
    calls: Vec<String>,
    /// The places in the answers. `*` stands for any characters except a slash.
    fields: Vec<String>,
    /// The reason of the difference.
    why: String,
}

/// All intended differences.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    difference: Vec<Row>,
}

impl Table {
    /// Reads the table.
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("the table of differences");
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Compares the rows of `scenario` with the found differences.
    ///
    /// # Panics
    /// When a difference is not in any row, or a part of a row (a server, a call or a field) no longer differs.
    pub(crate) fn check(&self, scenario: &str, findings: Vec<Finding>) {
        let rows = self
            .difference
            .iter()
            .filter(|row| row.scenario == scenario);
        let rows = rows.collect::<Vec<_>>();
        let mut text = String::new();
        let mut unlisted = 0;
        for finding in &findings {
            if !rows.iter().any(|row| row.covers(finding)) {
                unlisted += 1;
                let Finding {
                    call,
                    server,
                    difference,
                } = finding;
                let Difference {
                    field,
                    theirs,
                    ours,
                } = difference;
                writeln!(
                    text,
                    "{scenario} {call} {server} {field}: recorded {theirs}, answered {ours}"
                )
                .expect("writing to a string");
            }
        }
        let mut stale = 0;
        for part in rows.iter().flat_map(|row| row.stale(&findings)) {
            stale += 1;
            writeln!(text, "{scenario} {part}").expect("writing to a string");
        }
        assert!(
            unlisted == 0 && stale == 0,
            "{unlisted} differences are in no row of differences.toml, {stale} parts of rows no longer differ:\n{text}"
        );
    }
}

impl Row {
    fn covers(&self, finding: &Finding) -> bool {
        self.servers.contains(&finding.server)
            && any(&self.calls, &finding.call)
            && any(&self.fields, &finding.difference.field)
    }

    /// The parts of this row that match no finding.
    fn stale(&self, findings: &[Finding]) -> Vec<String> {
        assert!(
            !self.why.trim().is_empty(),
            "a row without a reason: {self:?}"
        );
        let mut used = BTreeSet::new();
        for finding in findings.iter().filter(|finding| self.covers(finding)) {
            used.insert(format!("server {}", finding.server));
            for (kind, patterns, text) in [
                ("call", &self.calls, &finding.call),
                ("field", &self.fields, &finding.difference.field),
            ] {
                let matching = patterns.iter().filter(|pattern| matches(pattern, text));
                used.extend(matching.map(|pattern| format!("{kind} {pattern}")));
            }
        }
        let parts = [
            ("server", &self.servers),
            ("call", &self.calls),
            ("field", &self.fields),
        ];
        let parts = parts
            .iter()
            .flat_map(|(kind, values)| values.iter().map(move |value| format!("{kind} {value}")));
        parts
            .filter(|part| !used.contains(part))
            .map(|part| format!("{part} no longer differs in the row {:?}", self.why))
            .collect()
    }
}

fn any(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, text))
}

/// Whether `text` matches `pattern`, in which each `*` stands for any characters except a slash.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    text.strip_prefix(head).is_some_and(|text| {
        let end = text.find('/').unwrap_or(text.len());
        let ends = text[..end].char_indices().map(|(index, _)| index);
        ends.chain([end]).any(|end| matches(rest, &text[end..]))
    })
}

#[test]
fn a_star_stands_for_any_characters_except_a_slash() {
    assert!(matches("/hosts/*/weight", "/hosts/10.0.0.1:80/weight"));
    assert!(matches("*", ""));
    assert!(!matches("/hosts/*/weight", "/hosts/10.0.0.1:80/healthy"));
    assert!(!matches("/hosts/*", "/hosts/10.0.0.1:80/weight"));
    assert!(!matches("reg", "reg-2"));
}

#[test]
fn a_row_that_no_longer_differs_is_reported() {
    let table: Table = toml::from_str(
        r#"
        [[difference]]
        scenario = "v1"
        servers = ["1.4.8"]
        calls = ["list"]
        fields = ["/gone"]
        why = "a reason"
        "#,
    )
    .unwrap();
    assert_eq!(table.difference[0].stale(&[]).len(), 3);
}
