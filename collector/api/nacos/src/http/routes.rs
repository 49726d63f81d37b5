//! The table of calls: path, handler, and the right that each needs.

use std::{collections::HashMap, fmt, future::Future, pin::Pin};

use axum::http::Method;
use rollcall_metrics::Durations;

use super::{
    Face,
    fault::{Fault, Generation},
    metrics::Metrics,
    reply::Reply,
    request::{Request, Touches},
};
use crate::auth::Action;

/// The future that a handler returns.
pub(super) type Answering<'a> = Pin<Box<dyn Future<Output = Reply> + Send + 'a>>;

/// One call: a function of the face and the request.
pub(super) type Handler = for<'a> fn(&'a Face, &'a Request<'a>) -> Answering<'a>;

/// Who may make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Every caller: signing in, and probes.
    Open,
    /// Callers that have this right to everything the call touches.
    Right(Action, Touches),
    /// Callers with all rights.
    Admin,
}

/// Whether a call is answered before the collector knows all instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum While {
    /// Answered only once all instances are known. The call reads instances, so an early answer could be a wrongly empty list.
    Complete,
    /// Always answered. The call changes something, or reads no instances.
    Always,
}

#[derive(Clone, Copy)]
pub(super) struct Route {
    pub(super) method: &'static str,
    /// The method and the path, as the metrics name the call.
    pub(super) name: &'static str,
    pub(super) path: &'static str,
    pub(super) access: Access,
    pub(super) answered: While,
    pub(super) handler: Handler,
}

/// A table of calls by path. A trailing slash is ignored.
#[derive(Debug)]
pub(super) struct Routes(HashMap<&'static str, Vec<Known>>);

/// A call of the table, and the histograms of the time that it takes.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) route: Route,
    pub(super) durations: Durations,
    /// Whether operators make this call: the log names its caller.
    pub(super) is_operation: bool,
}

impl Route {
    /// Whether operators make the call, and it changes something.
    pub(super) fn is_operation(&self) -> bool {
        let changes = matches!(self.method, "POST" | "PUT" | "PATCH" | "DELETE");
        let of_client = self.path.ends_with("/instance/beat")
            || self.path.ends_with("/instance") && matches!(self.method, "POST" | "DELETE");
        let is_write = match self.access {
            Access::Admin => true,
            Access::Right(action, _) => action == Action::Write,
            Access::Open => false,
        };
        changes && is_write && !of_client
    }
}

impl Routes {
    pub(super) fn new(routes: impl IntoIterator<Item = Route>, metrics: &Metrics) -> Self {
        let mut table: HashMap<_, Vec<_>> = HashMap::new();
        for route in routes {
            let durations = metrics.durations(route.name);
            let known = Known {
                is_operation: route.is_operation(),
                route,
                durations,
            };
            table.entry(known.route.path).or_default().push(known);
        }
        Self(table)
    }

    /// The call with this method and path, and the rest of its path.
    pub(super) fn find<'a>(
        &self,
        method: &Method,
        path: &'a str,
    ) -> Result<(&Known, &'a str), Fault> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let (routes, rest) = match self.0.get(path) {
            Some(routes) => (routes, ""),
            None if is_configuration(path) => return Err(Fault::Configuration),
            None => self.find_parent(path).ok_or(Fault::Unknown)?,
        };
        let is_this = |known: &&Known| {
            let route = &known.route;
            route.method == method.as_str() || route.method == ANY
        };
        let known = routes.iter().find(is_this);
        let known = known.ok_or_else(|| Fault::Method(allowed(routes)))?;
        Ok((known, rest))
    }

    /// Finds a route that ends with a parameter. The table has it with `/*` in place of the parameter.
    fn find_parent<'a>(&self, path: &'a str) -> Option<(&Vec<Known>, &'a str)> {
        let (parent, rest) = path.rsplit_once('/')?;
        let parent = PARENTS
            .iter()
            .find(|known| known.strip_suffix("/*") == Some(parent))?;
        Some((self.0.get(parent)?, rest))
    }
}

/// The methods of a path, as the header `Allow` lists them.
fn allowed(routes: &[Known]) -> String {
    let methods: Vec<&str> = routes.iter().map(|known| known.route.method).collect();
    methods.join(", ")
}

/// Routes that end with a parameter.
const PARENTS: [&str; 1] = ["/v2/ns/instance/statuses/*"];
/// Stands for every method that has no route of its own on the path.
const ANY: &str = "*";

/// Whether a path belongs to the configuration centre.
fn is_configuration(path: &str) -> bool {
    [
        "/v1/cs/",
        "/v2/cs/",
        "/v3/client/cs/",
        "/v3/admin/cs/",
        "/v3/console/cs/",
    ]
    .iter()
    .any(|prefix| path.starts_with(prefix))
}

/// The generation of a path.
pub(super) fn generation(path: &str) -> Generation {
    if path.starts_with("/v3/") {
        Generation::V3
    } else if path.starts_with("/v2/") {
        Generation::V2
    } else {
        Generation::V1
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({:?})", self.method, self.path, self.access)
    }
}

/// Lines of a table: `GET "/path" Access While handler`.
macro_rules! routes {
    ($($method:ident $path:literal $access:ident $answered:ident $handler:path;)*) => {
        [$(crate::http::routes::Route {
            method: crate::http::routes::method::$method,
            name: concat!(stringify!($method), " ", $path),
            path: $path,
            access: crate::http::routes::access::$access,
            answered: crate::http::routes::While::$answered,
            handler: |face, request| Box::pin($handler(face, request)),
        }),*]
    };
}
pub(super) use routes;

/// The words of the first column of [`routes!`].
pub(super) mod method {
    pub(in crate::http) const GET: &str = "GET";
    pub(in crate::http) const POST: &str = "POST";
    pub(in crate::http) const PUT: &str = "PUT";
    pub(in crate::http) const PATCH: &str = "PATCH";
    pub(in crate::http) const DELETE: &str = "DELETE";
    pub(in crate::http) const ANY: &str = super::ANY;
}

/// The words of the third column of [`routes!`].
#[allow(
    non_upper_case_globals,
    reason = "they read as the variants they stand for"
)]
pub(super) mod access {
    use super::{Access, Action, Touches};
    pub(in crate::http) const Open: Access = Access::Open;
    pub(in crate::http) const Read: Access = Access::Right(Action::Read, Touches::Service);
    pub(in crate::http) const ReadKeyed: Access =
        Access::Right(Action::Read, Touches::KeyedService);
    pub(in crate::http) const ReadGroup: Access = Access::Right(Action::Read, Touches::Group);
    pub(in crate::http) const ReadNamespace: Access =
        Access::Right(Action::Read, Touches::Namespace);
    pub(in crate::http) const ReadNamespaces: Access =
        Access::Right(Action::Read, Touches::Namespaces);
    pub(in crate::http) const Write: Access = Access::Right(Action::Write, Touches::Service);
    pub(in crate::http) const Admin: Access = Access::Admin;
}
