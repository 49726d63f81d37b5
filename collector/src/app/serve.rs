//! Composes the service of each listener from its faces.

use axum::Router;
use rollcall_runtime::TaskSet;
use rollcall_server::face::{Credentials, Dispatch, Gate, Names, Token, json};
use rollcall_service::Services;
use rollcall_skywalking::{
    grpc,
    http::{self, FastPath},
};

use super::{
    edge::Edge,
    listeners::{Faces, names},
    nacos::Running,
};
use crate::config::Config;

/// Composes the services of the listeners.
pub(super) struct Builder<'a> {
    pub(super) config: &'a Config,
    pub(super) services: &'a Services,
    pub(super) edge: &'a Edge,
    pub(super) nacos: Option<&'a Running>,
    pub(super) console: &'a rollcall_admin::Sources,
    /// The listeners, and the calls that outlive their connection.
    pub(super) serving: &'a TaskSet,
}

impl Builder<'_> {
    /// The service of a listener with these faces.
    pub(super) fn service(&self, faces: Faces) -> Gate<FastPath<Dispatch>> {
        let Self {
            config,
            services,
            nacos,
            serving,
            ..
        } = self;
        let stop = serving.token();
        let limits = json::Limits {
            max_body_size: config.agent_jetty.max_body_size,
            ..json::Limits::default()
        };
        let names = names(config);
        let (mut http, mut grpc) = (Router::new(), Router::new());
        if faces.naming {
            http = http.merge(http::naming(services, &config.naming.context_path));
        }
        if faces.agent_jetty {
            let context_path = &config.agent_jetty.context_path;
            let token = Token::new(config.agent_jetty.authentication.expose());
            let registration = http::registration(services, &limits, context_path, token);
            http = http.merge(registration);
        }
        if faces.ui {
            http = http.merge(self.admin(names.clone()));
        }
        let token = Token::new(config.agent_grpc.authentication.expose());
        if faces.remote {
            grpc = grpc.merge(grpc::remote(services, token.clone(), stop.clone()));
        }
        if faces.agent_grpc {
            let max_message_size = config.agent_grpc.max_message_size;
            let agents = grpc::Config {
                max_message_size,
                max_health_watchers: config.agent_grpc.max_health_watchers,
                token,
            };
            grpc = grpc.merge(grpc::router(services, agents, stop.clone()));
        }
        let naming = faces.naming.then_some(&*config.naming.context_path);
        let dispatch = match nacos {
            Some(nacos) if faces.nacos => Dispatch::with_own_fallback(grpc, nacos.http.clone()),
            Some(nacos) if faces.nacos_grpc => Dispatch::new(nacos.grpc.clone(), http),
            _ => Dispatch::new(grpc, http),
        };
        Gate::new(
            &services.metrics,
            names,
            FastPath::new(services, naming, dispatch),
        )
    }

    /// The admin face, both at the root, for probes that do not know the context path, and below the context path, for users.
    fn admin(&self, names: Names) -> Router {
        let connection_limits = rollcall_admin::ConnectionLimits {
            room: self.edge.room.clone(),
            per_listener: self.edge.max_connections(),
        };
        let pages = rollcall_admin::Pages {
            answers: self.edge.answers().clone(),
            max_bytes: self.config.ui.max_page_size,
        };
        let ui = &self.config.ui;
        let limits = rollcall_admin::Limits {
            max_event_subscribers: ui.max_event_subscribers,
            ..rollcall_admin::Limits::default()
        };
        let (token, user, password) = (ui.token.expose(), &ui.user, ui.password.expose());
        let access = (names, Credentials::new(token, user, password));
        let admin = rollcall_admin::router(
            self.services,
            &limits,
            access,
            connection_limits,
            pages,
            self.console.clone(),
            self.serving,
        );
        match &*self.config.ui.context_path {
            "/" => admin,
            path => Router::new().nest(path, admin.clone()).merge(admin),
        }
    }
}
