//! The names of services and instances in requests.

use rollcall_catalog::{Endpoint, ServiceKey};
use rollcall_server::face::Refusal;

use super::refusal;
use crate::parameters::Parameters;

/// The parameters that name a service.
pub(super) const PARAMETERS: [&str; 3] = ["namespace", "group", "service"];
/// The parameters that name an instance.
pub(super) const OF_INSTANCE: [&str; 6] =
    ["namespace", "group", "service", "ip", "port", "cluster"];

/// The service that the parameters name. A missing namespace or group stands for the default one.
pub(crate) fn key(parameters: &Parameters) -> Result<ServiceKey, Refusal> {
    let get = |name| parameters.get(name).unwrap_or_default();
    let key = ServiceKey::new(get("namespace"), get("group"), get("service"));
    key.map_err(|invalid| refusal::of(invalid.into()))
}

/// The endpoint that the parameters name. A missing cluster stands for the default one.
pub(crate) fn endpoint(parameters: &Parameters) -> Result<Endpoint, Refusal> {
    let get = |name| parameters.get(name).unwrap_or_default();
    let endpoint = Endpoint::new(get("ip"), port(get("port"))?, get("cluster"));
    endpoint.map_err(|invalid| refusal::of(invalid.into()))
}

/// A port in a request.
pub(crate) fn port(text: &str) -> Result<u16, Refusal> {
    let port = text.parse();
    port.map_err(|_no_port| Refusal::invalid("port", "must be a number from 0 to 65535"))
}

/// The parameter `ephemeral`.
pub(super) fn ephemeral(parameters: &Parameters) -> Result<Option<bool>, Refusal> {
    match parameters.get("ephemeral") {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(Refusal::invalid("ephemeral", "must be true or false")),
    }
}

/// The cursor of a service in the list of services. Spaces separate its parts, which contain none.
pub(super) fn text(key: &ServiceKey) -> String {
    format!("{} {} {}", key.namespace(), key.group(), key.name())
}

/// The service of a cursor.
pub(super) fn cursor(text: &str) -> Option<ServiceKey> {
    let mut parts = text.splitn(3, ' ');
    let (namespace, group, name) = (parts.next()?, parts.next()?, parts.next()?);
    ServiceKey::new(namespace, group, name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_a_service() {
        let key = ServiceKey::new("team", "G@1", "orders@@v2").unwrap();
        assert_eq!(cursor(&text(&key)), Some(key));
        for text in ["", "a", "a b", "a b ", "a b c d"] {
            assert_eq!(cursor(text), None, "{text:?}");
        }
    }
}
