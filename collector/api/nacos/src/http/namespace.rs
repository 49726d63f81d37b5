//! Namespaces.

use std::fmt::Write as _;

use ring::rand::{SecureRandom as _, SystemRandom};
use rollcall_catalog::{Conflict, Error, Namespace};
use rollcall_domain::catalog::PUBLIC;
use serde_json::{Value, json};

use super::{
    Face,
    fault::{Fault, Generation},
    reply::{self, Reply},
    request::Request,
    routes::{Route, routes},
};

/// The longest name and description, in bytes.
const MAX_NAME: usize = 256;
const MAX_DESCRIPTION: usize = 1024;

pub(super) fn routes() -> Vec<Route> {
    routes! {
        GET "/v1/console/namespaces" Admin Always get_or_list;
        POST "/v1/console/namespaces" Admin Always create;
        PUT "/v1/console/namespaces" Admin Always update;
        DELETE "/v1/console/namespaces" Admin Always delete;
        GET "/v2/console/namespace/list" Admin Always list;
        GET "/v2/console/namespace" Admin Always get;
        POST "/v2/console/namespace" Admin Always create;
        PUT "/v2/console/namespace" Admin Always update;
        DELETE "/v2/console/namespace" Admin Always delete;
        GET "/v3/admin/core/namespace/list" Admin Always list;
        GET "/v3/admin/core/namespace/check" Admin Always check;
        GET "/v3/admin/core/namespace" Admin Always get;
        POST "/v3/admin/core/namespace" Admin Always create;
        PUT "/v3/admin/core/namespace" Admin Always update;
        DELETE "/v3/admin/core/namespace" Admin Always delete;
        GET "/v3/console/core/namespace/list" Admin Always list;
        GET "/v3/console/core/namespace" Admin Always get;
        POST "/v3/console/core/namespace" Admin Always create;
        PUT "/v3/console/core/namespace" Admin Always update;
        DELETE "/v3/console/core/namespace" Admin Always delete;
    }
    .into()
}

/// A namespace as consoles read it. v1 and v2 show the public one with an empty id.
fn shown(namespace: &Namespace, generation: Generation) -> Value {
    let is_public = namespace.id == PUBLIC;
    let id = if is_public && generation != Generation::V3 {
        ""
    } else {
        &namespace.id
    };
    json!({
        "namespace": id,
        "namespaceShowName": namespace.name,
        "namespaceDesc": namespace.description,
        "quota": 200,
        "configCount": 0,
        "type": match (is_public, generation) {
            (true, _) => 0,
            (false, Generation::V3) => 1,
            (false, _) => 2,
        },
    })
}

async fn get_or_list(face: &Face, request: &Request<'_>) -> Reply {
    if request.params.text("show") == "all" {
        return get(face, request).await;
    }
    list(face, request).await
}

async fn list(face: &Face, request: &Request<'_>) -> Reply {
    let namespaces = face.catalog.namespaces();
    let shown = namespaces.iter().map(|one| {
        let mut shown = shown(one, request.generation);
        // 1.4 lists no descriptions.
        if let (Generation::V1, Some(shown)) = (request.generation, shown.as_object_mut()) {
            shown.remove("namespaceDesc");
        }
        shown
    });
    Ok(reply::result(
        request.generation,
        &shown.collect::<Vec<_>>(),
    ))
}

async fn get(face: &Face, request: &Request<'_>) -> Reply {
    let id = request.params.text("namespaceId");
    let found = face.catalog.namespace(id);
    let found = found.ok_or_else(|| Fault::NoNamespace(id.to_owned()))?;
    Ok(reply::data(
        request.generation,
        &shown(&found, request.generation),
    ))
}

/// The number of namespaces with this id: 0 or 1.
async fn check(face: &Face, request: &Request<'_>) -> Reply {
    let id = request.params.required("namespaceId")?;
    let count = u32::from(face.catalog.namespace(id).is_some());
    Ok(reply::success(&count))
}

/// Creates a namespace. If it fails, v1 answers `false`, and the later generations answer with an error code.
async fn create(face: &Face, request: &Request<'_>) -> Reply {
    let id = match request.generation {
        Generation::V3 => request
            .params
            .get("customNamespaceId")
            .or(request.params.get("namespaceId")),
        Generation::V2 => request.params.get("namespaceId"),
        Generation::V1 => request.params.get("customNamespaceId"),
    };
    let namespace = Namespace {
        id: match id {
            Some(id) => id.to_owned(),
            None => random_id()?,
        },
        name: named(request, "namespaceName")?,
        description: request
            .params
            .short("namespaceDesc", MAX_DESCRIPTION)?
            .to_owned(),
    };
    let id = namespace.id.clone();
    let created = face.catalog.create_namespace(namespace).await;
    outcome(request.generation, created.map(|()| true), &id)
}

async fn update(face: &Face, request: &Request<'_>) -> Reply {
    let is_v1 = request.generation == Generation::V1;
    let (id, name) = if is_v1 {
        (request.params.required("namespace")?, "namespaceShowName")
    } else {
        (request.params.required("namespaceId")?, "namespaceName")
    };
    let namespace = Namespace {
        id: id.to_owned(),
        name: named(request, name)?,
        description: request
            .params
            .short("namespaceDesc", MAX_DESCRIPTION)?
            .to_owned(),
    };
    let updated = face.catalog.update_namespace(namespace).await;
    outcome(request.generation, updated.map(|()| true), id)
}

async fn delete(face: &Face, request: &Request<'_>) -> Reply {
    let id = request.params.required("namespaceId")?;
    let deleted = face.catalog.delete_namespace(id).await;
    outcome(request.generation, deleted.map(|_was_there| true), id)
}

/// The display name of a namespace.
fn named(request: &Request<'_>, parameter: &'static str) -> Result<String, Fault> {
    request.params.required(parameter)?;
    Ok(request.params.short(parameter, MAX_NAME)?.to_owned())
}

fn outcome(generation: Generation, done: Result<bool, Error>, id: &str) -> Reply {
    let fault = match done {
        Ok(done) => return Ok(reply::data(generation, &done)),
        Err(Error::Store(error)) => return Err(Error::Store(error).into()),
        Err(_refused) if generation == Generation::V1 => return Ok(reply::json(&false)),
        Err(Error::Conflict(Conflict::NamespaceExists)) => Fault::NamespaceExists(id.to_owned()),
        Err(Error::NotFound(_)) => Fault::NoNamespace(id.to_owned()),
        Err(Error::Invalid(_)) => Fault::Namespace(id.to_owned()),
        Err(error) => error.into(),
    };
    Err(fault)
}

/// A version 4 UUID.
fn random_id() -> Result<String, Fault> {
    let mut bytes = [0_u8; 16];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_no_entropy| Fault::Unavailable("no random numbers".to_owned()))?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let written = write!(text, "{byte:02x}");
        debug_assert!(written.is_ok(), "writing into memory does not fail");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_without_an_id_gets_a_uuid() {
        let (one, other) = (random_id().unwrap(), random_id().unwrap());
        assert_ne!(one, other);
        let parts: Vec<_> = one.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(&one[14..15], "4");
    }
}
