//! The bytes of ZooKeeper's client protocol: frames of a length and fields in big-endian order ("jute"), as
//! `zookeeper-jute/src/main/resources/zookeeper.jute` of ZooKeeper 3.4 and later defines them.

use bytes::{BufMut, Bytes, BytesMut};

mod answer;

pub(crate) use answer::{failed_step, head, names, node, opened};

/// The kinds of requests: the numbers of `ZooDefs.OpCode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Op {
    Create = 1,
    Delete = 2,
    Exists = 3,
    GetData = 4,
    SetData = 5,
    GetChildren = 8,
    Ping = 11,
    Multi = 14,
    Auth = 100,
}

/// The access control list of a created node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acl {
    /// Anyone may do anything, as with upstream's nodes.
    Open,
    /// Only the user as which the connection has authenticated may do anything.
    Creator,
}

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Creates a node that ends with the session.
    Create {
        /// The node.
        path: String,
        /// Its data.
        data: Bytes,
    },
    /// Deletes a node.
    Delete {
        /// The node.
        path: String,
    },
    /// Replaces the data of a node.
    Set {
        /// The node.
        path: String,
        /// Its new data.
        data: Bytes,
    },
}

impl Step {
    /// The path of the node.
    pub fn path(&self) -> &str {
        match self {
            Self::Create { path, .. } | Self::Delete { path } | Self::Set { path, .. } => path,
        }
    }
}

/// The lifetime of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Mode {
    /// Until it is deleted.
    Persistent = 0,
    /// As long as the session that created it.
    Ephemeral = 1,
}

/// The metadata of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// When it was created, in milliseconds since the epoch, by the server's clock.
    pub created: i64,
    /// The session it ends with; 0 for a persistent node.
    pub owner: i64,
}

/// The answer to the opening of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// In milliseconds; 0 or negative when the session to be resumed has expired.
    pub(crate) timeout: i32,
    pub(crate) session: i64,
    pub(crate) password: Bytes,
}

/// The beginning of every frame from the server, once the session is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The number of the request; negative for the answer to a ping and for an event.
    pub(crate) number: i32,
    /// The latest transaction that the server knows; 0 or negative if it does not report it.
    pub(crate) transaction: i64,
    /// 0, or the code of an error.
    pub(crate) error: i32,
}

/// The number of events.
pub(crate) const EVENT: i32 = -1;
/// The number of a request with credentials and of its answer.
pub(crate) const AUTH: i32 = -4;
/// The number of a ping and of its answer.
pub(crate) const PING: i32 = -2;

/// A frame is too short, or contains an invalid value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Opens a session, or resumes the one with this id and password.
pub(crate) fn connect(seen: i64, timeout: i32, session: i64, password: &[u8]) -> BytesMut {
    framed(|frame| {
        frame.put_i32(0); // the version of the protocol
        frame.put_i64(seen);
        frame.put_i32(timeout);
        frame.put_i64(session);
        put_bytes(frame, password);
        frame.put_u8(0); // no read-only server
    })
}

/// A request without a body.
pub(crate) fn bare(number: i32, op: Op) -> BytesMut {
    request(number, op, |_| {})
}

/// Reads the data of a node or the names of its children, and requests an event at their next change.
pub(crate) fn read_and_watch(number: i32, op: Op, path: &str) -> BytesMut {
    request(number, op, |frame| {
        put_bytes(frame, path.as_bytes());
        frame.put_u8(1);
    })
}

/// Authenticates with `user:password`, of the scheme `digest`.
pub(crate) fn authenticate(credentials: &str) -> BytesMut {
    request(AUTH, Op::Auth, |frame| {
        frame.put_i32(0); // the only kind of authentication
        put_bytes(frame, b"digest");
        put_bytes(frame, credentials.as_bytes());
    })
}

