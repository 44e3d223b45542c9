//! Values as people and environments write them.

use std::{fmt, marker::PhantomData, str::FromStr, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

/// Read from one word, or from a table.
pub(super) trait FromTextOrTable: Sized {
    type Table: for<'de> Deserialize<'de>;
    const EXPECTED: &'static str;
    fn text(text: &str) -> Result<Self, String>;
    fn table(table: Self::Table) -> Result<Self, String>;
}

pub(super) fn text_or_table<'de, T: FromTextOrTable, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Either<T>(PhantomData<T>);
    impl<'de, T: FromTextOrTable> Visitor<'de> for Either<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(T::EXPECTED)
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            T::text(text).map_err(E::custom)
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::table(T::Table::deserialize(MapAccessDeserializer::new(map))?).map_err(A::Error::custom)
        }
    }
    deserializer.deserialize_any(Either(PhantomData))
}

/// A number, or `true` or `false`, also as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plain<T>(pub(super) T);

/// What a [`Plain`] can be.
pub(super) trait Word: FromStr {
    const EXPECTED: &'static str;
    fn from_bool(value: bool) -> Option<Self> {
        let _ = value;
        None
    }
}

impl Word for usize {
    const EXPECTED: &'static str = "a whole number";
}

impl Word for u8 {
    const EXPECTED: &'static str = "a small whole number";
}

#[cfg(feature = "drain")]
impl Word for u16 {
    const EXPECTED: &'static str = "a whole number below 65536";
}

#[cfg(feature = "cache")]
impl Word for u32 {
    const EXPECTED: &'static str = "a whole number";
}

#[cfg(feature = "cache")]
impl Word for u64 {
    const EXPECTED: &'static str = "a whole number";
}

#[cfg(feature = "cache")]
impl Word for f64 {
    const EXPECTED: &'static str = "a number";
}

impl Word for std::num::NonZeroU32 {
    const EXPECTED: &'static str = "a whole number above 0";
}

impl Word for bool {
    const EXPECTED: &'static str = "`true` or `false`";
    fn from_bool(value: bool) -> Option<Self> {
        Some(value)
    }
}

impl<'de, T: Word> Deserialize<'de> for Plain<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);
        impl<T: Word> Visitor<'_> for Any<T> {
            type Value = Plain<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::EXPECTED)
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<Plain<T>, E> {
                T::from_bool(value).map(Plain).ok_or_else(|| E::invalid_type(serde::de::Unexpected::Bool(value), &self))
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Plain<T>, E> {
                self.visit_str(&value.to_string())
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Plain<T>, E> {
                self.visit_str(&value.to_string())
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<Plain<T>, E> {
                self.visit_str(&value.to_string())
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Plain<T>, E> {
                text.trim().parse().map(Plain).map_err(|_| E::invalid_value(serde::de::Unexpected::Other("this value"), &self))
            }
        }
        deserializer.deserialize_any(Any(PhantomData))
    }
}

/// A time: `30m`, `1h 30m`, or a number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time(pub(super) Duration);

const TIME: &str = "a time such as `30m`, `1h 30m` or `14d` (units ms, s, m, h, d, w), or a number of seconds";

impl FromStr for Time {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim();
        if let Ok(seconds) = text.parse() {
            return Ok(Self(Duration::from_secs(seconds)));
        }
        let mut rest = text;
        let mut sum = Duration::ZERO;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or(())?;
            let (number, after) = rest.split_at(digits);
            let after = after.trim_start();
            let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
            let (unit, after) = after.split_at(letters);
            let millis: u64 = match unit {
                "ms" => 1,
                "s" => 1000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                "w" => 604_800_000,
                _ => return Err(()),
            };
            let number: u64 = number.parse().map_err(|_| ())?;
            sum = sum.checked_add(Duration::from_millis(number.checked_mul(millis).ok_or(())?)).ok_or(())?;
            rest = after.trim_start();
        }
        if text.is_empty() { Err(()) } else { Ok(Self(sum)) }
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Time;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(TIME)
            }
            fn visit_u64<E: Error>(self, seconds: u64) -> Result<Time, E> {
                Ok(Time(Duration::from_secs(seconds)))
            }
            fn visit_i64<E: Error>(self, seconds: i64) -> Result<Time, E> {
                u64::try_from(seconds)
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(seconds), &self))
                    .and_then(|s| self.visit_u64(s))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Time, E> {
                text.parse().map_err(|()| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Time;

    #[test]
    fn times_are_read_as_people_write_them() {
        let read = |text: &str| text.parse::<Time>().ok().map(|time| time.0);
        assert_eq!(read("90"), Some(Duration::from_secs(90)));
        assert_eq!(read("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(read(" 1h 30m"), Some(Duration::from_secs(5400)));
        assert_eq!(read("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(read("2w 1 d"), Some(Duration::from_secs(15 * 86_400)));
        for wrong in ["", "h", "1x", "1.5h", "-1s", "1h 30", "99999999999999999999s", "18446744073709551615w", "1hh"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
