//! As much of a JSON writer as a report needs.

use std::fmt::Write;

/// Can be written as JSON.
pub(crate) trait ToJson {
    fn write(&self, out: &mut String);
}

/// Writes an object with these members, in this order.
pub(crate) fn object(out: &mut String, members: &[(&str, &dyn ToJson)]) {
    out.push('{');
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        name.write(out);
        out.push(':');
        value.write(out);
    }
    out.push('}');
}

impl ToJson for str {
    fn write(&self, out: &mut String) {
        out.push('"');
        for char in self.chars() {
            match char {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                control if control < ' ' => {
                    // Writing to a string cannot fail.
                    let _ = write!(out, "\\u{:04x}", u32::from(control));
                }
                other => out.push(other),
            }
        }
        out.push('"');
    }
}

impl ToJson for &str {
    fn write(&self, out: &mut String) {
        (**self).write(out);
    }
}

impl ToJson for String {
    fn write(&self, out: &mut String) {
        self.as_str().write(out);
    }
}

impl ToJson for bool {
    fn write(&self, out: &mut String) {
        out.push_str(if *self { "true" } else { "false" });
    }
}

impl ToJson for u64 {
    fn write(&self, out: &mut String) {
        let _ = write!(out, "{self}");
    }
}

impl ToJson for f64 {
    fn write(&self, out: &mut String) {
        // Unlike `Display`, `Debug` keeps the point of a whole number; what JSON has no words for is null.
        let _ = if self.is_finite() { write!(out, "{self:?}") } else { write!(out, "null") };
    }
}

impl<T: ToJson> ToJson for Option<T> {
    fn write(&self, out: &mut String) {
        match self {
            Some(value) => value.write(out),
            None => out.push_str("null"),
        }
    }
}

impl<T: ToJson> ToJson for Vec<T> {
    fn write(&self, out: &mut String) {
        out.push('[');
        for (index, value) in self.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            value.write(out);
        }
        out.push(']');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{ToJson, object};

    fn written(value: &dyn ToJson) -> String {
        let mut out = String::new();
        value.write(&mut out);
        out
    }

    #[test]
    fn every_kind_of_value_is_read_back() {
        let mut out = String::new();
        let list = vec![Some(1_u64), None];
        object(&mut out, &[("a \"b\"", &true), ("c", &"x\n\u{1}\\"), ("d", &list), ("e", &1.0), ("f", &f64::NAN)]);
        let read: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(read, json!({ "a \"b\"": true, "c": "x\n\u{1}\\", "d": [1, null], "e": 1.0, "f": null }));
        out.clear();
        object(&mut out, &[]);
        assert_eq!(out, "{}");
    }

    proptest! {
        #[test]
        fn any_text_and_number_is_read_back(text in any::<String>(), whole in any::<u64>(), share in 0.0..=1.0_f64) {
            prop_assert_eq!(serde_json::from_str::<String>(&written(&text)).unwrap(), text);
            prop_assert_eq!(serde_json::from_str::<u64>(&written(&whole)).unwrap(), whole);
            prop_assert_eq!(written(&share).parse::<f64>().unwrap().to_bits(), share.to_bits());
            prop_assert!(serde_json::from_str::<f64>(&written(&share)).is_ok());
        }
    }
}