/// Asks whether a node exists. That needs no permission.
pub(crate) fn exists(number: i32, path: &str) -> BytesMut {
    request(number, Op::Exists, |frame| {
        put_bytes(frame, path.as_bytes());
        frame.put_u8(0);
    })
}

/// Creates a persistent node without data.
pub(crate) fn create(number: i32, path: &str, acl: Acl) -> BytesMut {
    request(number, Op::Create, |frame| {
        put_node(frame, path, &[], acl, Mode::Persistent);
    })
}

/// Executes all of the steps, or none.
pub(crate) fn transact(number: i32, steps: &[Step], acl: Acl) -> BytesMut {
    request(number, Op::Multi, |frame| {
        for step in steps {
            let op = match step {
                Step::Create { .. } => Op::Create,
                Step::Delete { .. } => Op::Delete,
                Step::Set { .. } => Op::SetData,
            };
            put_step(frame, op as i32, false);
            match step {
                Step::Create { path, data } => put_node(frame, path, data, acl, Mode::Ephemeral),
                Step::Delete { path } => {
                    put_bytes(frame, path.as_bytes());
                    frame.put_i32(ANY_VERSION);
                }
                Step::Set { path, data } => {
                    put_bytes(frame, path.as_bytes());
                    put_bytes(frame, data);
                    frame.put_i32(ANY_VERSION);
                }
            }
        }
        put_step(frame, NO_STEP, true);
    })
}

const ANY_VERSION: i32 = -1;
/// The kind that stands for no step: the end of a transaction and, in an answer, also a step that was not executed.
const NO_STEP: i32 = -1;
/// `ZooDefs.Perms.ALL`
const ALL_PERMISSIONS: i32 = 31;

fn framed(write: impl FnOnce(&mut BytesMut)) -> BytesMut {
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    write(&mut frame);
    let length = u32::try_from(frame.len() - 4).unwrap_or(u32::MAX);
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

fn request(number: i32, op: Op, write: impl FnOnce(&mut BytesMut)) -> BytesMut {
    framed(|frame| {
        frame.put_i32(number);
        frame.put_i32(op as i32);
        write(frame);
    })
}

fn put_step(frame: &mut BytesMut, op: i32, done: bool) {
    frame.put_i32(op);
    frame.put_u8(done.into());
    frame.put_i32(-1); // the error field of an answer
}

fn put_node(frame: &mut BytesMut, path: &str, data: &[u8], acl: Acl, mode: Mode) {
    put_bytes(frame, path.as_bytes());
    put_bytes(frame, data);
    frame.put_i32(1); // one entry in the access control list
    frame.put_i32(ALL_PERMISSIONS);
    let (scheme, id): (&[u8], &[u8]) = match acl {
        Acl::Open => (b"world", b"anyone"),
        // The server replaces this with the user as which the connection has authenticated.
        Acl::Creator => (b"auth", b""),
    };
    put_bytes(frame, scheme);
    put_bytes(frame, id);
    frame.put_i32(mode as i32);
}

fn put_bytes(frame: &mut BytesMut, bytes: &[u8]) {
    frame.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
    frame.put_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_its_length_its_number_its_kind_and_its_body() {
        assert_eq!(
            &bare(PING, Op::Ping)[..],
            [0, 0, 0, 8, 255, 255, 255, 254, 0, 0, 0, 11]
        );
        assert_eq!(
            &read_and_watch(3, Op::GetChildren, "/a")[..],
            [
                0, 0, 0, 15, 0, 0, 0, 3, 0, 0, 0, 8, 0, 0, 0, 2, b'/', b'a', 1
            ]
        );
    }

    #[test]
    fn credentials_are_sent_under_a_number_of_their_own() {
        let frame = &authenticate("u:p")[..];
        assert_eq!(
            frame,
            b"\0\0\0\x1d\xff\xff\xff\xfc\0\0\0\x64\0\0\0\0\0\0\0\x06digest\0\0\0\x03u:p"
        );
    }
}
