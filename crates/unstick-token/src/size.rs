//! What a token has room for.

use unstick_core::{Error, ErrorKind, Fields};

/// Keys that the error names.
const NAMED: usize = 3;

/// Says which keys take the most.
pub(crate) fn too_large(fields: &Fields, length: usize, limit: usize) -> Error {
    let mut sizes: Vec<(usize, &str)> = fields.iter().map(|(name, field)| (name.len() + field.value.len(), &**name)).collect();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    let name = |(size, name): &(usize, &str)| {
        let start: String = name.chars().take(32).collect();
        format!("{start:?} ({size} bytes)")
    };
    let largest: Vec<String> = sizes.iter().take(NAMED).map(name).collect();
    Error::new(
        ErrorKind::TooLarge,
        format!(
            "the session's token would have {length} characters or more; `max_token` is {limit}; of its {} keys the largest are {}",
            sizes.len(),
            largest.join(", ")
        ),
    )
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use unstick_core::{Field, FieldVersion};

    use super::*;

    #[test]
    fn the_error_names_the_largest_keys() {
        let field = |length| Field { version: FieldVersion::from_u64(1), value: Bytes::from(vec![b'x'; length]) };
        let fields: Fields =
            [("a", 1), ("cart", 900), ("b", 2), ("seen", 500)].map(|(name, length)| (name.into(), field(length))).into_iter().collect();
        let text = too_large(&fields, 5000, 2800).to_string();
        assert!(text.contains(r#"4 keys the largest are "cart" (904 bytes), "seen" (504 bytes), "b" (3 bytes)"#), "{text}");
        assert!(text.contains("5000") && text.contains("`max_token` is 2800"), "{text}");
        assert!(!text.contains("xxx"));
    }
}
