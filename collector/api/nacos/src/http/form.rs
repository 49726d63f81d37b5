//! The form in the body of a call.
//!
//! The reference reads every form as UTF-8, whatever charset its Content-Type names, and so does this face: clients name
//! ISO-8859-1 and send ASCII. It also reads a compressed form as if it were not compressed. A form that would lose its content in
//! this way is refused.

use axum::http::{
    HeaderMap, HeaderValue,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use bytes::Bytes;

use super::fault::Fault;

const FORM: &[u8] = b"application/x-www-form-urlencoded";
/// The most characters of a header that an answer repeats.
const SHOWN: usize = 40;

/// The form in a body. A body of another type counts as no form, and a body without a type as a form.
pub(super) fn of(headers: &HeaderMap, body: Bytes) -> Result<Bytes, Fault> {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    if body.is_empty() || !kind.is_none_or(is_form) {
        return Ok(Bytes::new());
    }
    if let Some(coding) = headers.get(CONTENT_ENCODING).filter(|it| !is_identity(it)) {
        let coding = shown(coding.as_bytes());
        return Err(Fault::Form(format!(
            "the form has the Content-Encoding '{coding}': send it uncompressed"
        )));
    }
    if let Some(charset) = kind.and_then(charset)
        && !is_utf8(charset)
        && loses_content(&body)
    {
        let charset = shown(charset);
        return Err(Fault::Form(format!(
            "the form has the charset '{charset}' and cannot be read as UTF-8: send it as UTF-8, percent-encoded"
        )));
    }
    Ok(body)
}

fn is_form(kind: &[u8]) -> bool {
    kind.get(..FORM.len())
        .is_some_and(|kind| kind.eq_ignore_ascii_case(FORM))
}

fn is_identity(coding: &HeaderValue) -> bool {
    let coding = coding.as_bytes().trim_ascii();
    coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
}

/// The charset that a content type names.
fn charset(kind: &[u8]) -> Option<&[u8]> {
    let name = b"charset=";
    let parameters = kind.split(|byte| *byte == b';').skip(1);
    let mut parameters = parameters.map(<[u8]>::trim_ascii);
    let charset = parameters.find_map(|parameter| {
        let (key, value) = parameter.split_at_checked(name.len())?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })?;
    let unquoted = charset
        .strip_prefix(b"\"")
        .and_then(|it| it.strip_suffix(b"\""));
    Some(unquoted.unwrap_or(charset))
}

fn is_utf8(charset: &[u8]) -> bool {
    [&b"utf-8"[..], b"utf8"]
        .iter()
        .any(|name| charset.eq_ignore_ascii_case(name))
}

/// Whether a name or a value of the form is not UTF-8.
fn loses_content(form: &[u8]) -> bool {
    let is_lost = |text: &str| text.contains(char::REPLACEMENT_CHARACTER);
    form_urlencoded::parse(form).any(|(name, value)| is_lost(&name) || is_lost(&value))
}

/// A part of a header, for the answer.
fn shown(header: &[u8]) -> String {
    let printable = |byte: &u8| byte.is_ascii_graphic();
    let part = header.iter().copied().filter(printable);
    part.take(SHOWN).map(char::from).collect()
}
