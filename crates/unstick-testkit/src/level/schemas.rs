//! Values of different schemas stand side by side under one key, and fall together.

use std::time::Duration;

use unstick_core::{Filled, Level, LevelKey, Target};

use super::{LevelBench, MINUTE, key, tagged, value};
use crate::contract::{
    Outcome,
    outcome::{check, check_eq},
};

const SCHEMAS: [u32; 4] = [1, 2, 12, u32::MAX];

async fn bytes<L: Level>(at: &LevelBench<L>, key: &LevelKey, schema: u32) -> Result<Option<bytes::Bytes>, crate::contract::Failure> {
    Ok(at.other().read(at.op(), key, schema).await?.map(|value| value.bytes))
}

/// Nobody is handed what another release encoded.
pub async fn values_side_by_side<L: Level>(at: &LevelBench<L>) -> Outcome {
    at.put_as(&key("k"), 1, &value("1")).await?;
    check_eq!(bytes(at, &key("k"), 2).await?, None, "a schema without a value");
    for schema in &SCHEMAS[1..] {
        at.put_as(&key("k"), *schema, &value(&schema.to_string())).await?;
    }
    for schema in SCHEMAS {
        check_eq!(bytes(at, &key("k"), schema).await?, Some(schema.to_string().into()), "schema {schema}");
    }
    Ok(())
}

/// Loads of two schemas do not wait for one another, and a lease is good for its own schema alone.
pub async fn leases_side_by_side<L: Level>(at: &LevelBench<L>) -> Outcome {
    let one = at.lease_for(&key("k"), 1, MINUTE).await?;
    let two = at.lease_for(&key("k"), 2, MINUTE).await?;
    let mixed = unstick_core::Held { schema: 2, ..one };
    check_eq!(at.fill(&key("k"), mixed, &value("mixed up")).await?, Filled::Refused, "the lease of another schema");
    check!(!at.level().release(at.op(), &key("k"), mixed).await?, "the lease of another schema was given back");
    for (lease, text) in [(one, "1"), (two, "2")] {
        check_eq!(at.fill(&key("k"), lease, &value(text)).await?, Filled::Done { awaited: false }, "fill of schema {text}");
        check_eq!(bytes(at, &key("k"), lease.schema).await?, Some(text.to_owned().into()), "schema {text}");
    }
    Ok(())
}

/// One invalidation of a key is for all schemas.
pub async fn invalidation_reaches_all_schemas<L: Level>(at: &LevelBench<L>) -> Outcome {
    for schema in SCHEMAS {
        at.put_as(&key("k"), schema, &value("v")).await?;
    }
    at.invalidate(Target::Key(key("k"))).await?;
    for schema in SCHEMAS {
        check_eq!(bytes(at, &key("k"), schema).await?, None, "schema {schema}");
    }
    Ok(())
}

/// And for what is being loaded.
pub async fn invalidation_reaches_loads_of_all_schemas<L: Level>(at: &LevelBench<L>) -> Outcome {
    let mut leases = Vec::new();
    for schema in SCHEMAS {
        leases.push(at.lease_for(&key("k"), schema, MINUTE).await?);
    }
    at.invalidate(Target::Key(key("k"))).await?;
    for lease in leases {
        check_eq!(at.fill(&key("k"), lease, &value("stale")).await?, Filled::Refused, "fill of schema {}", lease.schema);
        check_eq!(bytes(at, &key("k"), lease.schema).await?, None, "schema {}", lease.schema);
        at.lease_for(&key("k"), lease.schema, Duration::from_secs(1)).await?;
    }
    Ok(())
}

/// The same for tags.
pub async fn tag_reaches_all_schemas<L: Level>(at: &LevelBench<L>) -> Outcome {
    for schema in SCHEMAS {
        at.put_as(&key("k"), schema, &tagged("v", &["t"])).await?;
    }
    at.invalidate(Target::Tag("t".into())).await?;
    for schema in SCHEMAS {
        check_eq!(bytes(at, &key("k"), schema).await?, None, "schema {schema}");
    }
    Ok(())
}
