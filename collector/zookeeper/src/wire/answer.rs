//! Parses the answers of servers. No input is trusted: a frame may end anywhere.

use bytes::{Buf, Bytes};

use super::{Head, Malformed, NO_STEP, Opened, Stat};

/// Takes the answer to [`connect`](super::connect) from `frame`.
pub(crate) fn opened(mut frame: Bytes) -> Result<Opened, Malformed> {
    let _version = int(&mut frame)?;
    Ok(Opened {
        timeout: int(&mut frame)?,
        session: long(&mut frame)?,
        password: bytes(&mut frame)?,
    })
}

/// Takes the head from `frame`.
pub(crate) fn head(frame: &mut Bytes) -> Result<Head, Malformed> {
    Ok(Head {
        number: int(frame)?,
        transaction: long(frame)?,
        error: int(frame)?,
    })
}

/// Takes the names of a node's children from `frame`.
pub(crate) fn names(frame: &mut Bytes) -> Result<Vec<String>, Malformed> {
    let count = int(frame)?;
    (0..count).map(|_| text(frame)).collect()
}

/// Takes a node's data and its metadata from `frame`.
pub(crate) fn node(frame: &mut Bytes) -> Result<(Bytes, Stat), Malformed> {
    let data = bytes(frame)?;
    let _made_by = long(frame)?;
    let _changed_by = long(frame)?;
    let created = long(frame)?;
    let _changed = long(frame)?;
    let _versions = [int(frame)?, int(frame)?, int(frame)?];
    let owner = long(frame)?;
    Ok((data, Stat { created, owner }))
}

/// Reads the answer to a transaction from `frame`: `None` if it was executed, otherwise the index and the error of the step that
/// failed.
pub(crate) fn failed_step(frame: &mut Bytes) -> Result<Option<(usize, i32)>, Malformed> {
    // The answer has an error for each step; it is 0 for the steps before the failed one.
    for step in 0.. {
        let kind = int(frame)?;
        let is_end = boolean(frame)?;
        let _error = int(frame)?;
        if is_end || kind != NO_STEP {
            return Ok(None);
        }
        match int(frame)? {
            0 => {}
            error => return Ok(Some((step, error))),
        }
    }
    Err(Malformed)
}

fn int(frame: &mut Bytes) -> Result<i32, Malformed> {
    frame.try_get_i32().or(Err(Malformed))
}

fn long(frame: &mut Bytes) -> Result<i64, Malformed> {
    frame.try_get_i64().or(Err(Malformed))
}

fn boolean(frame: &mut Bytes) -> Result<bool, Malformed> {
    Ok(frame.try_get_u8().or(Err(Malformed))? != 0)
}

/// Length-prefixed bytes; Java writes `null` as the length -1.
fn bytes(frame: &mut Bytes) -> Result<Bytes, Malformed> {
    let length = usize::try_from(int(frame)?).unwrap_or(0);
    if frame.len() < length {
        return Err(Malformed);
    }
    Ok(frame.split_to(length))
}

fn text(frame: &mut Bytes) -> Result<String, Malformed> {
    String::from_utf8(bytes(frame)?.into()).or(Err(Malformed))
}

#[cfg(test)]
mod tests;
