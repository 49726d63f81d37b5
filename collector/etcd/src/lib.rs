//! A client of etcd, for the store and the cluster. Each call has a deadline, is tried once at every endpoint, and either succeeds
//! or returns the reason for its failure.
//!
//! It uses etcd's version 3 gRPC API (<https://etcd.io/docs/v3.5/learning/api/>) over one connection, to the endpoint that answered
//! last. If the answer to a call is lost, etcd may have executed the call, and the next endpoint may execute it again. So callers
//! put an operation that must not happen twice into a transaction with a comparison.

#![warn(missing_docs)]

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

use connection::{Connection, Target, Token};
pub use error::{ConfigError, Error};
use error::{NO_SPACE, describe, is_about_token, is_final, is_invalid};
pub use watch::Watch;

/// The endpoints of etcd, and how to authenticate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `host:port`, optionally prefixed with `http://` or `https://`. All must be members of one etcd cluster.
    pub endpoints: Vec<String>,
    /// The prefix of every key, so that several fleets can share an etcd. Empty for none.
    pub namespace: String,
    /// The user name; empty for no authentication.
    pub user: String,
    /// The user's password.
    pub password: Secret,
    /// The authority (PEM) that signed the servers' certificates; empty for no TLS.
    pub ca_file: PathBuf,
    /// This client's certificate (PEM), if servers require one; otherwise empty.
    pub cert_file: PathBuf,
    /// The certificate's key (PEM).
    pub key_file: PathBuf,
}

/// The unusable files of a configuration, by key, with the reason. Opens no connection.
#[must_use]
pub fn unusable_files(config: &Config) -> Vec<(&'static str, String)> {
    connection::unusable_files(config)
}

/// The time within which an endpoint must answer.
const ANSWER: Duration = Duration::from_secs(1);
/// The time within which an endpoint must answer a call that may read many keys.
const LONG_ANSWER: Duration = Duration::from_secs(30);

/// A client. Clones share the connection. Must be created and used within a tokio runtime.
#[derive(Clone, Debug)]
pub struct Client {
    connection: Arc<Connection>,
    prefix: Arc<str>,
}

impl Client {
    /// Creates a client. It connects with the first call.
    ///
    /// # Errors
    /// An invalid endpoint, or a file that cannot be read.
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

    /// The prefix of all keys of this fleet, without a final slash.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Reads keys. The read is linearizable: it returns the latest committed state.
    ///
    /// # Errors
    /// As all calls, see [`Error`].
    pub async fn range(&self, range: RangeRequest) -> Result<RangeResponse, Error> {
        self.call(LONG_ANSWER, &range, |target, range| async move {
            let mut kv = KvClient::new(target.link).max_decoding_message_size(usize::MAX);
            kv.range(range).await
        })
        .await
    }

    /// Compares keys, then executes one of two lists of operations, atomically.
    ///
    /// # Errors
    /// As all calls, see [`Error`].
    pub async fn transaction(&self, transaction: TxnRequest) -> Result<TxnResponse, Error> {
        self.call(ANSWER, &transaction, |target, transaction| async move {
            let mut kv = KvClient::new(target.link).max_decoding_message_size(usize::MAX);
            kv.txn(transaction).await
        })
        .await
    }

    /// Grants a lease that expires `term` (whole seconds, at least one) after its last renewal. Returns its id.
    ///
    /// # Errors
    /// As all calls, see [`Error`].
    pub async fn grant(&self, term: Duration) -> Result<i64, Error> {
        let grant = LeaseGrantRequest {
            ttl: i64::try_from(term.as_secs()).unwrap_or(i64::MAX).max(1),
            id: 0,
        };
        let granted = self
            .call(ANSWER, &grant, |target, grant| async move {
                LeaseClient::new(target.link).lease_grant(grant).await
            })
            .await?;
        Ok(granted.id)
    }

    /// Renews a lease for its whole term. Returns `false` if it has expired.
    ///
    /// # Errors
    /// As all calls, see [`Error`].
    pub async fn keep_alive(&self, lease: i64) -> Result<bool, Error> {
        let ping = LeaseKeepAliveRequest { id: lease };
        let pong = self
            .call(ANSWER, &ping, |target, ping| async move {
                let pings = ping.map(|ping| stream::iter([ping]));
                let mut pongs = LeaseClient::new(target.link)
                    .lease_keep_alive(pings)
                    .await?;
                let pong = pongs.get_mut().message().await?;
                let pong = pong.ok_or_else(ended)?;
                Ok(Response::new(pong))
            })
            .await?;
        Ok(pong.ttl > 0)
    }

