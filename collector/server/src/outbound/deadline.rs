//! The deadline of a message that waits for room. The body of a stream may yield one message in several frames, and reads nothing
//! of its peer between them, so all of them wait until one deadline.

use tokio::time::Instant;

/// The bytes before a gRPC message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// The message that a body yields.
#[derive(Debug)]
pub(super) struct Deadline {
    is_grpc: bool,
    /// The bytes of a gRPC message that have not been yielded.
    left: usize,
    /// Until when it waits for room; `None` before its first wait.
    pub(super) until: Option<Instant>,
}

impl Deadline {
    pub(super) fn new(is_grpc: bool) -> Self {
        Self {
            is_grpc,
            left: 0,
            until: None,
        }
    }

    /// Forgets the deadline if these bytes do not continue the message of the previous frame. A frame has the whole prefix of each
    /// message that it begins.
    pub(super) fn see(&mut self, mut bytes: &[u8]) {
        if self.left == 0 {
            self.until = None;
        }
        while self.is_grpc && !bytes.is_empty() {
            if self.left == 0 {
                let [_, a, b, c, d, ..] = *bytes else {
                    return;
                };
                let length = u32::from_be_bytes([a, b, c, d]);
                self.left = PREFIX + usize::try_from(length).unwrap_or(usize::MAX - PREFIX);
            }
            let taken = self.left.min(bytes.len());
            self.left -= taken;
            bytes = &bytes[taken..];
        }
    }
}
