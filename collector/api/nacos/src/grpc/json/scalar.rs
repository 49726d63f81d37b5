//! Scalars: text, numbers and flags, each read from any of them.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

use super::{Flag, Number, Text, Whole};

/// A visitor of one scalar: converts text, numbers and flags to a type.
trait Scalar<'de>: Default {
    const EXPECTED: &'static str;

    fn text<E: Error>(text: Cow<'de, str>) -> Result<Self, E>;
    fn whole(value: i64) -> Self;

    /// A number above the largest `i64`.
    fn large(_value: u64) -> Self {
        Self::whole(i64::MAX)
    }

    fn number(value: f64) -> Self;
    fn flag<E: Error>(value: bool) -> Result<Self, E>;
}

struct ScalarVisitor<T>(PhantomData<T>);

impl<'de, T: Scalar<'de>> Visitor<'de> for ScalarVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<T, E> {
        T::text(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::text(Cow::Owned(text.to_owned()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        Ok(T::whole(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        Ok(i64::try_from(value).map_or_else(|_large| T::large(value), T::whole))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<T, E> {
        Ok(T::number(value))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<T, E> {
        T::flag(value)
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }
}

macro_rules! scalars {
    ($($name:ty),*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(ScalarVisitor(PhantomData))
            }
        }
    )*};
}

scalars!(Whole, Number, Flag);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor::<Text<'de>>(PhantomData))
    }
}

impl<'de> Scalar<'de> for Text<'de> {
    const EXPECTED: &'static str = "a text";

    fn text<E: Error>(text: Cow<'de, str>) -> Result<Self, E> {
        Ok(Self(text))
    }

    fn whole(value: i64) -> Self {
        Self(Cow::Owned(value.to_string()))
    }

    fn large(value: u64) -> Self {
        Self(Cow::Owned(value.to_string()))
    }

    /// 1.0 stays "1.0". Clients send texts in metadata.
    fn number(value: f64) -> Self {
        Self(Cow::Owned(format!("{value:?}")))
    }

    fn flag<E: Error>(value: bool) -> Result<Self, E> {
        Ok(Self(Cow::Borrowed(if value { "true" } else { "false" })))
    }
}

impl<'de> Scalar<'de> for Whole {
    const EXPECTED: &'static str = "a whole number";

    fn text<E: Error>(text: Cow<'de, str>) -> Result<Self, E> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self(None));
        }
        let value = text
            .parse()
            .map_err(|_error| E::invalid_value(Unexpected::Str(text), &Self::EXPECTED))?;
        Ok(Self(Some(value)))
    }

    fn whole(value: i64) -> Self {
        Self(Some(value))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates, and drops the fraction"
    )]
    fn number(value: f64) -> Self {
        Self(Some(value as i64))
    }

    fn flag<E: Error>(value: bool) -> Result<Self, E> {
        Err(E::invalid_type(Unexpected::Bool(value), &Self::EXPECTED))
    }
}

impl<'de> Scalar<'de> for Number {
    const EXPECTED: &'static str = "a number";

    fn text<E: Error>(text: Cow<'de, str>) -> Result<Self, E> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self(None));
        }
        let value: f64 = text
            .parse()
            .map_err(|_error| E::invalid_value(Unexpected::Str(text), &Self::EXPECTED))?;
        Ok(Self(Some(value)))
    }

    #[expect(clippy::cast_precision_loss, reason = "as every reader of JSON does")]
    fn whole(value: i64) -> Self {
        Self(Some(value as f64))
    }

    fn number(value: f64) -> Self {
        Self(Some(value))
    }

    fn flag<E: Error>(value: bool) -> Result<Self, E> {
        Err(E::invalid_type(Unexpected::Bool(value), &Self::EXPECTED))
    }
}

impl<'de> Scalar<'de> for Flag {
    const EXPECTED: &'static str = "true or false";

    fn text<E: Error>(text: Cow<'de, str>) -> Result<Self, E> {
        match &*text {
            "" => Ok(Self(None)),
            "true" | "True" | "TRUE" => Ok(Self(Some(true))),
            "false" | "False" | "FALSE" => Ok(Self(Some(false))),
            other => Err(E::invalid_value(Unexpected::Str(other), &Self::EXPECTED)),
        }
    }

    fn whole(value: i64) -> Self {
        Self(Some(value != 0))
    }

    fn number(value: f64) -> Self {
        Self(Some(value != 0.0))
    }

    fn flag<E: Error>(value: bool) -> Result<Self, E> {
        Ok(Self(Some(value)))
    }
}
