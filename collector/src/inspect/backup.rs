//! `store backup`: a backup of the store of a running collector.

use serde::Deserialize;

use super::answer::read;
use super::client::{Client, encoded};
use super::output::Output;
use super::{Error, Found, text};
use crate::cli::inspect::Backup;

#[derive(Deserialize)]
struct Written {
    path: String,
    bytes: u64,
    seconds: f64,
}

/// Requests the backup, waits until it is complete, and prints where it is.
pub(super) async fn write(
    backup: &Backup,
    client: &Client,
    output: &mut Output,
) -> Result<Found, Error> {
    let name = backup.name.as_deref().map(encoded);
    let query = name.map_or(String::new(), |name| format!("?name={name}"));
    let answer = client.post(&format!("/api/store/backup{query}")).await?;
    if output.is_json() {
        output.json(&answer)?;
        return Ok(Found::Up);
    }
    let Written {
        path,
        bytes,
        seconds,
    } = read(&answer)?;
    output.line(&format!("directory       {}", text::escaped(&path)))?;
    output.line(&format!("bytes           {bytes}"))?;
    output.line(&format!("seconds         {seconds:.1}"))?;
    Ok(Found::Up)
}
