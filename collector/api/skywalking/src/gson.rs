//! Reads JSON numbers and texts as leniently as upstream's servers, which use Gson. A number may be quoted, a text may be a whole
//! number or a boolean, and either may be wrapped in an array with one element. Everything else is refused.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Unexpected, Visitor},
};

/// A whole number: `-6` or `"-6"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Number<T>(pub(crate) T);

/// A text: `"6"` or `6`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

/// For `#[serde(deserialize_with)]`: a [`Number`] without its wrapper.
///
/// # Errors
/// The value is not a whole number of the type.
pub(crate) fn number<'de, T: Whole, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Number::deserialize(deserializer).map(|Number(number)| number)
}

/// For `#[serde(deserialize_with)]`: a [`Text`] without its wrapper.
///
/// # Errors
/// The value is not a text, a whole number or a boolean.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Text::deserialize(deserializer).map(|Text(text)| text)
}

/// A type of number.
pub(crate) trait Whole: TryFrom<i64> {
    /// The description of its values, for messages.
    const RANGE: &'static str;
}

impl Whole for i32 {
    const RANGE: &'static str = "a whole number of 32 bits";
}

impl Whole for i64 {
    const RANGE: &'static str = "a whole number of 64 bits";
}

// === impl Number ===

/// Reads a number. With `NESTED` it also reads a number inside an array.
struct Numbers<T, const NESTED: bool>(PhantomData<T>);

impl<'de, T: Whole> Deserialize<'de> for Number<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Numbers::<T, true>(PhantomData))
    }
}

/// A [`Number`] that is not wrapped in an array.
struct InnerNumber<T>(T);

impl<'de, T: Whole> Deserialize<'de> for InnerNumber<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Number(number) = deserializer.deserialize_any(Numbers::<T, false>(PhantomData))?;
        Ok(Self(number))
    }
}

impl<'de, T: Whole, const NESTED: bool> Visitor<'de> for Numbers<T, NESTED> {
    type Value = Number<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::RANGE)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        let number = T::try_from(value).ok().map(Number);
        number.ok_or_else(|| E::invalid_value(Unexpected::Signed(value), &self))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) => Err(E::invalid_value(Unexpected::Unsigned(value), &self)),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        match value.parse() {
            Ok(value) => self.visit_i64(value),
            Err(_) => Err(E::invalid_value(Unexpected::Str(value), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<Self::Value, A::Error> {
        if !NESTED {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        only(elements, &self).map(|InnerNumber(number)| Number(number))
    }
}

// === impl Text ===

/// Reads a text. With `NESTED` it also reads a text inside an array.
struct TextVisitor<const NESTED: bool>;

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor::<true>).map(Self)
    }
}

/// A [`Text`] that is not wrapped in an array.
struct InnerText(String);

impl<'de> Deserialize<'de> for InnerText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor::<false>).map(Self)
    }
}

impl<'de, const NESTED: bool> Visitor<'de> for TextVisitor<NESTED> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<String, E> {
        Ok(value.to_owned())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<String, E> {
        Ok(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<String, A::Error> {
        if !NESTED {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        only(elements, &self).map(|InnerText(text)| text)
    }
}

/// The only element of an array.
fn only<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(
    mut elements: A,
    expected: &dyn serde::de::Expected,
) -> Result<T, A::Error> {
    let first = elements.next_element()?;
    let first = first.ok_or_else(|| A::Error::invalid_length(0, expected))?;
    match elements.next_element::<T>()? {
        None => Ok(first),
        Some(_) => Err(A::Error::invalid_length(2, expected)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(json: &str) -> Option<i32> {
        let Number(number) = serde_json::from_str(json).ok()?;
        Some(number)
    }

    fn text(json: &str) -> Option<String> {
        let Text(text) = serde_json::from_str(json).ok()?;
        Some(text)
    }

    #[test]
    fn a_number_may_be_quoted_and_wrapped_in_an_array() {
        for json in ["-6", "\"-6\"", "[-6]", "[\"-6\"]"] {
            assert_eq!(number(json), Some(-6), "{json}");
        }
        assert_eq!(number("\"2147483647\""), Some(i32::MAX));
        let long = serde_json::from_str::<Number<i64>>("\"20180606120000\"");
        assert_eq!(long.unwrap(), Number(20_180_606_120_000));
    }

    #[test]
    fn everything_but_a_number_is_refused() {
        for json in [
            "\"\"",
            "\" 6\"",
            "\"6.0\"",
            "\"six\"",
            "6.5",
            "true",
            "null",
            "{}",
            "[]",
            "[6,7]",
            "[[6]]",
            "2147483648",
            "\"2147483648\"",
            "18446744073709551615",
            "\"99999999999999999999\"",
        ] {
            assert_eq!(number(json), None, "{json}");
        }
    }

    #[test]
    fn a_text_may_be_a_number_or_a_boolean_and_wrapped_in_an_array() {
        for (json, expected) in [
            ("\"a\"", "a"),
            ("\"\\u0061\\n\"", "a\n"),
            ("1", "1"),
            ("-1", "-1"),
            ("18446744073709551615", "18446744073709551615"),
            ("true", "true"),
            ("[\"a\"]", "a"),
            ("[1]", "1"),
        ] {
            assert_eq!(text(json).as_deref(), Some(expected), "{json}");
        }
        // Fractions are refused as texts, because a parsed fraction has lost its original spelling.
        for json in ["1.10", "null", "{}", "[]", "[\"a\",\"b\"]", "[[\"a\"]]"] {
            assert_eq!(text(json), None, "{json}");
        }
    }
}
