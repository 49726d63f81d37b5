//! The naming requests. Each handler reads and checks a request, calls one use case of the catalog, and answers.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use rollcall_catalog::{Error, Interest, Invalid};
use rollcall_domain::catalog::{Clusters, Kind, Publisher, Selection, ServiceKey, Subscriber};
use rollcall_limits::{Charge, Peer, Work, work};
use tokio::time::sleep;

use super::{
    answer::{self, Refusal, code},
    check,
    connection::{Connection, Session},
    envelope::Envelope,
    face::Face,
    frame::Frame,
    kind::Naming,
    request::NamingRequest,
};

mod refusals;
mod rights;
mod watch;

use rights::{key_of, listed_group};

/// How long a read waits for the catalog to know all instances. Clients wait for 3 s.
const LOADING: Duration = Duration::from_secs(2);

const REGISTER: &str = "registerInstance";
const DEREGISTER: &str = "deregisterInstance";
const BATCH: &str = "batchRegisterInstance";

/// The most services in one page of a list.
const MAX_PAGE: usize = 10_000;

/// A request that was read and authorized.
struct Call<'a> {
    connection: &'a Arc<Connection>,
    session: &'a Session,
    request: NamingRequest<'a>,
}

impl Face {
    /// Answers a naming request.
    pub(super) async fn answer_naming(
        &self,
        connection: &Arc<Connection>,
        naming: Naming,
        envelope: &Envelope,
    ) -> Result<Frame, Refusal> {
        let session = connection.session();
        let session = session
            .ok_or_else(|| Refusal::general(code::UNREGISTERED, "Connection is unregistered."))?;
        let peer = Peer::new(connection.transport().remote.ip());
        let (_charge, request) = self.read(peer, naming, &envelope.body).await?;
        let has_service = !matches!(naming, Naming::ServiceList | Naming::FuzzyWatch);
        check::names(&request, has_service)?;
        self.allow(connection, naming, &request, envelope).await?;
        let call = Call {
            connection,
            session,
            request,
        };
        match naming {
            Naming::Instance => self.instance(&call),
            Naming::BatchInstance => self.batch(&call),
            Naming::PersistentInstance => self.persistent(&call).await,
            Naming::ServiceQuery => {
                self.loaded().await;
                self.query(&call)
            }
            Naming::ServiceList => {
                self.loaded().await;
                self.list(&call).await
            }
            Naming::Subscribe => {
                self.loaded().await;
                self.subscribe(&call)
            }
            Naming::FuzzyWatch => {
                self.loaded().await;
                self.fuzzy_watch(&call).await
            }
        }
    }

