//! `members`: the collectors of the cluster.

use super::answer::{Member, read};
use super::client::Client;
use super::output::Output;
use super::table::{Cell, Table};
use super::{Error, Found, text};

/// Prints the collectors that the queried one knows.
pub(super) async fn print(client: &Client, output: &mut Output) -> Result<Found, Error> {
    let mut table = Table::new([
        "MEMBER", "STATE", "SINCE", "VERSION", "AGENTS", "ADMIN", "ROLE",
    ]);
    let mut found = Found::Nothing;
    client
        .list("/api/members", "", |value| {
            let member: Member = read(&value)?;
            found = found.and(member.state == "serving");
            if output.is_json() {
                return Ok(output.json(&value)?);
            }
            let or_none = |text: Option<&str>| Cell::new(text.unwrap_or_default());
            let role = match (member.owner, member.is_self) {
                (true, true) => "assigns ids, answers",
                (true, false) => "assigns ids",
                (false, true) => "answers",
                (false, false) => "",
            };
            table.add([
                Cell::new(&member.address),
                Cell::state(&member.state),
                Cell::new(&text::age(member.since.0, client.now())),
                or_none(member.version.as_deref()),
                or_none(member.agent_grpc.as_deref()),
                or_none(member.ui.as_deref()),
                Cell::new(role),
            ]);
            Ok(())
        })
        .await?;
    if !output.is_json() && found != Found::Nothing {
        for line in table.lines(output.is_coloured()) {
            output.line(&line)?;
        }
    }
    Ok(found)
}
