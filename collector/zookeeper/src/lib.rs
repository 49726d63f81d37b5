//! A client of ZooKeeper with one connection and one request at a time. It has no task of its own.
//!
//! The caller drives it: a request returns with its answer, and between requests [`Client::changed`] waits for events and keeps
//! the session alive. A connection is never repaired. After any error except a refusal the caller connects another [`Client`]
//! with the same [`Session`], which resumes the session if the servers still hold it. The caller then reads its nodes again,
//! which also sets the watches again.

#![warn(missing_docs)]

mod dial;
mod error;
#[cfg(test)]
mod tests;
mod wire;

use std::{fmt, io, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, error::Elapsed, sleep_until, timeout, timeout_at},
};

use dial::dial;
pub use error::{Error, NODE_EXISTS};
use error::{NO_NODE, SESSION_EXPIRED};
use wire::{Acl, Head, Malformed, Op};
pub use wire::{Stat, Step};

/// The longest frame accepted from a server, whose own limit for a node (`jute.maxbuffer`) is 1 MiB.
const MAX_FRAME: usize = 4 << 20;

/// The session, which outlives a connection.
#[derive(Default)]
pub struct Session {
    id: i64,
    password: Bytes,
    /// The latest transaction that this client has seen. A server that has not seen it closes the connection.
    seen: i64,
    /// When the servers may end the session; `None` if it was never open.
    expires: Option<Instant>,
}

impl Session {
    /// Whether the servers have sent nothing for longer than the session's term.
    pub fn is_overdue(&self) -> bool {
        self.expires.is_some_and(|expires| expires < Instant::now())
    }
}

impl fmt::Debug for Session {
    /// Leaves out the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A connection with an open session.
#[derive(Debug)]
pub struct Client<'s> {
    session: &'s mut Session,
    server: String,
    stream: TcpStream,
    inbox: BytesMut,
    outbox: BytesMut,
    /// How long the servers keep the session without a request.
    term: Duration,
    /// When the client last received from the server, and last sent to it.
    last_received: Instant,
    last_sent: Instant,
    number: i32,
    has_changed: bool,
    /// The access control list of the nodes that this client creates.
    acl: Acl,
}

impl<'s> Client<'s> {
    /// Connects to `server`, `host:port`, and resumes `session`, or opens it if it is new. The servers may set a term other than
    /// the requested one. Takes at most a third of the term, so that there is time to try another server.
    pub async fn connect(
        server: &str,
        term: Duration,
        session: &'s mut Session,
    ) -> Result<Self, Error> {
        let opening = timeout(term / 3, Self::open(server, term, session));
        opening
            .await
            .unwrap_or_else(|Elapsed { .. }| Err(lost(server, io::ErrorKind::TimedOut.into())))
    }

    async fn open(server: &str, term: Duration, session: &'s mut Session) -> Result<Self, Error> {
        let lost = |error| lost(server, error);
        let stream = dial(server, term / 3).await.map_err(lost)?;
        stream.set_nodelay(true).map_err(lost)?;
        let now = Instant::now();
        let mut client = Self {
            session,
            server: server.to_owned(),
            stream,
            inbox: BytesMut::new(),
            outbox: BytesMut::new(),
            term,
            last_received: now,
            last_sent: now,
            number: 0,
            has_changed: false,
            acl: Acl::Open,
        };
        let Session {
            id, password, seen, ..
        } = &*client.session;
        let millis = i32::try_from(term.as_millis()).unwrap_or(i32::MAX);
        client.put(&wire::connect(*seen, millis, *id, password));
        client.flush().await?;
        let opened = client.frame().await?;
        let opened = wire::opened(opened).map_err(|error| client.malformed(error))?;
        match u64::try_from(opened.timeout) {
            Ok(millis) if millis > 0 => client.term = Duration::from_millis(millis),
            _ => return Err(Error::Expired),
        }
        client.session.id = opened.session;
        client.session.password = opened.password;
        client.session.expires = Some(client.last_received + client.term);
        Ok(client)
    }

    /// The id of the session, which is the owner of its nodes.
    pub fn session(&self) -> i64 {
        self.session.id
    }

    /// Authenticates as the user of `user:password`; only this user can access the nodes created from then on.
    pub async fn authenticate(&mut self, credentials: &str) -> Result<(), Error> {
        self.put(&wire::authenticate(credentials));
        self.answer(wire::AUTH, "the credentials").await?;
        self.acl = Acl::Creator;
        Ok(())
    }

    /// The names of a node's children; [`Client::changed`] reports the next change.
    pub async fn children(&mut self, path: &str) -> Result<Vec<String>, Error> {
        let read = |number| wire::read_and_watch(number, Op::GetChildren, path);
        let mut answer = self.call(path, read).await?;
        wire::names(&mut answer).map_err(|error| self.malformed(error))
    }

