//! The call that writes a backup of the stores.

use std::{path::PathBuf, sync::Arc};

use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use rollcall_server::face::{Refusal, reply};
use rollcall_service::backup::{Error, Written};
use serde::Serialize;

use super::{Face, operator::record, parameters::Parameters};

#[derive(Serialize)]
struct Answer {
    name: String,
    path: PathBuf,
    bytes: u64,
    seconds: f64,
}

/// `POST /api/store/backup`: writes a backup, and answers when it is complete.
pub(super) async fn write(State(face): State<Arc<Face>>, uri: Uri) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &["name"])?;
    let backups = face.sources.backups.as_ref().ok_or_else(shared)?;
    let written = backups.write(parameters.get("name")).await;
    let Written {
        name,
        path,
        bytes,
        took,
    } = written.map_err(refusal)?;
    record(&face, "wrote", &format!("the backup {name}"));
    Ok(reply(&Answer {
        name,
        path,
        bytes,
        seconds: (took.as_secs_f64() * 1e3).round() / 1e3,
    }))
}

fn shared() -> Refusal {
    let message = "the store is in etcd, which has backups of its own: etcdctl snapshot save FILE, while the collectors run";
    Refusal::new(StatusCode::CONFLICT, "", message)
}

fn refusal(error: Error) -> Refusal {
    match error {
        Error::Name => Refusal::invalid("name", error),
        Error::Exists => Refusal::new(StatusCode::CONFLICT, "name", error),
        Error::Many { .. } | Error::Running => Refusal::new(StatusCode::CONFLICT, "", error),
        Error::Stopping => Refusal::overloaded(error),
        Error::Failed(_) => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "", error),
    }
}
