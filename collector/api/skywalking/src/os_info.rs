//! Reads process properties that agents report as JSON, over HTTP and in the columns of other collectors.

use rollcall_domain::{inventory::Properties, properties::OsInfo};
use serde::Deserialize;

use crate::gson::{Number, Text};

/// [`OsInfo`] as JSON, in both spellings: 5.x writes `hostname` and `processNo`, 3.2.6 and 6.x write `hostName` and `processId`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OsInfoJson {
    os_name: Option<Text>,
    hostname: Option<Text>,
    host_name: Option<Text>,
    process_no: Option<Number<i64>>,
    process_id: Option<Number<i64>>,
    ipv4s: Option<Vec<Text>>,
}

impl From<&OsInfoJson> for Properties {
    fn from(info: &OsInfoJson) -> Self {
        let text = |text: &'_ Option<Text>| text.as_ref().map(|Text(text)| text.clone());
        let host_name = text(&info.hostname).or_else(|| text(&info.host_name));
        let Number(process_no) = info.process_no.or(info.process_id).unwrap_or_default();
        let ipv4s = info.ipv4s.iter().flatten();
        let ipv4s: Vec<_> = ipv4s.map(|Text(address)| address.clone()).collect();
        OsInfo {
            os_name: &text(&info.os_name).unwrap_or_default(),
            host_name: &host_name.unwrap_or_default(),
            process_no,
            ipv4s: &ipv4s,
        }
        .into()
    }
}
