//! Counts the elements and fields of a JSON body before any of it is decoded.

use rollcall_limits::{Count, work::Error};

/// The depth up to which items of arrays count as elements. Deeper items, which no face decodes, count as fields.
const DECODED_DEPTH: u32 = 4;

/// The deepest nesting that the parser accepts; nothing below it is decoded.
const MAX_DEPTH: u32 = u128::BITS;

/// Counts the items of arrays as elements and the keys of objects as fields. Leaves invalid JSON to the parser: both agree on the
/// text before the first error.
///
/// # Errors
/// The body exceeds a limit of `count`.
pub fn count(body: &[u8], count: &mut Count) -> Result<(), Error> {
    // One bit for each level: set for an array.
    let (mut arrays, mut depth) = (0_u128, 0);
    // Whether the innermost array or object is empty so far.
    let mut is_empty = false;
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            continue;
        }
        if std::mem::take(&mut is_empty) && !matches!(byte, b']' | b'}') {
            item(arrays & 1 == 1, depth, count)?;
        }
        match byte {
            b'"' => skip_text(&mut bytes),
            b'[' | b'{' if depth == MAX_DEPTH => return Ok(()),
            b'[' | b'{' => {
                arrays = arrays << 1 | u128::from(*byte == b'[');
                depth += 1;
                is_empty = true;
            }
            b']' | b'}' => {
                arrays >>= 1;
                depth = depth.saturating_sub(1);
            }
            b',' => item(arrays & 1 == 1, depth, count)?,
            _ => {}
        }
    }
    Ok(())
}

fn item(is_array: bool, depth: u32, count: &mut Count) -> Result<(), Error> {
    if is_array && depth <= DECODED_DEPTH {
        count.elements(1)?;
    }
    count.field()
}

/// Skips the rest of a string.
fn skip_text<'a>(bytes: &mut impl Iterator<Item = &'a u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'"' => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rollcall_limits::{Budget, Work};
    use rollcall_metrics::Metrics;

    fn counted(body: &str, limit: usize) -> Result<usize, Error> {
        let work = Work::new(
            limit,
            Budget::new("work", 0),
            Metrics::new().refusals("max_batch", rollcall_limits::work::MAX_BATCH),
        );
        let mut counted = work.count();
        count(body.as_bytes(), &mut counted).map(|()| counted.total())
    }

    #[test]
    fn items_of_arrays_are_elements_and_keys_are_not() {
        for (body, elements) in [
            ("7", 0),
            (r#"["a","b","c"]"#, 3),
            (r#"{"a":1,"b":2}"#, 0),
            (r#"[{"ai":1,"sn":"x,y"},{"ai":1,"sn":"[,,,"}]"#, 2),
            (r#"["\",\"[\\"]"#, 1),
            (r"[[1,2],[3]]", 5),
            ("[ ]", 0),
            (r#"[ {"gt":[],"ss":[ ]} , {} ]"#, 2),
        ] {
            assert_eq!(counted(body, 100), Ok(elements), "{body}");
        }
    }

    #[test]
    fn too_many_items_or_keys_are_refused_wherever_they_are() {
        let refused = Err(Error::TooManyElements { limit: 10 });
        let many = |item: &str, count| vec![item; count].join(",");
        assert_eq!(counted(&format!("[{}]", many("0", 11)), 10), refused);
        let keys = format!("{{{}}}", many(r#""a":0"#, 400));
        assert_eq!(counted(&keys, 10), refused);
        let deep = format!("[[[[[[{}]]]]]]", many("0", 400));
        assert_eq!(counted(&deep, 10), refused);
        let deeper = counted(&"[".repeat(1_000_000), 10);
        assert!(deeper.is_ok_and(|elements| elements <= 10), "{deeper:?}");
    }
}
