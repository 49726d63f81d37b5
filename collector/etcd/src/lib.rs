//! A client of etcd, for the store and the cluster: each call has a deadline, is tried at every endpoint once, and either
//! did what it says or tells why not.
//!
//! It speaks etcd's version 3 gRPC API (<https://etcd.io/docs/v3.5/learning/api/>) and keeps one connection, to the endpoint
//! that answered last. A call whose answer is lost may have been carried out, and may be carried out once more by the next
//! endpoint: callers put what must not happen twice into a transaction that compares first.

mod connection;
pub mod proto;
pub mod request;
#[cfg(any(test, feature = "test-util"))]
pub mod testing;
#[cfg(test)]
mod tests;

use std::{error, io, iter, path::PathBuf, sync::Arc, time::Duration};

use crate::proto::{
    AuthClient, AuthenticateRequest, KvClient, LeaseClient, LeaseGrantRequest,
    LeaseKeepAliveRequest, LeaseRevokeRequest, RangeRequest, RangeResponse, TxnRequest,
    TxnResponse, WatchClient, WatchCreateRequest, WatchRequest, WatchResponse, watch_request,
};
use futures_util::{StreamExt as _, stream};
use rollcall_secret::Secret;
use tokio::time::{error::Elapsed, timeout};
use tonic::{
    Code, Request, Response, Status, Streaming,
    metadata::{MetadataValue, errors::InvalidMetadataValue},
};

use connection::{Connection, Place, Token};

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

/// Why a call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No endpoint could be reached, or none answered in time. Whether the call was carried out is unknown.
    #[error("etcd cannot be reached: {endpoint}: {reason}")]
    Unavailable { endpoint: Arc<str>, reason: String },
    /// Every endpoint answered with an error that may pass. Whether the call was carried out is unknown.
    #[error("etcd at {endpoint} cannot do this at present: {reason}")]
    Failed { endpoint: Arc<str>, reason: String },
    /// The space quota of etcd is used up. Reads go on, and every write is refused until the alarm is disarmed.
    #[error(
        "etcd at {endpoint} has no space left and takes no writes: {reason}; compact its history, defragment it and disarm \
         the alarm (etcdctl compact, etcdctl defrag, etcdctl alarm disarm), or give it a larger --quota-backend-bytes"
    )]
    NoSpace { endpoint: Arc<str>, reason: String },
    /// An endpoint answered that the request itself is at fault: too large, for example. Nothing was carried out.
    #[error("etcd at {endpoint} takes no such request: {reason}")]
    Invalid { endpoint: Arc<str>, reason: String },
    /// An endpoint answered that it will not do this.
    #[error("etcd at {endpoint} refuses: {reason}")]
    Refused { endpoint: Arc<str>, reason: String },
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the etcd endpoint {endpoint} is not usable: {reason}")]
    Endpoint { endpoint: String, reason: String },
    #[error("cannot read {}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
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

/// What etcd says of a token that is older than the last change of users and roles (`ErrGRPCAuthOldRevision` in its rpctypes):
/// of those that carry their revision, which are JSON web tokens.
const OUTDATED: &str = "etcdserver: revision of auth store is old";
/// What etcd says of every write while its alarm for space is raised (`ErrGRPCNoSpace`).
const NO_SPACE: &str = "database space exceeded";
/// What etcd says of a wrong user or password (`ErrGRPCAuthFailed`).
const AUTHENTICATION_FAILED: &str = "authentication failed";
/// How the messages of etcd itself begin. All others are about the way to it.
const OWN_WORDS: &str = "etcdserver: ";

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
        Ok(Watch {
            responses,
            connection: Arc::clone(&self.connection),
            place,
        })
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

/// Changes, as they happen.
#[derive(Debug)]
pub struct Watch {
    responses: Streaming<WatchResponse>,
    connection: Arc<Connection>,
    place: Place,
}

impl Watch {
    /// The next message: changes, how far there are none (a response without any), or that no more will come.
    ///
    /// # Errors
    /// The watch has ended, and its endpoint is not asked again before the others: begin another one.
    pub async fn next(&mut self) -> Result<WatchResponse, Error> {
        let status = match self.responses.message().await {
            Ok(Some(response)) => return Ok(response),
            Ok(None) => ended(),
            Err(status) => status,
        };
        self.connection.leave(&self.place);
        Err(Error::unavailable(
            Arc::clone(&self.place.endpoint),
            &status,
        ))
    }
}

impl Error {
    fn unavailable(endpoint: Arc<str>, status: &Status) -> Self {
        let reason = describe(status);
        if reason.starts_with(OWN_WORDS) {
            Self::Failed { endpoint, reason }
        } else {
            Self::Unavailable { endpoint, reason }
        }
    }
}

fn ended() -> Status {
    Status::unavailable("the stream ended")
}

/// Whether a new token may be answered otherwise: tokens expire, and some are void when users or roles change.
fn is_about_token(status: &Status) -> bool {
    status.code() == Code::Unauthenticated || status.message() == OUTDATED
}

/// Whether the request itself is at fault. One that is larger than the server reads at all is refused by its transport.
fn is_invalid(status: &Status) -> bool {
    match status.code() {
        // A wrong password has this code too.
        Code::InvalidArgument => !status.message().contains(AUTHENTICATION_FAILED),
        Code::ResourceExhausted => status.message().contains("larger than max"),
        _ => false,
    }
}

/// Whether another endpoint would answer the same.
fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::NotFound
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::Unimplemented
    )
}

/// What went wrong at the bottom: a status of the transport says no more than that it did.
fn describe(status: &Status) -> String {
    let cause = iter::successors(error::Error::source(status), |cause| cause.source()).last();
    match (cause, status.message()) {
        (Some(cause), _) => cause.to_string(),
        (None, "") => status.code().to_string(),
        (None, message) => message.to_owned(),
    }
}
