//! Names and values that engines like to trip over.

use std::sync::Arc;

use bytes::Bytes;
use unstick_core::{Change, FieldChange, FieldVersion, MAX_FIELD_NAME, Store};

use super::{
    Bench, Outcome,
    outcome::{check, check_eq, check_matches, value},
};

const NAMES: &[&str] = &[
    "'",
    "\"",
    "''",
    "\\",
    "\\\"",
    "`",
    "$",
    "$.a",
    "$1",
    "?1",
    ":a",
    "@a",
    "a.b",
    "a[0]",
    "a['b']",
    "[0]",
    "%",
    "%s",
    "_",
    "a%b",
    "*",
    "#",
    "--",
    "; DROP TABLE sessions; --",
    "{",
    "}",
    "{a}",
    "null",
    "NULL",
    "0",
    "-1",
    "1e3",
    "true",
    " ",
    " a",
    "a ",
    "a  b",
    "A",
    "a",
    "ä",
    "a\u{308}",
    "\u{e9}",
    "e\u{301}",
    "ß",
    "ss",
    "ſ",
    "İ",
    "ı",
    "漢字",
    "🛒",
    "\u{200b}",
    "\u{feff}x",
    "\u{fffd}",
    "\u{10ffff}",
];

/// Every name is its own field: no escape, collation, case folding, trimming or normalisation gets in between.
pub async fn odd_names_are_distinct<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let mut change = Change::new();
    for name in NAMES {
        change = change.set(name, format!("value of {name}"));
    }
    check!(at.apply(at.start(), &subject, &change).await?.is_done(), "apply of odd names");
    let fields = at.fields(at.start(), &subject).await?;
    check_eq!(fields.len(), NAMES.len(), "how many fields");
    for name in NAMES {
        check_eq!(value(&fields, name), Some(format!("value of {name}").as_bytes()), "the field called {name:?}");
    }
    for name in NAMES {
        let one = Change::new().set(name, "new").expect(name, fields.version(name));
        check!(at.apply(at.start(), &subject, &one).await?.is_done(), "setting {name:?} on its version");
    }
    for (gone, name) in NAMES.iter().enumerate() {
        check!(at.apply(at.start(), &subject, &Change::new().remove(name)).await?.is_done(), "removal of {name:?}");
        let left = at.fields(at.start(), &subject).await?;
        check_eq!(left.len(), NAMES.len() - gone - 1, "how many fields are left after the removal of {name:?}");
        check!(left.get(name).is_none(), "{name:?} is still there after its removal");
    }
    Ok(())
}

/// The longest name, in one-byte and in four-byte characters.
pub async fn long_names_are_kept<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let ascii = "n".repeat(MAX_FIELD_NAME);
    let wide = "🛒".repeat(MAX_FIELD_NAME / 4);
    check!(at.apply(at.start(), &subject, &Change::new().set(&ascii, "1").set(&wide, "2")).await?.is_done(), "apply of long names");
    let fields = at.fields(at.start(), &subject).await?;
    check_eq!(value(&fields, &ascii), Some(&b"1"[..]), "the field with a long name");
    check_eq!(value(&fields, &wide), Some(&b"2"[..]), "the field with a long wide name");
    Ok(())
}

/// Values are bytes, not text.
pub async fn binary_values_are_kept<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let all: Vec<u8> = (0..=255).collect();
    let values: [(&str, &[u8]); 8] = [
        ("all", &all),
        ("empty", b""),
        ("nul", b"\0"),
        ("nuls", b"a\0b\0"),
        ("not utf-8", b"\xff\xfe\xc0\x80"),
        ("half a character", b"\xf0\x9f\x9b"),
        ("line ends", b"\r\n\n\r"),
        ("json", br#"{"a":"\u0000","b":[1e999,null]}"#),
    ];
    let mut change = Change::new();
    for (name, bytes) in values {
        change = change.set(name, bytes.to_vec());
    }
    check!(at.apply(at.start(), &subject, &change).await?.is_done(), "apply of binary values");
    let fields = at.fields(at.start(), &subject).await?;
    for (name, bytes) in values {
        check_eq!(value(&fields, name), Some(bytes), "the value called {name:?}");
    }
    // An empty value is a value, not an absent field.
    let absent = Change::new().set("empty", "x").expect("empty", FieldVersion::ABSENT);
    check_matches!(at.apply(at.start(), &subject, &absent).await?, unstick_core::Applied::Conflict(_), "an empty value taken for absent");
    Ok(())
}

/// Principals are text of any script.
pub async fn odd_principals_are_kept<S: Store>(at: &Bench<S>) -> Outcome {
    for principal in ["ann@example.org", "O'Neill \"x\" \\ $1 %", "Jürgen 🛒", " ", "A", "a"] {
        let subject = at.session_of(Some(principal), Default::default()).await?;
        let session = super::live(at.load(at.start(), &subject).await?)?;
        check_eq!(session.principal.as_deref(), Some(principal), "principal");
    }
    Ok(())
}

/// Ten thousand fields at once, then one of them alone.
pub async fn ten_thousand_fields<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let name = |n: usize| Arc::<str>::from(format!("field-{n:05}"));
    let set = |n: usize| (name(n), FieldChange::Set(Bytes::from(n.to_string())));
    let change = Change { fields: (0..10_000).map(set).collect(), ..Change::new() };
    check!(at.apply(at.start(), &subject, &change).await?.is_done(), "apply of 10 000 fields");
    check!(at.apply(at.start(), &subject, &Change::new().set("field-05000", "new")).await?.is_done(), "apply of one of them");
    let fields = at.fields(at.start(), &subject).await?;
    check_eq!(fields.len(), 10_000, "how many fields");
    check_eq!(value(&fields, "field-05000"), Some(&b"new"[..]), "the one that was changed");
    for n in (0..10_000).filter(|n| *n != 5_000) {
        check_eq!(value(&fields, &name(n)), Some(n.to_string().as_bytes()), "field {n}");
    }
    check!(at.apply(at.start(), &subject, &Change { clear: true, ..Change::new() }).await?.is_done(), "clear of 10 000 fields");
    check!(at.fields(at.start(), &subject).await?.is_empty(), "fields are left after the clear");
    Ok(())
}

/// A value of one megabyte, of bytes that do not compress.
pub async fn one_megabyte<S: Store>(at: &Bench<S>) -> Outcome {
    let subject = at.session().await?;
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    let big: Vec<u8> = noise.take(1 << 20).collect();
    check!(at.apply(at.start(), &subject, &Change::new().set("big", big.clone()).set("small", "1")).await?.is_done(), "apply of 1 MB");
    let fields = at.fields(at.start(), &subject).await?;
    check!(value(&fields, "big") == Some(&big[..]), "the megabyte came back changed");
    check!(at.apply(at.start(), &subject, &Change::new().set("small", "2")).await?.is_done(), "a small change beside it");
    let fields = at.fields(at.start(), &subject).await?;
    check!(value(&fields, "big") == Some(&big[..]), "the megabyte changed with its neighbour");
    check_eq!(value(&fields, "small"), Some(&b"2"[..]), "the neighbour");
    Ok(())
}
