//! A client of etcd, for the store and the cluster: each call has a deadline, is tried at every endpoint once, and either
//! did what it says or tells why not.
//!
//! It speaks etcd's version 3 gRPC API (<https://etcd.io/docs/v3.5/learning/api/>) and keeps one connection, to the endpoint
//! that answered last. A call whose answer is lost may have been carried out, and may be carried out once more by the next
//! endpoint: callers put what must not happen twice into a transaction that compares first.

mod connection;
mod error;
pub mod proto;
pub mod request;
#[cfg(any(test, feature = "test-util"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod watch;

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::proto::{
    AuthClient, AuthenticateRequest, KvClient, LeaseClient, LeaseGrantRequest,
    LeaseKeepAliveRequest, LeaseRevokeRequest, RangeRequest, RangeResponse, TxnRequest,
    TxnResponse, WatchClient, WatchCreateRequest, WatchRequest, watch_request,
};
use futures_util::{StreamExt as _, stream};
use rollcall_secret::Secret;
use tokio::time::{error::Elapsed, timeout};
use tonic::{
    Code, Request, Response, Status,
    metadata::{MetadataValue, errors::InvalidMetadataValue},
};

use connection::{Connection, Place, Token};
pub use error::{ConfigError, Error};
use error::{NO_SPACE, describe, is_about_token, is_final, is_invalid};
pub use watch::Watch;

/// How etcd is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `host:port`, or with `http://` or `https://` in front. They have to be members of one etcd cluster.
    pub endpoints: Vec<String>,
    /// Put in front of every key, so that several fleets can share an etcd. Empty for none.
    pub namespace: String,
    /// Who to authenticate as; empty for no authentication.
    pub user: String,
    /// The user's password.
    pub password: Secret,
    /// The authority (PEM) that signed the servers' certificates; empty for no TLS.
    pub ca_file: PathBuf,
    /// This client's certificate (PEM), where servers ask for one; otherwise empty.
    pub cert_file: PathBuf,
    /// The certificate's key (PEM).
    pub key_file: PathBuf,
}

/// The files of a configuration that cannot be used, by key, and why. Nothing is connected to.
#[must_use]
pub fn unusable_files(config: &Config) -> Vec<(&'static str, String)> {
    connection::unusable_files(config)
}

/// How long one endpoint may take to answer.
const ANSWER: Duration = Duration::from_secs(1);
/// How long one endpoint may take to answer a call that reads much.
const LONG_ANSWER: Duration = Duration::from_secs(30);

/// A client. Clones share the connection. Has to be made and used within a tokio runtime.
#[derive(Clone, Debug)]
pub struct Client {
    connection: Arc<Connection>,
    prefix: Arc<str>,
}

