//! Releases whose values differ share a level.

use serde::{Deserialize, Serialize};
use unstick_cache::{Cache, CacheBuilder};
use unstick_core::EventKind;

use super::world::{HOUR, Node, World, ms, play};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct New {
    items: Vec<u64>,
    currency: String,
}

fn load<V: Clone + Send + 'static>(value: &V) -> impl FnOnce() -> std::future::Ready<Result<V, std::io::Error>> + Send + 'static {
    let value = value.clone();
    move || std::future::ready(Ok(value))
}

fn carts<V: Clone + Send + Sync + Serialize + serde::de::DeserializeOwned + 'static>(node: &Node) -> CacheBuilder<u64, V> {
    node.namespace.cache("carts").ttl(HOUR).tags(|_, _| vec!["all".to_owned()]).shared()
}

#[test]
fn neither_reads_the_other_s_bytes_and_an_invalidation_reaches_both() {
    play(|at| async move {
        let world = World::new(&at);
        let nodes = world.nodes(4).await;
        let old: Vec<Cache<u64, Vec<u64>>> = nodes[..2].iter().map(|node| carts(node).build().unwrap()).collect();
        let new: Vec<Cache<u64, New>> = nodes[2..].iter().map(|node| carts(node).schema(2).build().unwrap()).collect();
        for round in 0..6_u64 {
            let (was, is) = (vec![round], New { items: vec![round], currency: "SEK".to_owned() });
            for cache in &old {
                assert_eq!(cache.get_or_load(7, load(&was)).await.unwrap(), was);
            }
            for cache in &new {
                assert_eq!(cache.get_or_load(7, load(&is)).await.unwrap(), is);
            }
            match round {
                0 => old[0].invalidate(&7).await,
                1 => new[0].invalidate(&7).await,
                2 => nodes[0].namespace.invalidate_tag("all").await,
                3 => nodes[3].namespace.invalidate_tag("all").await,
                4 => nodes[0].namespace.clear().await,
                _ => nodes[2].namespace.clear().await,
            };
            at.sleep(ms(5)).await;
        }
        for cache in &old {
            assert_eq!((cache.stats().loads + cache.stats().level_hits, cache.stats().undecodable), (6, 0));
        }
        assert_eq!(old.iter().map(|cache| cache.stats().loads).sum::<u64>(), 6);
        assert_eq!(new.iter().map(|cache| cache.stats().loads).sum::<u64>(), 6);
    });
}

#[test]
fn what_cannot_be_decoded_is_loaded_and_replaced() {
    play(|at| async move {
        let world = World::new(&at);
        let nodes = world.nodes(3).await;
        // somebody forgot to raise the number
        let old: Cache<u64, Vec<u64>> = carts(&nodes[0]).build().unwrap();
        let new: Vec<Cache<u64, New>> = nodes[1..].iter().map(|node| carts(node).build().unwrap()).collect();
        let is = New { items: vec![1], currency: "SEK".to_owned() };
        old.get_or_load(7, load(&vec![1])).await.unwrap();
        assert_eq!(new[0].get_or_load(7, load(&is)).await.unwrap(), is);
        assert_eq!((new[0].stats().undecodable, new[0].stats().loads), (1, 1));
        assert_eq!(nodes[1].log.count(EventKind::CacheUndecodable), 1);
        assert_eq!(new[1].get_or_load(7, load(&is)).await.unwrap(), is);
        assert_eq!((new[1].stats().undecodable, new[1].stats().level_hits), (0, 1), "it was replaced");
    });
}

#[test]
fn what_cannot_be_encoded_stays_in_the_process() {
    play(|at| async move {
        let world = World::new(&at);
        let nodes = world.nodes(2).await;
        // JSON has no map with such keys
        type Odd = std::collections::BTreeMap<Vec<u8>, u64>;
        let caches: Vec<Cache<u64, Odd>> = nodes.iter().map(|node| carts(node).build().unwrap()).collect();
        let odd: Odd = [(vec![1, 2], 3)].into();
        for (cache, node) in caches.iter().zip(&nodes) {
            assert_eq!(cache.get_or_load(7, load(&odd)).await.unwrap(), odd);
            assert_eq!(cache.get(&7), Some(odd.clone()));
            assert_eq!(node.log.count(EventKind::CacheUnencodable), 1);
            assert_eq!(cache.stats().loads, 1);
        }
        assert!(nodes.iter().all(|node| !node.log.mentions("[1, 2]")));
    });
}