    /// Revokes a lease and deletes its keys. Does nothing if it has ended.
    ///
    /// # Errors
    /// As all calls, see [`Error`].
    pub async fn revoke(&self, lease: i64) -> Result<(), Error> {
        let revoke = LeaseRevokeRequest { id: lease };
        self.call(ANSWER, &revoke, |target, revoke| async move {
            match LeaseClient::new(target.link).lease_revoke(revoke).await {
                Err(status) if status.code() == Code::NotFound => Ok(Response::new(())),
                revoked => revoked.map(|_| Response::new(())),
            }
        })
        .await
    }

    /// Watches changes after this call, or from an earlier revision if the request names one. The watch leaves an endpoint as soon
    /// as the endpoint has no leader.
    ///
    /// # Errors
    /// As all calls, see [`Error`].
    pub async fn watch(&self, watch: WatchCreateRequest) -> Result<Watch, Error> {
        let create = WatchRequest {
            request_union: Some(watch_request::RequestUnion::CreateRequest(watch)),
        };
        let watching = |target: Target, create: Request<WatchRequest>| async move {
            // The request stream must stay open, because etcd ends the watch when it closes.
            let create = create.map(|create| stream::iter([create]).chain(stream::pending()));
            let mut client =
                WatchClient::new(target.link.clone()).max_decoding_message_size(usize::MAX);
            let mut responses = client.watch(create).await?;
            let created = responses.get_mut().message().await?.ok_or_else(ended)?;
            if created.canceled {
                // etcd before 3.4.22 and 3.5.6 also reports an invalid token as a denied permission.
                return Err(Status::unauthenticated(created.cancel_reason));
            }
            Ok(responses.map(|responses| (responses, target)))
        };
        let (responses, target) = self.call(ANSWER, &create, watching).await?;
        Ok(Watch::new(responses, Arc::clone(&self.connection), target))
    }

    /// Calls the endpoints in turn, beginning with the one that answered last, until one succeeds. If a token is rejected, the same
    /// endpoint is called once more with a new token.
    async fn call<Q, R, F>(
        &self,
        deadline: Duration,
        body: &Q,
        send: impl Fn(Target, Request<Q>) -> F,
    ) -> Result<R, Error>
    where
        Q: Clone,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let mut untried = self.connection.endpoints();
        let mut may_authenticate = true;
        loop {
            let Some(target) = self.connection.current() else {
                return Err(Error::unavailable(
                    "".into(),
                    &Status::unavailable("no endpoints"),
                ));
            };
            let attempt = async {
                let request = self.request(&target, body.clone()).await?;
                send(target.clone(), request).await
            };
            let answer = timeout(deadline, attempt)
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
            let endpoint = Arc::clone(&target.endpoint);
            let reason = describe(&status);
            if is_invalid(&status) {
                return Err(Error::Invalid { endpoint, reason });
            }
            if is_final(status.code()) {
                return Err(Error::Refused { endpoint, reason });
            }
            if reason.contains(NO_SPACE) {
                // The alarm covers the whole cluster: another endpoint would return the same.
                return Err(Error::NoSpace { endpoint, reason });
            }
            self.connection.leave(&target);
            untried = untried.saturating_sub(1);
            if untried == 0 {
                return Err(Error::unavailable(endpoint, &status));
            }
        }
    }

    /// A request with the metadata of every call: it requires a server with a leader, and carries the token.
    async fn request<Q>(&self, target: &Target, body: Q) -> Result<Request<Q>, Status> {
        let mut request = Request::new(body);
        let metadata = request.metadata_mut();
        metadata.insert("hasleader", MetadataValue::from_static("true"));
        let Some((name, password)) = self.connection.credentials() else {
            return Ok(request);
        };
        let token = match &target.token {
            Some(token) => token.clone(),
            None => {
                let login = AuthenticateRequest {
                    name: name.to_owned(),
                    password: password.to_owned(),
                };
                let answer = AuthClient::new(target.link.clone())
                    .authenticate(login)
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