    /// Reads a body and charges its memory to the budget. A large body is read on a thread for large messages. The body is charged
    /// nothing while it waits for that thread, its largest possible cost while it is read, and afterwards only the cost of its
    /// items. So clients that reconnect at once with large batches wait for each other instead of being refused.
    async fn read<'a>(
        &self,
        peer: Peer,
        naming: Naming,
        body: &'a Bytes,
    ) -> Result<(Charge, NamingRequest<'a>), Refusal> {
        let work = self.work.for_peer(Some(peer));
        let unreadable = || {
            Refusal::general(
                code::UNREADABLE,
                "errCode: 101, errMsg: Nacos deserialize failed.  ",
            )
        };
        let cost = NamingRequest::cost(body.len(), naming.has_lists());
        if Work::is_small(body.len()) {
            let charge = work.charge_bytes(cost).map_err(over)?;
            let request = NamingRequest::read(body).ok_or_else(unreadable)?;
            return Ok((charge, request));
        }
        let large = body.clone();
        let read = move || {
            let mut charge = work.charge_bytes(cost)?;
            let request = NamingRequest::read(&large).map(NamingRequest::into_owned);
            let held = request.as_ref().map_or(0, |read| read.held(large.len()));
            charge.shrink(charge.bytes().saturating_sub(held));
            Ok((charge, request))
        };
        let read = self.work.run(body.len(), read).await;
        let (charge, request) = read.and_then(|read| read).map_err(over)?;
        Ok((charge, request.ok_or_else(unreadable)?))
    }

    /// Waits until the catalog knows all instances, for a limited time.
    async fn loaded(&self) {
        let rest = self.catalog.complete_in();
        if !rest.is_zero() {
            sleep(rest.min(LOADING)).await;
        }
    }

    /// `InstanceRequest`: registers or removes the connection's only ephemeral instance in a service.
    fn instance(&self, call: &Call<'_>) -> Result<Frame, Refusal> {
        let key = call.key()?;
        match &*call.request.r#type {
            REGISTER => {
                let instance = call.instance(Kind::Ephemeral)?;
                let publisher = Publisher::Connection(call.session.id);
                self.catalog
                    .register_ephemeral(&publisher, &key, instance)
                    .map_err(|error| refusals::general(&error))?;
            }
            DEREGISTER => {
                self.catalog.withdraw(call.session.id, &key);
            }
            other => return Err(unsupported(other)),
        }
        Ok(answer::done(Naming::Instance, &call.request.r#type))
    }

    /// `BatchInstanceRequest`: replaces all ephemeral instances that the connection has in a service.
    fn batch(&self, call: &Call<'_>) -> Result<Frame, Refusal> {
        let key = call.key()?;
        if &*call.request.r#type != BATCH {
            return Err(unsupported(&call.request.r#type));
        }
        let list = &call.request.instances;
        if list.is_cut {
            let most = super::request::MAX_INSTANCES;
            let text =
                format!("a batch has at most {most} instances: send them on several connections");
            return Err(Refusal::new(code::OVER_LIMIT, text));
        }
        let read = |instance| check::instance(instance, Kind::Ephemeral, call.app());
        let instances = list.items.iter().map(read).collect::<Result<_, _>>()?;
        self.catalog
            .batch_register(call.session.id, &key, instances)
            .map_err(|error| refusals::general(&error))?;
        Ok(answer::done(Naming::BatchInstance, BATCH))
    }

    /// `PersistentInstanceRequest`: an instance that stays until it is deregistered.
    async fn persistent(&self, call: &Call<'_>) -> Result<Frame, Refusal> {
        let key = call.key()?;
        let instance = call.instance(Kind::Persistent)?;
        match &*call.request.r#type {
            REGISTER => {
                let publisher = instance.endpoint.publisher();
                let opened = self.catalog.connection(call.session.id);
                let ended = || refusals::general(&Error::Invalid(Invalid::Connection));
                let catalog = self.catalog.for_peer(opened.ok_or_else(ended)?.peer());
                let registered = catalog.register(&publisher, &key, instance).await;
                registered.map_err(|error| refusals::general(&error))?;
            }
            DEREGISTER => {
                let endpoint = &instance.endpoint;
                let removed = self.catalog.deregister(&key, endpoint, Kind::Persistent);
                removed.await.map_err(|error| refusals::general(&error))?;
            }
            other => return Err(unsupported(other)),
        }
        Ok(answer::done(
            Naming::PersistentInstance,
            &call.request.r#type,
        ))
    }

    /// `ServiceQueryRequest`: the current instances of a service.
    fn query(&self, call: &Call<'_>) -> Result<Frame, Refusal> {
        let key = call.key()?;
        let selection = Selection {
            clusters: Clusters::new(&call.request.cluster),
            healthy_only: call.request.is_healthy_only(),
            ..Selection::default()
        };
        let (body, stamp) = self
            .body(&key, &selection)
            .map_err(|error| refusals::general(&error))?;
        Ok(answer::service(Naming::ServiceQuery, stamp, body.tail))
    }

    /// `ServiceListRequest`: the names of the services of a group.
    async fn list(&self, call: &Call<'_>) -> Result<Frame, Refusal> {
        let request = &call.request;
        let number = |value: Option<i64>, default| {
            let value = value.and_then(|value| usize::try_from(value).ok());
            value.filter(|value| *value > 0).unwrap_or(default)
        };
        let size = number(request.page_size.0, 10).min(MAX_PAGE);
        let offset = (number(request.page_no.0, 1) - 1).saturating_mul(size);
        let group = listed_group(request);
        let page = self
            .catalog
            .services(&request.namespace, group, offset, size)
            .await
            .map_err(|error| refusals::general(&error))?;
        Ok(answer::list(
            page.total,
            page.items.iter().map(ServiceKey::name),
        ))
    }

    /// `SubscribeServiceRequest`: the instances of a service, now and after each change.
    fn subscribe(&self, call: &Call<'_>) -> Result<Frame, Refusal> {
        let key = call.key()?;
        let clusters = Clusters::new(&call.request.clusters);
        let selection = Selection {
            clusters: clusters.clone(),
            ..Selection::default()
        };
        let subscriber = Subscriber::Connection(call.session.id);
        let refused = |error: Error| refusals::general(&error);
        if call.request.subscribe.0 != Some(true) {
            if self.catalog.unsubscribe(&key, &subscriber, &clusters) {
                call.connection.unsubscribed(&key);
            }
            let (body, stamp) = self.body(&key, &selection).map_err(refused)?;
            return Ok(answer::service(Naming::Subscribe, stamp, body.tail));
        }
        let most = self.config.max_subscriptions;
        if !call.connection.subscribed(&key, most) {
            let text = format!(
                "the connection already has {most} subscriptions, the limit nacos.default.max_subscriptions_per_connection: end one first"
            );
            return Err(Refusal::new(code::OVER_LIMIT, text));
        }
        let interest = Interest {
            service: &key,
            subscriber,
            clusters,
            agent: &call.session.client.version,
            app: &call.session.client.app,
        };
        let subscribed = self.catalog.subscribe(interest, &call.session.outbox);
        let subscription = subscribed.map_err(|error| {
            call.connection.unsubscribed(&key);
            refused(error)
        })?;
        // The state is read after the subscription is added, so that no change is missed. While the catalog is loading, the client
        // is refused, and gets the state by a later push.
        let (body, stamp) = self.body(&key, &selection).map_err(|error| {
            call.connection.postpone(Arc::clone(&subscription));
            refusals::general(&error)
        })?;
        // After a reconnect Java's client subscribes again and ignores the answer, so the state must also be pushed.
        subscription.mark();
        Ok(answer::service(Naming::Subscribe, stamp, body.tail))
    }
}

impl Call<'_> {
    fn key(&self) -> Result<ServiceKey, Refusal> {
        key_of(&self.request)
    }

    fn instance(&self, kind: Kind) -> Result<rollcall_domain::catalog::Registration, Refusal> {
        let instance = self.request.instance.as_ref();
        let instance =
            instance.ok_or_else(|| Refusal::new(code::INVALID, "Instance can not be null."))?;
        check::instance(instance, kind, self.app())
    }

    fn app(&self) -> Option<&str> {
        Some(&self.session.client.app)
    }
}

fn over(error: work::Error) -> Refusal {
    Refusal::new(code::OVER_LIMIT, error.to_string())
}

fn unsupported(kind: &str) -> Refusal {
    let text = format!("Unsupported request type {}", cut(kind));
    Refusal::new(code::INVALID, text)
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}