impl Client {
    /// A client that has not connected yet.
    ///
    /// # Errors
    /// An endpoint that is none, or a file that cannot be read.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let prefix = match config.namespace.trim_matches('/') {
            "" => "/rollcall".into(),
            namespace => format!("/{namespace}/rollcall").into(),
        };
        Ok(Self {
            connection: Arc::new(Connection::new(config)?),
            prefix,
        })
    }

    /// What all keys of this fleet begin with; no slash at the end.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Reads keys. Answers the latest state that any endpoint may have told anybody of.
    ///
    /// # Errors
    /// As all calls, see [`Error`].
    pub async fn range(&self, range: RangeRequest) -> Result<RangeResponse, Error> {
        self.call(LONG_ANSWER, &range, |place, range| async move {
            let mut kv = KvClient::new(place.link).max_decoding_message_size(usize::MAX);
            kv.range(range).await
        })
        .await
    }

    /// Compares, and then does one of two lists of operations, at once.
    ///
    /// # Errors
    /// As all calls, see [`Error`].
    pub async fn transaction(&self, transaction: TxnRequest) -> Result<TxnResponse, Error> {
        self.call(ANSWER, &transaction, |place, transaction| async move {
            let mut kv = KvClient::new(place.link).max_decoding_message_size(usize::MAX);
            kv.txn(transaction).await
        })
        .await
    }

    /// Makes a lease that ends `term` (whole seconds, at least one) after it was last kept alive; its id.
    ///
    /// # Errors
    /// As all calls, see [`Error`].
    pub async fn grant(&self, term: Duration) -> Result<i64, Error> {
        let grant = LeaseGrantRequest {
            ttl: i64::try_from(term.as_secs()).unwrap_or(i64::MAX).max(1),
            id: 0,
        };
        let granted = self
            .call(ANSWER, &grant, |place, grant| async move {
                LeaseClient::new(place.link).lease_grant(grant).await
            })
            .await?;
        Ok(granted.id)
    }

    /// Puts the end of a lease off by its whole term; `false` if it has ended.
    ///
    /// # Errors
    /// As all calls, see [`Error`].
    pub async fn keep_alive(&self, lease: i64) -> Result<bool, Error> {
        let ping = LeaseKeepAliveRequest { id: lease };
        let pong = self
            .call(ANSWER, &ping, |place, ping| async move {
                let pings = ping.map(|ping| stream::iter([ping]));
                let mut pongs = LeaseClient::new(place.link).lease_keep_alive(pings).await?;
                let pong = pongs.get_mut().message().await?;
                let pong = pong.ok_or_else(ended)?;
                Ok(Response::new(pong))
            })
            .await?;
        Ok(pong.ttl > 0)
    }

    /// Ends a lease, and deletes its keys. Nothing happens if it has ended.
    ///
    /// # Errors
    /// As all calls, see [`Error`].
    pub async fn revoke(&self, lease: i64) -> Result<(), Error> {
        let revoke = LeaseRevokeRequest { id: lease };
        self.call(ANSWER, &revoke, |place, revoke| async move {
            match LeaseClient::new(place.link).lease_revoke(revoke).await {
                Err(status) if status.code() == Code::NotFound => Ok(Response::new(())),
                revoked => revoked.map(|_| Response::new(())),
            }
        })
        .await
    }

    /// Follows changes: those that happen once this has returned, unless an earlier revision is asked for. The endpoint that
    /// tells of them is given up as soon as it has no leader.
    ///
    /// # Errors
    /// As all calls, see [`Error`].
    pub async fn watch(&self, watch: WatchCreateRequest) -> Result<Watch, Error> {
        let create = WatchRequest {
            request_union: Some(watch_request::RequestUnion::CreateRequest(watch)),
        };
        let watching = |place: Place, create: Request<WatchRequest>| async move {
            // The stream of requests stays open: etcd ends the watch with it.
            let create = create.map(|create| stream::iter([create]).chain(stream::pending()));
            let mut client =
                WatchClient::new(place.link.clone()).max_decoding_message_size(usize::MAX);
            let mut responses = client.watch(create).await?;
            let created = responses.get_mut().message().await?.ok_or_else(ended)?;
            if created.canceled {
                // Before 3.4.22 and 3.5.6 etcd says of a bad token, too, that the permission is denied.
                return Err(Status::unauthenticated(created.cancel_reason));
            }
            Ok(responses.map(|responses| (responses, place)))
        };
        let (responses, place) = self.call(ANSWER, &create, watching).await?;
        Ok(Watch::new(responses, Arc::clone(&self.connection), place))
    }

    /// Asks every endpoint once, beginning with the one that answered last, until one does what it is asked.
    async fn call<Q, R, F>(
        &self,
        deadline: Duration,
        question: &Q,
        ask: impl Fn(Place, Request<Q>) -> F,
    ) -> Result<R, Error>
    where
        Q: Clone,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let mut left = self.connection.endpoints();
        let mut may_authenticate = true;
        loop {
            let Some(place) = self.connection.current() else {
                return Err(Error::unavailable(
                    "".into(),
                    &Status::unavailable("no endpoints"),
                ));
            };
            let asked = async {
                let request = self.request(&place, question.clone()).await?;
                ask(place.clone(), request).await
            };
            let answer = timeout(deadline, asked)
                .await
                .unwrap_or_else(|Elapsed { .. }| {
                    Err(Status::deadline_exceeded("no answer in time"))
                });
            let status = match answer {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => status,
            };
            if is_about_token(&status) && may_authenticate {
                may_authenticate = false;
                self.connection.remember(None);
                continue;
            }
            let endpoint = Arc::clone(&place.endpoint);
            let reason = describe(&status);
            if is_invalid(&status) {
                return Err(Error::Invalid { endpoint, reason });
            }
            if is_final(status.code()) {
                return Err(Error::Refused { endpoint, reason });
            }
            if reason.contains(NO_SPACE) {
                // The alarm is that of the whole cluster: another endpoint would answer the same.
                return Err(Error::NoSpace { endpoint, reason });
            }
            self.connection.leave(&place);
            left = left.saturating_sub(1);
            if left == 0 {
                return Err(Error::unavailable(endpoint, &status));
            }
        }
    }

    /// A question with what every one carries: that only a server with a leader is to answer, and who asks.
    async fn request<Q>(&self, place: &Place, question: Q) -> Result<Request<Q>, Status> {
        let mut request = Request::new(question);
        let metadata = request.metadata_mut();
        metadata.insert("hasleader", MetadataValue::from_static("true"));
        let Some((name, password)) = self.connection.credentials() else {
            return Ok(request);
        };
        let token = match &place.token {
            Some(token) => token.clone(),
            None => {
                let who = AuthenticateRequest {
                    name: name.to_owned(),
                    password: password.to_owned(),
                };
                let answer = AuthClient::new(place.link.clone())
                    .authenticate(who)
                    .await?;
                let token: Token = answer.into_inner().token.parse().map_err(
                    |InvalidMetadataValue { .. }| Status::internal("the token is not ASCII"),
                )?;
                self.connection.remember(Some(token.clone()));
                token
            }
        };
        metadata.insert("token", token);
        Ok(request)
    }
}

fn ended() -> Status {
    Status::unavailable("the stream ended")
}