    /// A node's data and its metadata, if the node exists; [`Client::changed`] reports the next change.
    pub async fn node(&mut self, path: &str) -> Result<Option<(Bytes, Stat)>, Error> {
        let read = |number| wire::read_and_watch(number, Op::GetData, path);
        match self.call(path, read).await {
            Ok(mut answer) => wire::node(&mut answer)
                .map(Some)
                .map_err(|error| self.malformed(error)),
            Err(error) if error.code() == Some(NO_NODE) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates a persistent node unless it exists. A client without the permission to create can use an existing node.
    pub async fn ensure(&mut self, path: &str) -> Result<(), Error> {
        match self.call(path, |number| wire::exists(number, path)).await {
            Err(error) if error.code() == Some(NO_NODE) => {}
            found => return found.map(drop),
        }
        let acl = self.acl;
        let create = |number| wire::create(number, path, acl);
        match self.call(path, create).await {
            Err(error) if error.code() == Some(NODE_EXISTS) => Ok(()),
            created => created.map(drop),
        }
    }

    /// Executes all steps, or none.
    pub async fn transact(&mut self, steps: &[Step]) -> Result<(), Error> {
        let path = |step: usize| steps.get(step).map_or("", Step::path);
        let acl = self.acl;
        let transact = |number| wire::transact(number, steps, acl);
        let mut answer = self.call(path(0), transact).await?;
        match wire::failed_step(&mut answer).map_err(|error| self.malformed(error))? {
            None => Ok(()),
            Some((step, code)) => Err(refused(code, path(step))),
        }
    }

    /// Waits for a change of a node that was read since the last return, and keeps the session alive meanwhile. The future may be
    /// dropped at any time.
    pub async fn changed(&mut self) -> Result<(), Error> {
        while !self.has_changed {
            let next_ping = self.last_sent + self.term / 3;
            tokio::select! {
                frame = self.frame() => drop(self.classify(frame?)?),
                () = sleep_until(next_ping) => {
                    self.put(&wire::bare(wire::PING, Op::Ping));
                    self.flush().await?;
                }
            }
        }
        self.has_changed = false;
        Ok(())
    }

    /// Sends a request about `path`, and returns the answer.
    async fn call(
        &mut self,
        path: &str,
        request: impl FnOnce(i32) -> BytesMut,
    ) -> Result<Bytes, Error> {
        self.number = self.number.checked_add(1).unwrap_or(1);
        let number = self.number;
        self.put(&request(number));
        self.answer(number, path).await
    }

    async fn answer(&mut self, number: i32, path: &str) -> Result<Bytes, Error> {
        self.flush().await?;
        loop {
            let frame = self.frame().await?;
            match self.classify(frame)? {
                Some((head, answer)) if head.number == number => match head.error {
                    0 => return Ok(answer),
                    SESSION_EXPIRED => return Err(Error::Expired),
                    code => return Err(refused(code, path)),
                },
                _ => {} // an event, a ping's answer, or the answer to an abandoned request
            }
        }
    }

    /// The answer in a frame; `None` for an event, which is recorded.
    fn classify(&mut self, mut frame: Bytes) -> Result<Option<(Head, Bytes)>, Error> {
        let head = wire::head(&mut frame).map_err(|error| self.malformed(error))?;
        self.session.seen = self.session.seen.max(head.transaction);
        self.session.expires = Some(self.last_received + self.term);
        self.has_changed |= head.number == wire::EVENT;
        let is_answer = head.number > 0 || head.number == wire::AUTH;
        Ok(is_answer.then_some((head, frame)))
    }

    fn put(&mut self, request: &[u8]) {
        self.last_sent = Instant::now();
        self.outbox.extend_from_slice(request);
    }

    /// Sends the outbox. The future may be dropped at any time: unsent bytes stay in the outbox.
    async fn flush(&mut self) -> Result<(), Error> {
        while !self.outbox.is_empty() {
            let due = self.last_received + self.term * 2 / 3;
            match timeout_at(due, self.stream.write_buf(&mut self.outbox)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(self.lost(error)),
                Err(Elapsed { .. }) => return Err(self.lost(io::ErrorKind::TimedOut.into())),
            }
        }
        Ok(())
    }

    /// The next frame, without its length. The future may be dropped at any time: received bytes stay in the inbox.
    async fn frame(&mut self) -> Result<Bytes, Error> {
        loop {
            if let Some(frame) = self.take_frame()? {
                return Ok(frame);
            }
            // A server answers pings, so a silent server counts as lost. The rest of the term is left for finding another server.
            let due = self.last_received + self.term * 2 / 3;
            let read = timeout_at(due, self.stream.read_buf(&mut self.inbox)).await;
            match read {
                Ok(Ok(0)) => return Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(Ok(_)) => self.last_received = Instant::now(),
                Ok(Err(error)) => return Err(self.lost(error)),
                Err(Elapsed { .. }) => return Err(self.lost(io::ErrorKind::TimedOut.into())),
            }
        }
    }

    fn take_frame(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(length) = self.inbox.first_chunk() else {
            return Ok(None);
        };
        let length = usize::try_from(i32::from_be_bytes(*length))
            .ok()
            .filter(|length| *length <= MAX_FRAME)
            .ok_or_else(|| self.malformed(Malformed))?;
        if self.inbox.len() < 4 + length {
            return Ok(None);
        }
        self.inbox.advance(4);
        Ok(Some(self.inbox.split_to(length).freeze()))
    }

    fn malformed(&self, Malformed: Malformed) -> Error {
        self.lost(io::ErrorKind::InvalidData.into())
    }

    fn lost(&self, error: io::Error) -> Error {
        lost(&self.server, error)
    }
}

fn lost(server: &str, error: io::Error) -> Error {
    let server = server.to_owned();
    Error::Lost { server, error }
}

fn refused(code: i32, path: &str) -> Error {
    let path = path.to_owned();
    Error::Refused { code, path }
}
